//! Changing one's mind: what was taught is taken back, renamed, replaced or brought together.
//!
//! Everything a head answers is computed from its samples, their order and its settings. So
//! whatever is removed leaves no trace: the head is, bit for bit, the one that never saw it. What
//! was pushed out of a full head, or never taken into it, has no influence either.

use super::error::{ClassError, EditError, MergeError};
use super::memory::{KeptMut, MAX_NAME_BYTES, Memory};
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
        let count = |class: u16| kept.owners[..self.samples].iter().filter(|&&owner| owner == class).count();
        let largest = (0..self.classes as u16).max_by_key(|&c| (count(c), core::cmp::Reverse(c))).unwrap_or(0);
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
