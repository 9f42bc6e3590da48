//! Frames and embeddings in the caller's memory.

use std::ffi::c_void;

use offshoot_core::{Quant, Scale};

use crate::fault::Fault;
use crate::memory::{In, Out, Record, Versioned};

/// Order of a frame's bytes.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Three bytes: red, green, blue.
    Rgb8 = 1,
    /// Three bytes: blue, green, red (OpenCV's order).
    Bgr8 = 2,
    /// One byte of luminance.
    Gray8 = 3,
    /// Two bytes, little-endian: 5 bits of red, 6 of green, 5 of blue.
    Rgb565 = 4,
    /// Packed YUV 4:2:2 (V4L2 YUYV, YUY2). The width is even.
    Yuyv = 5,
    /// Planar YUV 4:2:0 (V4L2 NV12): luma, then U and V in turns. Both sides are even.
    Nv12 = 6,
    /// Planar YUV 4:2:0 (V4L2 YU12, I420): luma, U, V. Both sides, and the stride, are even.
    I420 = 7,
}

/// Image in the caller's memory.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// sizeof(offshoot_frame).
    pub size: u32,
    /// Number of enum offshoot_pixel_format.
    pub format: u32,
    /// Number of columns, 1 to 12,288.
    pub width: u32,
    /// Number of rows, 1 to 12,288.
    pub height: u32,
    /// Bytes from one row to the next; 0 if rows follow each other without gaps.
    pub stride: usize,
    /// First byte of the first row. Planes follow each other, as V4L2 has them.
    pub pixels: *const u8,
    /// Number of bytes at `pixels`.
    pub bytes: usize,
}

// SAFETY: numbers and a pointer, the size first.
unsafe impl Versioned for Frame {}

/// Type of an embedding's values.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingForm {
    /// int8_t; the real value is scale * (value - zero_point).
    Int8 = 1,
    /// float.
    Float = 2,
}

/// Embedding in the caller's memory.
///
/// Before an embedding is written, set `size`, `values` and `bytes`; offshoot_extractor_info tells
/// how many bytes it takes. To make one of your own, set all fields: `scale` and `zero_point` are
/// for int8_t only.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Embedding {
    /// sizeof(offshoot_embedding).
    pub size: u32,
    /// Number of enum offshoot_embedding_form; written by the library.
    pub form: u32,
    /// Memory of the caller for int8_t or float, aligned for them.
    pub values: *mut c_void,
    /// Number of bytes at `values`.
    pub bytes: usize,
    /// Number of dimensions; written by the library.
    pub dim: usize,
    /// Real value of one step of int8_t; written by the library.
    pub scale: f32,
    /// Value that stands for 0, -128 to 127; written by the library.
    pub zero_point: i32,
}

// SAFETY: numbers and a pointer, the size first.
unsafe impl Versioned for Embedding {}

/// Dimensions of an embedding and the type of their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub form: EmbeddingForm,
    pub dim: usize,
}

impl Extent {
    /// Returns the extent of an embedding.
    pub(crate) fn of(embedding: &offshoot::Embedding<'_>) -> Self {
        let form = match embedding {
            offshoot::Embedding::Int8 { .. } => EmbeddingForm::Int8,
            offshoot::Embedding::Float(_) => EmbeddingForm::Float,
        };
        Self { form, dim: embedding.len() }
    }

    /// Number of bytes of the values.
    pub(crate) fn bytes(self) -> usize {
        let value = match self.form {
            EmbeddingForm::Int8 => size_of::<i8>(),
            EmbeddingForm::Float => size_of::<f32>(),
        };
        self.dim.saturating_mul(value)
    }

    /// Refuses memory that the values do not fit.
    fn fits(self, memory: &Embedding) -> Result<(), Fault> {
        match memory.bytes < self.bytes() {
            true => Err(Fault::Short {
                name: "embedding.values",
                found: memory.bytes,
                needed: self.bytes(),
            }),
            false => Ok(()),
        }
    }
}

