//! Sound: windows of a stream, and clips.

use std::ops::Range;

use offshoot_core::sound::{Level, Room, SoundError, Stream};
use offshoot_core::{Embedding, Frame, Package, PixelFormat, Sound};

use super::{Extractor, open};
use crate::Error;

/// Silence before and behind a clip, in parts of a second.
const RIM: u32 = 4;
/// Energy of the windows of a clip that count, by that of the quietest: 10 dB.
const LOUDER: u64 = 10;

/// Stream of a microphone as windows for an [`Extractor`].
///
/// All memory is reserved by [`Ears::new`]. Samples are pushed in pieces of any length; the
/// embeddings do not depend on the pieces.
///
/// ```no_run
/// use offshoot::{Ears, Extractor, Head};
///
/// # fn microphone(_: &mut [i16]) -> usize { 0 }
/// let mut extractor = Extractor::open("ears.offshoot")?;
/// let mut head = Head::load("words.head", &extractor)?;
/// head.fit()?;
/// let mut ears = Ears::new(&extractor)?;
/// let mut buffer = [0; 1600];
/// loop {
///     let count = microphone(&mut buffer);
///     let mut samples = &buffer[..count];
///     while let Some(embedding) = ears.push(&mut extractor, &mut samples)? {
///         if let Some(class) = head.classify(embedding)?.known() {
///             println!("{}", head.class_name(class).unwrap_or_default());
///         }
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Ears {
    stream: Stream,
    samples: Vec<i16>,
    words: Vec<i32>,
    rows: Vec<i16>,
    /// Latest window as a grey picture: a row per frame, a column per band.
    picture: Vec<u8>,
    sides: [u16; 2],
    level: Level,
}

impl Ears {
    /// Reserves the memory for a package's windows.
    ///
    /// # Errors
    /// [`ErrorKind::OtherInput`](crate::ErrorKind::OtherInput) if the package does not take sound.
    pub fn new(extractor: &Extractor) -> Result<Self, Error> {
        let sound = extractor.sound().ok_or_else(|| extractor.takes_other())?;
        Ok(Self::of(&sound, extractor.picture_sides()))
    }

    fn of(sound: &Sound<'_>, sides: [u16; 2]) -> Self {
        let [bands, frames] = sides.map(usize::from);
        Self {
            stream: Stream::new(frames, bands),
            samples: vec![0; sound.frame()],
            words: vec![0; usize::from(sound.fft) + 2],
            rows: vec![0; frames * bands],
            picture: vec![0; frames * bands],
            sides,
            level: Level::default(),
        }
    }

    /// Takes samples, at the rate of [`Extractor::sound`], until a window is complete, and returns
    /// its embedding; [`None`] if all samples were taken before. Leaves the rest of the samples in
    /// `samples`.
    ///
    /// Windows overlap: the next one is complete [`Sound::step`] frames later. Int8 packages
    /// allocate nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Sound`](crate::ErrorKind::Sound) if the extractor is another one than that of [`Ears::new`], and errors
    /// of tract-core.
    pub fn push<'e>(
        &mut self,
        extractor: &'e mut Extractor,
        samples: &mut &[i16],
    ) -> Result<Option<Embedding<'e>>, Error> {
        let sound = extractor.sound().ok_or_else(|| extractor.takes_other())?;
        if !self.advance(&sound, samples)? {
            return Ok(None);
        }
        extractor.embed(&self.picture()?).map(Some)
    }

    /// Takes samples until a window is complete and makes its picture; returns false if none is.
    fn advance(&mut self, sound: &Sound<'_>, samples: &mut &[i16]) -> Result<bool, SoundError> {
        let Self { samples: frame, words, rows, .. } = self;
        let mut room = Room { samples: frame, words, rows };
        let before = *samples;
        let is_complete = self.stream.push(sound, &mut room, samples)?;
        if before.len() > samples.len() {
            self.level = Level::of(&before[..before.len() - samples.len()]);
        }
        if is_complete {
            self.stream.window(sound, &room, &mut self.picture)?;
        }
        Ok(is_complete)
    }

    /// Returns the loudness of the samples that the last [`Ears::push`] took.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Returns the latest window as the grey picture that the network sees: time runs from top to
    /// bottom, frequency from left to right.
    ///
    /// # Errors
    /// Never: the picture has the sides of the network's input.
    pub fn picture(&self) -> Result<Frame<'_>, Error> {
        let [width, height] = self.sides;
        Ok(Frame::new(width.into(), height.into(), PixelFormat::Gray8, &self.picture)?)
    }

    /// Forgets what was heard; the next window begins with the next sample.
    pub fn clear(&mut self) {
        let [bands, frames] = self.sides.map(usize::from);
        self.stream = Stream::new(frames, bands);
    }
}

