//! Power cut at every byte of a save, with everything that can become of what was not synced.

use offshoot_store::{Fate, FaultyMedium, Saved, Store};

mod common;

use common::{Random, beginnings, every_cut, loaded, medium, open, record};

const CAPACITY: u32 = 192;

/// The media that a save of `record` leaves whose power fails after `steps`, and whether it
/// returned.
fn cut_save(medium: &FaultyMedium, record: &[u8], steps: u64) -> (FaultyMedium, bool) {
    let mut store = open(medium.clone());
    store.medium_mut().cut_after(steps);
    let saved = store.save(record).is_ok();
    (store.into_medium(), saved)
}

/// Steps of a whole save.
fn steps(medium: &FaultyMedium, record: &[u8]) -> u64 {
    let mut store = open(medium.clone());
    let before = store.medium_mut().counts().steps;
    assert_eq!(store.save(record), Ok(Saved::Written));
    store.medium_mut().counts().steps - before
}

/// Loads the old or the new record; another save works and loads.
fn is_old_or_new(
    name: &str,
    found: FaultyMedium,
    old: Option<&[u8]>,
    new: &[u8],
    saved: bool,
) -> bool {
    let mut store = open(found);
    assert!(
        !store.is_foreign() || name == "garbage",
        "{name}: what a cut left is taken for another's"
    );
    let now = loaded(&mut store);
    let is_new = now.as_deref() == Some(new);
    assert!(is_new || !saved, "{name}: an acknowledged record is lost");
    assert!(is_new || now.as_deref() == old, "{name}: neither the old record nor the new one");
    is_new
}

#[test]
fn every_byte_and_every_subset() {
    let new = record(102, 190);
    let mut random = Random(2);
    let mut states = 0_u64;
    for (name, medium, old) in beginnings(CAPACITY) {
        let all = steps(&medium, &new);
        let mut news = 0;
        for step in 0..=all {
            let (cut, saved) = cut_save(&medium, &new, step);
            assert_eq!(saved, step == all, "{name}: the last step is the last sync");
            every_cut(&cut, 6, 0, &mut random, |found| {
                states += 1;
                news += u64::from(is_old_or_new(name, found, old.as_deref(), &new, saved));
            });
        }
        assert!(news > 1, "{name}: the new record appears before it is acknowledged");
    }
    println!("{states} states after a power cut, none lost");
    assert!(states > 1_000_000, "{states} states only");
}

/// Longer records, in which the subsets are too many: random ones, and bits mixed at random.
#[test]
fn long_records_and_random_subsets() {
    let old = record(1, 4000);
    let new = record(2, 3500);
    let mut random = Random(3);
    let mut store = open(medium(4096, || 0xff));
    store.save(&old).unwrap();
    let medium = store.into_medium();
    let all = steps(&medium, &new);
    for step in 0..=all {
        let (cut, saved) = cut_save(&medium, &new, step);
        every_cut(&cut, 0, 16, &mut random, |found| {
            is_old_or_new("long", found, Some(&old), &new, saved);
        });
    }
}

/// A sector that was being written becomes garbage as a whole.
#[test]
fn torn_sectors_of_garbage() {
    let new = record(102, 190);
    let mut random = Random(4);
    for (name, medium, old) in beginnings(CAPACITY) {
        for step in 0..=steps(&medium, &new) {
            let (cut, saved) = cut_save(&medium, &new, step);
            for _ in 0..40 {
                let found = cut.after_cut(|_, _| match random.below(3) {
                    0 => Fate::Garbage(random.next()),
                    _ => random.fate(),
                });
                is_old_or_new(name, found, old.as_deref(), &new, saved);
            }
        }
    }
}

/// The power fails in a save, and again at every step of the one after; then a third save is made.
#[test]
fn cut_again_in_the_next_save() {
    let new = record(102, 130);
    let next = record(103, 190);
    let last = record(104, 10);
    let mut random = Random(5);
    let mut states = 0_u64;
    for (name, medium, old) in beginnings(CAPACITY) {
        for first in 0..=steps(&medium, &new) {
            let (cut, _) = cut_save(&medium, &new, first);
            let between = cut.after_cut(|_, _| random.fate());
            let held = loaded(&mut open(between.clone()));
            assert!(held == old || held.as_ref() == Some(&new), "{name}");
            for second in 0..=steps(&between, &next) {
                let (cut, saved) = cut_save(&between, &next, second);
                let found = cut.after_cut(|_, _| random.fate());
                is_old_or_new(name, found.clone(), held.as_deref(), &next, saved);
                let mut store = open(found);
                assert_eq!(store.save(&last), Ok(Saved::Written), "{name}");
                let found = store.into_medium().after_cut(|_, _| Fate::Lost);
                is_old_or_new(name, found, None, &last, true);
                states += 1;
            }
        }
    }
    println!("{states} states after two power cuts, none lost");
    assert!(states > 100_000, "{states} states only");
}

/// A process is killed within a save: nothing unsynced is lost, another process loads it and saves;
/// then the power fails in that save. What the second process loaded must not be lost.
#[test]
fn killed_and_then_cut() {
    let new = record(102, 130);
    let next = record(103, 190);
    let mut random = Random(6);
    for (name, medium, _) in beginnings(CAPACITY) {
        for first in 0..=steps(&medium, &new) {
            let (mut killed, _) = cut_save(&medium, &new, first);
            killed.heal();
            let held = loaded(&mut open(killed.clone()));
            for second in (0..=steps(&killed, &next)).step_by(3) {
                let (cut, saved) = cut_save(&killed, &next, second);
                for fate in [Fate::Lost, Fate::Kept, random.fate()] {
                    is_old_or_new(name, cut.after_cut(|_, _| fate), held.as_deref(), &next, saved);
                }
            }
        }
    }
}

/// The checks above are only as good as what they find: a store that syncs once, header and payload
/// together, loads something that was never saved when its checksum happens to fit; and one that
/// overwrites its only slot loses it. The second is easily made.
#[test]
fn the_injector_finds_a_store_with_one_slot() {
    use offshoot_store::Medium;
    let old = record(1, 100);
    let new = record(2, 100);
    let mut medium = common::image(CAPACITY, [Some((1, &old)), None]);
    let slot = medium.size() as u32 / 2;
    medium.cut_after(64 + 50);
    let header = common::header(slot, 2, &new);
    let written = medium.write(0, &header).and_then(|()| medium.write(64, &new));
    assert!(written.is_err());
    let mut lost = 0;
    every_cut(&medium, 6, 0, &mut Random(1), |found| {
        let store = Store::open(found).unwrap();
        lost += u64::from(store.sequence().is_none());
    });
    assert!(lost > 0, "the states that lose a record were not tried");
}
