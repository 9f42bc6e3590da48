//! Changing one's mind: what was taught is taken back, renamed, replaced or brought together.
//!
//! Everything a head answers is computed from its samples, their order and its settings. So
//! whatever is removed leaves no trace: the head is, bit for bit, the one that never saw it. What
//! was pushed out of a full head, or never taken into it, has no influence either.

use super::error::{ClassError, EditError, MergeError};
use super::memory::{KeptMut, MAX_NAME_BYTES, Memory, count};
use super::teach::check_name;
use super::{ClassId, Head, Last, gram};

/// What a full head does with one more sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WhenFull {
    /// Refuses it.
    #[default]
    Refuse = 0,
    /// Keeps a fair choice: class-balancing reservoir sampling (Chrysakis and Moens 2020). A sample
    /// of a smaller class replaces one of a largest; one of a largest class replaces another of
    /// that class, or is itself left out, so that each ever shown is kept with the same
    /// probability. What looks like chance is a function of how many were shown.
    ///
    /// What is left out has no influence, so that merging and forgetting stay exact: a head of
    /// class means, too, is one of the kept samples. `examples/herding.py` measures the
    /// alternative.
    Reservoir = 1,
}

/// Editing.
impl<M: Memory> Head<M> {
    /// What happens to a sample that finds the head full.
    pub fn when_full(&self) -> WhenFull {
        self.when_full
    }

    /// Sets what happens to a sample that finds the head full; it starts at [`WhenFull::Refuse`].
    pub fn set_when_full(&mut self, when_full: WhenFull) {
        self.when_full = when_full;
    }

    /// Samples of a class that were ever shown and not taken back; more than are kept where a
    /// full head made a choice.
    pub fn shown_of(&self, class: ClassId) -> u32 {
        self.kept().seen.get(..self.classes).and_then(|seen| seen.get(class.index())).copied().unwrap_or(0)
    }

    /// Takes back what was taught last and tells its class; `None` if there is no sample.
    ///
    /// The head then answers bit for bit as it did before that sample, even if the sample had
    /// pushed another out. Earlier samples that had done so do not bring theirs back.
    pub fn undo(&mut self) -> Option<ClassId> {
        let last = core::mem::replace(&mut self.last, Last::Kept);
        if let Last::LeftOut(class) = last {
            self.forget_one(class.0);
            return Some(class);
        }
        let at = self.samples.checked_sub(1)?;
        let owner = self.kept().owners[at];
        self.forget_one(owner);
        self.samples = at;
        self.gram_rows = self.gram_rows.min(at);
        if let Last::Replaced { place } = last {
            let (dim, spare) = (self.layout.dim, self.layout.samples);
            let mut kept = self.layout.kept_mut(self.memory.words_mut());
            for sample in (place..at).rev() {
                kept.copy_sample(sample, sample + 1, dim);
            }
            kept.copy_sample(spare, place, dim);
            self.samples = at + 1;
            self.gram_rows = self.gram_rows.min(place);
        }
        self.fitted = None;
        Some(ClassId(owner))
    }

    /// Takes a sample back, by its place among [`Head::samples`]; those after it move up.
    ///
    /// The head is then, bit for bit, as if that sample had never been taught.
    ///
    /// # Errors
    ///
    /// A place beyond the last sample; nothing is changed.
    pub fn remove_sample(&mut self, sample: usize) -> Result<ClassId, EditError> {
        if sample >= self.samples {
            return Err(EditError::NoSuchSample { sample, count: self.samples });
        }
        let owner = self.kept().owners[sample];
        self.forget_one(owner);
        self.take_out(sample);
        self.last = Last::Kept;
        Ok(ClassId(owner))
    }

