//! Editing of a head's training data: undo, removal, renaming and merging.
//!
//! Every answer of a head is computed from its samples, their order, the sums of all samples each
//! class has seen, and its settings. Removal therefore means:
//!
//! - A removed sample leaves no trace unless samples were evicted: the head is, bit for bit, the
//!   one that never saw it. Removal of the last sample ([`Head::undo`]) never leaves a trace.
//! - A removed class leaves no trace under the same condition. Otherwise nothing of the class
//!   remains, but the selection of the kept samples of other classes may have depended on it.
//! - Evicted samples stay in the sum of their class and cannot be subtracted one by one:
//!   [`Head::forget_left_out`] removes all of them. A removed sample is out of the sum exactly; the
//!   selection of evicted samples may have depended on it.

use crate::head::class_name::check_name;
use crate::head::error::{ClassError, EditError, MergeError};
use crate::head::linalg::gram;
use crate::head::storage::{MAX_NAME_BYTES, MAX_SHOWN, Memory};
use crate::head::{ClassId, Head};

/// Edits samples and classes.
impl<M: Memory> Head<M> {
    /// Removes the last sample and returns its class; `None` if there is no sample.
    ///
    /// The head then answers bit for bit as it did before that sample, even if the sample had
    /// evicted another. Samples that were evicted earlier do not come back.
    pub fn undo(&mut self) -> Option<ClassId> {
        let (at, end) = match self.last.take() {
            Some(place) => (place, self.samples + 1),
            None => (self.samples.checked_sub(1)?, self.samples),
        };
        let mut kept = self.layout.kept_mut(self.memory.words_mut());
        // A sample that it evicted comes back from behind, and the last one takes its place there.
        kept.move_front(at, end);
        kept.count_out(end - 1);
        let owner = kept.owners[end - 1];
        self.samples = end - 1;
        self.gram_rows = self.gram_rows.map(|rows| rows.min(at));
        self.fitted = None;
        Some(ClassId(owner))
    }

    /// Removes a sample, by its index among [`Head::samples`]; those after it move up.
    ///
    /// The head is then, bit for bit, as if that sample had never been added, unless a full head
    /// evicted samples ([`WhenFull`](crate::head::WhenFull)): the mean of its class is exact even
    /// then, but the selection of the other kept samples may have depended on it.
    ///
    /// # Errors
    ///
    /// [`EditError`] for an index beyond the last sample; nothing is changed.
    pub fn remove_sample(&mut self, sample: usize) -> Result<ClassId, EditError> {
        if sample >= self.samples {
            return Err(EditError::NoSuchSample { sample, count: self.samples });
        }
        let owner = self.kept().owners[sample];
        self.layout.kept_mut(self.memory.words_mut()).count_out(sample);
        self.take_out(sample);
        Ok(ClassId(owner))
    }

    /// Removes a class and its samples; the classes after it are renumbered.
    ///
    /// The head is then, bit for bit, as if that class had never been there, unless a full head
    /// evicted samples of other classes: the selection of those kept may have depended on it.
    ///
    /// # Errors
    ///
    /// [`EditError`] for a class of another head; nothing is changed.
    pub fn remove_class(&mut self, class: ClassId) -> Result<(), EditError> {
        self.check_class(class)?;
        for sample in (0..self.samples).rev() {
            if self.kept().owners[sample] == class.0 {
                self.take_out(sample);
            }
        }
        let at = class.index();
        let classes = self.classes;
        let mut kept = self.layout.kept_mut(self.memory.words_mut());
        for owner in kept.owners[..self.samples].iter_mut().filter(|owner| **owner > class.0) {
            *owner -= 1;
        }
        kept.names
            .copy_within((at + 1) * MAX_NAME_BYTES..classes * MAX_NAME_BYTES, at * MAX_NAME_BYTES);
        kept.name_bytes.copy_within(at + 1..classes, at);
        kept.seen.copy_within(at + 1..classes, at);
        kept.close_sums(at, classes);
        self.classes -= 1;
        self.fitted = None;
        self.last = None;
        Ok(())
    }

    /// Renames a class.
    ///
    /// # Errors
    ///
    /// [`EditError`] for a class of another head, or a name that is empty, too long, not printable
    /// or another class's. Nothing is changed.
    pub fn rename_class(&mut self, class: ClassId, name: &str) -> Result<(), EditError> {
        self.check_class(class)?;
        check_name(name)?;
        if let Some(other) = self.class_named(name).filter(|&other| other != class) {
            return Err(ClassError::Duplicate { class: other }.into());
        }
        self.write_name(class.index(), name);
        Ok(())
    }

