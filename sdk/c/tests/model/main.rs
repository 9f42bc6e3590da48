//! Random sequences of calls, with handles that are open, closed and of nothing, against the
//! facade.

use std::collections::BTreeMap;

use offshoot::{Error, Extractor, Head, HeadKind, Limits};
use offshoot_c::*;

mod asking;
#[path = "../common/mod.rs"]
mod common;
#[path = "../../../tests/common/mod.rs"]
mod shared;
mod teaching;

use common::{all, c, last_error, room, text, write};
use shared::random::Random;

const STEPS: usize = 2_500;
const SEEDS: u64 = 4;

/// Result that the library must give.
enum Want<T> {
    /// Value of a success.
    Is(T),
    /// Failure in the facade's words.
    Words(String),
    /// Failure that only C can cause.
    Misuse(Status),
}

/// Asserts that a call failed as it must, or returns the value of its success.
fn settle<T>(status: Status, want: Want<T>) -> Option<T> {
    match want {
        Want::Is(value) => {
            assert_eq!(status, Status::Ok, "{}", last_error());
            Some(value)
        }
        Want::Words(words) => {
            assert_ne!(status, Status::Ok);
            // C knows the name, which the facade's error does not hold.
            match words.strip_suffix(" of that name") {
                Some(front) => assert!(last_error().starts_with(&format!("{front} `"))),
                None => assert_eq!(last_error(), words),
            }
            None
        }
        Want::Misuse(code) => {
            assert_eq!(status, code, "{}", last_error());
            assert!(!last_error().is_empty());
            None
        }
    }
}

/// Asserts that a call failed with a code.
fn misused(status: Status, code: Status) {
    settle::<()>(status, Want::Misuse(code));
}

fn want<T, E: Into<Error>>(result: Result<T, E>) -> Want<T> {
    match result {
        Ok(value) => Want::Is(value),
        Err(error) => Want::Words(error.into().to_string()),
    }
}

