//! Every operation failing, in every manner, and random histories of everything.

use offshoot_store::{
    Fate, Fault, FaultyMedium, LoadError, Manner, OpenError, SaveError, Saved, Store,
};

mod common;

use common::{Random, beginnings, every_cut, image, loaded, medium, open, record};

const CAPACITY: u32 = 192;
const MANNERS: [Manner; 2] = [Manner::Clean, Manner::Half];

/// Operations of one save.
fn operations(medium: &FaultyMedium, record: &[u8]) -> u64 {
    let mut store = open(medium.clone());
    let before = store.medium_mut().counts().operations;
    store.save(record).unwrap();
    store.medium_mut().counts().operations - before
}

/// Operation k fails, and `more` after it: the error is told, the old record stays current, any
/// power cut leaves old or new, and a later save works and survives one.
#[test]
fn every_operation_of_a_save_fails() {
    let new = record(102, 190);
    let next = record(103, 120);
    let mut random = Random(1);
    let mut failures = 0;
    for (name, medium, old) in beginnings(CAPACITY) {
        for (k, more) in
            (0..operations(&medium, &new)).flat_map(|k| [0, 1, 2, 99].map(|more| (k, more)))
        {
            for manner in MANNERS {
                let mut store = open(medium.clone());
                store.medium_mut().fail(k..k + 1 + more, manner);
                let saved = store.save(&new);
                // Reads only ask whether the record is new; a save does without them.
                if matches!(saved, Err(SaveError::Medium(Fault::Injected { .. }))) {
                    failures += 1;
                    store.medium_mut().heal();
                    assert_eq!(loaded(&mut store), old, "{name}: a failed save changes nothing");
                } else {
                    assert_eq!(saved, Ok(Saved::Written), "{name}");
                    store.medium_mut().heal();
                }
                let saved = saved.is_ok();
                every_cut(&store.medium_mut().clone(), 6, 0, &mut random, |found| {
                    let now = loaded(&mut open(found));
                    assert!(
                        now.as_ref() == Some(&new) || (now == old && !saved),
                        "{name}: {k}, {manner:?}"
                    );
                });
                assert_eq!(store.save(&next), Ok(Saved::Written), "{name}: usable");
                assert_eq!(loaded(&mut store).as_ref(), Some(&next), "{name}");
                let found = store.into_medium().after_cut(|_, _| Fate::Lost);
                assert_eq!(loaded(&mut open(found)), Some(next.clone()), "{name}: {k}, {manner:?}");
            }
        }
    }
    assert!(failures > 300, "{failures} failed saves only");
}

/// After a failed save the power fails in the next one: its record, the failed one or the old one.
#[test]
fn failed_and_then_cut() {
    let new = record(102, 190);
    let next = record(103, 120);
    let mut random = Random(2);
    for (name, medium, old) in beginnings(CAPACITY) {
        for k in 0..operations(&medium, &new) {
            for (manner, more) in MANNERS.into_iter().flat_map(|m| [(m, 1), (m, 3)]) {
                for step in 0..600 {
                    let mut store = open(medium.clone());
                    store.medium_mut().fail(k..k + more, manner);
                    let first = store.save(&new).is_ok();
                    store.medium_mut().heal();
                    store.medium_mut().cut_after(step);
                    let second = store.save(&next).is_ok();
                    let cut = store.into_medium();
                    for _ in 0..3 {
                        let now = loaded(&mut open(cut.after_cut(|_, _| random.fate())));
                        let is_next = now.as_ref() == Some(&next);
                        let before = now.as_ref() == Some(&new) || (now == old && !first);
                        assert!(is_next || (before && !second), "{name}: {k}, {manner:?}, {step}");
                    }
                    if second {
                        break;
                    }
                    assert!(step < 599, "the save ends");
                }
            }
        }
    }
}

