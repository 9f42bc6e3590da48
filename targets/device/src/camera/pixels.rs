//! Pixel formats of cameras, and their conversion to RGB.

use std::fmt;
use std::str::FromStr;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use offshoot_core::frame::bt601;

use super::frame_buffer::CapturedFrame;

/// Max side of a frame.
const MOST_SIDE: u32 = offshoot_core::limits::FRAME_SIDE;

/// Max pixels of a frame: cameras of 16 megapixels. A broken header of a JPEG image takes no more
/// memory than that.
const MOST_PIXELS: u32 = 1 << 24;

/// Pixel format of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixels {
    /// Packed YUV 4:2:2, two pixels in four bytes: luma, blue difference, luma, red difference.
    Yuyv,
    /// Planar YUV 4:2:0: a plane of luma, then one of blue and red differences for every two by two
    /// pixels, with the same stride.
    Nv12,
    /// Planar YUV 4:2:0: a plane of luma, then one of blue and one of red differences, each for every
    /// two by two pixels and with half the stride.
    I420,
    /// Three bytes: red, green, blue.
    Rgb24,
    /// Three bytes: blue, green, red.
    Bgr24,
    /// One byte of luma.
    Grey,
    /// JPEG image of its own.
    Mjpeg,
}

/// Clockwise rotation that makes a frame upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Turn {
    /// No rotation.
    #[default]
    None,
    /// Rotation by 90 degrees.
    Right,
    /// Rotation by 180 degrees.
    Half,
    /// Rotation by 270 degrees.
    Left,
}

impl Turn {
    /// Returns true if width and height are swapped.
    pub fn is_sideways(self) -> bool {
        matches!(self, Self::Right | Self::Left)
    }

    /// Returns the size of a rotated frame, the offset of its first pixel, and the steps to its
    /// next column and row, in pixels.
    pub(crate) fn steps(self, width: u32, height: u32) -> ((u32, u32), isize, isize, isize) {
        let w = width as isize;
        let h = height as isize;
        let size = if self.is_sideways() { (height, width) } else { (width, height) };
        match self {
            Self::None => (size, 0, 1, w),
            Self::Right => (size, h - 1, h, -1),
            Self::Half => (size, w * h - 1, -1, -w),
            Self::Left => (size, (w - 1) * h, -h, 1),
        }
    }
}

impl fmt::Display for Turn {
    /// Writes the angle in degrees.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "0",
            Self::Right => "90",
            Self::Half => "180",
            Self::Left => "270",
        })
    }
}

impl FromStr for Turn {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "0" => Ok(Self::None),
            "90" => Ok(Self::Right),
            "180" => Ok(Self::Half),
            "270" => Ok(Self::Left),
            _ => Err("needs 0, 90, 180 or 270"),
        }
    }
}

/// Buffer of a driver.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    /// Pixel format.
    pub pixels: Pixels,
    /// Number of columns.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
    /// Bytes from one row to the next; drivers pad rows. Without meaning for MJPEG.
    pub stride: usize,
    /// Bytes of the buffer; those behind the last pixel are ignored.
    pub bytes: &'a [u8],
}

/// Reason why a buffer is not a valid frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PixelError {
    /// A side is zero, too long, or odd for a format with pairs of pixels; or there are too many
    /// pixels.
    #[error(
        "an image of {width}x{height}; sides are 1 to {MOST_SIDE}, even for YUYV, NV12 and I420, with at most {MOST_PIXELS} pixels"
    )]
    Size {
        /// Number of columns.
        width: u32,
        /// Number of rows.
        height: u32,
    },
    /// Rows overlap, or the stride of I420 cannot be halved.
    #[error("a stride of {found} bytes; a row has {row}, and the stride of I420 is even")]
    Stride {
        /// Bytes from one row to the next.
        found: usize,
        /// Bytes of a row.
        row: usize,
    },
    /// The buffer ends early, for example after a lost packet.
    #[error("{found} bytes of {needed}")]
    Short {
        /// Number of bytes given.
        found: usize,
        /// Number of bytes needed.
        needed: usize,
    },
    /// A JPEG image ends before its pixels do, for example after a lost packet; a decoder would
    /// fill it up with grey.
    #[error("a JPEG image cut short after {found} bytes")]
    CutShort {
        /// Number of bytes given.
        found: usize,
    },
    /// A JPEG image does not decode.
    #[error("not a JPEG image: {0}")]
    Jpeg(String),
}

