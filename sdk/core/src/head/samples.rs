//! Training data of a head: classes and samples.

mod edit;
pub(super) mod eviction;

use super::class_name::check_name;
use super::error::{ClassError, SampleError};
use super::predict::query;
use super::storage::views::count;
use super::storage::{Layout, MAX_SHOWN, Memory};
use super::{ClassId, Head, WhenFull};
use crate::embedding::Embedding;
use crate::quant::{Quant, Scale};

/// Classes and samples.
impl<M: Memory> Head<M> {
    /// Adds a class without samples; it is never an answer before it has one.
    ///
    /// # Errors
    ///
    /// [`ClassError`] if the name is empty, too long, not printable or taken, or there is no room;
    /// nothing is changed.
    pub fn add_class(&mut self, name: &str) -> Result<ClassId, ClassError> {
        check_name(name)?;
        self.add_readable(name)
    }

    /// Adds a class like [`Head::add_class`], accepting a name that an older head may have.
    pub(super) fn add_readable(&mut self, name: &str) -> Result<ClassId, ClassError> {
        if let Some(class) = self.class_named(name) {
            return Err(ClassError::Duplicate { class });
        }
        if self.classes == self.layout.classes {
            return Err(ClassError::Full { limit: self.limits.classes });
        }
        self.write_name(self.classes, name);
        let class = self.classes;
        let mut kept = self.layout.kept_mut(self.memory.words_mut());
        kept.seen[class] = 0;
        kept.clear_sums(class..class + 1);
        self.classes += 1;
        self.fitted = None;
        Ok(ClassId(self.classes as u16 - 1))
    }

    /// Number of classes.
    pub fn class_count(&self) -> usize {
        self.classes
    }

    /// Returns classes and their names, in the order in which they were added.
    pub fn classes(&self) -> impl Iterator<Item = (ClassId, &str)> {
        let kept = self.kept();
        (0..self.classes).map(move |class| (ClassId(class as u16), kept.name(class)))
    }

    /// Returns the class at an index among [`Head::classes`]; `None` beyond the last.
    pub fn class_at(&self, index: usize) -> Option<ClassId> {
        (index < self.classes).then_some(ClassId(index as u16))
    }

    /// Returns the class of that name; `None` if there is none.
    pub fn class_named(&self, name: &str) -> Option<ClassId> {
        self.classes().find(|(_, other)| *other == name).map(|(class, _)| class)
    }

    /// Returns the name of a class; `None` for a class of another head.
    pub fn class_name(&self, class: ClassId) -> Option<&str> {
        (class.index() < self.classes).then(|| self.kept().name(class.index()))
    }

    /// Number of samples of all classes.
    pub fn sample_count(&self) -> usize {
        self.samples
    }

    /// Number of samples of one class.
    pub fn samples_of(&self, class: ClassId) -> usize {
        count(&self.kept().owners[..self.samples], class.0)
    }

    /// Returns the samples in the order in which they were added.
    pub fn samples(&self) -> impl Iterator<Item = (ClassId, Embedding<'_>)> {
        self.codes().map(|(class, codes, quant)| (class, Embedding::Int8 { codes, quant }))
    }

    pub(super) fn codes(&self) -> impl Iterator<Item = (ClassId, &[i8], Quant)> {
        let kept = self.kept();
        (0..self.samples).map(move |index| {
            let (codes, zero_point) = kept.sample(index);
            // Only valid scales are ever written.
            let scale = Scale::new(kept.scales[index]).unwrap_or(Scale::ONE);
            (ClassId(kept.owners[index]), codes, Quant { scale, zero_point })
        })
    }

    /// Adds a training sample: `embedding` is a `class`. [`Head::fit`] learns it.
    ///
    /// Int8 values are kept as they are, floats are quantized. A full head applies
    /// [`Head::set_when_full`].
    ///
    /// # Errors
    ///
    /// [`SampleError`] for a class of another head, an embedding of another dimension or with a
    /// value that is not finite, no room, or a class that has seen [`MAX_SHOWN`] samples; nothing
    /// is changed.
    pub fn add_sample(
        &mut self,
        class: ClassId,
        embedding: Embedding<'_>,
    ) -> Result<(), SampleError> {
        let found = embedding.len();
        let needed = self.layout.dim;
        if class.index() >= self.classes {
            return Err(SampleError::NoSuchClass { class: class.index(), count: self.classes });
        }
        if found != needed {
            return Err(SampleError::WrongLength { found, needed });
        }
        if let Some(index) = embedding.first_non_finite() {
            return Err(SampleError::NotFinite { index });
        }
        if self.shown_of(class) == MAX_SHOWN {
            return Err(SampleError::TooManyShown { limit: MAX_SHOWN });
        }
        let is_full = self.samples == self.layout.samples;
        if is_full && self.when_full == WhenFull::Refuse {
            return Err(SampleError::Full { limit: self.limits.samples });
        }
        self.write_sample(class, embedding);
        self.layout.kept_mut(self.memory.words_mut()).count_in(self.samples);
        self.last = is_full.then(|| self.surplus());
        match self.last {
            Some(place) => self.move_back(place, self.samples + 1),
            None => self.samples += 1,
        }
        self.fitted = None;
        Ok(())
    }

