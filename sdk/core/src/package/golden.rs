//! Golden vectors: inputs with the embeddings that they must give.

use serde::{Deserialize, Serialize};

use crate::frame::Frame;

/// Golden vector: an input and its expected embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Golden<'a> {
    /// Input of the network before preprocessing.
    pub input: GoldenInput<'a>,
    /// Expected embedding: int8 values, or little-endian floats.
    pub output: &'a [u8],
}

/// Input of a golden vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoldenInput<'a> {
    /// Frame, for a package that takes images.
    Frame {
        /// Number of columns.
        width: u16,
        /// Number of rows.
        height: u16,
        /// Pixels: red, green, blue.
        rgb: &'a [u8],
    },
    /// Tokens, for a package with a [`Text`](super::Text).
    Tokens(TokenIds<'a>),
    /// Samples of one window, for a package with a [`Sound`](crate::Sound).
    Samples(SampleBytes<'a>),
    /// Samples of one signal, for a package with a [`Sensor`](crate::Sensor).
    Signal(FloatBytes<'a>),
}

/// Kind of the golden vectors of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Frame,
    Tokens,
    Samples,
    Signal,
}

/// Samples as a package stores them: two bytes each, the lower first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleBytes<'a>(&'a [[u8; 2]]);

impl<'a> SampleBytes<'a> {
    /// Borrows packed samples, see [`SampleBytes::pack`].
    #[must_use]
    pub fn new(packed: &'a [[u8; 2]]) -> Self {
        Self(packed)
    }

    /// Returns the samples in order.
    #[must_use]
    pub fn iter(self) -> impl ExactSizeIterator<Item = i16> + Clone + use<'a> {
        self.0.iter().map(|&bytes| i16::from_le_bytes(bytes))
    }

    /// Packs samples.
    ///
    /// ```
    /// use offshoot_core::package::SampleBytes;
    ///
    /// let packed = SampleBytes::pack(&[1, -2]);
    /// assert_eq!(packed, [[1, 0], [0xfe, 0xff]]);
    /// assert!(SampleBytes::new(&packed).iter().eq([1, -2]));
    /// ```
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn pack(samples: &[i16]) -> alloc::vec::Vec<[u8; 2]> {
        samples.iter().map(|sample| sample.to_le_bytes()).collect()
    }
}

/// Floats as a package stores them: four bytes each, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloatBytes<'a>(&'a [[u8; 4]]);

impl<'a> FloatBytes<'a> {
    /// Borrows packed floats, see [`FloatBytes::pack`].
    #[must_use]
    pub fn new(packed: &'a [[u8; 4]]) -> Self {
        Self(packed)
    }

    /// Returns the floats in order.
    #[must_use]
    pub fn iter(self) -> impl ExactSizeIterator<Item = f32> + Clone + use<'a> {
        self.0.iter().map(|&bytes| f32::from_le_bytes(bytes))
    }

    /// Packs floats.
    ///
    /// ```
    /// use offshoot_core::package::FloatBytes;
    ///
    /// let packed = FloatBytes::pack(&[1.0, -0.5]);
    /// assert_eq!(packed, [[0, 0, 0x80, 0x3f], [0, 0, 0, 0xbf]]);
    /// assert!(FloatBytes::new(&packed).iter().eq([1.0, -0.5]));
    /// ```
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn pack(floats: &[f32]) -> alloc::vec::Vec<[u8; 4]> {
        floats.iter().map(|float| float.to_le_bytes()).collect()
    }
}

/// Token ids as a package stores them: three bytes each, the lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenIds<'a>(&'a [[u8; 3]]);

impl<'a> TokenIds<'a> {
    /// Borrows packed ids, see [`TokenIds::pack`].
    #[must_use]
    pub fn new(packed: &'a [[u8; 3]]) -> Self {
        Self(packed)
    }

