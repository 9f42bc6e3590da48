//! Inputs of the network, from a request's body and headers.

use offshoot::{Embedding, Error, Extractor, Frame, Image, PixelFormat};
use offshoot_http::{Bytes, Request, header, one};
use serde::Deserialize;

use crate::refusal::Refusal;

/// Names of the pixel formats.
const FORMATS: [(&str, PixelFormat); 7] = [
    ("rgb", PixelFormat::Rgb8),
    ("bgr", PixelFormat::Bgr8),
    ("grey", PixelFormat::Gray8),
    ("rgb565", PixelFormat::Rgb565),
    ("yuyv", PixelFormat::Yuyv),
    ("nv12", PixelFormat::Nv12),
    ("i420", PixelFormat::I420),
];

/// Body of a request, before it is decoded.
#[derive(Debug)]
pub enum Input {
    /// Image file.
    File(Bytes),
    /// Pixels, as the headers describe them.
    Raw { shape: RawShape, pixels: Bytes },
    /// Token ids of a text.
    Tokens(Vec<u32>),
}

/// Shape of raw pixels.
#[derive(Debug, Clone, Copy)]
pub struct RawShape {
    width: u32,
    height: u32,
    /// Bytes from row to row; `None` if the rows follow each other.
    stride: Option<usize>,
    format: PixelFormat,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    tokens: Vec<u32>,
}

impl Input {
    /// Reads the headers of a request; the image is decoded when it is embedded.
    pub fn of(request: &Request) -> Result<Self, Refusal> {
        let body = request.body().clone();
        if body.is_empty() {
            return Err(Refusal::bad("the body is empty; send an image file, or raw pixels"));
        }
        let kind = one(request, header::CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/json") {
            let text: Text = serde_json::from_slice(&body)
                .map_err(|error| Refusal::bad(format!("not {{\"tokens\": [1, 2]}}: {error}")))?;
            return Ok(Self::Tokens(text.tokens));
        }
        if request.headers().contains_key("offshoot-width") {
            return Ok(Self::Raw { shape: RawShape::of(request)?, pixels: body });
        }
        Ok(Self::File(body))
    }

    /// Computes the embedding.
    pub fn embed<'e>(&self, extractor: &'e mut Extractor) -> Result<Embedding<'e>, Error> {
        match self {
            Self::File(bytes) => extractor.embed(&Image::decode(bytes)?.frame()),
            Self::Raw { shape, pixels } => extractor.embed(&shape.frame(pixels)?),
            Self::Tokens(ids) => extractor.embed_tokens(ids),
        }
    }
}

impl RawShape {
    fn of(request: &Request) -> Result<Self, Refusal> {
        let name = one(request, "offshoot-format").unwrap_or("rgb");
        let found = FORMATS.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        let Some((_, format)) = found else {
            let names = FORMATS.map(|(own, _)| own).join(", ");
            return Err(Refusal::bad(format!("Offshoot-Format: there are {names}")));
        };
        let stride = match request.headers().contains_key("offshoot-stride") {
            true => Some(number(request, "Offshoot-Stride")? as usize),
            false => None,
        };
        Ok(Self {
            width: number(request, "Offshoot-Width")?,
            height: number(request, "Offshoot-Height")?,
            stride,
            format: *format,
        })
    }

    fn frame<'p>(&self, pixels: &'p [u8]) -> Result<Frame<'p>, Error> {
        let Self { width, height, stride, format } = *self;
        Ok(match stride {
            Some(stride) => Frame::with_stride(width, height, stride, format, pixels)?,
            None => Frame::new(width, height, format, pixels)?,
        })
    }
}

/// Returns the number in a header.
fn number(request: &Request, name: &'static str) -> Result<u32, Refusal> {
    let found = one(request, name).and_then(|text| text.trim().parse().ok());
    found.ok_or_else(|| Refusal::bad(format!("{name}: needs a whole number")))
}
