//! Random sequences of calls, with handles that are open, closed and of nothing, against the
//! facade.

use std::collections::BTreeMap;

use offshoot::{Error, Extractor, Head, HeadKind, Limits, Transform, WhenFull};
use offshoot_c::*;

mod common;
#[path = "../../tests/common/mod.rs"]
mod shared;

use common::{all, c, last_error, nowhere, read, room, sized, text, write};
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
            assert_eq!(last_error(), words);
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

    fn settings(&mut self) {
        let id = self.head();
        let head = HeadHandle { id };
        let facade = self.heads.get_mut(&id);
        let number = self.random.below(5) as u32;
        let value = self.random.pick(&[0.0, 0.05, 0.3, 10.0, -1.0, f32::NAN]);
        let status = match self.random.below(4) {
            0 => {
                let made = facade.map(|head| want(head.set_inverse_l2(value)));
                let status = offshoot_head_set_inverse_l2(head, value);
                settle(status, made.unwrap_or(Want::Misuse(Status::InvalidHandle)));
                status
            }
            1 => {
                let made = facade.map(|head| want(head.set_false_rejection_rate(value)));
                let status = offshoot_head_set_false_rejection_rate(head, value);
                settle(status, made.unwrap_or(Want::Misuse(Status::InvalidHandle)));
                status
            }
            2 => {
                let status = offshoot_head_set_transform(head, number);
                let transform = Transform::ALL.get(number as usize);
                settle(status, set(transform, facade, |head, &t| head.set_transform(t)));
                status
            }
            _ => {
                let status = offshoot_head_set_when_full(head, number);
                let all = [WhenFull::Refuse, WhenFull::Reservoir, WhenFull::Herding];
                let policy = all.get(number as usize);
                settle(status, set(policy, facade, |head, &p| head.set_when_full(p)));
                status
            }
        };
        self.count(status);
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

    fn class(&mut self) {
        let id = self.head();
        let name = self.name();
        let given = c(&name);
        let mut class = 77;
        let status = offshoot_head_add_class(HeadHandle { id }, text(&given), write(&mut class));
        self.count(status);
        let made = self.heads.get_mut(&id).map(|head| want(head.add_class(&name)));
        match settle(status, made.unwrap_or(Want::Misuse(Status::InvalidHandle))) {
            Some(want) => assert_eq!(class as usize, want.index()),
            None => assert_eq!(class, 77),
        }
        let status = offshoot_head_class_named(HeadHandle { id }, text(&given), write(&mut class));
        self.count(status);
        let Some(head) = self.heads.get(&id) else {
            return misused(status, Status::InvalidHandle);
        };
        match settle(
            status,
            head.class_named(&name).map_or(Want::Misuse(Status::NoSuchClass), Want::Is),
        ) {
            Some(want) => assert_eq!(class as usize, want.index()),
            None => assert!(head.class_named(&name).is_none()),
        }
    }

    fn rename_and_remove(&mut self) {
        let id = self.head();
        let name = self.name();
        let given = c(&name);
        let class = self.random.below(6);
        let renames = self.random.below(3) > 0;
        let handle = HeadHandle { id };
        let status = match renames {
            true => offshoot_head_rename_class(handle, class as u32, text(&given)),
            false => offshoot_head_remove_class(handle, class as u32),
        };
        self.count(status);
        let Some(head) = self.heads.get_mut(&id) else {
            return misused(status, Status::InvalidHandle);
        };
        let Some(class) = head.class_at(class) else {
            return misused(status, Status::NoSuchClass);
        };
        settle(
            status,
            want(if renames { head.rename_class(class, &name) } else { head.remove_class(class) }),
        );
    }

    fn forget(&mut self) {
        let id = self.head();
        let handle = HeadHandle { id };
        let mut class = 77;
        let sample = self.random.below(12);
        match self.random.below(5) {
            0 => {
                let status = offshoot_head_forget_left_out(handle);
                self.count(status);
                settle(status, known(self.heads.get_mut(&id).map(Head::forget_left_out)));
            }
            1 | 2 => {
                let status = offshoot_head_undo(handle, write(&mut class));
                self.count(status);
                let made = self.heads.get_mut(&id).map(|head| match head.undo() {
                    Some(class) => Want::Is(class),
                    None => Want::Misuse(Status::NoSuchSample),
                });
                if let Some(want) =
                    settle(status, made.unwrap_or(Want::Misuse(Status::InvalidHandle)))
                {
                    assert_eq!(class as usize, want.index());
                }
            }
            _ => {
                let status = offshoot_head_remove_sample(handle, sample, write(&mut class));
                self.count(status);
                let made = self.heads.get_mut(&id).map(|head| want(head.remove_sample(sample)));
                if let Some(want) =
                    settle(status, made.unwrap_or(Want::Misuse(Status::InvalidHandle)))
                {
                    assert_eq!(class as usize, want.index());
                }
            }
        }
    }

    fn merge(&mut self) {
        let id = self.head();
        let other = self.head();
        let status = offshoot_head_merge(HeadHandle { id }, HeadHandle { id: other });
        self.count(status);
        let Some(mut head) = self.heads.remove(&id) else {
            return misused(status, Status::InvalidHandle);
        };
        let made = match self.heads.get(&other) {
            Some(other) => want(head.merge(other)),
            None if id == other => Want::Misuse(Status::InvalidValue),
            None => Want::Misuse(Status::InvalidHandle),
        };
        settle(status, made);
        self.heads.insert(id, head);
    }

    fn fit(&mut self) {
        let id = self.head();
        let mut fit = sized!(Fit);
        let status = offshoot_head_fit(HeadHandle { id }, write(&mut fit));
        self.count(status);
        let made = self.heads.get_mut(&id).map(|head| want(head.fit()));
        if let Some(want) = settle(status, made.unwrap_or(Want::Misuse(Status::InvalidHandle))) {
            assert_eq!(fit.gradient_norm.to_bits(), want.gradient_norm.to_bits());
            assert_eq!(
                (fit.iterations, fit.converged == 1),
                (want.iterations.into(), want.converged)
            );
        }
        let mut recipe = sized!(Recipe);
        let status = offshoot_head_chosen(HeadHandle { id }, write(&mut recipe));
        self.count(status);
        let made = self.heads.get(&id).map(|head| want(head.chosen()));
        if let Some(want) = settle(status, made.unwrap_or(Want::Misuse(Status::InvalidHandle))) {
            let found = (recipe.kind, recipe.transform, recipe.inverse_l2);
            assert_eq!(found, (want.kind as u32, want.transform as u32, want.inverse_l2));
        }
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

    fn sample(&mut self) {
        let id = self.head();
        let values = self.values(id);
        let class = self.random.below(4);
        let given = common::floats(&values);
        let status = offshoot_head_add_sample(HeadHandle { id }, class as u32, read(&given));
        self.count(status);
        let Some(head) = self.heads.get_mut(&id) else {
            return misused(status, Status::InvalidHandle);
        };
        let Some(class) = head.class_at(class) else {
            return misused(status, Status::NoSuchClass);
        };
        settle(status, want(head.add_sample(class, offshoot::Embedding::Float(&values))));
    }

    fn ask(&mut self) {
        let id = self.head();
        let values = self.values(id);
        let given = common::floats(&values);
        let embedding = offshoot::Embedding::Float(&values);
        let mut answer = sized!(Answer);
        let status = offshoot_head_classify(HeadHandle { id }, read(&given), write(&mut answer));
        self.count(status);
        let Some(head) = self.heads.get(&id) else {
            return misused(status, Status::InvalidHandle);
        };
        if let Some(want) = settle(status, want(head.classify(embedding))) {
            assert_eq!(answer.known == 1, want.known().is_some());
            assert_eq!(answer.class_id as usize, want.class().index());
            assert_eq!(answer.confidence.to_bits(), want.confidence().get().to_bits());
            assert_eq!(answer.margin.to_bits(), want.margin().to_bits());
        }
        let mut similarity = 0.0;
        let mut threshold = 0.0;
        let status = offshoot_head_similarity(
            HeadHandle { id },
            read(&given),
            write(&mut similarity),
            write(&mut threshold),
        );
        if let Some(want) = settle(status, want(head.similarity(embedding))) {
            assert_eq!(similarity, want.0.get());
            assert_eq!(threshold.is_nan(), want.1.is_none());
            assert!(want.1.is_none_or(|want| want.get() == threshold));
        }
        let mut parts = vec![0.0; self.random.pick(&[3, 99])];
        let mut bias = 0.0;
        let status = offshoot_head_contributions(
            HeadHandle { id },
            read(&given),
            0,
            1,
            room(&mut parts),
            parts.len(),
            write(&mut bias),
        );
        let (Some(own), Some(other)) = (head.class_at(0), head.class_at(1)) else {
            return misused(status, Status::NoSuchClass);
        };
        let mut same = vec![0.0; parts.len()];
        if let Some(want) =
            settle(status, want(head.contributions(embedding, own, other, &mut same)))
        {
            assert_eq!((bias, parts), (want, same));
        }
    }

    fn report(&mut self) {
        let id = self.head();
        let handle = HeadHandle { id };
        let mut report = sized!(Report);
        let status = offshoot_head_report(handle, write(&mut report));
        self.count(status);
        let Some(head) = self.heads.get(&id) else {
            return misused(status, Status::InvalidHandle);
        };
        let Some(want) = settle(status, want(head.report())) else { return };
        assert_eq!((report.asked as usize, report.right as usize), (want.asked(), want.right()));
        assert_eq!((report.low, report.high), (want.interval().low, want.interval().high));
        assert_eq!(report.accuracy.is_nan(), want.accuracy().is_none());
        let mut right = 0;
        for (own, _) in head.classes() {
            let mut of_class = sized!(ClassReport);
            let status =
                offshoot_head_report_class(handle, own.index() as u32, write(&mut of_class));
            assert_eq!(status, Status::Ok);
            assert_eq!(of_class.right as usize, want.confusion(own, own));
            right += of_class.right;
            for (said, _) in head.classes() {
                let mut count = 0;
                let pair = [own, said].map(|class| class.index() as u32);
                let status =
                    offshoot_head_report_confusion(handle, pair[0], pair[1], write(&mut count));
                assert_eq!(status, Status::Ok);
                assert_eq!(count as usize, want.confusion(own, said));
            }
        }
        assert_eq!(right, report.right);
        for sample in 0..head.sample_count() {
            let mut asked = 0;
            let mut said = 0;
            let mut share = 0.0;
            let status = offshoot_head_report_sample(
                handle,
                sample,
                write(&mut asked),
                write(&mut said),
                write(&mut share),
            );
            assert_eq!(status, Status::Ok);
            let found = (asked == 1).then_some((said as usize, share));
            assert_eq!(found, want.answer(sample).map(|(class, share)| (class.index(), share)));
        }
        let advice: Vec<String> = want.advice().map(|advice| advice.to_string()).collect();
        assert_eq!(report.advice as usize, advice.len());
        for (index, want) in advice.iter().enumerate() {
            let mut out = [1; 300];
            let status = offshoot_head_report_advice(handle, index, room(&mut out), 300, nowhere());
            assert_eq!(status, Status::Ok, "{}", last_error());
            assert_eq!(string(&out), *want);
        }
        let status = offshoot_head_report_advice(handle, advice.len(), nowhere(), 0, nowhere());
        misused(status, Status::InvalidValue);
    }

    fn describe(&mut self) {
        let id = self.head();
        let handle = HeadHandle { id };
        let mut info = sized!(HeadInfo);
        let status = offshoot_head_get_info(handle, write(&mut info));
        self.count(status);
        let Some(head) = self.heads.get(&id) else {
            return misused(status, Status::InvalidHandle);
        };
        settle(status, Want::Is(()));
        assert_eq!(info.classes as usize, head.class_count());
        assert_eq!(info.samples as usize, head.sample_count());
        assert_eq!((info.dim, info.encoded_bytes), (head.dim(), head.encoded_len()));
        assert_eq!((info.kind, info.when_full), (head.kind() as u32, head.when_full() as u32));
        assert_eq!(info.transform, head.recipe().transform as u32);
        assert_eq!(info.inverse_l2, head.inverse_l2());
        assert_eq!(info.false_rejection_rate, head.false_rejection_rate());
        assert_eq!(info.is_fitted == 1, head.is_fitted());
        assert_eq!(info.package_id, *head.package_id().as_bytes());
        let limits = Limits { classes: info.max_classes as u16, samples: info.max_samples as u16 };
        assert_eq!(limits, head.limits());
        for (class, name) in head.classes() {
            let mut info = sized!(ClassInfo);
            let status = offshoot_head_get_class(handle, class.index() as u32, write(&mut info));
            assert_eq!(status, Status::Ok);
            assert_eq!(string(&info.name), name);
            let found = (info.samples as usize, info.shown);
            assert_eq!(found, (head.samples_of(class), head.shown_of(class)));
        }
        let mut linear = sized!(Linear);
        let mut weights = [0.0; 6 * 64];
        let mut bias = [0.0; 6];
        let status = offshoot_head_linear(
            handle,
            write(&mut linear),
            room(&mut weights),
            6 * 64,
            room(&mut bias),
            6,
        );
        if let Some(want) = settle(status, want(head.linear())) {
            assert_eq!(weights[..want.weights.len()], *want.weights);
            assert_eq!(bias[..want.raw_bias.len()], *want.raw_bias);
            assert_eq!(want.raw_bias.len(), head.class_count());
            assert_eq!(linear.mean_length, want.mean_length);
            assert_eq!(linear.rejects == 1, want.known.is_some());
        }
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
    for seed in 1..=SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        let often = |status: Status| world.seen.get(&(status as i32)).is_some_and(|&n| n > 5);
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
        let rare: Vec<Status> = all.into_iter().filter(|&status| !often(status)).collect();
        assert!(rare.is_empty(), "seed {seed}: {rare:?} of {:?}", world.seen);
    }
}
