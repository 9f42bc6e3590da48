//! Sequences of everything that can be done to a head, made of bytes: for a test that draws them
//! and for a fuzzer that searches.
//!
//! After each step the head must agree with a list of what was taught ([`model`]); when it is
//! asked, with a head that is made anew and taught in one go.

mod model;

use offshoot_core::head::{
    Answer, AskError, ClassError, EditError, Head, HeadError, HeadKind, KnownOdds, Limits,
    MAX_FALSE_REJECTION_RATE, MAX_INVERSE_L2, MAX_NAME_BYTES, MIN_INVERSE_L2, MergeError, Parts,
    Recipe, SampleError, Transform, WhenFull,
};
use offshoot_core::package::PackageId;
use offshoot_core::{Embedding, Quant, Scale};

use model::{ID, Model, Sample};

type AnyHead = Head<Box<[u32]>>;

/// Steps after which a sequence ends.
const MOST_STEPS: usize = 60;

/// Bytes that say what to do, until there are no more.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit.max(1)
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Values of an embedding: mostly of a cluster, else hostile, now and then the same again.
    fn values(&mut self, dim: usize, class: usize, seen: &[Sample]) -> Vec<f32> {
        let sort = self.byte();
        let mut state = u64::from(self.byte());
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((z ^ (z >> 27)) >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        match sort {
            0 => vec![0.0; dim],
            1 => vec![f32::MAX; dim],
            2 => (0..dim).map(|_| 1e-42 * next()).collect(),
            3 => (0..dim).map(|_| next() * 1e20 * next()).collect(),
            4..16 if !seen.is_empty() => seen[usize::from(sort) % seen.len()].values(),
            _ => (0..dim)
                .map(|i| 0.6 * next() + if i % 5 == class % 5 { 1.5 } else { 0.2 })
                .collect(),
        }
    }
}

fn boxed(kind: HeadKind, parts: Parts, limits: Limits, rubbish: u32) -> AnyHead {
    let words = limits.words_for(kind, parts).expect("small limits");
    Head::new_for(kind, parts, ID, limits, vec![rubbish; words].into_boxed_slice())
        .expect("enough memory")
}

/// Values as a head keeps them.
fn kept(values: &[f32], class: usize) -> Sample {
    let parts = Parts::single(values.len());
    let mut head = boxed(HeadKind::Knn, parts, Limits { classes: 1, samples: 1 }, 0);
    let only = head.add_class("only").expect("room for one");
    head.add_sample(only, Embedding::Float(values)).expect("finite values");
    let Some((_, Embedding::Int8 { codes, quant })) = head.samples().next() else {
        panic!("one sample")
    };
    for (&value, &code) in values.iter().zip(codes) {
        let off = (value - quant.dequantize(code)).abs();
        assert!(off <= 0.501 * quant.scale.get(), "{value} is kept as {}", quant.dequantize(code));
    }
    Sample { class, codes: codes.to_vec(), quant }
}

/// Runs the sequence that the bytes describe.
///
/// # Panics
/// Panics if the head differs from the model.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let kind = choices.of(&HeadKind::ALL);
    let dim = choices.of(&[1, 2, 3, 5, 8, 13, 24, 40]);
    let limits =
        Limits { classes: 1 + choices.below(6) as u16, samples: 1 + choices.below(45) as u16 };
    let parts = match choices.below(2) {
        0 => Parts::single(dim),
        _ => Parts::joined(dim, 1 + choices.below(dim)).expect("within the embedding"),
    };
    let head = boxed(kind, parts, limits, 0xaaaa_aaaa);
    let mut pair = Pair { head, model: Model::new(kind, parts, limits) };
    for _ in 0..MOST_STEPS {
        if choices.0.is_empty() {
            break;
        }
        pair.step(&mut choices);
        pair.model.compare(&pair.head);
    }
    pair.ask(&mut choices);
}

/// A head and what it should be.
struct Pair {
    head: AnyHead,
    model: Model,
}