    /// Returns the ids in order.
    #[must_use]
    pub fn iter(self) -> impl ExactSizeIterator<Item = u32> + Clone + use<'a> {
        self.0.iter().map(|&[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }

    /// Packs ids, of each the lowest three bytes.
    ///
    /// ```
    /// use offshoot_core::package::TokenIds;
    ///
    /// let packed = TokenIds::pack(&[101, 70_000]);
    /// assert_eq!(packed, [[101, 0, 0], [0x70, 0x11, 1]]);
    /// assert!(TokenIds::new(&packed).iter().eq([101, 70_000]));
    /// ```
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn pack(ids: &[u32]) -> alloc::vec::Vec<[u8; 3]> {
        let packed = ids.iter().map(|id| {
            let [a, b, c, _] = id.to_le_bytes();
            [a, b, c]
        });
        packed.collect()
    }
}

/// Golden vector as the section stores it. A row of tokens has the form of a frame: its width is
/// their number, its height 1, and each pixel an id. Samples of sound have two bytes each, those
/// of a signal four, and their number is the width plus 65,536 times the height.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    width: u16,
    height: u16,
    #[serde(borrow)]
    rgb: &'a [u8],
    #[serde(borrow)]
    output: &'a [u8],
}

impl<'a> Golden<'a> {
    /// Decodes the first golden vector of a section; returns it with the bytes behind it, and
    /// [`None`] if it is of another kind.
    pub(super) fn decode(section: &'a [u8], kind: Kind) -> Option<(Self, &'a [u8])> {
        let (record, rest) = postcard::take_from_bytes::<Record<'_>>(section).ok()?;
        let input = match kind {
            Kind::Frame => record.frame(),
            Kind::Tokens => record.tokens(),
            Kind::Samples => record.samples(),
            Kind::Signal => record.signal(),
        };
        Some((Self { input: input?, output: record.output }, rest))
    }

    /// Encodes it; [`None`] if it has more tokens or samples than the section can state.
    #[cfg(feature = "alloc")]
    pub(super) fn encode(&self) -> Option<alloc::vec::Vec<u8>> {
        let output = self.output;
        let record = match self.input {
            GoldenInput::Frame { width, height, rgb } => Record { width, height, rgb, output },
            GoldenInput::Tokens(TokenIds(ids)) => {
                let width = ids.len().try_into().ok()?;
                Record { width, height: 1, rgb: ids.as_flattened(), output }
            }
            GoldenInput::Samples(SampleBytes(samples)) => {
                let [width, height] = counted(samples.len())?;
                Record { width, height, rgb: samples.as_flattened(), output }
            }
            GoldenInput::Signal(FloatBytes(samples)) => {
                let [width, height] = counted(samples.len())?;
                Record { width, height, rgb: samples.as_flattened(), output }
            }
        };
        postcard::to_allocvec(&record).ok()
    }
}

/// Returns the sides that state a number of samples.
#[cfg(feature = "alloc")]
fn counted(samples: usize) -> Option<[u16; 2]> {
    let count = u32::try_from(samples).ok()?;
    Some([count as u16, (count >> 16) as u16])
}

impl<'a> Record<'a> {
    fn tokens(&self) -> Option<GoldenInput<'a>> {
        let (ids, rest) = self.rgb.as_chunks();
        let fits = self.height == 1 && rest.is_empty() && ids.len() == usize::from(self.width);
        fits.then_some(GoldenInput::Tokens(TokenIds(ids)))
    }

    fn samples(&self) -> Option<GoldenInput<'a>> {
        Some(GoldenInput::Samples(SampleBytes(self.of_bytes()?)))
    }

    fn signal(&self) -> Option<GoldenInput<'a>> {
        Some(GoldenInput::Signal(FloatBytes(self.of_bytes()?)))
    }

    /// Returns samples of `N` bytes each, as many as the sides state.
    fn of_bytes<const N: usize>(&self) -> Option<&'a [[u8; N]]> {
        let (samples, rest) = self.rgb.as_chunks();
        let count = u64::from(self.width) + (u64::from(self.height) << 16);
        (rest.is_empty() && samples.len() as u64 == count).then_some(samples)
    }

    fn frame(&self) -> Option<GoldenInput<'a>> {
        let Self { width, height, rgb, .. } = *self;
        let bytes = 3 * u64::from(width) * u64::from(height);
        let fits =
            Frame::rgb(width.into(), height.into(), rgb).is_ok() && rgb.len() as u64 == bytes;
        fits.then_some(GoldenInput::Frame { width, height, rgb })
    }
}