#[test]
fn every_operation_of_opening_and_loading_fails() {
    for (name, medium, old) in beginnings(CAPACITY) {
        let mut store = open(medium.clone());
        let opening = store.medium_mut().counts().operations;
        for k in 0..opening {
            let mut broken = medium.clone();
            broken.fail(k..k + 1, Manner::Half);
            let error =
                Store::open(broken).expect_err("an older record must not pass for the newest");
            assert_eq!(error, OpenError::Medium(Fault::Injected { operation: k }), "{name}");
        }
        store.medium_mut().fail(0..1, Manner::Half);
        let mut room = [0; CAPACITY as usize];
        let found = store.load(&mut room);
        match old {
            Some(_) => {
                assert!(matches!(found, Err(LoadError::Medium(Fault::Injected { .. }))), "{name}")
            }
            None => assert_eq!(found, Ok(None), "{name}"),
        }
        store.medium_mut().heal();
        assert_eq!(loaded(&mut store), old, "{name}");
    }
}

/// A slot that cannot be read: the other one loads if that is asked for, and the loss is told.
#[test]
fn what_can_be_read_is_salvaged() {
    let old = record(1, 100);
    let new = record(2, 100);
    let next = record(3, 100);
    let mut medium = image(CAPACITY, [Some((1, &old)), Some((2, &new))]);
    // Sync, header and payload of the first slot, header of the second.
    medium.fail(3..4, Manner::Half);
    assert!(matches!(Store::open(medium.clone()), Err(OpenError::Medium(_))));
    let mut store = Store::salvage(medium).unwrap();
    assert!(store.has_lost());
    assert_eq!(loaded(&mut store), Some(old));
    // The unreadable slot is erased before it is written: it must not come back in a power cut.
    store.medium_mut().heal();
    store.save(&next).unwrap();
    assert!(!store.has_lost());
    let found = store.into_medium().after_cut(|_, _| Fate::Lost);
    assert_eq!(loaded(&mut open(found)), Some(next));
}

/// Records that a history may load: the last acknowledged one, or one whose save began after it.
struct Model {
    acknowledged: Option<Vec<u8>>,
    attempts: Vec<Vec<u8>>,
}

impl Model {
    fn check(&mut self, now: Option<Vec<u8>>, what: &str) {
        let fits =
            now == self.acknowledged || self.attempts.iter().any(|a| now.as_ref() == Some(a));
        assert!(fits, "{what}: something that was neither acknowledged nor in progress");
        // Opened and loaded: it is on the medium, and must stay.
        self.acknowledged = now;
        self.attempts.clear();
    }
}

/// One random event of a history.
fn event(
    mut store: Store<FaultyMedium>,
    model: &mut Model,
    random: &mut Random,
) -> Store<FaultyMedium> {
    match random.below(10) {
        0 => {
            // Killed, and started again.
            let mut medium = store.into_medium();
            medium.heal();
            let mut store = open(medium);
            model.check(loaded(&mut store), "killed");
            return store;
        }
        1 | 2 => {
            let found = store.into_medium().after_cut(|_, _| random.fate());
            let mut store = open(found);
            model.check(loaded(&mut store), "power cut");
            return store;
        }
        3 => store.medium_mut().cut_after(random.below(800)),
        4 => {
            let from = random.below(6);
            let manner = MANNERS[random.below(2) as usize];
            store.medium_mut().fail(from..from + 1, manner);
        }
        5 => {
            if let Some(again) = model.acknowledged.clone().filter(|_| random.below(2) == 0)
                && store.save(&again).is_ok()
            {
                model.attempts.clear();
            }
        }
        _ => {
            let length = random.below(u64::from(CAPACITY) + 1) as usize;
            let new = random.bytes(length);
            if store.save(&new).is_ok() {
                model.acknowledged = Some(new);
                model.attempts.clear();
            } else {
                model.attempts.push(new);
            }
        }
    }
    store
}

#[test]
fn random_histories() {
    let mut random = Random(7);
    for _ in 0..2000 {
        let mut model = Model { acknowledged: None, attempts: vec![] };
        let mut store = open(medium(CAPACITY, || random.next() as u8));
        for _ in 0..100 {
            store = event(store, &mut model, &mut random);
        }
    }
}