impl Pair {
    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(20) {
            0 => self.add_class(choices),
            1 => self.undo(),
            2 => self.remove_sample(choices),
            3 if choices.below(4) == 0 => self.remove_class(choices),
            4 => self.rename(choices),
            5 => self.set(choices),
            6 => self.merge(choices),
            7 => self.reload(choices),
            8 if choices.below(3) == 0 => self.become_another_kind(choices),
            9 => self.refuse(choices),
            10 => {
                self.head.forget_left_out();
                self.model.forget_left_out();
            }
            11 | 12 => self.ask(choices),
            // Products of samples for which nothing else is asked.
            13 => {
                let _ = self.head.fit();
            }
            14 => (0..1 + choices.below(12)).for_each(|_| self.add_sample(choices)),
            _ => self.add_sample(choices),
        }
    }

    fn add_class(&mut self, choices: &mut Choices<'_>) {
        let name = format!("c{}", choices.below(9));
        let found = self.head.add_class(&name).map(|class| class.index());
        let want = match self.model.class_named(&name) {
            Some(class) => {
                Err(ClassError::Duplicate { class: self.head.class_at(class).expect("listed") })
            }
            None if self.model.classes.len() == usize::from(self.model.limits.classes) => {
                Err(ClassError::Full { limit: self.model.limits.classes })
            }
            None => Ok(self.model.add_class(&name)),
        };
        assert_eq!(found, want);
    }

    fn add_sample(&mut self, choices: &mut Choices<'_>) {
        if self.model.classes.is_empty() {
            return self.add_class(choices);
        }
        let class = choices.below(self.model.classes.len());
        let id = self.head.class_at(class).expect("listed");
        let values = choices.values(self.model.parts.dim(), class, &self.model.samples);
        let mut sample = kept(&values, class);
        let as_codes = choices.below(3) == 0;
        if as_codes {
            // Codes are kept as they are, also where a float would get others.
            let scale = Scale::new(0.03).expect("positive");
            sample.quant = Quant { scale, zero_point: sample.quant.zero_point };
        }
        let embedding = match as_codes {
            true => Embedding::Int8 { codes: &sample.codes, quant: sample.quant },
            false => Embedding::Float(&values),
        };
        let found = self.head.add_sample(id, embedding);
        let full = self.model.samples.len() == usize::from(self.model.limits.samples);
        if full && self.model.when_full == WhenFull::Refuse {
            assert_eq!(found, Err(SampleError::Full { limit: self.model.limits.samples }));
        } else {
            assert_eq!(found, Ok(()));
            self.model.add_sample(sample, &self.head);
        }
    }

    fn undo(&mut self) {
        let found = self.head.undo().map(|class| class.index());
        assert_eq!(found, self.model.undo());
    }

    fn remove_sample(&mut self, choices: &mut Choices<'_>) {
        let place = choices.below(50);
        let count = self.model.samples.len();
        let found = self.head.remove_sample(place).map(|class| class.index());
        if place >= count {
            assert_eq!(found, Err(EditError::NoSuchSample { sample: place, count }));
        } else {
            assert_eq!(found, Ok(self.model.remove_sample(place)));
        }
    }

    fn remove_class(&mut self, choices: &mut Choices<'_>) {
        let class = choices.below(self.model.classes.len());
        if let Some(id) = self.head.class_at(class) {
            assert_eq!(self.head.remove_class(id), Ok(()));
            self.model.remove_class(class);
        }
    }

    fn rename(&mut self, choices: &mut Choices<'_>) {
        let class = choices.below(self.model.classes.len());
        let Some(id) = self.head.class_at(class) else { return };
        let long = "x".repeat(MAX_NAME_BYTES);
        let name = choices.of(&["renamed", "c1", "c2", "K\u{e4}se", &long]);
        let found = self.head.rename_class(id, name);
        match self.model.class_named(name).filter(|&other| other != class) {
            Some(other) => {
                let class = self.head.class_at(other).expect("listed");
                assert_eq!(found, Err(EditError::Name(ClassError::Duplicate { class })));
            }
            None => {
                assert_eq!(found, Ok(()));
                self.model.classes[class].name = name.to_string();
            }
        }
    }

    fn set(&mut self, choices: &mut Choices<'_>) {
        match choices.below(4) {
            0 => {
                let inverse_l2 = choices.of(&[MIN_INVERSE_L2, 0.1, 1.0, 20.0, MAX_INVERSE_L2]);
                self.head.set_inverse_l2(inverse_l2).expect("in range");
                self.model.inverse_l2 = inverse_l2;
            }
            1 => {
                let false_rejection_rate =
                    choices.of(&[0.0, 0.01, 0.03, 0.2, MAX_FALSE_REJECTION_RATE]);
                self.head.set_false_rejection_rate(false_rejection_rate).expect("in range");
                self.model.false_rejection_rate = false_rejection_rate;
            }
            2 => {
                let transform = choices.of(&Transform::ALL);
                self.head.set_transform(transform);
                if !matches!(self.model.kind, HeadKind::NearestMean | HeadKind::Knn) {
                    self.model.transform = transform;
                }
            }
            _ => {
                self.model.when_full = choices.of(&WhenFull::ALL);
                self.head.set_when_full(self.model.when_full);
            }
        }
    }

    /// Another head of a few samples, partly of the same classes.
    fn merge(&mut self, choices: &mut Choices<'_>) {
        let limits = Limits { classes: 3, samples: 1 + choices.below(6) as u16 };
        let kind = choices.of(&HeadKind::ALL);
        let parts = self.model.parts;
        let mut other =
            Pair { head: boxed(kind, parts, limits, 1), model: Model::new(kind, parts, limits) };
        for _ in 0..1 + choices.below(9) {
            other.add_sample(choices);
        }
        if choices.below(2) == 0 {
            let _ = other.head.fit();
        }
        let found = self.head.merge(&other.head);
        let new = other
            .model
            .classes
            .iter()
            .filter(|class| self.model.class_named(&class.name).is_none())
            .count();
        let classes = self.model.classes.len() + new;
        let samples = self.model.samples.len() + other.model.samples.len();
        let limits = self.model.limits;
        if classes > usize::from(limits.classes) {
            assert_eq!(
                found,
                Err(MergeError::TooManyClasses { needed: classes, limit: limits.classes })
            );
        } else if samples > usize::from(limits.samples) {
            assert_eq!(
                found,
                Err(MergeError::TooManySamples { needed: samples, limit: limits.samples })
            );
        } else {
            assert_eq!(found, Ok(()));
            self.model.merge(&other.model);
        }
    }

    /// Saved, and read into memory that holds something else.
    fn reload(&mut self, choices: &mut Choices<'_>) {
        let bytes = self.model.encoded();
        let rubbish = u32::from_le_bytes([choices.byte(); 4]);
        assert_eq!(
            Head::decode(&bytes, Some(PackageId::new([9; 32])), memory(&self.model, rubbish)).err(),
            Some(HeadError::OtherPackage)
        );
        self.head =
            Head::decode(&bytes, Some(ID), memory(&self.model, rubbish)).expect("a whole record");
        self.model.last = None;
    }

    /// All that was taught, in a head that decides otherwise.
    fn become_another_kind(&mut self, choices: &mut Choices<'_>) {
        let kind = choices.of(&HeadKind::ALL);
        let limits = self.model.limits;
        let mut head = boxed(kind, self.model.parts, limits, 0x7f7f_7f7f);
        head.merge(&self.head).expect("as much room");
        self.head = head;
        let fresh = Model::new(kind, self.model.parts, limits);
        self.model.kind = kind;
        self.model.last = None;
        let false_rejection_rate = fresh.false_rejection_rate;
        let when_full = fresh.when_full;
        (self.model.false_rejection_rate, self.model.when_full) = (false_rejection_rate, when_full);
        let recipe = Recipe::of(kind);
        (self.model.transform, self.model.inverse_l2) = (recipe.transform, recipe.inverse_l2);
    }

    /// Tries operations that must be refused and leave no trace.
    fn refuse(&mut self, choices: &mut Choices<'_>) {
        let dim = self.model.parts.dim();
        let mut values = choices.values(dim, 0, &self.model.samples);
        let index = choices.below(dim);
        values[index] = choices.of(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        assert!(self.head.classify(Embedding::Float(&values)).is_err());
        assert!(self.head.set_inverse_l2(choices.of(&[0.0, f32::NAN, 1e9, -1.0])).is_err());
        assert!(self.head.set_false_rejection_rate(choices.of(&[-0.1, f32::NAN, 0.9])).is_err());
        assert!(self.head.add_class(choices.of(&["", "a\nb", "\u{7}"])).is_err());
        if let Some(id) = self.head.class_at(0) {
            let found = self.head.add_sample(id, Embedding::Float(&values));
            assert_eq!(found, Err(SampleError::NotFinite { index }));
            let found = self.head.add_sample(id, Embedding::Float(&values[1..]));
            assert_eq!(found, Err(SampleError::WrongLength { found: dim - 1, needed: dim }));
            assert!(self.head.rename_class(id, "").is_err());
        }
    }

    /// Everything that can be asked, of this head and of one taught in one go.
    fn ask(&mut self, choices: &mut Choices<'_>) {
        let mut queries: Vec<Vec<f32>> =
            self.model.samples.iter().take(2).map(Sample::values).collect();
        let class = choices.below(5);
        queries.push(choices.values(self.model.parts.dim(), class, &self.model.samples));
        let mut fresh = self.model.taught_in_one_go();
        let found = told(&mut self.head, &queries);
        let want = told(&mut fresh, &queries);
        for (found, want) in found.iter().zip(&want) {
            assert_eq!(found, want, "{} of {} samples", self.model.kind, self.model.samples.len());
        }
        assert_eq!(found.len(), want.len());
        self.ask_of_one_part(&queries);
    }

    /// A head of several parts answers as one that knows nothing but the values that it reads.
    fn ask_of_one_part(&mut self, queries: &[Vec<f32>]) {
        let parts = self.model.parts;
        let Ok(reads_all) = self.head.reads_all() else { return };
        match self.head.part_errors().expect("fitted") {
            Some(found) => {
                let is_better = found.all < 0.95 * found.last && found.t > 2.0;
                assert_eq!(reads_all, is_better, "{found:?}");
                assert!(self.model.samples.len() >= 4 * self.model.taught());
            }
            None => assert_eq!(reads_all, parts.is_single()),
        }
        if parts.is_single() || self.model.has_left_out() {
            return;
        }
        if reads_all {
            return self.ask_of_all_parts(queries);
        }
        let read = parts.last();
        let mut plain = self.model.last(read).taught_in_one_go();
        let cut: Vec<Vec<f32>> =
            queries.iter().map(|query| query[query.len() - read..].to_vec()).collect();
        plain.fit().expect("there are samples");
        for (query, cut) in queries.iter().zip(&cut) {
            let ask = |head: &AnyHead, query: &[f32]| {
                let query = Embedding::Float(query);
                let mut out = vec![0.0; head.class_count()];
                let answer = head.probabilities(query, &mut out);
                format!("{answer:?} {:?} {:?}", bits(&out), head.similarity(query))
            };
            assert_eq!(ask(&self.head, query), ask(&plain, cut), "{}", self.model.kind);
        }
        assert_eq!(self.head.chosen(), plain.chosen());
        if let (Ok(own), Ok(plain)) = (self.head.linear(), plain.linear()) {
            assert_eq!((own.first, plain.first), (parts.dim() - read, 0));
            assert_eq!(bits(own.weights), bits(plain.weights));
        }
    }

    /// A head that reads all values classifies as one that knows no parts, and rejects as one that
    /// knows nothing but the last part, or by its odds where the margin of all values is in them.
    fn ask_of_all_parts(&mut self, queries: &[Vec<f32>]) {
        let Model { parts, false_rejection_rate, .. } = self.model;
        let mut all = self.model.last(parts.dim());
        all.false_rejection_rate = 0.0;
        let mut all = all.taught_in_one_go();
        let mut last = self.model.last(parts.last()).taught_in_one_go();
        all.fit().expect("there are samples");
        last.fit().expect("there are samples");
        let count = self.head.class_count();
        let [mut found, mut class, mut known] = [(); 3].map(|()| vec![0.0; count]);
        let odds = self.head.linear().ok().and_then(|linear| linear.known);
        let with_margin = odds.filter(|odds| odds.margin_slope > 0.0);
        // Of larger margins single precision leaves no probability to compute them from.
        if with_margin.is_some_and(|odds| odds.most_margin > 60.0) {
            return;
        }
        for query in queries {
            let cut = Embedding::Float(&query[parts.dim() - parts.last()..]);
            let query = Embedding::Float(query);
            let answer = self.head.probabilities(query, &mut found).expect("fitted");
            all.probabilities(query, &mut class).expect("fitted");
            let rejected = last.probabilities(cut, &mut known).expect("fitted");
            let is_unknown = matches!(answer, Answer::Unknown { .. });
            let mut known: f32 = known.iter().sum();
            if let Some(odds) = with_margin {
                let (similarity, least) = self.head.similarity(query).expect("fitted");
                assert_eq!(similarity, last.similarity(cut).expect("fitted").0);
                let odds = log_odds(odds, similarity.get(), &class);
                known = 1.0 / (1.0 + (-odds).exp());
                let least = least.expect("a bound").get();
                assert!(is_unknown == (similarity.get() < least) || least.abs() == 1.0);
            } else {
                assert_eq!(self.head.similarity(query), last.similarity(cut));
                let rejected = matches!(rejected, Answer::Unknown { .. });
                assert_eq!(is_unknown, rejected, "{false_rejection_rate}");
            }
            for (found, class) in found.iter().zip(&class) {
                assert!((found - class * known).abs() < 1e-4, "{found} not {class} * {known}");
            }
        }
        assert_eq!(self.head.chosen(), all.chosen());
    }
}