impl Pixels {
    /// Bytes of a row of the first plane.
    pub(crate) fn row(self, width: usize) -> usize {
        match self {
            Self::Yuyv => 2 * width,
            Self::Nv12 | Self::I420 | Self::Grey => width,
            Self::Rgb24 | Self::Bgr24 => 3 * width,
            Self::Mjpeg => 0,
        }
    }
}

impl Raw<'_> {
    /// Writes the frame, rotated, into `shot`. On an error the content of `shot` is unspecified.
    ///
    /// YUV is that of ITU-R BT.601 with luma of 16 to 235, the format of cameras.
    ///
    /// # Errors
    ///
    /// [`PixelError`] if the buffer does not hold such a frame.
    pub fn convert(&self, turn: Turn, shot: &mut CapturedFrame) -> Result<(), PixelError> {
        if self.pixels == Pixels::Mjpeg {
            return jpeg(self.bytes, turn, shot);
        }
        self.check()?;
        let width = self.width as usize;
        let height = self.height as usize;
        let out = &mut Turned::new(turn, self.width, self.height, shot);
        for y in 0..height {
            let line = self.line(y);
            match self.pixels {
                Pixels::Rgb24 => {
                    (0..width).for_each(|x| out.set(x, y, [0, 1, 2].map(|c| line[3 * x + c])))
                }
                Pixels::Bgr24 => {
                    (0..width).for_each(|x| out.set(x, y, [2, 1, 0].map(|c| line[3 * x + c])))
                }
                Pixels::Grey => (0..width).for_each(|x| out.set(x, y, [line[x]; 3])),
                Pixels::Yuyv => {
                    for (x, &[a, u, b, v]) in line[..2 * width].as_chunks().0.iter().enumerate() {
                        out.set(2 * x, y, bt601(a, u, v));
                        out.set(2 * x + 1, y, bt601(b, u, v));
                    }
                }
                Pixels::Nv12 => {
                    let colour = self.line(height + y / 2);
                    for x in 0..width {
                        out.set(x, y, bt601(line[x], colour[x & !1], colour[x | 1]));
                    }
                }
                Pixels::I420 => {
                    let [blue, red] = self.colour_rows(y / 2);
                    for x in 0..width {
                        out.set(x, y, bt601(line[x], blue[x / 2], red[x / 2]));
                    }
                }
                // Returned above.
                Pixels::Mjpeg => {}
            }
        }
        Ok(())
    }

    /// Returns the buffer from a row of each of I420's two planes of colour on.
    fn colour_rows(&self, row: usize) -> [&[u8]; 2] {
        let stride = self.stride / 2;
        let plane = stride * (self.height as usize / 2);
        let first = self.stride * self.height as usize + row * stride;
        [&self.bytes[first..], &self.bytes[first + plane..]]
    }

    /// Returns the buffer from a row on.
    fn line(&self, y: usize) -> &[u8] {
        &self.bytes[y * self.stride..]
    }

    fn check(&self) -> Result<(), PixelError> {
        let needed = self.needed()?;
        let found = self.bytes.len();
        if found < needed { Err(PixelError::Short { found, needed }) } else { Ok(()) }
    }

    /// Returns the number of bytes of a frame, without padding behind its last row; whatever the
    /// buffer has.
    ///
    /// # Errors
    ///
    /// [`PixelError`] for sides and strides that no frame has.
    pub(crate) fn needed(&self) -> Result<usize, PixelError> {
        let width = self.width;
        let height = self.height;
        let sides = 1..=MOST_SIDE;
        let even = match self.pixels {
            Pixels::Yuyv => width.is_multiple_of(2),
            Pixels::Nv12 | Pixels::I420 => width.is_multiple_of(2) && height.is_multiple_of(2),
            _ => true,
        };
        if !sides.contains(&width) || !sides.contains(&height) || !even || is_large(width, height) {
            return Err(PixelError::Size { width, height });
        }
        let row = self.pixels.row(width as usize);
        let is_halved = self.pixels != Pixels::I420 || self.stride.is_multiple_of(2);
        if self.stride < row || !is_halved {
            return Err(PixelError::Stride { found: self.stride, row });
        }
        let height = height as usize;
        let is_planar = matches!(self.pixels, Pixels::Nv12 | Pixels::I420);
        let rows = if is_planar { height + height / 2 } else { height };
        // The last row of I420 is one of colour, and half of what counts as a row here.
        let spare = self.stride - row;
        let last = if self.pixels == Pixels::I420 { row + spare / 2 } else { row };
        Ok(self.stride.saturating_mul(rows - 1).saturating_add(last))
    }
}