    /// Returns the index, before the last addition, of the sample that it pushed out of a full head:
    /// the number of samples if that was the new one itself. [`None`] if none was, or if something
    /// else was changed since. Programs that keep more of each sample follow by it.
    pub fn evicted(&self) -> Option<usize> {
        self.last
    }

    /// Number of samples of a class that were ever seen and not removed; more than are kept if a
    /// full head evicted some.
    pub fn shown_of(&self, class: ClassId) -> u32 {
        self.kept()
            .seen
            .get(..self.classes)
            .and_then(|seen| seen.get(class.index()))
            .copied()
            .unwrap_or(0)
    }

    /// Writes a checked sample behind all others.
    pub(super) fn write_sample(&mut self, class: ClassId, embedding: Embedding<'_>) {
        let at = self.samples;
        let Layout { dim, last, .. } = self.layout;
        let quant = embedding.own_quant();
        let kept = self.layout.kept_mut(self.memory.words_mut());
        let codes = &mut kept.codes[at * dim..][..dim];
        embedding.write_codes(quant, codes);
        kept.inverses[at] = query::inverse_of_codes(codes, quant);
        if let Some(inverse) = kept.last_inverses.get_mut(at) {
            *inverse = query::inverse_of_codes(&codes[dim - last..], quant);
        }
        kept.scales[at] = quant.scale.get();
        kept.zeros[at] = quant.zero_point;
        kept.owners[at] = class.0;
    }
}

#[cfg(test)]
mod tests {
    use crate::package::PackageId;
    use std::string::String;
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::head::testing::{Noise, cluster, empty, fingerprint, taught};
    use crate::head::{HeadError, HeadKind, Limits};

    #[test]
    fn names_are_checked() {
        let mut head = empty(HeadKind::NearestMean, 2, Limits { classes: 2, samples: 1 });
        let long: String = core::iter::repeat_n('x', 65).collect();
        assert_eq!(head.add_class(""), Err(ClassError::Empty));
        assert_eq!(head.add_class(&long), Err(ClassError::TooLong { found: 65 }));
        assert_eq!(head.add_class("a\nb"), Err(ClassError::NotPrintable));
        let first = head.add_class(&long[..64]).unwrap();
        assert_eq!(head.add_class(&long[..64]), Err(ClassError::Duplicate { class: first }));
        let second = head.add_class("K\u{e4}se").unwrap();
        assert_eq!(head.add_class("third"), Err(ClassError::Full { limit: 2 }));
        let all: Vec<_> = head.classes().collect();
        assert_eq!(all, [(first, &long[..64]), (second, "K\u{e4}se")]);
        assert_eq!(head.class_named("K\u{e4}se"), Some(second));
        assert_eq!(head.class_name(second), Some("K\u{e4}se"));
        assert_eq!((head.class_named("third"), head.class_at(2)), (None, None));
    }

    #[test]
    fn refused_samples_change_nothing() {
        for kind in HeadKind::ALL {
            let mut head = empty(kind, 2, Limits { classes: 2, samples: 2 });
            head.set_when_full(WhenFull::Refuse);
            let class = head.add_class("a").unwrap();
            let other = ClassId(1);
            let good = Embedding::Float(&[1.0, 2.0]);
            head.add_sample(class, good).unwrap();
            let before = fingerprint(&mut head);
            let wrong = head.add_sample(class, Embedding::Float(&[1.0]));
            assert_eq!(wrong, Err(SampleError::WrongLength { found: 1, needed: 2 }));
            let infinite = head.add_sample(class, Embedding::Float(&[1.0, f32::INFINITY]));
            assert_eq!(infinite, Err(SampleError::NotFinite { index: 1 }));
            let none = head.add_sample(other, good);
            assert_eq!(none, Err(SampleError::NoSuchClass { class: 1, count: 1 }));
            assert_eq!((head.sample_count(), fingerprint(&mut head)), (1, before));
            head.add_sample(class, good).unwrap();
            let full = fingerprint(&mut head);
            assert_eq!(head.add_sample(class, good), Err(SampleError::Full { limit: 2 }));
            assert_eq!((head.samples_of(class), fingerprint(&mut head)), (2, full));
            assert!(matches!(head.set_inverse_l2(0.0), Err(HeadError::InverseL2OutOfRange { .. })));
        }
    }

