//! Signals of sensors that are no cameras for colour pictures: accelerometers, currents, spectra, depth,
//! infrared, several bands.
//!
//! A signal has channels at places: steps of time, or the pixels of a map, row by row. A package says
//! how its values are normalized ([`Sensor`]); behind that a network for signals is one for
//! pictures. The arithmetic is in `sdk/docs/numerics.md`, section 4.6.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::quant::Quant;
use crate::shape::Shape;

/// Borrowed samples: the channels of the first place, then those of the second.
///
/// ```
/// use offshoot_core::Signal;
///
/// // Two steps of an accelerometer with three axes.
/// let signal = Signal::int16(3, &[0, 0, 16_384, 120, -64, 16_300])?;
/// assert_eq!((signal.channels(), signal.places()), (3, 2));
/// # Ok::<(), offshoot_core::preprocess::signal::SignalError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signal<'a> {
    channels: usize,
    samples: Samples<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Samples<'a> {
    Int16(&'a [i16]),
    Float(&'a [f32]),
}

impl Samples<'_> {
    fn len(self) -> usize {
        match self {
            Self::Int16(samples) => samples.len(),
            Self::Float(samples) => samples.len(),
        }
    }
}

/// Reason why a signal or a [`Sensor`] is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignalError {
    /// The samples are none, or the last place lacks channels.
    #[error("{samples} samples are no whole number of places with {channels} channels")]
    Ragged {
        /// Number of channels given.
        channels: usize,
        /// Number of samples given.
        samples: usize,
    },
    /// The signal has other channels than the package takes.
    #[error("a signal of {have} channels, the package takes {need}")]
    Channels {
        /// Number of channels of the network's input.
        need: usize,
        /// Number of channels of the signal.
        have: usize,
    },
    /// The signal has more or fewer places than a window.
    #[error("a signal of {have} places (steps of time, or pixels), the package takes {need}")]
    Places {
        /// Number of places of the network's input.
        need: usize,
        /// Number of places of the signal.
        have: usize,
    },
    /// A sample is infinite or not a number.
    #[error("sample {index} of channel {channel} is not a finite number")]
    NotFinite {
        /// Index of the place.
        index: usize,
        /// Index of the channel.
        channel: usize,
    },
    /// The normalization of a channel is out of range.
    #[error("the mean of channel {channel} is not finite, or its divisor no positive number")]
    Normalization {
        /// Index of the channel.
        channel: usize,
    },
    /// The normalization is not one of as many channels as the network's input has.
    #[error("a normalization of {have} bytes, {need} are those of the network's channels")]
    Length {
        /// Number of bytes that the channels need.
        need: usize,
        /// Number of bytes found.
        have: usize,
    },
    /// The unit, the rate or the step is out of range.
    #[error("the unit, the sampling rate or the step from window to window is out of range")]
    Number,
    /// A caller's buffer has another length.
    #[error("a buffer has {have} values, the input needs {need}")]
    Buffer {
        /// Number of values needed.
        need: usize,
        /// Number of values of the buffer.
        have: usize,
    },
}

impl<'a> Signal<'a> {
    /// Checks samples of 16 bits, as converters give them; a package states the value of one step of
    /// theirs ([`Sensor::unit`]).
    ///
    /// # Errors
    /// [`SignalError::Ragged`] unless there is a whole number of places, at least one.
    pub fn int16(channels: usize, samples: &'a [i16]) -> Result<Self, SignalError> {
        Self::of(channels, Samples::Int16(samples))
    }

    /// Checks samples in the units of the network's training data.
    ///
    /// # Errors
    /// [`SignalError::Ragged`] unless there is a whole number of places, at least one.
    pub fn float(channels: usize, samples: &'a [f32]) -> Result<Self, SignalError> {
        Self::of(channels, Samples::Float(samples))
    }

    fn of(channels: usize, samples: Samples<'a>) -> Result<Self, SignalError> {
        let len = samples.len();
        if channels == 0 || len == 0 || !len.is_multiple_of(channels) {
            return Err(SignalError::Ragged { channels, samples: len });
        }
        Ok(Self { channels, samples })
    }

    /// Number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Number of places: steps of time, or pixels.
    #[must_use]
    pub fn places(&self) -> usize {
        self.samples.len() / self.channels
    }

    /// Returns the samples as floats; those of 16 bits as they are, without a unit.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn to_vec(&self) -> alloc::vec::Vec<f32> {
        match self.samples {
            Samples::Int16(samples) => samples.iter().map(|&sample| sample.into()).collect(),
            Samples::Float(samples) => samples.to_vec(),
        }
    }

    /// Returns a sample; one of 16 bits as it is, without a unit.
    #[must_use]
    pub fn get(&self, place: usize, channel: usize) -> Option<f32> {
        let at = place.checked_mul(self.channels)?.checked_add(channel)?;
        (channel < self.channels).then_some(())?;
        match self.samples {
            Samples::Int16(samples) => samples.get(at).map(|&sample| sample.into()),
            Samples::Float(samples) => samples.get(at).copied(),
        }
    }

    /// Returns `count` places from `first` on; [`None`] beyond the end.
    #[must_use]
    pub fn window(&self, first: usize, count: usize) -> Option<Self> {
        let start = first.checked_mul(self.channels)?;
        let end = start.checked_add(count.checked_mul(self.channels)?)?;
        let samples = match self.samples {
            Samples::Int16(samples) => Samples::Int16(samples.get(start..end)?),
            Samples::Float(samples) => Samples::Float(samples.get(start..end)?),
        };
        Self::of(self.channels, samples).ok()
    }
}

