//! Fine-tuning: the last layer of a network adapts to the samples, if held-out samples say so.

use std::fs;
use std::path::Path;

use offshoot_core::package::PackageId;
use offshoot_core::tail::{
    Delta, DeltaError, Progress, Recorded, Samples, TuneError, Tuner, Tuning, Verdict,
};

use crate::{Error, Extractor, Frame};

/// Bytes up to which the products of all samples are kept: less work for the same bits.
const MOST_PRODUCTS: usize = 64 << 20;

/// Samples to fine-tune with: the map of each, that is the input of the network's last pointwise
/// layer, and its class.
///
/// A map is [`Extractor::map_len`] bytes: 2,880 for Sprout. When, how much and at what cost tuning
/// helps is measured in `sdk/docs/finetuning.md`.
///
/// ```no_run
/// use offshoot::{Extractor, Frame, Head, HeadKind, Limits, Maps, Tuning};
///
/// # fn frames(_class: usize) -> Vec<Vec<u8>> { Vec::new() }
/// let mut extractor = Extractor::open("sprout.offshoot")?;
/// let mut maps = Maps::new(&mut extractor, 2)?;
/// for class in 0..2 {
///     for pixels in frames(class) {
///         maps.add_frame(class, &mut extractor, &Frame::rgb(96, 96, &pixels)?)?;
///     }
/// }
/// let tuned = maps.finetune(&extractor, &Tuning::default(), |progress| {
///     println!("{} of {}", progress.done, progress.of);
/// })?;
/// println!("{}", tuned.verdict);
/// if let Some(tail) = &tuned.tail {
///     tail.save("things.tail")?;
///     extractor.set_tail(Some(tail))?;
/// }
/// // The head is taught again, on the embeddings of the tuned network.
/// let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 2, samples: 100 })?;
/// let classes = [head.add_class("mug")?, head.add_class("plant")?];
/// for (class, map) in maps.iter() {
///     head.add_sample(classes[class], extractor.embed_map(map)?)?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Maps {
    maps: Vec<i8>,
    owners: Vec<u16>,
    classes: u16,
    len: usize,
    package_id: PackageId,
}

/// Outcome of [`Maps::finetune`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FineTuned {
    /// Verdict of the held-out samples.
    pub verdict: Verdict,
    /// The tuned tail, if it is kept.
    pub tail: Option<TunedTail>,
}

impl Maps {
    /// No samples yet, of `classes` classes. The extractor keeps its maps from now on
    /// ([`Extractor::keep_maps`]).
    ///
    /// # Errors
    /// [`ErrorKind::Tune`](crate::ErrorKind::Tune) for a network without a tail that can be tuned.
    pub fn new(extractor: &mut Extractor, classes: u16) -> Result<Self, Error> {
        extractor.keep_maps()?;
        let len = extractor.map_len().ok_or(TuneError::NoTail)?;
        let package_id = extractor.package().manifest().id;
        Ok(Self { maps: Vec::new(), owners: Vec::new(), classes, len, package_id })
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Returns true without samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Iterates over class and map of each sample.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[i8])> {
        self.owners.iter().map(|&owner| owner.into()).zip(self.maps.chunks_exact(self.len))
    }

    /// Adds a frame as a sample of a class, counted from 0.
    ///
    /// # Errors
    /// Those of [`Extractor::embed`] and [`Maps::add`].
    pub fn add_frame(
        &mut self,
        class: usize,
        extractor: &mut Extractor,
        frame: &Frame<'_>,
    ) -> Result<(), Error> {
        extractor.embed(frame)?;
        self.add(class, extractor.map().unwrap_or_default())
    }