    #[test]
    fn samples_are_kept_to_half_a_step_and_codes_exactly() {
        let mut head = empty(HeadKind::Softmax, 3, Limits { classes: 1, samples: 2 });
        let class = head.add_class("a").unwrap();
        let quant = Quant { scale: Scale::new(0.3).unwrap(), zero_point: 5 };
        head.add_sample(class, Embedding::Int8 { codes: &[-128, 5, 127], quant }).unwrap();
        head.add_sample(class, Embedding::Float(&[0.0, 2.55, 1.0])).unwrap();
        let kept: Vec<_> = head.samples().collect();
        assert!(
            matches!(kept[0].1, Embedding::Int8 { codes: [-128, 5, 127], quant: q } if q == quant)
        );
        let error = kept[1].1.iter().zip([0.0, 2.55, 1.0]).map(|(a, b)| (a - b).abs());
        assert!(error.fold(0.0, f32::max) < 0.0051);
    }

    #[test]
    fn undo_restores_every_answer() {
        for kind in HeadKind::ALL {
            let mut head = taught(kind, 3, 4, 24, 0.8);
            let before = fingerprint(&mut head);
            let class = head.class_at(1).unwrap();
            let values = cluster(&mut Noise(9), 2, 24, 0.8);
            for _ in 0..2 {
                head.add_sample(class, Embedding::Float(&values)).unwrap();
                assert_ne!(fingerprint(&mut head), before, "{kind}: a sample is used at once");
            }
            assert_eq!((head.undo(), head.undo()), (Some(class), Some(class)));
            assert_eq!(fingerprint(&mut head), before, "{kind}");
            while head.undo().is_some() {}
            assert_eq!(head.sample_count(), 0);
        }
    }

    /// Intermediate fits, and samples that were added and removed, leave no trace.
    #[test]
    fn only_the_samples_count() {
        for kind in HeadKind::ALL {
            let mut once = taught(kind, 3, 4, 24, 0.8);
            let mut often = empty(kind, 24, Limits { classes: 4, samples: 40 });
            for (_, name) in once.classes() {
                often.add_class(name).unwrap();
            }
            for (class, embedding) in once.samples() {
                often.add_sample(ClassId(0), Embedding::Float(&[0.5; 24])).unwrap();
                often.fit().unwrap();
                often.undo();
                often.add_sample(class, embedding).unwrap();
                often.fit().unwrap();
            }
            assert_eq!(fingerprint(&mut often), fingerprint(&mut once), "{kind}");
        }
    }

    #[test]
    fn order_does_not_matter() {
        for kind in HeadKind::ALL {
            let mut head = taught(kind, 3, 6, 24, 1.0);
            let mut reversed = empty(kind, 24, head.limits());
            for (_, name) in head.classes() {
                reversed.add_class(name).unwrap();
            }
            let samples: Vec<_> = head.samples().collect();
            for (class, embedding) in samples.into_iter().rev() {
                reversed.add_sample(class, embedding).unwrap();
            }
            let a = fingerprint(&mut head);
            let b = fingerprint(&mut reversed);
            let real = |bits: &u32| f32::from_bits(*bits);
            let worst =
                a.iter().zip(&b).map(|(a, b)| (real(a) - real(b)).abs()).fold(0.0, f32::max);
            // Class means are sums of integers; the solver stops within its tolerance.
            let allowed = if kind == HeadKind::NearestMean { 0.0 } else { 1e-3 };
            assert!(worst <= allowed, "{kind}: {worst}");
        }
    }

    #[test]
    fn limits_are_checked_before_memory_is_touched() {
        let limits = Limits { classes: 2, samples: 4 };
        let make = |dim, limits: Limits, words| {
            let mut memory = vec![0; words];
            Head::new(HeadKind::Softmax, dim, PackageId::new([0; 32]), limits, &mut memory[..])
                .map(|_| ())
        };
        let needed = limits.words(HeadKind::Softmax, 8).unwrap();
        assert_eq!(make(8, limits, needed), Ok(()));
        let short = HeadError::MemoryTooShort { found: needed - 1, needed };
        assert_eq!(make(8, limits, needed - 1), Err(short));
        assert_eq!(make(0, limits, 9999), Err(HeadError::DimOutOfRange { found: 0 }));
        assert_eq!(make(65_536, limits, 9999), Err(HeadError::DimOutOfRange { found: 65_536 }));
        let found = |classes| make(8, Limits { classes, samples: 1 }, 9999).unwrap_err();
        assert_eq!(found(0), HeadError::ClassesOutOfRange { found: 0 });
        assert_eq!(found(1025), HeadError::ClassesOutOfRange { found: 1025 });
        let none = Limits { classes: 1, samples: 0 };
        assert_eq!(make(8, none, 9999), Err(HeadError::NoSamples));
        let all = Limits { classes: 1024, samples: 65_535 };
        let large = make(65_535, all, 9999).unwrap_err();
        assert_eq!(large, HeadError::TooLarge { classes: 1024, samples: 65_535 });
    }
}