/// Input of a package that takes signals: a section that only its package has.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sensor<'a> {
    /// Sampling rate in Hz; 0 where it is not stated, as for maps and vectors.
    pub rate: f32,
    /// Value of one step of a sample of 16 bits.
    pub unit: f32,
    /// Number of places from one window of a stream to the next; at most those of a window.
    pub step: u32,
    /// Mean and divisor of each channel, four bytes each, little-endian: see
    /// [`Sensor::normalization`].
    #[serde(borrow)]
    pub channels: &'a [u8],
}

/// Bytes of the normalization of a channel.
const CHANNEL: usize = 8;

impl<'a> Sensor<'a> {
    /// Decodes a section of a package, all of it; `None` if it is malformed. Only
    /// [`Sensor::check`] says if it fits a network.
    #[must_use]
    pub fn decode(section: &'a [u8]) -> Option<Self> {
        let (sensor, rest) = postcard::take_from_bytes(section).ok()?;
        rest.is_empty().then_some(sensor)
    }

    /// Encodes normalizations, mean and divisor of each channel, for [`Sensor::channels`].
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn pack(channels: &[[f32; 2]]) -> alloc::vec::Vec<u8> {
        channels.as_flattened().iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// Checks the numbers against the shape of a network's input.
    ///
    /// # Errors
    /// [`SignalError`] for the first number that is out of range.
    pub fn check(&self, input: Shape) -> Result<(), SignalError> {
        let need = CHANNEL * input.c();
        if self.channels.len() != need {
            return Err(SignalError::Length { need, have: self.channels.len() });
        }
        let places = input.h() * input.w();
        let is_step = self.step > 0 && self.step as usize <= places;
        let is_rate = self.rate.is_finite() && self.rate >= 0.0;
        if !is_step || !is_rate || !self.unit.is_normal() || self.unit < 0.0 {
            return Err(SignalError::Number);
        }
        for (channel, [mean, divisor]) in self.normalization().enumerate() {
            if !mean.is_finite() || !divisor.is_normal() || divisor < 0.0 {
                return Err(SignalError::Normalization { channel });
            }
        }
        Ok(())
    }

    /// Returns mean and divisor of each channel.
    #[must_use]
    pub fn normalization(&self) -> impl ExactSizeIterator<Item = [f32; 2]> + Clone + use<'a> {
        self.channels.as_chunks::<CHANNEL>().0.iter().map(|&[a, b, c, d, e, f, g, h]| {
            [f32::from_le_bytes([a, b, c, d]), f32::from_le_bytes([e, f, g, h])]
        })
    }

    /// Fills the input of a quantized network of this shape.
    ///
    /// # Errors
    /// [`SignalError`] if the signal has other channels or places, or a sample is not finite.
    pub fn quantize_into(
        &self,
        signal: &Signal<'_>,
        input: Shape,
        quant: Quant,
        out: &mut [i8],
    ) -> Result<(), SignalError> {
        self.fill(signal, input, out, |value| quant.quantize(value))
    }

    /// Fills the input of a float network of this shape.
    ///
    /// # Errors
    /// [`SignalError`] if the signal has other channels or places, or a sample is not finite.
    pub fn normalize_into(
        &self,
        signal: &Signal<'_>,
        input: Shape,
        out: &mut [f32],
    ) -> Result<(), SignalError> {
        self.fill(signal, input, out, |value| value)
    }

    fn fill<T>(
        &self,
        signal: &Signal<'_>,
        input: Shape,
        out: &mut [T],
        of: impl Fn(f32) -> T,
    ) -> Result<(), SignalError> {
        let need = input.elements();
        if out.len() != need {
            return Err(SignalError::Buffer { need, have: out.len() });
        }
        if signal.channels != input.c() {
            return Err(SignalError::Channels { need: input.c(), have: signal.channels });
        }
        let places = input.h() * input.w();
        if signal.places() != places {
            return Err(SignalError::Places { need: places, have: signal.places() });
        }
        match signal.samples {
            Samples::Int16(samples) => {
                self.place(samples, out, |sample| f32::from(sample) * self.unit, of)
            }
            Samples::Float(samples) => self.place(samples, out, |sample| sample, of),
        }
    }

