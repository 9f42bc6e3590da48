//! Plain model of a head: lists and sums, recomputed from nothing, and the record they make.

use offshoot_core::head::{
    DEFAULT_FALSE_REJECTION_RATE, Head, HeadKind, Limits, MAGIC, Parts, Recipe, Transform, WhenFull,
};
use offshoot_core::package::PackageId;
use offshoot_core::{Embedding, Quant};

/// The package all heads here are of.
pub const ID: PackageId = PackageId::new([3; 32]);

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub class: usize,
    pub codes: Vec<i8>,
    pub quant: Quant,
}

impl Sample {
    pub fn values(&self) -> Vec<f32> {
        self.codes.iter().map(|&code| self.quant.dequantize(code)).collect()
    }

    /// The sample with nothing but the last `count` values.
    pub fn last(&self, count: usize) -> Self {
        let codes = self.codes[self.codes.len() - count..].to_vec();
        Self { codes, ..self.clone() }
    }

    /// The unit vector of all values and, behind it, if they have several parts, that of the last
    /// one.
    fn units(&self, parts: Parts) -> Vec<i64> {
        let mut units: Vec<i64> = self.unit().collect();
        if !parts.is_single() {
            units.extend(self.last(parts.last()).unit());
        }
        units
    }

    /// The unit vector in steps of 1 / 32768, halves away from zero, as `head/fit/nearest_mean.rs`
    /// says.
    fn unit(&self) -> impl Iterator<Item = i64> + '_ {
        let zero = i64::from(self.quant.zero_point);
        let square: i64 = self.codes.iter().map(|&code| (i64::from(code) - zero).pow(2)).sum();
        let root = (square as f64).sqrt();
        let is_short = root * f64::from(self.quant.scale.get()) < 1e-15;
        let factor = if is_short { 0.0 } else { (1.0 / root) as f32 * 32_768.0 };
        self.codes.iter().map(move |&code| {
            let x = (i64::from(code) - zero) as f32 * factor;
            (x + 0.5f32.copysign(x)) as i64
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    pub name: String,
    shown: u32,
    sum: Vec<i64>,
}

/// Effect of the last sample on a full head.
#[derive(Clone, Debug)]
pub struct Last {
    /// Place of the evicted sample; behind all others if it was the last one itself.
    place: usize,
    gone: Sample,
    new: Sample,
}

#[derive(Clone, Debug)]
pub struct Model {
    pub kind: HeadKind,
    pub parts: Parts,
    pub limits: Limits,
    pub inverse_l2: f32,
    pub transform: Transform,
    pub false_rejection_rate: f32,
    pub when_full: WhenFull,
    pub classes: Vec<Class>,
    pub samples: Vec<Sample>,
    pub last: Option<Last>,
}

impl Model {
    pub fn new(kind: HeadKind, parts: Parts, limits: Limits) -> Self {
        let Recipe { transform, inverse_l2, .. } = Recipe::of(kind);
        Self {
            kind,
            parts,
            limits,
            inverse_l2,
            transform,
            false_rejection_rate: DEFAULT_FALSE_REJECTION_RATE,
            when_full: WhenFull::default(),
            classes: Vec::new(),
            samples: Vec::new(),
            last: None,
        }
    }

    pub fn class_named(&self, name: &str) -> Option<usize> {
        self.classes.iter().position(|class| class.name == name)
    }

    pub fn add_class(&mut self, name: &str) -> usize {
        let sum = vec![0; self.sum_len()];
        self.classes.push(Class { name: name.to_string(), shown: 0, sum });
        self.classes.len() - 1
    }

    /// Number of values of a class's sums.
    fn sum_len(&self) -> usize {
        self.parts.dim() + if self.parts.is_single() { 0 } else { self.parts.last() }
    }

    /// True if a full head left samples out.
    pub fn has_left_out(&self) -> bool {
        let mut classes = self.classes.iter().enumerate();
        classes.any(|(index, class)| class.shown as usize > self.samples_of(index))
    }

    fn count(&mut self, sample: &Sample, sign: i64) {
        let parts = self.parts;
        let class = &mut self.classes[sample.class];
        class.shown = class.shown.wrapping_add_signed(sign as i32);
        class.sum.iter_mut().zip(sample.units(parts)).for_each(|(sum, x)| *sum += sign * x);
    }

    /// Number of classes with samples.
    pub fn taught(&self) -> usize {
        (0..self.classes.len()).filter(|&class| self.samples_of(class) > 0).count()
    }

    fn samples_of(&self, class: usize) -> usize {
        self.samples.iter().filter(|sample| sample.class == class).count()
    }

    /// Adds a sample; which one a full head let go is what `head` shows, and must be one of a
    /// largest class.
    pub fn add_sample(&mut self, new: Sample, head: &Head<Box<[u32]>>) {
        self.count(&new, 1);
        self.last = None;
        self.samples.push(new.clone());
        if self.samples.len() <= usize::from(self.limits.samples) {
            return;
        }
        let left: Vec<Sample> = head.samples().map(sample).collect();
        let differs = |(place, sample): (usize, &Sample)| left.get(place) != Some(sample);
        let place = self.samples.iter().enumerate().position(|each| differs((each.0, each.1)));
        let place = place.expect("one is gone");
        let owner = self.samples[place].class;
        let most = (0..self.classes.len()).map(|class| self.samples_of(class)).max();
        assert_eq!(Some(self.samples_of(owner)), most, "classes are kept even");
        let gone = self.samples.remove(place);
        assert_eq!(self.samples, left);
        // Of equal neighbours any may have gone, which makes no difference.
        self.last = Some(Last { place, gone, new });
    }

    pub fn undo(&mut self) -> Option<usize> {
        let Some(Last { place, gone, new }) = self.last.take() else {
            let sample = self.samples.pop()?;
            self.count(&sample, -1);
            return Some(sample.class);
        };
        self.count(&new, -1);
        if place < self.samples.len() {
            self.samples.pop();
            self.samples.insert(place, gone);
        }
        Some(new.class)
    }

    pub fn remove_sample(&mut self, place: usize) -> usize {
        let sample = self.samples.remove(place);
        self.count(&sample, -1);
        self.last = None;
        sample.class
    }

    pub fn remove_class(&mut self, class: usize) {
        self.classes.remove(class);
        self.samples.retain(|sample| sample.class != class);
        for sample in &mut self.samples {
            sample.class -= usize::from(sample.class > class);
        }
        self.last = None;
    }

    pub fn forget_left_out(&mut self) {
        for class in &mut self.classes {
            class.shown = 0;
            class.sum.fill(0);
        }
        for sample in self.samples.clone() {
            self.count(&sample, 1);
        }
        self.last = None;
    }

    pub fn merge(&mut self, other: &Self) {
        let places: Vec<usize> = other
            .classes
            .iter()
            .map(|class| {
                self.class_named(&class.name).unwrap_or_else(|| self.add_class(&class.name))
            })
            .collect();
        for (class, &place) in other.classes.iter().zip(&places) {
            let own = &mut self.classes[place];
            own.shown += class.shown;
            own.sum.iter_mut().zip(&class.sum).for_each(|(sum, more)| *sum += more);
        }
        self.samples.extend(
            other
                .samples
                .iter()
                .map(|sample| Sample { class: places[sample.class], ..sample.clone() }),
        );
        self.last = None;
    }

    /// The record, by the table at the top of `head/storage/record.rs`.
    pub fn encoded(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let (version, last) = match self.parts.is_single() {
            true => (3u16, 0),
            false => (4, self.parts.last() as u16),
        };
        out.extend(version.to_le_bytes());
        out.extend([self.kind as u8, self.transform as u8 + 16 * self.when_full as u8]);
        out.extend([0; 4]);
        out.extend(ID.as_bytes());
        out.extend(self.inverse_l2.to_le_bytes());
        out.extend(self.false_rejection_rate.to_le_bytes());
        out.extend((self.parts.dim() as u16).to_le_bytes());
        out.extend(last.to_le_bytes());
        out.extend(self.limits.classes.to_le_bytes());
        out.extend(self.limits.samples.to_le_bytes());
        out.extend((self.classes.len() as u16).to_le_bytes());
        out.extend((self.samples.len() as u16).to_le_bytes());
        for class in &self.classes {
            out.extend(class.shown.to_le_bytes());
            out.push(class.name.len() as u8);
            out.extend(class.name.bytes());
        }
        for sample in &self.samples {
            out.extend((sample.class as u16).to_le_bytes());
            out.extend([sample.quant.zero_point as u8, 0]);
            out.extend(sample.quant.scale.get().to_le_bytes());
            out.extend(sample.codes.iter().map(|&code| code as u8));
        }
        for (index, class) in self.classes.iter().enumerate() {
            if class.shown as usize > self.samples_of(index) {
                out.extend(class.sum.iter().flat_map(|&sum| (sum as i32).to_le_bytes()));
            }
        }
        let total = (out.len() + 4) as u32;
        out[12..16].copy_from_slice(&total.to_le_bytes());
        let checksum = crc32fast::hash(&out);
        out.extend(checksum.to_le_bytes());
        out
    }

    /// A head made anew that was taught all this at once: by its calls, or, where a full head left
    /// samples out, by its record.
    pub fn taught_in_one_go(&self) -> Head<Box<[u32]>> {
        let words = self.limits.words_for(self.kind, self.parts).expect("as before");
        let memory = vec![0x1234_5678; words].into_boxed_slice();
        if self.has_left_out() {
            return Head::decode(&self.encoded(), Some(ID), memory).expect("a whole record");
        }
        let mut head =
            Head::new_for(self.kind, self.parts, ID, self.limits, memory).expect("as before");
        head.set_inverse_l2(self.inverse_l2).expect("as before");
        head.set_false_rejection_rate(self.false_rejection_rate).expect("as before");
        head.set_transform(self.transform);
        for class in &self.classes {
            head.add_class(&class.name).expect("as before");
        }
        for sample in &self.samples {
            let class = head.class_at(sample.class).expect("listed");
            head.add_sample(class, Embedding::Int8 { codes: &sample.codes, quant: sample.quant })
                .expect("as before");
        }
        head
    }

    /// The model of a head that knows nothing but the last `count` values of each embedding. What a
    /// full head left out is forgotten.
    pub fn last(&self, count: usize) -> Self {
        let samples = self.samples.iter().map(|sample| sample.last(count)).collect();
        let mut last = Self { parts: Parts::single(count), samples, ..self.clone() };
        for class in &mut last.classes {
            class.sum = vec![0; count];
        }
        last.forget_left_out();
        last
    }

    /// Fails where the head has anything else.
    pub fn compare(&self, head: &Head<Box<[u32]>>) {
        let names: Vec<&str> = self.classes.iter().map(|class| &*class.name).collect();
        assert!(head.classes().map(|(_, name)| name).eq(names.iter().copied()), "{names:?}");
        assert!(head.samples().map(sample).eq(self.samples.iter().cloned()));
        for (index, class) in self.classes.iter().enumerate() {
            let id = head.class_at(index).expect("listed");
            assert_eq!(
                (head.samples_of(id), head.shown_of(id)),
                (self.samples_of(index), class.shown)
            );
            assert_eq!(head.class_named(&class.name), Some(id));
        }
        let mut bytes = vec![0; head.encoded_len()];
        let written = head.encode(&mut bytes).expect("as long as it says");
        assert!(written <= self.limits.most_encoded_for(self.parts));
        assert_eq!(bytes, self.encoded());
    }
}

fn sample((class, embedding): (offshoot_core::head::ClassId, Embedding<'_>)) -> Sample {
    let Embedding::Int8 { codes, quant } = embedding else { panic!("samples are kept as codes") };
    Sample { class: class.index(), codes: codes.to_vec(), quant }
}