fn memory(model: &Model, rubbish: u32) -> Box<[u32]> {
    let words = model.limits.words_for(model.kind, model.parts).expect("as before");
    vec![rubbish; words].into_boxed_slice()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// All that a head says, so that no bit is lost.
fn told(head: &mut AnyHead, queries: &[Vec<f32>]) -> Vec<String> {
    let classes = head.class_count();
    let dim = head.dim();
    let mut out = vec![0.0; classes];
    let mut parts = vec![0.0; dim];
    let mut told = Vec::new();
    if !head.is_fitted() && head.sample_count() > 0 {
        let refused = head.classify(Embedding::Float(&queries[0]));
        assert!(matches!(refused, Err(AskError::NotFitted | AskError::NotFinite { .. })));
    }
    told.push(format!("{:?}", head.fit()));
    match head.report() {
        Err(error) => told.push(format!("{error:?}")),
        Ok(report) => {
            let right = (report.asked(), report.right(), report.accuracy().map(f32::to_bits));
            told.push(format!(
                "{right:?} {:?} {:?}",
                report.interval(),
                report.calibration_error()
            ));
            told.extend(report.advice().map(|advice| format!("{advice:?}")));
        }
    }
    let count = head.sample_count();
    if let Ok(report) = head.report() {
        told.extend((0..count).map(|sample| format!("{sample}: {:?}", report.answer(sample))));
    }
    let ids: Vec<_> = (0..classes).filter_map(|index| head.class_at(index)).collect();
    for (own, said) in ids.iter().flat_map(|own| ids.iter().map(move |said| (*own, *said))) {
        let Ok(report) = head.report() else { break };
        told.push(format!("{own:?} as {said:?}: {}", report.confusion(own, said)));
    }
    told.push(format!("{:?}", head.chosen()));
    match head.linear() {
        Ok(linear) => told.push(format!("{:?} {:?}", bits(linear.weights), bits(linear.raw_bias))),
        Err(error) => told.push(format!("{error:?}")),
    }
    for query in queries {
        let query = Embedding::Float(query);
        let answer = head.probabilities(query, &mut out);
        if answer.is_ok() {
            let sum = out.iter().sum::<f32>();
            let never = head.false_rejection_rate() == 0.0;
            assert!(sum < 1.0 + 1e-4 && (!never || sum > 1.0 - 1e-4), "{out:?}");
        }
        told.push(format!("{answer:?} {:?} {:?}", bits(&out), head.similarity(query)));
        for other in &ids {
            let bias = head.contributions(query, ids[0], *other, &mut parts);
            told.push(format!("{bias:?} {:?}", bits(&parts)));
        }
    }
    told
}

/// Log odds that an embedding is known, by the head's numbers, from its cosine and from the
/// probabilities of the classes alone.
fn log_odds(odds: KnownOdds, cosine: f32, classes: &[f32]) -> f32 {
    let mut sorted = classes.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let margin = (sorted[0] / sorted[1].max(1e-30)).ln().min(odds.most_margin);
    odds.slope * cosine + odds.margin_slope * margin + odds.offset
}