    /// Normalizes samples, as many as `out` has values.
    fn place<S: Copy, T>(
        &self,
        samples: &[S],
        out: &mut [T],
        real: impl Fn(S) -> f32,
        of: impl Fn(f32) -> T,
    ) -> Result<(), SignalError> {
        let channels = self.normalization().len().max(1);
        let rows = samples.chunks_exact(channels).zip(out.chunks_exact_mut(channels));
        for (index, (row, out)) in rows.enumerate() {
            let values = row.iter().zip(out).zip(self.normalization());
            for (channel, ((&sample, out), [mean, divisor])) in values.enumerate() {
                let value = real(sample);
                if !value.is_finite() {
                    return Err(SignalError::NotFinite { index, channel });
                }
                *out = of((value - mean) / divisor);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::quant::Scale;

    fn shape(places: u32, channels: u32) -> Shape {
        Shape::new(1, places, channels).unwrap()
    }

    #[test]
    fn only_whole_places_are_a_signal() {
        assert!(Signal::int16(3, &[0; 6]).is_ok());
        for (channels, samples) in [(0, 6), (3, 0), (3, 5), (7, 6)] {
            let error = SignalError::Ragged { channels, samples };
            assert_eq!(Signal::float(channels, &vec![0.0; samples]), Err(error));
        }
        let signal = Signal::int16(2, &[0, 1, 2, 3, 4, 5]).unwrap();
        assert_eq!(signal.window(1, 2), Some(Signal::int16(2, &[2, 3, 4, 5]).unwrap()));
        for (first, count) in [(2, 2), (0, 0), (4, 1), (usize::MAX, 1), (0, usize::MAX)] {
            assert_eq!(signal.window(first, count), None, "{first} {count}");
        }
    }

    /// Example of numerics.md 4.6.
    #[test]
    fn samples_are_normalized_by_channel() {
        let channels = Sensor::pack(&[[1.0, 2.0], [-3.0, 0.5]]);
        let sensor = Sensor { rate: 50.0, unit: 0.25, step: 1, channels: &channels };
        sensor.check(shape(2, 2)).unwrap();
        let quant = Quant { scale: Scale::new(0.1).unwrap(), zero_point: -10 };
        let floats = Signal::float(2, &[2.0, -3.0, -1.0, 9.0]).unwrap();
        let steps = Signal::int16(2, &[8, -12, -4, 36]).unwrap();
        for signal in [floats, steps] {
            let mut values = [0.0; 4];
            sensor.normalize_into(&signal, shape(2, 2), &mut values).unwrap();
            assert_eq!(values, [0.5, 0.0, -1.0, 24.0]);
            let mut codes = [0; 4];
            sensor.quantize_into(&signal, shape(2, 2), quant, &mut codes).unwrap();
            assert_eq!(codes, [-5, -10, -20, 127]);
        }
    }

    #[test]
    fn another_signal_is_refused() {
        let channels = Sensor::pack(&[[0.0, 1.0], [0.0, 1.0]]);
        let sensor = Sensor { rate: 0.0, unit: 1.0, step: 1, channels: &channels };
        let fill = |channels: usize, samples: &[f32], len: usize| {
            let signal = Signal::float(channels, samples).unwrap();
            sensor.normalize_into(&signal, shape(2, 2), &mut vec![0.0; len])
        };
        let buffer = SignalError::Buffer { need: 4, have: 3 };
        assert_eq!(fill(2, &[0.0; 4], 3), Err(buffer));
        assert_eq!(fill(1, &[0.0; 4], 4), Err(SignalError::Channels { need: 2, have: 1 }));
        assert_eq!(fill(2, &[0.0; 6], 4), Err(SignalError::Places { need: 2, have: 3 }));
        for odd in [f32::NAN, f32::INFINITY] {
            let error = SignalError::NotFinite { index: 1, channel: 0 };
            assert_eq!(fill(2, &[0.0, 0.0, odd, 0.0], 4), Err(error));
        }
    }

    #[test]
    fn sensors_out_of_range_are_refused() {
        let good = Sensor::pack(&[[0.0, 1.0], [0.5, 2.0]]);
        let sensor = Sensor { rate: 50.0, unit: 1.0, step: 4, channels: &good };
        let input = shape(4, 2);
        assert_eq!(sensor.check(input), Ok(()));
        let numbers: Vec<Sensor<'_>> = vec![
            Sensor { step: 0, ..sensor },
            Sensor { step: 5, ..sensor },
            Sensor { unit: 0.0, ..sensor },
            Sensor { unit: -1.0, ..sensor },
            Sensor { unit: f32::NAN, ..sensor },
            Sensor { rate: f32::INFINITY, ..sensor },
            Sensor { rate: -1.0, ..sensor },
        ];
        for sensor in numbers {
            assert_eq!(sensor.check(input), Err(SignalError::Number), "{sensor:?}");
        }
        let length = SignalError::Length { need: 24, have: 16 };
        assert_eq!(sensor.check(shape(4, 3)), Err(length));
        for pair in [[f32::NAN, 1.0], [0.0, 0.0], [0.0, -1.0], [0.0, f32::INFINITY]] {
            let channels = Sensor::pack(&[[0.0, 1.0], pair]);
            let sensor = Sensor { channels: &channels, ..sensor };
            assert_eq!(sensor.check(input), Err(SignalError::Normalization { channel: 1 }));
        }
    }
}