/// Open things as the facade has them, by the handles of the library.
struct World {
    random: Random,
    extractors: BTreeMap<u64, Extractor>,
    heads: BTreeMap<u64, Head>,
    /// Handles of both types, and numbers that are none.
    ids: Vec<u64>,
    packages: [Vec<u8>; 2],
    folder: tempfile::TempDir,
    /// Number of calls by status.
    seen: BTreeMap<i32, usize>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            extractors: BTreeMap::new(),
            heads: BTreeMap::new(),
            ids: vec![0, 1, u64::MAX, 1 << 56, 3 << 56 | 1],
            packages: [common::TINY.to_vec(), shared::net::mobile_net()],
            folder: tempfile::tempdir().unwrap(),
            seen: BTreeMap::new(),
        }
    }

    fn count(&mut self, status: Status) -> Status {
        *self.seen.entry(status as i32).or_default() += 1;
        status
    }

    /// Handle of an open extractor, or now and then of anything.
    fn extractor(&mut self) -> u64 {
        let open: Vec<u64> = self.extractors.keys().copied().collect();
        if open.is_empty() || self.random.below(12) == 0 {
            return self.random.pick(&self.ids);
        }
        self.random.pick(&open)
    }

    fn head(&mut self) -> u64 {
        let open: Vec<u64> = self.heads.keys().copied().collect();
        if open.is_empty() || self.random.below(12) == 0 {
            return self.random.pick(&self.ids);
        }
        self.random.pick(&open)
    }

    /// Name that is mostly free, and now and then one that is refused.
    fn name(&mut self) -> String {
        let letter = char::from(b'a' + self.random.below(8) as u8);
        match self.random.below(12) {
            0 => String::new(),
            1 => "x".repeat(65),
            2 => "tab\t".to_string(),
            _ => letter.to_string(),
        }
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0 => self.open_and_close(),
            1 => self.make_and_close(),
            2 => self.settings(),
            3 => self.keep(),
            4 | 5 => self.class(),
            6 => self.rename_and_remove(),
            7 => self.forget(),
            8 => self.merge(),
            9 | 10 => self.fit(),
            11 | 12 => self.ask(),
            13 => self.report(),
            14 => self.describe(),
            _ => self.sample(),
        }
    }

    fn open_and_close(&mut self) {
        if self.extractors.len() < 4 {
            let mut package = self.packages[self.random.below(2)].clone();
            if self.random.below(3) == 0 {
                let at = self.random.below(package.len());
                package[at] ^= 1;
            }
            let mut extractor = ExtractorHandle { id: 0 };
            let none = common::no();
            let status = offshoot_extractor_open_bytes(
                all(&package),
                package.len(),
                none,
                write(&mut extractor),
            );
            self.count(status);
            if let Some(facade) = settle(status, want(Extractor::from_bytes(package))) {
                assert!(self.extractors.insert(extractor.id, facade).is_none());
                assert!(!self.ids.contains(&extractor.id));
                self.ids.push(extractor.id);
            } else {
                assert_eq!(extractor.id, 0);
            }
            return;
        }
        let id = self.extractor();
        let status = offshoot_extractor_close(ExtractorHandle { id });
        self.count(status);
        settle(status, known(self.extractors.remove(&id)));
    }

    fn make_and_close(&mut self) {
        if self.heads.len() >= 6 {
            let id = self.head();
            let status = offshoot_head_close(HeadHandle { id });
            self.count(status);
            settle(status, known(self.heads.remove(&id)));
            return;
        }
        let extractor = self.extractor();
        let kind = self.random.below(7) as u32;
        let classes = self.random.pick(&[0, 1, 2, 5, 5, 2000, 70_000]);
        let samples = self.random.pick(&[0, 1, 9, 9, 30, 70_000]);
        let mut head = HeadHandle { id: 0 };
        let status = offshoot_head_new(
            ExtractorHandle { id: extractor },
            kind,
            classes,
            samples,
            write(&mut head),
        );
        self.count(status);
        let Some(&kind) = HeadKind::ALL.get(kind as usize) else {
            return misused(status, Status::InvalidValue);
        };
        let (Ok(classes), Ok(samples)) = (u16::try_from(classes), u16::try_from(samples)) else {
            return misused(status, Status::InvalidValue);
        };
        let made = match self.extractors.get(&extractor) {
            Some(extractor) => want(Head::new(kind, extractor, Limits { classes, samples })),
            None => Want::Misuse(Status::InvalidHandle),
        };
        self.keep_new(status, head, made);
    }

    /// Notes a head that was made.
    fn keep_new(&mut self, status: Status, handle: HeadHandle, made: Want<Head>) {
        if let Some(head) = settle(status, made) {
            assert!(!self.ids.contains(&handle.id) && handle.id != 0);
            self.ids.push(handle.id);
            self.heads.insert(handle.id, head);
        } else {
            assert_eq!(handle.id, 0, "a failure leaves the handle as it was");
        }
    }

    /// Files and bytes.
    fn keep(&mut self) {
        let id = self.head();
        let path = self.folder.path().join("kept.head");
        let name = c(path.to_str().unwrap());
        let status = offshoot_head_save(HeadHandle { id }, text(&name));
        self.count(status);
        let is_open = self.heads.contains_key(&id);
        settle(status, if is_open { Want::Is(()) } else { Want::Misuse(Status::InvalidHandle) });
        let mut bytes = vec![0; self.random.pick(&[0, 40, 100_000])];
        let mut length = 0;
        let status = offshoot_head_encode(
            HeadHandle { id },
            room(&mut bytes),
            bytes.len(),
            write(&mut length),
        );
        self.count(status);
        let mut same = vec![0; bytes.len()];
        let encoded = self.heads.get(&id).map(|head| want(head.encode(&mut same)));
        let settled = settle(status, encoded.unwrap_or(Want::Misuse(Status::InvalidHandle)));
        if let Some(want) = settled {
            assert_eq!((length, &bytes[..length]), (want, &same[..want]));
        }
        if !path.exists() || self.heads.len() >= 6 {
            return;
        }
        let extractor = self.extractor();
        let handle = ExtractorHandle { id: extractor };
        let mut head = HeadHandle { id: 0 };
        let facade = self.extractors.get(&extractor);
        let none = Want::Misuse(Status::InvalidHandle);
        let (status, made) = match self.random.below(3) {
            0 => (offshoot_head_read(text(&name), write(&mut head)), want(Head::read(&path))),
            1 => {
                let status = offshoot_head_load(text(&name), handle, write(&mut head));
                (status, facade.map_or(none, |facade| want(Head::load(&path, facade))))
            }
            _ => {
                let mut bytes = std::fs::read(&path).unwrap();
                let at = self.random.below(4 * bytes.len());
                if at < bytes.len() {
                    bytes[at] ^= 4;
                }
                let status =
                    offshoot_head_decode(all(&bytes), bytes.len(), handle, write(&mut head));
                (status, facade.map_or(none, |facade| want(Head::from_bytes(&bytes, facade))))
            }
        };
        self.count(status);
        self.keep_new(status, head, made);
    }

    /// Embedding for a head: mostly of its length and finite.
    fn values(&mut self, id: u64) -> Vec<f32> {
        let dim = self.heads.get(&id).map_or(10, Head::dim);
        let dim = if self.random.below(15) == 0 { dim + 1 } else { dim };
        let side = self.random.below(3) as f32;
        let mut values: Vec<f32> =
            (0..dim).map(|i| (self.random.below(100) + i % 3) as f32 / 50.0 - side).collect();
        if self.random.below(20) == 0 {
            values[0] = f32::NAN;
        }
        values
    }
}

/// Text before its NUL.
fn string(out: &[std::ffi::c_char]) -> String {
    let bytes = out.iter().map(|&b| b as u8).take_while(|&b| b != 0).collect();
    String::from_utf8(bytes).unwrap()
}

/// Success if there was something with that handle.
fn known<T>(found: Option<T>) -> Want<T> {
    found.map_or(Want::Misuse(Status::InvalidHandle), Want::Is)
}

/// Success of a setting if its number is known and the head open.
fn set<T>(value: Option<T>, head: Option<&mut Head>, apply: impl FnOnce(&mut Head, T)) -> Want<()> {
    let Some(value) = value else { return Want::Misuse(Status::InvalidValue) };
    known(head.map(|head| apply(head, value)))
}

#[test]
fn random_sequences_agree_with_the_facade() {
    let mut seen = BTreeMap::<i32, usize>::new();
    for seed in 1..=SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.seen.into_iter().for_each(|(status, n)| *seen.entry(status).or_default() += n);
    }
    let all = [
        Status::Ok,
        Status::InvalidHandle,
        Status::InvalidValue,
        Status::BufferTooSmall,
        Status::Package,
        Status::HeadSettings,
        Status::HeadDamaged,
        Status::OtherPackage,
        Status::ClassName,
        Status::ClassExists,
        Status::Full,
        Status::NoSuchClass,
        Status::NoSuchSample,
        Status::WrongLength,
        Status::NotFinite,
        Status::NothingTaught,
        Status::NotFitted,
    ];
    let is_rare = |status: &Status| seen.get(&(*status as i32)).is_none_or(|&n| n < 20);
    let rare: Vec<Status> = all.into_iter().filter(is_rare).collect();
    assert!(rare.is_empty(), "{rare:?} of {seen:?}");
}
