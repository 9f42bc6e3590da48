//! Classes and samples of a head: taught, corrected, forgotten.

use offshoot_core::Embedding;
use offshoot_core::head::{ClassError, EditError, MergeError, SampleError};

use super::Head;
use crate::{ClassId, HeadKind, Limits, PackageId, Parts, WhenFull};

/// Teaching and correcting.
impl Head {
    /// Adds a class.
    ///
    /// ```
    /// # use offshoot::{Extractor, Head, HeadKind, Limits};
    /// # let extractor = Extractor::open("tests/tiny.offshoot")?;
    /// let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 1, samples: 20 })?;
    /// let mug = head.add_class("mug")?;
    /// assert_eq!(head.class_named("mug"), Some(mug));
    /// assert!(head.add_class("pen").is_err(), "there is room for one");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A name that is empty, too long, unreadable or taken; no room for another class.
    pub fn add_class(&mut self, name: &str) -> Result<ClassId, ClassError> {
        self.0.add_class(name)
    }

    /// Adds a sample to a class. A full buffer evicts by [`Head::when_full`].
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 1, samples: 5 })?;
    /// let grey = head.add_class("grey")?;
    /// let camera = [100; 192];
    /// let embedding = extractor.embed(&Frame::rgb(8, 8, &camera)?)?;
    /// head.add_sample(grey, embedding)?;
    /// assert_eq!(head.samples_of(grey), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An absent class; an embedding of another length or with a value that is not finite; a full
    /// buffer that may not evict. The head is as it was.
    pub fn add_sample(
        &mut self,
        class: ClassId,
        embedding: Embedding<'_>,
    ) -> Result<(), SampleError> {
        self.0.add_sample(class, embedding)
    }

    /// Returns the index, before the last addition, of the sample that it pushed out of a full head:
    /// the number of samples if that was the new one itself. [`None`] if none was, or if something
    /// else was changed since. Programs that keep more of each sample than the head follow by it.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 1, samples: 2 })?;
    /// # let grey = head.add_class("grey")?;
    /// let mut names = Vec::new();
    /// for (name, shade) in [("first", 90), ("second", 100), ("third", 110)] {
    ///     head.add_sample(grey, extractor.embed(&Frame::rgb(8, 8, &[shade; 192])?)?)?;
    ///     names.push(name);
    ///     head.evicted().map(|index| names.remove(index));
    /// }
    /// assert_eq!(names.len(), head.sample_count());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn evicted(&self) -> Option<usize> {
        self.0.evicted()
    }

    /// Takes back the newest sample; returns its class, or `None` without samples.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 1, samples: 5 })?;
    /// # let grey = head.add_class("grey")?;
    /// head.add_sample(grey, extractor.embed(&Frame::rgb(8, 8, &[100; 192])?)?)?;
    /// assert_eq!((head.undo(), head.undo()), (Some(grey), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn undo(&mut self) -> Option<ClassId> {
        self.0.undo()
    }

    /// Removes the sample with that index among [`Head::samples`]; returns its class.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 1, samples: 5 })?;
    /// # let grey = head.add_class("grey")?;
    /// # head.add_sample(grey, extractor.embed(&Frame::rgb(8, 8, &[100; 192])?)?)?;
    /// assert_eq!(head.remove_sample(0)?, grey);
    /// assert!(head.remove_sample(0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`EditError`] where there is no such sample.
    pub fn remove_sample(&mut self, sample: usize) -> Result<ClassId, EditError> {
        self.0.remove_sample(sample)
    }

    /// Removes a class with its samples; the ids of the classes behind it move down by one.
    ///
    /// ```
    /// # use offshoot::{Extractor, Head, HeadKind, Limits};
    /// # let extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 2, samples: 5 })?;
    /// let mug = head.add_class("mug")?;
    /// head.remove_class(mug)?;
    /// assert_eq!(head.class_count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`EditError`] where there is no such class.
    pub fn remove_class(&mut self, class: ClassId) -> Result<(), EditError> {
        self.0.remove_class(class)
    }

    /// Renames a class.
    ///
    /// ```
    /// # use offshoot::{Extractor, Head, HeadKind, Limits};
    /// # let extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 2, samples: 5 })?;
    /// let class = head.add_class("thing 1")?;
    /// head.rename_class(class, "mug")?;
    /// assert_eq!(head.class_name(class), Some("mug"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An absent class, or a name that [`Head::add_class`] refuses.
    pub fn rename_class(&mut self, class: ClassId, name: &str) -> Result<(), EditError> {
        self.0.rename_class(class, name)
    }

    /// Teaches this head all samples of another one; classes of the same name are the same.
    /// [`Head::merged`] makes a head with room for several.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let limits = Limits { classes: 2, samples: 8 };
    /// # let mut here = Head::new(HeadKind::Auto, &extractor, limits)?;
    /// # let mut there = Head::new(HeadKind::Auto, &extractor, limits)?;
    /// let mug = there.add_class("mug")?;
    /// let camera = [100; 192];
    /// there.add_sample(mug, extractor.embed(&Frame::rgb(8, 8, &camera)?)?)?;
    /// here.merge(&there)?;
    /// assert!(here.class_named("mug").is_some_and(|mug| here.samples_of(mug) == 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A head of another package, or no room for all; the head is as it was.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        self.0.merge(&other.0)
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> HeadKind {
        self.0.kind()
    }

    /// Returns the number of dimensions of an embedding.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.0.dim()
    }

    /// Returns the division of an embedding into parts, that of the extractor
    /// ([`Extractor::parts`](crate::Extractor::parts)).
    #[must_use]
    pub fn parts(&self) -> Parts {
        self.0.parts()
    }

    /// Returns the number of classes and samples that memory is reserved for.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.0.limits()
    }

    /// Returns the id of the package that the head was taught on.
    #[must_use]
    pub fn package_id(&self) -> PackageId {
        self.0.package_id()
    }

    /// Returns the number of classes.
    #[must_use]
    pub fn class_count(&self) -> usize {
        self.0.class_count()
    }

    /// Returns the classes with their names, in the order of their ids.
    pub fn classes(&self) -> impl Iterator<Item = (ClassId, &str)> {
        self.0.classes()
    }

    /// Returns the class with that index.
    #[must_use]
    pub fn class_at(&self, index: usize) -> Option<ClassId> {
        self.0.class_at(index)
    }

    /// Returns the class of that name.
    #[must_use]
    pub fn class_named(&self, name: &str) -> Option<ClassId> {
        self.0.class_named(name)
    }

    /// Returns the name of a class; `None` where there is no such class.
    #[must_use]
    pub fn class_name(&self, class: ClassId) -> Option<&str> {
        self.0.class_name(class)
    }

    /// Returns the number of samples that are kept.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.0.sample_count()
    }

    /// Returns the number of samples of a class that are kept.
    #[must_use]
    pub fn samples_of(&self, class: ClassId) -> usize {
        self.0.samples_of(class)
    }

    /// Returns the number of samples that a class has ever seen, kept or evicted.
    #[must_use]
    pub fn shown_of(&self, class: ClassId) -> u32 {
        self.0.shown_of(class)
    }

    /// Returns the samples that are kept, the oldest first.
    pub fn samples(&self) -> impl Iterator<Item = (ClassId, Embedding<'_>)> {
        self.0.samples()
    }

    /// Returns the eviction policy of a full buffer.
    #[must_use]
    pub fn when_full(&self) -> WhenFull {
        self.0.when_full()
    }

    /// Sets the eviction policy of a full buffer.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits, WhenFull};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// let limits = Limits { classes: 1, samples: 1 };
    /// let mut head = Head::new(HeadKind::Auto, &extractor, limits)?;
    /// let grey = head.add_class("grey")?;
    /// let camera = [100; 192];
    /// let embedding = extractor.embed(&Frame::rgb(8, 8, &camera)?)?;
    /// head.add_sample(grey, embedding)?;
    /// head.set_when_full(WhenFull::Refuse);
    /// assert!(head.add_sample(grey, embedding).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_when_full(&mut self, when_full: WhenFull) {
        self.0.set_when_full(when_full);
    }

    /// Takes what was evicted out of the class means, which are of all samples ever seen until
    /// then.
    pub fn forget_left_out(&mut self) {
        self.0.forget_left_out();
    }
}
