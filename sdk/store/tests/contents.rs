//! What is written where, damage, limits, and files.

use std::fs;

use offshoot_store::{
    FILE_SECTOR, FileError, FileMedium, LoadError, Medium, MemoryMedium, OpenError, SaveError, Saved, Store,
    medium_size,
};

mod common;

use common::{header, image, loaded, medium, open, record};

const CAPACITY: u32 = 192;

#[test]
fn slots_are_as_power_md_says() {
    let mut store = open(medium(CAPACITY, || 0xff));
    let records = [record(1, 192), record(2, 0), record(3, 65)];
    for record in &records {
        assert_eq!(store.save(record), Ok(Saved::Written));
    }
    assert_eq!((store.sequence(), store.record_len()), (Some(3), Some(65)));
    let bytes = store.into_medium().bytes().to_vec();
    assert_eq!(bytes[..64], header(256, 3, &records[2]));
    assert_eq!(bytes[64..129], records[2]);
    // The second slot's record is empty, and its payload was never written.
    assert_eq!(bytes[256..320], header(256, 2, &[]));
    assert!(bytes[320..].iter().all(|b| *b == 0xff));
}

/// Any flipped bit of the current slot: the older record loads, or none. Of the other slot: no matter.
#[test]
fn every_flipped_bit_is_found() {
    let (old, new) = (record(1, 100), record(2, 100));
    let whole = image(CAPACITY, [Some((1, &old)), Some((2, &new))]).bytes().to_vec();
    let used = |at: usize| at % 256 < 164;
    for bit in (0..whole.len() * 8).filter(|bit| used(bit / 8)) {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut store = Store::open(offshoot_store::FaultyMedium::new(bytes, 64).unwrap()).unwrap();
        let in_new_payload = bit / 8 >= 320;
        assert_eq!(store.has_lost(), in_new_payload, "bit {bit}");
        let expected = if bit / 8 < 256 { &new } else { &old };
        assert_eq!(loaded(&mut store).as_ref(), Some(expected), "bit {bit}");
    }
}

#[test]
fn damage_is_told_and_mended_by_a_save() {
    let old = record(1, 100);
    let mut bytes = image(CAPACITY, [Some((1, &old)), None]).bytes().to_vec();
    bytes[70] ^= 1;
    let mut store = Store::open(MemoryMedium::new(bytes.clone(), 64).unwrap()).unwrap();
    let mut room = [0; 192];
    assert!(store.has_lost());
    assert_eq!(store.load(&mut room), Err(LoadError::Damaged));
    assert_eq!(store.save(b"new"), Ok(Saved::Written));
    assert_eq!(store.load(&mut room), Ok(Some(&b"new"[..])));
    // A record that rots while the store is open.
    store.medium_mut().write(64, b"N").unwrap();
    assert_eq!(store.load(&mut room), Err(LoadError::Damaged));
    assert_eq!(store.save(b"new"), Ok(Saved::Written), "not taken for unchanged");
    assert_eq!(store.load(&mut room), Ok(Some(&b"new"[..])));
    // A length that no slot has, under a right header.
    let long = header(256, 1, &[0; 193]);
    bytes[..64].copy_from_slice(&long);
    let mut store = Store::open(MemoryMedium::new(bytes, 64).unwrap()).unwrap();
    assert_eq!(store.load(&mut room), Err(LoadError::Damaged));
}

#[test]
fn limits_are_told_and_nothing_is_written() {
    let mut store = open(medium(CAPACITY, || 0));
    store.save(&[1; 192]).unwrap();
    let before = store.medium_mut().bytes().to_vec();
    assert_eq!(store.save(&[2; 193]), Err(SaveError::TooLong { found: 193, capacity: 192 }));
    assert_eq!(store.load(&mut [0; 191]), Err(LoadError::TooShort { found: 191, needed: 192 }));
    assert_eq!(store.into_medium().bytes(), before);
}

#[test]
fn other_versions_and_geometries_are_refused() {
    let mut other = header(512, 1, &[]);
    other.resize(512, 0);
    let error = Store::open(MemoryMedium::new(other.clone(), 64).unwrap()).unwrap_err();
    assert_eq!(error, OpenError::OtherGeometry { slot: 512, sector: 64, here: 256, sector_here: 64 });
    (other[8], other[36]) = (2, !2);
    let error = Store::open(MemoryMedium::new(other.clone(), 64).unwrap()).unwrap_err();
    assert_eq!(error, OpenError::OtherVersion { found: 2 });
    let mut store = Store::erase(MemoryMedium::new(other, 64).unwrap()).unwrap();
    assert_eq!((store.load(&mut []), store.sequence()), (Ok(None), None));
    store.save(b"anew").unwrap();
    assert_eq!(Store::open(store.into_medium()).unwrap().sequence(), Some(1));
}

#[test]
fn a_save_wears_what_it_says() {
    for length in [0, 1, 64, 65, 192] {
        let mut store = open(medium(CAPACITY, || 0));
        let before = store.medium_mut().counts();
        let new = record(9, length);
        assert_eq!(store.save(&new), Ok(Saved::Written));
        let after = store.medium_mut().counts();
        assert_eq!(after.sectors - before.sectors, store.sectors_per_save(length));
        assert_eq!(after.syncs - before.syncs, 2);
        assert_eq!(store.save(&new), Ok(Saved::Unchanged));
        assert_eq!(store.medium_mut().counts().steps, after.steps, "nothing is written or synced");
    }
}

#[test]
fn files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory");
    let size = medium_size(10_000, FILE_SECTOR).unwrap();
    // A leftover of a process that was killed while it made the file.
    fs::write(folder.path().join("memory.new"), "half").unwrap();
    let mut store = Store::open(FileMedium::open(&path, size).unwrap()).unwrap();
    assert!(store.capacity() >= 10_000);
    store.save(b"first").unwrap();
    assert!(matches!(FileMedium::open(&path, size), Err(FileError::InUse)));
    drop(store);
    let mut store = Store::open(FileMedium::open(&path, size).unwrap()).unwrap();
    assert_eq!(store.load(&mut [0; 5]).unwrap(), Some(&b"first"[..]));
    store.save(&[7; 10_000]).unwrap();
    drop(store);
    assert_eq!(fs::metadata(&path).unwrap().len(), size, "a file never grows");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let error = FileMedium::open(&path, size + 1).unwrap_err();
    assert!(matches!(error, FileError::OtherSize { found, asked } if found + 1 == asked));
    let nowhere = FileMedium::open(folder.path().join("none/memory"), size).unwrap_err();
    assert!(matches!(nowhere, FileError::Io(_)));
}