/// Memory for clips, and the place of the front end in the package.
#[derive(Debug)]
pub(super) struct Clip {
    section: Range<usize>,
    ears: Ears,
    mean: Vec<f32>,
}

impl Clip {
    pub(super) fn new(bytes: &[u8], package: &Package<'_>) -> Option<Self> {
        let sound = package.sound()?;
        let picture = package.manifest().preprocess;
        Some(Self {
            section: open::place(bytes, package.sound_section()),
            ears: Ears::of(sound, [picture.width, picture.height]),
            mean: vec![0.0; package.embedding_dim()],
        })
    }
}

impl Extractor {
    /// Returns the front end of a package that takes sound, with its sampling rate; `None` for
    /// other packages.
    ///
    /// ```
    /// use offshoot::Extractor;
    ///
    /// let extractor = Extractor::open("tests/tiny.offshoot")?;
    /// assert!(extractor.sound().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sound(&self) -> Option<Sound<'_>> {
        let clip = self.clip.as_ref()?;
        Sound::decode(&self.bytes[clip.section.clone()])
    }

    /// Returns the number of samples of a window; `None` if the package does not take sound.
    #[must_use]
    pub fn window_samples(&self) -> Option<usize> {
        Some(self.sound()?.window(self.front.preprocess().height.into()))
    }

    /// Computes the embedding of one window of sound.
    ///
    /// # Errors
    /// [`ErrorKind::OtherInput`](crate::ErrorKind::OtherInput) if the package does not take sound; [`ErrorKind::Sound`](crate::ErrorKind::Sound) if
    /// `samples` has not [`Extractor::window_samples`] values; errors of tract-core.
    pub fn embed_window(&mut self, samples: &[i16]) -> Result<Embedding<'_>, Error> {
        let mut clip = self.take_clip()?;
        let result = self.run_window(&mut clip, samples);
        self.clip = Some(clip);
        result?;
        Ok(self.result())
    }

    /// Computes the embedding of a clip of any length: the mean over its windows, those at least
    /// 10 dB louder than the quietest if there are any, else all.
    ///
    /// A quarter of a second of silence is added at both ends, and more if the clip is shorter than
    /// a window. Returns [`Extractor::embedding_dim`] floats, which are valid until the next call.
    /// Int8 packages allocate nothing.
    ///
    /// # Errors
    /// [`ErrorKind::OtherInput`](crate::ErrorKind::OtherInput) if the package does not take sound; [`ErrorKind::Sound`](crate::ErrorKind::Sound) if there
    /// is nothing to hear: no samples, or all the same; errors of tract-core.
    pub fn embed_samples(&mut self, samples: &[i16]) -> Result<Embedding<'_>, Error> {
        let mut clip = self.take_clip()?;
        let result = self.run_clip(&mut clip, samples);
        let clip = self.clip.insert(clip);
        result?;
        Ok(Embedding::Float(&clip.mean))
    }

    fn take_clip(&mut self) -> Result<Box<Clip>, Error> {
        // Without sound there is none; said here, the compiler leaves out what follows.
        if !cfg!(feature = "sound") {
            return Err(self.takes_other().into());
        }
        let other = self.takes_other();
        self.clip.take().ok_or_else(|| other.into())
    }

    fn picture_sides(&self) -> [u16; 2] {
        let picture = self.front.preprocess();
        [picture.width, picture.height]
    }

    fn run_window(&mut self, clip: &mut Clip, samples: &[i16]) -> Result<(), Error> {
        let ears = &mut clip.ears;
        ears.clear();
        let sound = decoded(&self.bytes, &clip.section)?;
        let need = sound.window(ears.sides[1].into());
        let mut rest = samples;
        if samples.len() != need || !ears.advance(&sound, &mut rest)? {
            return Err(SoundError::Window { need, have: samples.len() }.into());
        }
        self.embed(&ears.picture()?)?;
        Ok(())
    }

    fn run_clip(&mut self, clip: &mut Clip, samples: &[i16]) -> Result<(), Error> {
        if samples.iter().all(|&sample| sample == samples[0]) {
            return Err(SoundError::Silence.into());
        }
        let Clip { ears, mean, section } = clip;
        let windows = Windows::new(&decoded(&self.bytes, section)?, ears.sides[1].into(), samples);
        let least = windows.least_energy();
        ears.clear();
        mean.fill(0.0);
        let mut index = 0;
        let mut count = 0.0;
        for mut piece in windows.pieces() {
            while ears.advance(&decoded(&self.bytes, section)?, &mut piece)? {
                if windows.energy(index) >= least {
                    let embedding = self.embed(&ears.picture()?)?;
                    mean.iter_mut().zip(embedding.iter()).for_each(|(sum, value)| *sum += value);
                    count += 1.0;
                }
                index += 1;
            }
        }
        mean.iter_mut().for_each(|value| *value /= count);
        Ok(())
    }
}

