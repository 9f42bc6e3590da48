//! Contents of both slots after each save, damage, limits, and files.

use std::fs;

use offshoot_store::{
    FILE_SECTOR, FileError, FileMedium, LoadError, Medium, MemoryMedium, OpenError, SaveError,
    Saved, Store, medium_size,
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

/// Any flipped bit of the current slot: the older record loads, or none. Of the other slot: no
/// matter.
#[test]
fn every_flipped_bit_is_found() {
    let old = record(1, 100);
    let new = record(2, 100);
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
    assert_eq!(
        error,
        OpenError::OtherGeometry { slot: 512, sector: 64, here: 256, sector_here: 64 }
    );
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

/// Links and files of others at the new file's place are neither followed nor written to.
#[test]
#[cfg(unix)]
fn no_link_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory");
    let fresh = folder.path().join("memory.new");
    let victim = folder.path().join("victim");
    let size = medium_size(100, FILE_SECTOR).unwrap();
    fs::write(&victim, "precious").unwrap();

    std::os::unix::fs::symlink(&victim, &fresh).unwrap();
    let error = FileMedium::open(&path, size).unwrap_err();
    assert!(matches!(&error, FileError::NotPlain(at) if *at == fresh), "{error}");
    assert_eq!(error.to_string(), format!("{} is no plain file; remove it", fresh.display()));
    // Nor is a file made where a link leads to nothing.
    fs::remove_file(&fresh).unwrap();
    std::os::unix::fs::symlink(folder.path().join("made"), &fresh).unwrap();
    assert!(FileMedium::open(&path, size).is_err());
    assert!(!folder.path().join("made").exists());
    fs::remove_file(&fresh).unwrap();

    fs::hard_link(&victim, &fresh).unwrap();
    FileMedium::open(&path, size).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(fs::metadata(&path).unwrap().len(), size);
}

/// Processes that make the file at the same moment: one has it, the others are told.
#[test]
fn one_of_many_makes_the_file() {
    let size = medium_size(100, FILE_SECTOR).unwrap();
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        fs::write(folder.path().join("memory.new"), "half").unwrap();
        let start = std::sync::Barrier::new(4);
        let open = || {
            start.wait();
            FileMedium::open(&path, size)
        };
        let all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let refused = all.iter().filter(|made| matches!(made, Err(FileError::InUse))).count();
        assert_eq!((all.iter().filter(|made| made.is_ok()).count(), refused), (1, 3), "{all:?}");
        assert_eq!(fs::metadata(&path).unwrap().len(), size);
    }
}

/// Contents that no save can have left are reported before they are overwritten.
#[test]
fn foreign_bytes_are_told() {
    let size = medium_size(100, FILE_SECTOR).unwrap() as usize;
    let foreign = |bytes: Vec<u8>| {
        Store::open(MemoryMedium::new(bytes, FILE_SECTOR).unwrap()).unwrap().is_foreign()
    };
    assert!(!foreign(vec![0; size]) && !foreign(vec![0xff; size]));
    assert!(foreign(vec![b'a'; size]));
    // Zeros where headers would be.
    let mut image = vec![0; size];
    image[size - 1] = 1;
    assert!(foreign(image));
    let mut store = Store::open(MemoryMedium::new(vec![b'a'; size], FILE_SECTOR).unwrap()).unwrap();
    store.save(b"taken over").unwrap();
    assert!(!store.is_foreign());
}
