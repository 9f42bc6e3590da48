//! Frames of JavaScript: `ImageData`, or any object with a width, a height and bytes.

use js_sys::{Reflect, Uint8Array};
use offshoot::{Frame, FrameError, PixelFormat};
use wasm_bindgen::{JsCast, JsError, JsValue};

use crate::argument::{Outcome, whole};

/// Bytes of a pixel of a canvas.
const RGBA: usize = 4;

/// Names of the formats besides `rgba`, which becomes RGB: alpha says nothing of a colour.
const FORMATS: [(&str, PixelFormat); 7] = [
    ("rgb", PixelFormat::Rgb8),
    ("bgr", PixelFormat::Bgr8),
    ("gray", PixelFormat::Gray8),
    ("rgb565", PixelFormat::Rgb565),
    ("yuyv", PixelFormat::Yuyv),
    ("nv12", PixelFormat::Nv12),
    ("i420", PixelFormat::I420),
];

/// Room for the bytes of a frame, used again for the next one.
#[derive(Debug, Default)]
pub struct Room {
    /// Bytes as they were given.
    given: Vec<u8>,
    /// Pixels of `rgba` without their alpha.
    rgb: Vec<u8>,
}

impl Room {
    /// Copies the pixels of an image and returns their frame.
    ///
    /// # Errors
    /// A value that is no image, an unknown format, sides out of range, too few bytes.
    pub fn frame(&mut self, image: &JsValue, format: Option<&str>) -> Outcome<Frame<'_>> {
        let [width, height] = [side(image, "width")?, side(image, "height")?];
        let bytes = bytes(image)?;
        let name = format.unwrap_or("rgba");
        let Some((_, format)) = FORMATS.iter().find(|(known, _)| *known == name) else {
            self.rgb_of_rgba(width, height, &bytes, name)?;
            return Ok(Frame::rgb(width, height, &self.rgb)?);
        };
        // Before anything is copied, as far as that can be known.
        Frame::new(width, height, *format, &[]).err().map_or(Ok(()), |error| match error {
            FrameError::Short { need, .. } => short(need, bytes.length()),
            other => Err(other),
        })?;
        self.take(&bytes)?;
        Ok(Frame::new(width, height, *format, &self.given)?)
    }

    /// Copies pixels of four bytes, and leaves out the alpha.
    fn rgb_of_rgba(
        &mut self,
        width: u32,
        height: u32,
        bytes: &Uint8Array,
        name: &str,
    ) -> Outcome<()> {
        if name != "rgba" {
            let names: Vec<&str> = FORMATS.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            return Err(JsError::new(&format!("no format `{name}`; there are rgba, {names}")));
        }
        // The sides, before they are multiplied.
        match Frame::new(width, height, PixelFormat::Gray8, &[]) {
            Err(FrameError::Short { .. }) | Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let need = RGBA * width as usize * height as usize;
        short(need, bytes.length())?;
        self.take(&bytes.subarray(0, need as u32))?;
        reserve(&mut self.rgb, need / RGBA * 3)?;
        let given = self.given.as_chunks::<RGBA>().0;
        for (rgb, &[red, green, blue, _]) in self.rgb.as_chunks_mut().0.iter_mut().zip(given) {
            *rgb = [red, green, blue];
        }
        Ok(())
    }

    fn take(&mut self, bytes: &Uint8Array) -> Outcome<()> {
        reserve(&mut self.given, bytes.length() as usize)?;
        bytes.copy_to(&mut self.given);
        Ok(())
    }
}

/// Makes a buffer that long; an error, where there is no memory for it.
fn reserve(buffer: &mut Vec<u8>, need: usize) -> Outcome<()> {
    if buffer.len() < need {
        let more = need - buffer.len();
        buffer.try_reserve_exact(more).map_err(|_| {
            JsError::new(&format!("not enough memory: the frame needs {need} bytes"))
        })?;
    }
    buffer.resize(need, 0);
    Ok(())
}

fn short(need: usize, have: u32) -> Result<(), FrameError> {
    let have = have as usize;
    if have < need { Err(FrameError::Short { need, have }) } else { Ok(()) }
}

fn side(image: &JsValue, name: &str) -> Outcome<u32> {
    let value = Reflect::get(image, &name.into()).ok().and_then(|value| value.as_f64());
    match value {
        Some(value) => whole(value, name, u32::MAX),
        None => Err(JsError::new(
            "not an image: ImageData, or an object with width, height and data, is wanted",
        )),
    }
}

fn bytes(image: &JsValue) -> Outcome<Uint8Array> {
    let data = Reflect::get(image, &"data".into()).unwrap_or_default();
    if let Some(bytes) = data.dyn_ref::<Uint8Array>() {
        return Ok(bytes.clone());
    }
    match data.dyn_ref::<js_sys::Uint8ClampedArray>() {
        Some(bytes) => Ok(Uint8Array::new_with_byte_offset_and_length(
            &bytes.buffer(),
            bytes.byte_offset(),
            bytes.length(),
        )),
        None => Err(JsError::new("the image's data is no Uint8Array or Uint8ClampedArray")),
    }
}