    /// Adds all classes and samples of `other`; classes of the same name are merged.
    ///
    /// The result is exactly that of adding the samples one after the other, so the order of
    /// merging the heads of a fleet matters no more than the order of samples. Class means become
    /// those of all samples that either head has seen, kept or not.
    ///
    /// # Errors
    ///
    /// [`MergeError`] for another package, too little room for the kept samples, or a class that
    /// has seen more than [`MAX_SHOWN`] samples together; nothing is changed.
    pub fn merge<N: Memory>(&mut self, other: &Head<N>) -> Result<(), MergeError> {
        if self.package_id != other.package_id || self.parts() != other.parts() {
            return Err(MergeError::OtherPackage);
        }
        let new = other.classes().filter(|(_, name)| self.class_named(name).is_none()).count();
        let classes = self.classes + new;
        let samples = self.samples + other.samples;
        let same = |name| self.class_named(name).map_or(0, |class| self.shown_of(class));
        let shown = other.classes().map(|(class, name)| same(name) + other.shown_of(class));
        let most = shown.max().unwrap_or(0);
        if classes > self.layout.classes {
            return Err(MergeError::TooManyClasses { needed: classes, limit: self.limits.classes });
        }
        if samples > self.layout.samples {
            return Err(MergeError::TooManySamples { needed: samples, limit: self.limits.samples });
        }
        if most > MAX_SHOWN {
            return Err(MergeError::TooManyShown { needed: most, limit: MAX_SHOWN });
        }
        for (_, name) in other.classes() {
            // Refused only if the class is there already.
            let _ = self.add_readable(name);
        }
        let same =
            |head: &Self, class| other.class_name(class).and_then(|name| head.class_named(name));
        for (class, embedding) in other.samples() {
            if let Some(class) = same(self, class) {
                self.write_sample(class, embedding);
                self.samples += 1;
            }
        }
        for (class, _) in other.classes() {
            let Some(own) = same(self, class) else { continue };
            let from = other.kept();
            let mut to = self.layout.kept_mut(self.memory.words_mut());
            to.seen[own.index()] += from.seen[class.index()];
            to.add_sums(own.index(), &from, class.index());
        }
        self.last = None;
        self.fitted = None;
        Ok(())
    }

    pub(crate) fn check_class(&self, class: ClassId) -> Result<(), EditError> {
        let class = class.index();
        let count = self.classes;
        if class < count { Ok(()) } else { Err(EditError::NoSuchClass { class, count }) }
    }

    pub(crate) fn write_name(&mut self, class: usize, name: &str) {
        let kept = self.layout.kept_mut(self.memory.words_mut());
        kept.names[class * MAX_NAME_BYTES..][..name.len()].copy_from_slice(name.as_bytes());
        kept.name_bytes[class] = name.len() as u8;
    }

    /// Closes the gap that a sample leaves.
    fn take_out(&mut self, sample: usize) {
        self.move_back(sample, self.samples);
        self.samples -= 1;
        self.last = None;
    }

    /// Moves a sample behind the following ones, up to `end`, which move up.
    pub(crate) fn move_back(&mut self, sample: usize, end: usize) {
        let words = self.memory.words_mut();
        for &view in self.layout.views() {
            let rows = &mut self.gram_rows[view as usize];
            if sample < *rows {
                let (_, work) = self.layout.split_view(words, view);
                gram::remove(work.gram, sample, *rows);
                *rows -= 1;
            }
        }
        self.layout.kept_mut(words).move_back(sample, end);
        self.fitted = None;
    }
}

#[cfg(test)]
mod tests {
    use crate::package::PackageId;
    use std::vec::Vec;
    use std::{format, vec};

    use super::*;
    use crate::embedding::Embedding;
    use crate::head::testing::{Noise, TestHead, cluster, empty, fingerprint, taught};
    use crate::head::{HeadKind, Limits};

    fn encoded(head: &TestHead) -> Vec<u8> {
        let mut bytes = vec![0; head.encoded_len()];
        head.encode(&mut bytes).unwrap();
        bytes
    }