/// Frame that is written rotated.
struct Turned<'a> {
    rgb: &'a mut [u8],
    /// Offset of the first pixel, and steps to the next column and row, in pixels.
    start: isize,
    across: isize,
    down: isize,
}

impl<'a> Turned<'a> {
    fn new(turn: Turn, width: u32, height: u32, shot: &'a mut CapturedFrame) -> Self {
        let ((width, height), start, across, down) = turn.steps(width, height);
        Self { rgb: shot.reshape(width, height), start, across, down }
    }

    fn set(&mut self, x: usize, y: usize, rgb: [u8; 3]) {
        let place = 3 * (self.start + self.across * x as isize + self.down * y as isize) as usize;
        self.rgb[place..place + 3].copy_from_slice(&rgb);
    }
}

fn is_large(width: u32, height: u32) -> bool {
    u64::from(width) * u64::from(height) > u64::from(MOST_PIXELS)
}

fn jpeg_error(error: zune_jpeg::errors::DecodeErrors) -> PixelError {
    PixelError::Jpeg(error.to_string())
}

fn jpeg(bytes: &[u8], turn: Turn, shot: &mut CapturedFrame) -> Result<(), PixelError> {
    if offshoot::jpeg::is_cut_short(bytes) {
        return Err(PixelError::CutShort { found: bytes.len() });
    }
    // Cameras leave the standard tables out.
    let bytes = &*offshoot::jpeg::with_tables(bytes);
    let options = DecoderOptions::default()
        .set_max_width(MOST_SIDE as usize)
        .set_max_height(MOST_SIDE as usize)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(jpeg_error)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    // The decoder limits the sides, which 32 bits hold.
    let width = width as u32;
    let height = height as u32;
    if is_large(width, height) {
        return Err(PixelError::Size { width, height });
    }
    if turn == Turn::None {
        return decoder.decode_into(shot.reshape(width, height)).map_err(jpeg_error);
    }
    let upright = decoder.decode().map_err(jpeg_error)?;
    let stride = 3 * width as usize;
    Raw { pixels: Pixels::Rgb24, width, height, stride, bytes: &upright }.convert(turn, shot)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 6;
    const HEIGHT: usize = 4;
    const PADDING: usize = 6;

    /// A colour for each block of two by two pixels, so that halved colour loses nothing.
    fn image(x: usize, y: usize) -> [u8; 3] {
        let block = (y / 2 * 3 + x / 2) as u8;
        [200 - 30 * block, 40 + 35 * block, 90 + 20 * (block % 3)]
    }

    /// The forward transform of BT.601 in floats: another computation than the one tested.
    fn yuv([r, g, b]: [u8; 3]) -> [u8; 3] {
        let [r, g, b] = [r, g, b].map(|c| f64::from(c) / 255.0);
        let luma = 0.299 * r + 0.587 * g + 0.114 * b;
        let scaled = |value: f64, zero: f64, span: f64| (zero + span * value).round() as u8;
        [
            scaled(luma, 16.0, 219.0),
            scaled((b - luma) / 1.772, 128.0, 224.0),
            scaled((r - luma) / 1.402, 128.0, 224.0),
        ]
    }

    /// Test image in a format, each row followed by padding that must not be read.
    fn buffer(pixels: Pixels) -> (usize, Vec<u8>) {
        let mut out = Vec::new();
        let mut rows: Vec<Vec<u8>> = (0..HEIGHT)
            .map(|y| {
                (0..WIDTH)
                    .flat_map(|x| {
                        let [r, g, b] = image(x, y);
                        let [l, u, v] = yuv(image(x, y));
                        match pixels {
                            Pixels::Rgb24 => vec![r, g, b],
                            Pixels::Bgr24 => vec![b, g, r],
                            Pixels::Yuyv => vec![l, if x % 2 == 0 { u } else { v }],
                            _ => vec![l],
                        }
                    })
                    .collect()
            })
            .collect();
        if pixels == Pixels::Nv12 {
            rows.extend((0..HEIGHT / 2).map(|y| {
                (0..WIDTH / 2).flat_map(|x| yuv(image(2 * x, 2 * y)).into_iter().skip(1)).collect()
            }));
        }
        let stride = rows[0].len() + PADDING;
        for row in rows {
            out.extend(row);
            out.extend([0xee; PADDING]);
        }
        if pixels == Pixels::I420 {
            for channel in [1, 2] {
                for y in 0..HEIGHT / 2 {
                    out.extend((0..WIDTH / 2).map(|x| yuv(image(2 * x, 2 * y))[channel]));
                    out.extend([0xee; PADDING / 2]);
                }
            }
        }
        (stride, out)
    }

    fn raw(pixels: Pixels, stride: usize, bytes: &[u8]) -> Raw<'_> {
        Raw { pixels, width: WIDTH as u32, height: HEIGHT as u32, stride, bytes }
    }

    #[test]
    fn every_format_gives_the_image_in_every_position() {
        for pixels in
            [Pixels::Rgb24, Pixels::Bgr24, Pixels::Yuyv, Pixels::Nv12, Pixels::I420, Pixels::Grey]
        {
            let (stride, bytes) = buffer(pixels);
            let padding = if pixels == Pixels::I420 { PADDING / 2 } else { PADDING };
            for turn in [Turn::None, Turn::Right, Turn::Half, Turn::Left] {
                let mut shot = CapturedFrame::default();
                // Without the last padding, as some drivers deliver it.
                let bytes = &bytes[..bytes.len() - padding];
                assert_eq!(raw(pixels, stride, bytes).needed(), Ok(bytes.len()));
                raw(pixels, stride, bytes).convert(turn, &mut shot).unwrap();
                for y in 0..HEIGHT {
                    for x in 0..WIDTH {
                        let (tx, ty) = match turn {
                            Turn::None => (x, y),
                            Turn::Right => (HEIGHT - 1 - y, x),
                            Turn::Half => (WIDTH - 1 - x, HEIGHT - 1 - y),
                            Turn::Left => (y, WIDTH - 1 - x),
                        };
                        let place = 3 * (ty * shot.width() as usize + tx);
                        let found = &shot.rgb()[place..place + 3];
                        let wanted = match pixels {
                            Pixels::Grey => [yuv(image(x, y))[0]; 3],
                            _ => image(x, y),
                        };
                        let near = found.iter().zip(wanted).all(|(&a, b)| a.abs_diff(b) <= 2);
                        assert!(near, "{pixels:?} {turn:?} {x},{y}: {found:?} for {wanted:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn black_white_and_overshoot() {
        assert_eq!(bt601(16, 128, 128), [0; 3]);
        assert_eq!(bt601(235, 128, 128), [255; 3]);
        assert_eq!(bt601(255, 255, 255)[0], 255);
        assert_eq!(bt601(0, 0, 0), [0, 135, 0]);
    }

    #[test]
    fn broken_buffers_are_refused() {
        let (stride, bytes) = buffer(Pixels::Nv12);
        let mut shot = CapturedFrame::default();
        let mut told = |raw: Raw<'_>| raw.convert(Turn::None, &mut shot).unwrap_err();
        let whole = raw(Pixels::Nv12, stride, &bytes);
        let needed = bytes.len() - PADDING;
        assert_eq!(
            told(Raw { bytes: &bytes[..needed - 1], ..whole }),
            PixelError::Short { found: needed - 1, needed }
        );
        assert_eq!(
            told(Raw { stride: WIDTH - 1, ..whole }),
            PixelError::Stride { found: 5, row: 6 }
        );
        for (width, height) in [(0, 4), (5, 4), (6, 3), (u32::MAX - 1, 4)] {
            assert_eq!(told(Raw { width, height, ..whole }), PixelError::Size { width, height });
        }
        assert!(matches!(told(Raw { stride: usize::MAX, ..whole }), PixelError::Short { .. }));
        let planes = Raw { pixels: Pixels::I420, ..whole };
        assert_eq!(
            told(Raw { stride: WIDTH + 1, ..planes }),
            PixelError::Stride { found: 7, row: 6 }
        );
        // No side is too long, but all pixels would take half a gigabyte.
        let large = Raw { width: MOST_SIDE, height: MOST_SIDE, ..whole };
        assert!(matches!(told(large), PixelError::Size { .. }));
        assert!(matches!(told(Raw { pixels: Pixels::Mjpeg, ..whole }), PixelError::Jpeg(_)));
    }

    #[test]
    fn a_jpeg_is_decoded_and_turned() {
        let left = [220, 40, 30];
        let right = [20, 60, 200];
        let image =
            image::RgbImage::from_fn(32, 16, |x, _| image::Rgb(if x < 16 { left } else { right }));
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        let bytes = bytes.into_inner();
        let whole = Raw { pixels: Pixels::Mjpeg, width: 0, height: 0, stride: 0, bytes: &bytes };
        let mut shot = CapturedFrame::default();
        for (turn, size, first) in [
            (Turn::None, (32, 16), left),
            (Turn::Half, (32, 16), right),
            // The left half is on top, or at the bottom.
            (Turn::Right, (16, 32), left),
            (Turn::Left, (16, 32), right),
        ] {
            whole.convert(turn, &mut shot).unwrap();
            assert_eq!((shot.width(), shot.height()), size);
            assert!(
                shot.rgb().iter().zip(first).take(3).all(|(&a, b)| a.abs_diff(b) < 12),
                "{turn:?}"
            );
        }
        // A lost packet: half an image must not be learned with the rest grey.
        let scan = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
        for end in [bytes.len() / 2, scan + 20, bytes.len() - 20] {
            let error =
                Raw { bytes: &bytes[..end], ..whole }.convert(Turn::None, &mut shot).unwrap_err();
            assert_eq!(error, PixelError::CutShort { found: end });
        }
    }

    /// Images of UVC cameras have no Huffman tables, and no mark that says so.
    #[test]
    fn frames_without_tables_are_read_by_the_standard_ones() {
        let image =
            image::RgbImage::from_fn(32, 16, |x, y| image::Rgb([8 * x as u8, 16 * y as u8, 90]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        let bytes = bytes.into_inner();
        let mut bare = bytes[..2].to_vec();
        let mut at = 2;
        while bytes[at + 1] != 0xda {
            let end = at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
            if bytes[at + 1] != 0xc4 {
                bare.extend(&bytes[at..end]);
            }
            at = end;
        }
        bare.extend(&bytes[at..]);
        let shots = [&bytes, &bare].map(|bytes| {
            let mut shot = CapturedFrame::default();
            let raw = Raw { pixels: Pixels::Mjpeg, width: 0, height: 0, stride: 0, bytes };
            raw.convert(Turn::None, &mut shot).unwrap();
            shot.rgb().to_vec()
        });
        assert!(bare.len() < bytes.len() && shots[0] == shots[1]);
    }
}