    /// Adds a map that was kept, [`Extractor::map`].
    ///
    /// # Errors
    /// [`ErrorKind::Tune`](crate::ErrorKind::Tune) for a map of another length, a class that does
    /// not exist, and more than 65,535 samples.
    pub fn add(&mut self, class: usize, map: &[i8]) -> Result<(), Error> {
        let sample = self.owners.len();
        let count = self.classes;
        let class = u16::try_from(class).unwrap_or(u16::MAX);
        if map.len() != self.len || sample == usize::from(u16::MAX) {
            let needed = self.len;
            return Err(TuneError::Maps { maps: map.len(), samples: sample + 1, needed }.into());
        }
        if class >= count {
            return Err(TuneError::Owner { sample, class, count }.into());
        }
        self.maps.extend_from_slice(map);
        self.owners.push(class);
        Ok(())
    }

    /// Tunes the biases of the network's last pointwise layer, or all of its weights
    /// ([`Tuning::all`]), with a throw-away classifier; then the samples that each of three folds holds out say if a head is better for it. `observe` is
    /// called after each step of at most 16 samples.
    ///
    /// The result is the same bits on every processor. Reserves memory once
    /// ([`TailLayout::words`](offshoot_core::tail::TailLayout::words)); the extractor is not changed, see [`Extractor::set_tail`].
    ///
    /// # Errors
    /// [`ErrorKind::Tune`](crate::ErrorKind::Tune) for a recipe out of range;
    /// [`ErrorKind::Tail`](crate::ErrorKind::Tail) for an extractor of another package.
    pub fn finetune(
        &self,
        extractor: &Extractor,
        tuning: &Tuning,
        mut observe: impl FnMut(Progress),
    ) -> Result<FineTuned, Error> {
        let package = extractor.package();
        if package.manifest().id != self.package_id {
            return Err(DeltaError::OtherPackage.into());
        }
        let samples = Samples { maps: &self.maps, owners: &self.owners, classes: self.classes };
        let tail = offshoot_core::tail::Tail::find(package.graph()).ok_or(TuneError::NoTail)?;
        let products = 4 * self.len() * tail.channels() * tail.pixels();
        let layout = tuning.layout(&tail, &samples, products <= MOST_PRODUCTS);
        let mut memory = vec![0; layout.words().map_err(TuneError::from)?];
        let mut tuner = Tuner::new(&package, samples, *tuning, layout, &mut memory)?;
        let verdict = loop {
            if let Some(verdict) = tuner.verdict() {
                break verdict;
            }
            observe(tuner.step());
        };
        let mut bytes = vec![0; tuner.written_len()];
        let tail = match tuner.write(&mut bytes) {
            Ok(_) => Some(TunedTail { bytes }),
            Err(_) => None,
        };
        Ok(FineTuned { verdict, tail })
    }
}

/// The file of a tuned tail, `NAME.tail`: what differs from the package, bound to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunedTail {
    bytes: Vec<u8>,
}

impl TunedTail {
    /// Opens the content of a file.
    ///
    /// # Errors
    /// [`ErrorKind::Tail`](crate::ErrorKind::Tail) for bytes that are damaged or no tuned tail.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        Delta::open(&bytes)?;
        Ok(Self { bytes })
    }

    /// Opens a file.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged or no tuned tail.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes =
            fs::read(path).map_err(|e| Error::of_file(e, path, "a file of a tuned tail"))?;
        Delta::open(&bytes).map_err(|e| Error::at(e, path))?;
        Ok(Self { bytes })
    }

    /// Saves the file: it holds the old tail or the new one, whenever the power fails.
    ///
    /// # Errors
    /// I/O errors of the file system; the old file is then still there.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        crate::head::replace_file(path.as_ref(), &self.bytes)
    }

    /// Returns the content of the file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the id that binds heads to the tuned network.
    #[must_use]
    pub fn id(&self) -> PackageId {
        self.delta().id()
    }

    /// Returns the id of the package that was tuned.
    #[must_use]
    pub fn package_id(&self) -> PackageId {
        self.delta().package_id()
    }

    /// Returns recipe and gate.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        self.delta().recorded()
    }

    /// Returns the checked content.
    pub(crate) fn delta(&self) -> Delta<'_> {
        Delta::open(&self.bytes).expect("checked when it was made")
    }
}