    /// Takes a class and its samples back; the classes after it are renumbered.
    ///
    /// The head is then, bit for bit, as if that class had never been there.
    ///
    /// # Errors
    ///
    /// A class of another head; nothing is changed.
    pub fn remove_class(&mut self, class: ClassId) -> Result<(), EditError> {
        self.check_class(class)?;
        for sample in (0..self.samples).rev() {
            if self.kept().owners[sample] == class.0 {
                self.take_out(sample);
            }
        }
        let (at, classes) = (class.index(), self.classes);
        let kept = self.layout.kept_mut(self.memory.words_mut());
        for owner in kept.owners[..self.samples].iter_mut().filter(|owner| **owner > class.0) {
            *owner -= 1;
        }
        kept.names.copy_within((at + 1) * MAX_NAME_BYTES..classes * MAX_NAME_BYTES, at * MAX_NAME_BYTES);
        kept.name_bytes.copy_within(at + 1..classes, at);
        kept.seen.copy_within(at + 1..classes, at);
        self.classes -= 1;
        self.fitted = None;
        self.last = Last::Kept;
        Ok(())
    }

    /// Gives a class another name.
    ///
    /// # Errors
    ///
    /// A class of another head; a name that is empty, too long, not printable or another class's.
    /// Nothing is changed.
    pub fn rename_class(&mut self, class: ClassId, name: &str) -> Result<(), EditError> {
        self.check_class(class)?;
        check_name(name)?;
        if let Some(other) = self.class_named(name).filter(|&other| other != class) {
            return Err(ClassError::Duplicate { class: other }.into());
        }
        self.write_name(class.index(), name);
        Ok(())
    }

    /// Teaches this head all that `other` was taught, classes of the same name being the same.
    ///
    /// Exactly what teaching the samples one after the other gives. So the order in which the
    /// heads of a fleet are merged changes no more than the order of teaching does.
    ///
    /// # Errors
    ///
    /// Another package or too little room; nothing is changed.
    pub fn merge<N: Memory>(&mut self, other: &Head<N>) -> Result<(), MergeError> {
        if self.package_id != other.package_id || self.layout.dim != other.layout.dim {
            return Err(MergeError::OtherPackage);
        }
        let new = other.classes().filter(|(_, name)| self.class_named(name).is_none()).count();
        let (classes, samples) = (self.classes + new, self.samples + other.samples);
        if classes > self.layout.classes {
            return Err(MergeError::TooManyClasses { needed: classes, limit: self.limits.classes });
        }
        if samples > self.layout.samples {
            return Err(MergeError::TooManySamples { needed: samples, limit: self.limits.samples });
        }
        for (_, name) in other.classes() {
            // Refused only where it is there already.
            let _ = self.add_class(name);
        }
        for (class, embedding) in other.samples() {
            let known = other.class_name(class).and_then(|name| self.class_named(name));
            if let Some(class) = known {
                // Checked when the other head took it.
                let _ = self.add_sample(class, embedding);
            }
        }
        self.last = Last::Kept;
        Ok(())
    }

    pub(super) fn check_class(&self, class: ClassId) -> Result<(), EditError> {
        let (class, count) = (class.index(), self.classes);
        if class < count { Ok(()) } else { Err(EditError::NoSuchClass { class, count }) }
    }

    pub(super) fn write_name(&mut self, class: usize, name: &str) {
        let kept = self.layout.kept_mut(self.memory.words_mut());
        kept.names[class * MAX_NAME_BYTES..][..name.len()].copy_from_slice(name.as_bytes());
        kept.name_bytes[class] = name.len() as u8;
    }

    fn forget_one(&mut self, owner: u16) {
        let kept = self.layout.kept_mut(self.memory.words_mut());
        let seen = &mut kept.seen[usize::from(owner)];
        *seen = seen.saturating_sub(1);
    }