impl Frame {
    /// Calls `work` with the frame.
    pub(crate) fn with<R>(
        given: In<Self>,
        work: impl FnOnce(&offshoot::Frame<'_>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let frame = given.read("frame")?;
        let format = format(frame.format)?;
        // SAFETY: the frame states its bytes, which are there until the function returns.
        let pixels = unsafe { In::new(frame.pixels).values(frame.bytes, "frame.pixels") }?;
        let frame = match frame.stride {
            0 => offshoot::Frame::new(frame.width, frame.height, format, pixels),
            stride => {
                offshoot::Frame::with_stride(frame.width, frame.height, stride, format, pixels)
            }
        };
        work(&frame?)
    }
}

fn format(number: u32) -> Result<offshoot::PixelFormat, Fault> {
    const FORMATS: [(PixelFormat, offshoot::PixelFormat); 7] = [
        (PixelFormat::Rgb8, offshoot::PixelFormat::Rgb8),
        (PixelFormat::Bgr8, offshoot::PixelFormat::Bgr8),
        (PixelFormat::Gray8, offshoot::PixelFormat::Gray8),
        (PixelFormat::Rgb565, offshoot::PixelFormat::Rgb565),
        (PixelFormat::Yuyv, offshoot::PixelFormat::Yuyv),
        (PixelFormat::Nv12, offshoot::PixelFormat::Nv12),
        (PixelFormat::I420, offshoot::PixelFormat::I420),
    ];
    let found = FORMATS.into_iter().find(|(ours, _)| *ours as u32 == number);
    let unknown = Fault::Value { noun: "pixel format", found: number.into() };
    found.map(|(_, format)| format).ok_or(unknown)
}

impl Embedding {
    /// Calls `work` with the embedding.
    pub(crate) fn with<R>(
        given: In<Self>,
        work: impl FnOnce(offshoot::Embedding<'_>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        const NAME: &str = "embedding.values";
        let embedding = given.read("embedding")?;
        let dim = embedding.dim;
        if embedding.form == EmbeddingForm::Float as u32 {
            Extent { form: EmbeddingForm::Float, dim }.fits(&embedding)?;
            let at = embedding.values.cast_const().cast::<f32>();
            // SAFETY: the embedding states its bytes, which are there until the function returns.
            return work(offshoot::Embedding::Float(unsafe { In::new(at).values(dim, NAME) }?));
        }
        if embedding.form != EmbeddingForm::Int8 as u32 {
            let found = embedding.form.into();
            return Err(Fault::Value { noun: "form of an embedding", found });
        }
        Extent { form: EmbeddingForm::Int8, dim }.fits(&embedding)?;
        let scale = Scale::new(embedding.scale).ok_or(Fault::Scale { found: embedding.scale })?;
        let zero_point = i8::try_from(embedding.zero_point)
            .map_err(|_| Fault::ZeroPoint { found: embedding.zero_point })?;
        let at = embedding.values.cast_const().cast::<i8>();
        // SAFETY: the embedding states its bytes, which are there until the function returns.
        let codes = unsafe { In::new(at).values(dim, NAME) }?;
        work(offshoot::Embedding::Int8 { codes, quant: Quant { scale, zero_point } })
    }
}

/// Memory of the caller that an embedding fits.
pub(crate) struct Room {
    record: Record<Embedding>,
    memory: Embedding,
}

impl Room {
    /// Checks that there is room, before anything is computed.
    pub(crate) fn of(out: Out<Embedding>, extent: Extent) -> Result<Self, Fault> {
        let record = out.record("embedding")?;
        let memory = out.read("embedding")?;
        extent.fits(&memory)?;
        Ok(Self { record, memory })
    }

    /// Writes the embedding.
    pub(crate) fn fill(self, embedding: offshoot::Embedding<'_>) -> Result<(), Fault> {
        const NAME: &str = "embedding.values";
        let extent = Extent::of(&embedding);
        extent.fits(&self.memory)?;
        let mut filled = Embedding {
            form: extent.form as u32,
            dim: extent.dim,
            scale: 0.0,
            zero_point: 0,
            ..self.memory
        };
        let at = self.memory.values;
        match embedding {
            offshoot::Embedding::Int8 { codes, quant } => {
                filled.scale = quant.scale.get();
                filled.zero_point = quant.zero_point.into();
                // SAFETY: the caller's embedding states its bytes, and they are enough.
                unsafe { Out::new(at.cast::<i8>()).values(codes.len(), NAME) }?
                    .copy_from_slice(codes);
            }
            offshoot::Embedding::Float(values) => {
                // SAFETY: the caller's embedding states its bytes, and they are enough.
                unsafe { Out::new(at.cast::<f32>()).values(values.len(), NAME) }?
                    .copy_from_slice(values);
            }
        }
        self.record.put(&filled);
        Ok(())
    }
}
