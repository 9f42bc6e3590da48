//! Tables of a front end, from the settings that a network was trained with; the converter's part.

use alloc::vec::Vec;

use libm::{exp, log, round};

use super::{SCALE_BITS, Sound, Spectrum};
use crate::preprocess::{Channels, Preprocess, Resize};

/// Window function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taper {
    /// Periodic Hann window.
    Hann,
    /// Kaldi's: a symmetric Hann window to the power of 0.85.
    Povey,
}

/// Scale of frequency and form of the bands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mel {
    /// HTK's scale with triangles in mel, as TensorFlow's `linear_to_mel_weight_matrix` and Kaldi
    /// have them; the bins of 0 Hz and of half the rate are left out.
    Htk,
    /// Slaney's scale with triangles in Hz of equal area, as librosa's default.
    Slaney,
}

impl Mel {
    /// Returns the place of a frequency in Hz on the scale.
    fn at(self, hz: f64) -> f64 {
        match self {
            Self::Htk => 1127.0 * log(1.0 + hz / 700.0),
            Self::Slaney if hz < 1000.0 => hz * 3.0 / 200.0,
            Self::Slaney => 15.0 + log(hz / 1000.0) / SLANEY_STEP,
        }
    }

    /// Returns the frequency in Hz of a place on the scale.
    fn hz(self, mel: f64) -> f64 {
        match self {
            Self::Htk => 700.0 * (exp(mel / 1127.0) - 1.0),
            Self::Slaney if mel < 15.0 => mel * 200.0 / 3.0,
            Self::Slaney => 1000.0 * exp((mel - 15.0) * SLANEY_STEP),
        }
    }
}

/// Natural logarithm of 6.4, divided by 27: a step of Slaney's scale above 1000 Hz.
const SLANEY_STEP: f64 = 0.068_751_777_420_949_12;

/// Settings of a front end, as the code that trained a network states them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Design {
    /// Name of the preset.
    pub name: &'static str,
    /// Sampling rate in Hz.
    pub rate: u32,
    /// Length of the window function in samples.
    pub length: u16,
    /// Zeros before and behind the window function, in samples: half the difference to the Fourier
    /// transform where frames are centred in it.
    pub margin: u16,
    /// Samples from frame to frame.
    pub hop: u16,
    /// Length of the Fourier transform, 512 or 1024.
    pub fft: u16,
    /// Window function.
    pub taper: Taper,
    /// Subtraction of each frame's mean.
    pub centred: bool,
    /// Pre-emphasis, 0 for none.
    pub emphasis: f64,
    /// Value of full scale: 32,768 for samples as 16-bit integers, 1 for samples from -1 to 1.
    pub full_scale: f64,
    /// Value of a bin.
    pub spectrum: Spectrum,
    /// Scale of frequency.
    pub mel: Mel,
    /// Number of bands.
    pub bands: u16,
    /// Lower end of the lowest band in Hz.
    pub low: f64,
    /// Upper end of the highest band in Hz.
    pub high: f64,
    /// Number that is added to a band's energy before the logarithm.
    pub offset: f64,
    /// Least energy of a band.
    pub floor: f64,
    /// Decibels below the loudest value of a window at which values end, if they do.
    pub range: Option<f64>,
    /// Subtraction of each band's mean over the window.
    pub levelled: bool,
    /// Factor of the natural logarithm in the network's input.
    pub factor: f64,
    /// Number that is added to it.
    pub shift: f64,
    /// Number of frames of a window, unless the network has another.
    pub frames: u16,
    /// Frames from window to window in a stream.
    pub step: u16,
    /// Least and greatest value of the network's input for usual sound.
    pub values: [f64; 2],
}

/// Decibels per unit of a natural logarithm of power.
const DECIBELS: f64 = 10.0 / core::f64::consts::LN_10;

impl Design {
    /// Google's `speech_embedding` as openWakeWord and livekit-wakeword use it.
    pub const SPEECH_EMBEDDING: Self = Self {
        name: "speech-embedding",
        rate: 16_000,
        length: 400,
        margin: 56,
        hop: 160,
        fft: 512,
        taper: Taper::Hann,
        centred: false,
        emphasis: 0.0,
        full_scale: 32_768.0,
        spectrum: Spectrum::Power,
        mel: Mel::Slaney,
        bands: 32,
        low: 60.0,
        high: 3_800.0,
        offset: 0.0,
        floor: 1e-10,
        range: Some(80.0),
        levelled: false,
        factor: DECIBELS / 10.0,
        shift: 2.0,
        frames: 76,
        step: 8,
        values: [-2.0, 13.5],
    };