    /// Closes the gap that a sample leaves.
    fn take_out(&mut self, sample: usize) {
        let (dim, samples) = (self.layout.dim, self.samples);
        let words = self.memory.words_mut();
        if sample < self.gram_rows {
            let (_, work) = self.layout.split(words);
            gram::remove(work.gram, sample, self.gram_rows);
            self.gram_rows -= 1;
        }
        let mut kept = self.layout.kept_mut(words);
        for after in sample + 1..samples {
            kept.copy_sample(after, after - 1, dim);
        }
        self.samples -= 1;
        self.fitted = None;
    }

    /// Makes room in a full head for one more sample of `class`, or says that the sample is to be
    /// left out.
    pub(super) fn make_room(&mut self, class: ClassId) -> Last {
        let kept = self.kept();
        let count = |class: u16| count(&kept.owners[..self.samples], class);
        let largest =
            (0..self.classes as u16).max_by_key(|&c| (count(c), core::cmp::Reverse(c))).unwrap_or(0);
        let (most, own) = (count(largest), count(class.0));
        let shown: u32 = kept.seen[..self.classes].iter().fold(0, |sum, &seen| sum.wrapping_add(seen));
        let chance = mix(u64::from(shown));
        let (from, pick) = if own < most {
            (largest, chance % most as u64)
        } else {
            // One of those shown so far and this one; a place beyond the kept is none.
            (class.0, chance % (u64::from(kept.seen[class.index()]) + 1))
        };
        let mut members = (0..self.samples).filter(|&i| kept.owners[i] == from);
        let Some(place) = members.nth(pick as usize) else { return Last::LeftOut(class) };
        let (dim, spare) = (self.layout.dim, self.layout.samples);
        self.layout.kept_mut(self.memory.words_mut()).copy_sample(place, spare, dim);
        self.take_out(place);
        Last::Replaced { place }
    }
}

impl KeptMut<'_> {
    fn copy_sample(&mut self, from: usize, to: usize, dim: usize) {
        self.codes.copy_within(from * dim..(from + 1) * dim, to * dim);
        self.scales[to] = self.scales[from];
        self.inverses[to] = self.inverses[from];
        self.owners[to] = self.owners[from];
        self.zeros[to] = self.zeros[from];
    }
}

