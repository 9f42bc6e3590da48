//! Images that Python passes, as frames: arrays without a copy, Pillow's images, files.

use std::path::PathBuf;

use numpy::{PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use offshoot::{Frame, Image, PixelFormat};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::error::{Failure, Outcome};
use crate::image;

/// Pixel formats by the names that Python users know.
const FORMATS: [(&str, PixelFormat); 8] = [
    ("rgb", PixelFormat::Rgb8),
    ("bgr", PixelFormat::Bgr8),
    ("grey", PixelFormat::Gray8),
    ("gray", PixelFormat::Gray8),
    ("rgb565", PixelFormat::Rgb565),
    ("yuyv", PixelFormat::Yuyv),
    ("nv12", PixelFormat::Nv12),
    ("i420", PixelFormat::I420),
];

/// Images that a method was passed.
pub(crate) enum Pixels<'py> {
    One(Picture<'py>),
    /// Array of images, without a copy.
    Stack(Stack<'py>),
    /// List or tuple, whose images are read one by one.
    List(Vec<Bound<'py, PyAny>>),
}

/// One image.
pub(crate) enum Picture<'py> {
    Array(Stack<'py>),
    Decoded(Image),
}

/// Images of one size in an array.
pub(crate) struct Stack<'py> {
    array: PyReadonlyArrayDyn<'py, u8>,
    count: usize,
    width: u32,
    height: u32,
    format: PixelFormat,
}

impl Stack<'_> {
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the frame with that index.
    pub fn frame(&self, index: usize) -> Outcome<Frame<'_>> {
        let bytes = self.array.as_slice().map_err(PyErr::from)?;
        let one = bytes.len() / self.count;
        let pixels = &bytes[index * one..(index + 1) * one];
        Ok(Frame::new(self.width, self.height, self.format, pixels)?)
    }
}

impl Picture<'_> {
    pub fn frame(&self) -> Outcome<Frame<'_>> {
        match self {
            Self::Array(stack) => stack.frame(0),
            Self::Decoded(image) => Ok(image.frame()),
        }
    }
}

impl<'py> Pixels<'py> {
    /// Reads what Python passed; `format` is that of arrays.
    pub fn of(object: &Bound<'py, PyAny>, format: Option<&str>) -> Outcome<Self> {
        let format = format.map(named).transpose()?;
        // First: to ask what else it might be makes exceptions, which take microseconds.
        if let Ok(array) = object.cast::<PyArrayDyn<u8>>() {
            return Self::array(stack(array, format)?);
        }
        if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
            return Ok(Self::List(object.try_iter()?.collect::<PyResult<_>>()?));
        }
        if let Some(image) = decoded(object)? {
            return Ok(Self::One(Picture::Decoded(image)));
        }
        let (array, format) = match object.hasattr("getbands")? {
            // Pillow's images have many modes: palettes, alpha, CMYK.
            true => (object.call_method1("convert", ("RGB",))?, Some(PixelFormat::Rgb8)),
            false => (object.clone(), format),
        };
        Self::array(stack(&as_array(&array)?, format)?)
    }

    fn array((is_several, stack): (bool, Stack<'py>)) -> Outcome<Self> {
        Ok(if is_several { Self::Stack(stack) } else { Self::One(Picture::Array(stack)) })
    }

    /// Reads one image.
    pub fn one(object: &Bound<'py, PyAny>, format: Option<&str>) -> Outcome<Picture<'py>> {
        match Self::of(object, format)? {
            Self::One(picture) => Ok(picture),
            _ => Err(Failure::Input("one image is wanted here, not several".into())),
        }
    }
}

fn named(name: &str) -> Outcome<PixelFormat> {
    let found = FORMATS.iter().find(|(known, _)| *known == name);
    found.map(|(_, format)| *format).ok_or_else(|| {
        let known: Vec<&str> = FORMATS.iter().map(|(known, _)| *known).collect();
        Failure::Input(format!("pixel format `{name}`, allowed are {}", known.join(", ")))
    })
}

/// Decodes a file, by its path or its bytes; `None` for all else.
fn decoded(object: &Bound<'_, PyAny>) -> Outcome<Option<Image>> {
    let py = object.py();
    if let Ok(image) = object.cast::<image::Image>() {
        return Ok(Some(image.get().0.clone()));
    }
    if let Ok(bytes) = object.cast::<PyBytes>() {
        let bytes = bytes.as_bytes();
        return Ok(Some(py.detach(|| Image::decode(bytes))?));
    }
    if object.is_instance_of::<PyString>() || object.hasattr("__fspath__")? {
        let path: PathBuf = object.extract()?;
        return Ok(Some(py.detach(|| Image::open(path))?));
    }
    Ok(None)
}

/// Makes an array of uint8 of anything that numpy makes one of.
fn as_array<'py>(object: &Bound<'py, PyAny>) -> Outcome<Bound<'py, PyArrayDyn<u8>>> {
    let numpy = object.py().import("numpy")?;
    let array = numpy.call_method1("asarray", (object,))?;
    let Ok(pixels) = array.cast::<PyArrayDyn<u8>>() else {
        let kind = array.getattr("dtype")?.str()?.to_string();
        return Err(Failure::Input(match kind.as_str() {
            "object" => format!(
                "{} is no image; pass an array of uint8, a path, bytes of a file, or a Pillow image",
                object.get_type().name()?
            ),
            _ if kind.starts_with("float") => format!(
                "an image of {kind}; pixels are uint8, of values from 0 to 1: \
                 `(255 * image).round().astype('uint8')`"
            ),
            _ => format!(
                "an image of {kind}; pixels are uint8, of values from 0 to 255: \
                 `image.astype('uint8')`"
            ),
        }));
    };
    Ok(pixels.clone())
}