    /// TensorFlow's YAMNet (`features.py` of `tensorflow/models`).
    pub const YAMNET: Self = Self {
        name: "yamnet",
        margin: 0,
        full_scale: 1.0,
        spectrum: Spectrum::Magnitude,
        mel: Mel::Htk,
        bands: 64,
        low: 125.0,
        high: 7_500.0,
        offset: 0.001,
        floor: 0.0,
        range: None,
        factor: 1.0,
        shift: 0.0,
        frames: 96,
        step: 48,
        values: [-6.91, 5.3],
        ..Self::SPEECH_EMBEDDING
    };

    /// PANNs and EfficientAT at 32 kHz, which read decibels.
    pub const PANN: Self = Self {
        name: "pann",
        rate: 32_000,
        length: 1024,
        margin: 0,
        hop: 320,
        fft: 1024,
        full_scale: 1.0,
        bands: 64,
        low: 50.0,
        high: 14_000.0,
        range: None,
        factor: DECIBELS,
        shift: 0.0,
        frames: 101,
        step: 50,
        values: [-100.0, 40.0],
        ..Self::SPEECH_EMBEDDING
    };

    /// Kaldi's filter banks of 80 bands without dither, their mean over the window subtracted, as
    /// WeSpeaker's and WeNet's networks read them.
    pub const KALDI80: Self = Self {
        name: "kaldi80",
        margin: 0,
        taper: Taper::Povey,
        centred: true,
        emphasis: 0.97,
        mel: Mel::Htk,
        bands: 80,
        low: 20.0,
        high: 8_000.0,
        floor: 1.192_092_9e-7,
        range: None,
        levelled: true,
        factor: 1.0,
        shift: 0.0,
        frames: 200,
        step: 50,
        values: [-16.0, 16.0],
        ..Self::SPEECH_EMBEDDING
    };

    /// All presets.
    pub const ALL: [Self; 4] = [Self::SPEECH_EMBEDDING, Self::YAMNET, Self::PANN, Self::KALDI80];