/// Zeros, of which a clip has some before and behind it.
static ZEROS: [i16; 512] = [0; 512];

/// Windows of a clip with silence at its ends.
struct Windows<'s> {
    samples: &'s [i16],
    /// Number of zeros before and behind the samples.
    rims: [usize; 2],
    window: usize,
    /// Number of samples from window to window.
    advance: usize,
}

impl<'s> Windows<'s> {
    fn new(sound: &Sound<'_>, frames: usize, samples: &'s [i16]) -> Self {
        let window = sound.window(frames);
        let rim = (sound.rate / RIM) as usize;
        let missing = window.saturating_sub(samples.len() + 2 * rim);
        let rims = [rim + missing / 2, rim + missing - missing / 2];
        let advance = usize::from(sound.step) * usize::from(sound.hop);
        Self { samples, rims, window, advance }
    }

    fn pieces(&self) -> impl Iterator<Item = &'s [i16]> + use<'s> {
        let [before, behind] = self.rims.map(zeros);
        before.chain([self.samples]).chain(behind)
    }

    /// Returns the sum of the squares of a window's samples.
    fn energy(&self, index: usize) -> u64 {
        let start = index * self.advance;
        let end = (start + self.window).saturating_sub(self.rims[0]).min(self.samples.len());
        let start = start.saturating_sub(self.rims[0]).min(end);
        self.samples[start..end].iter().map(|&x| u64::from(x.unsigned_abs()).pow(2)).sum()
    }

    /// Returns the least energy of a window that counts.
    fn least_energy(&self) -> u64 {
        let total = self.rims[0] + self.samples.len() + self.rims[1];
        let energies = (0..=(total - self.window) / self.advance).map(|index| self.energy(index));
        let quiet = energies.clone().min().unwrap_or(0) * LOUDER;
        if energies.max().unwrap_or(0) >= quiet { quiet } else { 0 }
    }
}

fn zeros<'s>(count: usize) -> impl Iterator<Item = &'s [i16]> {
    let rest = &ZEROS[..count % ZEROS.len()];
    std::iter::repeat_n(&ZEROS[..], count / ZEROS.len()).chain([rest])
}

/// Returns the front end; its section was checked when the package was opened.
fn decoded<'b>(bytes: &'b [u8], section: &Range<usize>) -> Result<Sound<'b>, Error> {
    let sound = Sound::decode(&bytes[section.clone()]);
    Ok(sound.ok_or(offshoot_core::package::PackageError::SoundSection)?)
}