    /// Same classes and samples, except for those that `keep` refuses, added to a fresh head.
    fn retaught(
        head: &TestHead,
        keep: impl Fn(usize, ClassId) -> bool,
        classes: &[usize],
    ) -> TestHead {
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
        assert_eq!(
            head.remove_class(ClassId(2)),
            Err(EditError::NoSuchClass { class: 2, count: 2 })
        );
        assert_eq!(
            head.rename_class(ClassId(2), "x"),
            Err(EditError::NoSuchClass { class: 2, count: 2 })
        );
        assert_eq!(head.rename_class(ClassId(0), ""), Err(EditError::Name(ClassError::Empty)));
        let taken = ClassError::Duplicate { class: ClassId(1) };
        assert_eq!(head.rename_class(ClassId(0), "c1"), Err(EditError::Name(taken)));
        assert_eq!((encoded(&head), fingerprint(&mut head)), before);
        head.rename_class(ClassId(0), "c0").unwrap();
        head.rename_class(ClassId(0), "a longer name").unwrap();
        assert_eq!(head.class_name(ClassId(0)), Some("a longer name"));
        assert_eq!(fingerprint(&mut head), before.1);
    }

    #[test]
    fn merging_is_teaching() {
        for kind in HeadKind::ALL {
            let all = taught(kind, 4, 3, 24, 0.8);
            let limits = Limits { classes: 4, samples: 12 };
            let mut here = empty(kind, 24, limits);
            let mut there = empty(kind, 24, limits);
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
            let is_there =
                |i: usize, class: ClassId| class.index() == 3 || (class.index() == 1 && i > 5);
            for (i, (class, embedding)) in all.samples().enumerate() {
                let head = if is_there(i, class) { &mut there } else { &mut here };
                head.add_sample(head.class_named(name(class)).unwrap(), embedding).unwrap();
            }
            for second in [false, true] {
                for (i, (class, embedding)) in all.samples().enumerate() {
                    if is_there(i, class) == second {
                        together
                            .add_sample(together.class_named(name(class)).unwrap(), embedding)
                            .unwrap();
                    }
                }
            }
            here.merge(&there).unwrap();
            assert_eq!(encoded(&here), encoded(&together), "{kind}");
            assert_eq!(fingerprint(&mut here), fingerprint(&mut together), "{kind}");
        }
    }

    /// Evicted samples of full heads are in their sums, and these add up.
    #[test]
    fn merged_class_means_are_those_of_all_that_was_shown() {
        let small = Limits { classes: 3, samples: 9 };
        let mut all = empty(HeadKind::NearestMean, 24, Limits { classes: 3, samples: 120 });
        let mut merged = empty(HeadKind::NearestMean, 24, Limits { classes: 3, samples: 36 });
        let mut noise = Noise(8);
        for _ in 0..4 {
            let mut device = empty(HeadKind::NearestMean, 24, small);
            for i in 0..30 {
                let name = format!("c{}", i % 3);
                let values = cluster(&mut noise, i % 3, 24, 2.0);
                for head in [&mut all, &mut device] {
                    let class =
                        head.class_named(&name).or_else(|| head.add_class(&name).ok()).unwrap();
                    head.add_sample(class, Embedding::Float(&values)).unwrap();
                }
            }
            assert_eq!(device.sample_count(), 9);
            merged.merge(&device).unwrap();
        }
        assert_eq!((merged.sample_count(), merged.shown_of(ClassId(1))), (36, 40));
        let bits = |head: &mut TestHead| {
            head.fit().unwrap();
            head.linear().unwrap().weights.iter().map(|w| w.to_bits()).collect()
        };
        let (one, other): (Vec<u32>, Vec<u32>) = (bits(&mut merged), bits(&mut all));
        assert_eq!(one, other);
        let mut kept_only = retaught(&merged, |_, _| true, &[0, 1, 2]);
        assert_ne!(bits(&mut kept_only), other, "what was left out counts");
        for i in 0..60 {
            let values = cluster(&mut noise, i % 3, 24, 2.0);
            let one = merged.classify(Embedding::Float(&values)).unwrap().class();
            assert_eq!(one, all.classify(Embedding::Float(&values)).unwrap().class());
            let [one, other] =
                [&merged, &all].map(|head| head.similarity(Embedding::Float(&values)).unwrap().0);
            assert_eq!(one, other);
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
        let stranger =
            Head::new(HeadKind::Knn, 6, PackageId::new([8; 32]), head.limits(), vec_memory(memory))
                .unwrap();
        assert_eq!(head.merge(&stranger), Err(MergeError::OtherPackage));
        let busy = taught(HeadKind::Knn, 1, 1, 6, 0.5);
        busy.layout.kept_mut(&mut *busy.memory).seen[0] = MAX_SHOWN - 1;
        let needed = MAX_SHOWN + 1;
        assert_eq!(head.merge(&busy), Err(MergeError::TooManyShown { needed, limit: MAX_SHOWN }));
        assert_eq!(encoded(&head), before);
    }

    fn vec_memory(memory: Vec<u32>) -> &'static mut [u32] {
        std::boxed::Box::leak(memory.into_boxed_slice())
    }
}