    /// Returns the preset of this name.
    ///
    /// ```
    /// use offshoot_core::sound::Design;
    ///
    /// assert_eq!(Design::named("yamnet").map(|design| design.bands), Some(64));
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|design| design.name == name)
    }

    /// Returns the tables, for values of the network's input from `self.values[0]` to
    /// `self.values[1]`, widened to contain 0.
    #[must_use]
    pub fn build(&self) -> Designed {
        let taper: Vec<u8> = self.taper_values().flat_map(|w| w.to_le_bytes()).collect();
        let filters = self.filters();
        let peak = filters.iter().flat_map(|(_, weights)| weights).copied().fold(0.0, f64::max);
        let scale = f64::from(u16::MAX) / peak.max(f64::MIN_POSITIVE);
        let mut bands = Vec::new();
        for (first, weights) in &filters {
            bands.extend((*first as u16).to_le_bytes());
            bands.extend((weights.len() as u16).to_le_bytes());
            bands.extend(weights.iter().flat_map(|w| (round(w * scale) as u16).to_le_bytes()));
        }
        let unit = self.unit() / scale;
        let [low, high] = [self.values[0].min(0.0), self.values[1].max(0.0)];
        let step = (high - low) / 255.0;
        let zero = round(-low / step).clamp(0.0, 255.0);
        // A logarithm of 1/256 octave as a value of the network's input, and the value of 0.
        let slope = self.factor * core::f64::consts::LN_2 / 256.0;
        let at_zero = self.shift + if self.levelled { 0.0 } else { self.factor * log(unit) };
        let one = f64::from(1u32 << SCALE_BITS);
        Designed {
            design: *self,
            taper,
            bands,
            offset: round(self.offset / unit * one) as u64,
            floor: round(self.floor / unit * one) as u64,
            factor: round(slope / step * one) as i32,
            shift: round((at_zero / step + zero + 0.5) * one) as i64,
            zero: zero as u8,
            step: step as f32,
        }
    }

    /// Returns the energy of a band whose weights are 1 that an integer of 1 stands for.
    fn unit(&self) -> f64 {
        let full_scale = 32_768.0 / self.full_scale;
        let magnitude = f64::from(self.fft) / f64::from(1u32 << 12) / full_scale;
        match self.spectrum {
            Spectrum::Magnitude => magnitude,
            Spectrum::Power => magnitude * magnitude,
        }
    }

    fn taper_values(&self) -> impl Iterator<Item = u32> {
        let Self { length, margin, taper, .. } = *self;
        let weight = move |i: u16| {
            let turn = 2.0 * core::f64::consts::PI * f64::from(i);
            match taper {
                Taper::Hann => 0.5 - 0.5 * libm::cos(turn / f64::from(length)),
                Taper::Povey => {
                    libm::pow(0.5 - 0.5 * libm::cos(turn / f64::from(length - 1)), 0.85)
                }
            }
        };
        let rim = core::iter::repeat_n(0, margin.into());
        let middle = (0..length).map(move |i| round(weight(i) * f64::from(1u32 << 30)) as u32);
        rim.clone().chain(middle).chain(rim)
    }

    /// Returns for each band its first bin and the weights from there on.
    fn filters(&self) -> Vec<(usize, Vec<f64>)> {
        let Self { mel, bands, .. } = *self;
        let ends = [mel.at(self.low), mel.at(self.high)];
        let edge = |i: u16| ends[0] + (ends[1] - ends[0]) * f64::from(i) / f64::from(bands + 1);
        (0..bands).map(|b| self.filter([edge(b), edge(b + 1), edge(b + 2)])).collect()
    }

    /// Returns the first bin and the weights of a band between two edges, with its middle.
    fn filter(&self, edges: [f64; 3]) -> (usize, Vec<f64>) {
        let mel = self.mel;
        let bins = usize::from(self.fft / 2);
        let hz = |bin: usize| bin as f64 * f64::from(self.rate) / f64::from(self.fft);
        let [low, middle, high] = match mel {
            Mel::Htk => edges,
            Mel::Slaney => edges.map(|edge| mel.hz(edge)),
        };
        let area = if mel == Mel::Slaney { 2.0 / (high - low) } else { 1.0 };
        let weight = |bin: usize| {
            let at = if mel == Mel::Htk { mel.at(hz(bin)) } else { hz(bin) };
            area * ((at - low) / (middle - low)).min((high - at) / (high - middle)).max(0.0)
        };
        let inner = match mel {
            Mel::Htk => 1..bins,
            Mel::Slaney => 0..bins + 1,
        };
        let first = inner.clone().find(|&bin| weight(bin) > 0.0).unwrap_or(0);
        let weights = inner.skip_while(|&bin| weight(bin) <= 0.0).map(weight);
        (first, weights.take_while(|&w| w > 0.0).collect())
    }
}

/// Tables of a front end.
#[derive(Debug, Clone, PartialEq)]
pub struct Designed {
    design: Design,
    taper: Vec<u8>,
    bands: Vec<u8>,
    offset: u64,
    floor: u64,
    factor: i32,
    shift: i64,
    zero: u8,
    step: f32,
}

impl Designed {
    /// Returns the front end as a package stores it.
    #[must_use]
    pub fn sound(&self) -> Sound<'_> {
        let design = &self.design;
        Sound {
            name: design.name,
            rate: design.rate,
            hop: design.hop,
            fft: design.fft,
            step: design.step,
            centred: design.centred,
            emphasis: round(design.emphasis * 32_768.0) as u16,
            spectrum: design.spectrum,
            offset: self.offset,
            floor: self.floor,
            range: design.range.map(|decibels| {
                round(decibels / DECIBELS * 256.0 / core::f64::consts::LN_2) as u16
            }),
            levelled: design.levelled,
            factor: self.factor,
            shift: self.shift,
            taper: &self.taper,
            bands: &self.bands,
        }
    }

    /// Returns the preprocessing of the grey picture behind the front end, for a window of `frames`
    /// frames.
    #[must_use]
    pub fn preprocess(&self, frames: u16) -> Preprocess {
        Preprocess {
            width: self.design.bands,
            height: frames,
            channels: Channels::Gray,
            resize: Resize::Squash,
            mean: [self.zero.into(); 3],
            std: [1.0 / self.step; 3],
        }
    }

    /// Returns the value of the network's input for a logarithm, before it becomes a byte.
    #[must_use]
    pub fn value(&self, logarithm: f64) -> f64 {
        let one = f64::from(1u32 << SCALE_BITS);
        let byte = (logarithm * f64::from(self.factor) + self.shift as f64) / one - 0.5;
        (byte - f64::from(self.zero)) * f64::from(self.step)
    }
}