/// Reads an array; true if it holds several images.
fn stack<'py>(
    pixels: &Bound<'py, PyArrayDyn<u8>>,
    format: Option<PixelFormat>,
) -> Outcome<(bool, Stack<'py>)> {
    let shape = pixels.shape().to_vec();
    let format = match (format, shape.len()) {
        (Some(format), _) => format,
        (None, 2) => PixelFormat::Gray8,
        (None, _) => PixelFormat::Rgb8,
    };
    let (count, [rows, columns]) = sizes(&shape, format).ok_or_else(|| wrong(&shape, format))?;
    let height = match format {
        PixelFormat::Nv12 | PixelFormat::I420 if rows.is_multiple_of(3) => rows / 3 * 2,
        PixelFormat::Nv12 | PixelFormat::I420 => return Err(wrong(&shape, format)),
        _ => rows,
    };
    let is_whole = pixels.is_c_contiguous();
    let pixels = match is_whole {
        true => pixels.clone(),
        // Slices with steps and transposes: the copy that a row-major frame is.
        false => pixels
            .py()
            .import("numpy")?
            .call_method1("ascontiguousarray", (pixels,))?
            .cast_into::<PyArrayDyn<u8>>()
            .map_err(PyErr::from)?,
    };
    let array = pixels.try_readonly().map_err(PyErr::from)?;
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let several = count.is_some();
    let count = count.unwrap_or(1);
    Ok((several, Stack { array, count, width: side(columns), height: side(height), format }))
}

/// Number of images, if there is a dimension for it, and rows and columns.
fn sizes(shape: &[usize], format: PixelFormat) -> Option<(Option<usize>, [usize; 2])> {
    let channels = match format {
        PixelFormat::Gray8 | PixelFormat::Nv12 | PixelFormat::I420 => None,
        _ => Some(format.bytes()),
    };
    let (rest, one) = match (shape, channels) {
        ([rest @ .., rows, columns, last], Some(bytes)) if *last == bytes => {
            (rest, [*rows, *columns])
        }
        ([rest @ .., rows, columns, 1], None) => (rest, [*rows, *columns]),
        ([rest @ .., rows, columns], None) => (rest, [*rows, *columns]),
        _ => return None,
    };
    match rest {
        [] => Some((None, one)),
        [count] if *count > 0 => Some((Some(*count), one)),
        _ => None,
    }
}

fn wrong(shape: &[usize], format: PixelFormat) -> Failure {
    let wanted = match format {
        PixelFormat::Gray8 => "(height, width)",
        PixelFormat::Nv12 | PixelFormat::I420 => "(height * 3 / 2, width)",
        PixelFormat::Rgb565 | PixelFormat::Yuyv => "(height, width, 2)",
        _ => "(height, width, 3)",
    };
    let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
    let advice = match shape.last().map(String::as_str) {
        Some("4") => "; drop the alpha channel: `image[..., :3]`",
        _ => "; name another one by `format=`",
    };
    Failure::Input(format!(
        "an array of shape ({}); {format:?} wants {wanted}, several one dimension more{advice}",
        shape.join(", ")
    ))
}

/// Here, since an image is made of what `Pixels` reads.
#[pymethods]
impl image::Image {
    /// Reads a path, the bytes of an image file, or an array of shape ``(height, width, 3)``, RGB.
    ///
    /// ``cut_short=True`` takes a JPEG file that ends early; the missing part is grey.
    #[new]
    #[pyo3(signature = (source, *, cut_short=false))]
    fn new(py: Python<'_>, source: &Bound<'_, PyAny>, cut_short: bool) -> Outcome<Self> {
        if cut_short {
            let path: PathBuf = source.extract()?;
            return Ok(Self(py.detach(|| Image::open_cut_short(path))?));
        }
        match Pixels::one(source, None)? {
            Picture::Decoded(image) => Ok(Self(image)),
            array => Ok(Self(image::copied(&array.frame()?)?)),
        }
    }
}