/// SplitMix64: numbers that look random and are the same everywhere.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Noise, TestHead, cluster, empty, fingerprint, taught};
    use super::super::{HeadKind, Limits};
    use super::*;
    use crate::embedding::Embedding;
    use std::format;
    use std::vec;
    use std::vec::Vec;

    fn encoded(head: &TestHead) -> Vec<u8> {
        let mut bytes = vec![0; head.encoded_len()];
        head.encode(&mut bytes).unwrap();
        bytes
    }

    /// The same classes and samples, but for those that `keep` refuses, taught to a fresh head.
    fn retaught(head: &TestHead, keep: impl Fn(usize, ClassId) -> bool, classes: &[usize]) -> TestHead {
        let mut fresh = empty(head.kind(), head.dim(), head.limits());
        for &class in classes {
            fresh.add_class(head.class_name(head.class_at(class).unwrap()).unwrap()).unwrap();
        }
        for (i, (class, embedding)) in head.samples().enumerate() {
            if keep(i, class) {
                let class = fresh.class_named(head.class_name(class).unwrap()).unwrap();
                fresh.add_sample(class, embedding).unwrap();
            }
        }
        fresh
    }

    #[test]
    fn a_removed_sample_leaves_no_trace() {
        for kind in HeadKind::ALL {
            for place in [0, 5, 11] {
                let mut head = taught(kind, 3, 4, 24, 0.8);
                let mut never = retaught(&head, |i, _| i != place, &[0, 1, 2]);
                // Fitted and half fitted: the products of samples must move with them.
                head.fit().unwrap();
                let owner = head.remove_sample(place).unwrap();
                assert_eq!(owner.index(), place % 3);
                assert_eq!(encoded(&head), encoded(&never));
                assert_eq!(fingerprint(&mut head), fingerprint(&mut never), "{kind} {place}");
            }
        }
    }

    #[test]
    fn a_removed_class_leaves_no_trace() {
        for kind in HeadKind::ALL {
            let mut head = taught(kind, 4, 3, 24, 0.8);
            let mut never = retaught(&head, |_, class| class.index() != 1, &[0, 2, 3]);
            head.fit().unwrap();
            head.remove_class(head.class_at(1).unwrap()).unwrap();
            assert_eq!(encoded(&head), encoded(&never));
            assert_eq!(fingerprint(&mut head), fingerprint(&mut never), "{kind}");
            let again = head.add_class("c1").unwrap();
            assert_eq!((again.index(), head.samples_of(again), head.shown_of(again)), (3, 0, 0));
        }
    }

    #[test]
    fn edits_that_cannot_be_change_nothing() {
        let mut head = taught(HeadKind::Ridge, 2, 2, 8, 0.8);
        let before = (encoded(&head), fingerprint(&mut head));
        assert_eq!(head.remove_sample(4), Err(EditError::NoSuchSample { sample: 4, count: 4 }));
        assert_eq!(head.remove_class(ClassId(2)), Err(EditError::NoSuchClass { class: 2, count: 2 }));
        assert_eq!(head.rename_class(ClassId(2), "x"), Err(EditError::NoSuchClass { class: 2, count: 2 }));
        assert_eq!(head.rename_class(ClassId(0), ""), Err(EditError::Name(ClassError::Empty)));
        let taken = ClassError::Duplicate { class: ClassId(1) };
        assert_eq!(head.rename_class(ClassId(0), "c1"), Err(EditError::Name(taken)));
        assert_eq!((encoded(&head), fingerprint(&mut head)), before);
        head.rename_class(ClassId(0), "c0").unwrap();
        head.rename_class(ClassId(0), "a longer name").unwrap();
        assert_eq!(head.class_name(ClassId(0)), Some("a longer name"));
        assert_eq!(fingerprint(&mut head), before.1);
    }

    fn full(classes: u16, samples: u16) -> TestHead {
        let mut head = empty(HeadKind::Ridge, 6, Limits { classes, samples });
        head.set_when_full(WhenFull::Reservoir);
        for class in 0..classes {
            head.add_class(&format!("{class}")).unwrap();
        }
        head
    }

    #[test]
    fn a_reservoir_keeps_classes_even_and_every_sample_as_likely_as_the_next() {
        let mut kept = [0i32; 7];
        for seed in 0..300u64 {
            let mut head = full(2, 12);
            // The choice is a function of how many were shown: make that another number each time.
            head.layout.kept_mut(&mut *head.memory).seen[1] = 1000 * seed as u32;
            // Two of class 1 and, around them, 60 of class 0 with their number as a value.
            for i in 0..60u64 {
                let value = [1.0 + i as f32, 60.0, 0.0, 1.0, 0.0, 0.0];
                head.add_sample(ClassId(0), Embedding::Float(&value)).unwrap();
                if i % 30 == 7 {
                    head.add_sample(ClassId(1), Embedding::Float(&value)).unwrap();
                }
            }
            assert_eq!((head.sample_count(), head.samples_of(ClassId(1))), (12, 2));
            assert_eq!(head.shown_of(ClassId(0)), 60);
            for (_, embedding) in head.samples().filter(|(class, _)| class.index() == 0) {
                kept[(embedding.get(0).unwrap() - 0.9) as usize / 10] += 1;
            }
        }
        // Nothing of the first or last tens is favoured by much.
        let tens = &kept[..6];
        let mean = tens.iter().sum::<i32>() / 6;
        assert!(mean == 500 && tens.iter().all(|t| (t - mean).abs() < mean / 5), "{tens:?}");
    }

    #[test]
    fn undo_brings_back_what_was_pushed_out() {
        let mut head = full(3, 9);
        let mut noise = Noise(6);
        let (mut replaced, mut left_out) = (0, 0);
        for i in 0..80 {
            let values = cluster(&mut noise, i % 2, 6, 1.0);
            // Mostly two classes; the third comes late.
            let class = ClassId(if i > 50 { 2 } else { i as u16 % 2 });
            let before = encoded(&head);
            let bits = (i > 0).then(|| fingerprint(&mut head));
            head.add_sample(class, Embedding::Float(&values)).unwrap();
            match head.last {
                Last::Replaced { .. } => replaced += 1,
                Last::LeftOut(_) => left_out += 1,
                Last::Kept => assert!(i < 9),
            }
            let after = encoded(&head);
            assert_eq!(head.undo(), Some(class));
            assert_eq!(encoded(&head), before, "{i}");
            assert!(bits.is_none_or(|bits| fingerprint(&mut head) == bits), "{i}");
            head.add_sample(class, Embedding::Float(&values)).unwrap();
            assert_eq!(encoded(&head), after, "the same choice again");
        }
        assert!(replaced > 10 && left_out > 10, "{replaced} {left_out}");
        assert_eq!([0, 1, 2].map(|c| head.samples_of(ClassId(c))), [3, 3, 3]);
    }

    #[test]
    fn merging_is_teaching() {
        for kind in HeadKind::ALL {
            let all = taught(kind, 4, 3, 24, 0.8);
            let limits = Limits { classes: 4, samples: 12 };
            let (mut here, mut there) = (empty(kind, 24, limits), empty(kind, 24, limits));
            let mut together = empty(kind, 24, limits);
            for class in ["c0", "c1", "c2"] {
                here.add_class(class).unwrap();
                together.add_class(class).unwrap();
            }
            for class in ["c3", "c1"] {
                there.add_class(class).unwrap();
            }
            together.add_class("c3").unwrap();
            let name = |class: ClassId| all.class_name(class).unwrap();
            let is_there = |i: usize, class: ClassId| class.index() == 3 || (class.index() == 1 && i > 5);
            for (i, (class, embedding)) in all.samples().enumerate() {
                let head = if is_there(i, class) { &mut there } else { &mut here };
                head.add_sample(head.class_named(name(class)).unwrap(), embedding).unwrap();
            }
            for second in [false, true] {
                for (i, (class, embedding)) in all.samples().enumerate() {
                    if is_there(i, class) == second {
                        together.add_sample(together.class_named(name(class)).unwrap(), embedding).unwrap();
                    }
                }
            }
            here.merge(&there).unwrap();
            assert_eq!(encoded(&here), encoded(&together), "{kind}");
            assert_eq!(fingerprint(&mut here), fingerprint(&mut together), "{kind}");
        }
    }

    #[test]
    fn heads_that_do_not_fit_are_not_merged() {
        let mut head = taught(HeadKind::NearestMean, 2, 2, 6, 0.5);
        let before = encoded(&head);
        let other = taught(HeadKind::NearestMean, 4, 2, 6, 0.5);
        assert_eq!(head.merge(&other), Err(MergeError::TooManyClasses { needed: 4, limit: 3 }));
        let other = taught(HeadKind::Knn, 2, 5, 6, 0.5);
        assert_eq!(head.merge(&other), Err(MergeError::TooManySamples { needed: 14, limit: 8 }));
        assert_eq!(head.merge(&taught(HeadKind::Knn, 2, 2, 7, 0.5)), Err(MergeError::OtherPackage));
        let memory = vec![0; head.limits().words(HeadKind::Knn, 6).unwrap()];
        let stranger = Head::new(HeadKind::Knn, 6, [8; 32], head.limits(), vec_memory(memory)).unwrap();
        assert_eq!(head.merge(&stranger), Err(MergeError::OtherPackage));
        assert_eq!(encoded(&head), before);
    }

    fn vec_memory(memory: Vec<u32>) -> &'static mut [u32] {
        std::boxed::Box::leak(memory.into_boxed_slice())
    }
}
