//! Images decoded from files.

use std::io::{BufRead, Cursor, Seek};
use std::path::Path;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use offshoot_core::{Frame, limits};

use crate::error::ImageError;
use crate::{Error, ErrorKind, jpeg};

/// Max bytes of an image while it is decoded: fits a board of 512 MiB beside a program and its
/// package.
const MOST_BYTES: u64 = 320 << 20;

/// Bytes of an image that a file of any length may state: 22 megapixels of one colour.
const FREE_BYTES: u64 = 64 << 20;

/// Bytes of an image for each byte of its file, beyond those; deflate expands by 1,032 at most.
const MOST_RATIO: u64 = 1100;

/// Augmentation: a view of an image as it might also have been taken. Several views from one press
/// of a button teach more than the image alone.
///
/// ```
/// # use offshoot::{Embedding, Extractor, Head, HeadKind, Limits, Image, View};
/// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
/// # let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 1, samples: 5 })?;
/// # let class = head.add_class("grey")?;
/// # let image = Image::from_rgb(8, 8, vec![100; 192]).expect("64 pixels");
/// // One sample, the mean of two views: held out, none is asked about while its twin is known.
/// let mut mean: Vec<f32> = extractor.embed(&image.frame())?.iter().collect();
/// let mirrored = extractor.embed(&image.seen(View::Mirrored).frame())?;
/// mean.iter_mut().zip(mirrored.iter()).for_each(|(mean, other)| *mean = 0.5 * (*mean + other));
/// head.add_sample(class, Embedding::Float(&mean))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum View {
    /// Left and right exchanged.
    Mirrored,
    /// Centre crop, four fifths of each side.
    Nearer,
    /// A quarter lighter.
    Lighter,
    /// A fifth darker.
    Darker,
}

/// A decoded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Image {
    /// Decodes a file: JPEG, PNM, BMP; with the features `png` and `formats` also PNG, WebP, GIF
    /// (the first frame) and TIFF.
    ///
    /// Applies the EXIF orientation. The content decides on the format, not the name.
    ///
    /// # Errors
    /// A file that cannot be read or decoded; an image larger than a frame may be, of more than 320
    /// MiB, or of more than 64 MiB and 1,100 times the file. [`ErrorKind::CutShort`] if the file
    /// ends before its image does.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::read(path.as_ref(), false)
    }

    /// Decodes a file like [`Image::open`], also a JPEG file that ends early; the missing part is
    /// grey.
    ///
    /// # Errors
    /// Those of [`Image::open`], except [`ErrorKind::CutShort`].
    pub fn open_cut_short(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::read(path.as_ref(), true)
    }

    /// Decodes an image file in memory, such as an HTTP body or a message; formats and limits are
    /// those of [`Image::open`].
    ///
    /// ```
    /// use offshoot::{ErrorKind, Image};
    ///
    /// let pixels = [255, 0, 0, 0, 0, 255];
    /// let file = [b"P6 2 1 255\n".as_slice(), &pixels].concat();
    /// assert_eq!(Image::decode(&file)?.rgb(), pixels);
    ///
    /// let error = Image::decode(b"no image").unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Image(_)));
    /// # Ok::<(), offshoot::Error>(())
    /// ```
    ///
    /// # Errors
    /// Bytes that do not decode, or an image beyond the limits of [`Image::open`];
    /// [`ErrorKind::CutShort`] for a JPEG file that ends early.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let format = image::guess_format(bytes).map_err(|e| ErrorKind::from(ImageError(e)))?;
        if format != ImageFormat::Jpeg {
            let mut reader = Cursor::new(bytes);
            return Ok(Self::decode_from(&mut reader, Some(format), bytes.len() as u64)?);
        }
        if jpeg::is_cut_short(bytes) {
            return Err(ErrorKind::CutShort { bytes: bytes.len() }.into());
        }
        let mut whole = Cursor::new(jpeg::with_tables(bytes));
        Ok(Self::decode_from(&mut whole, Some(format), bytes.len() as u64)?)
    }

    fn read(path: &Path, takes_cut_short: bool) -> Result<Self, Error> {
        let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
        let reader = reader.map_err(|e| Error::of_file(e, path, "an image file"))?;
        let format = reader.format();
        if format != Some(ImageFormat::Jpeg) {
            let file = std::fs::metadata(path).map_err(|e| Error::at(e, path))?.len();
            return Self::decode_from(&mut reader.into_inner(), format, file)
                .map_err(|e| Error::at(e, path));
        }
        let bytes = std::fs::read(path).map_err(|e| Error::at(e, path))?;
        if !takes_cut_short && jpeg::is_cut_short(&bytes) {
            return Err(Error::at(ErrorKind::CutShort { bytes: bytes.len() }, path));
        }
        let mut whole = Cursor::new(jpeg::with_tables(&bytes));
        Self::decode_from(&mut whole, format, bytes.len() as u64).map_err(|e| Error::at(e, path))
    }

    /// Takes the number of bytes of the file. Not generic, so that a program holds all decoders
    /// once.
    fn decode_from(
        bytes: &mut dyn Bytes,
        format: Option<ImageFormat>,
        file: u64,
    ) -> Result<Self, ErrorKind> {
        let mut reader = ImageReader::new(bytes);
        if let Some(format) = format {
            reader.set_format(format);
        }
        let mut limits = Limits::default();
        limits.max_image_width = Some(limits::FRAME_SIDE);
        limits.max_image_height = Some(limits::FRAME_SIDE);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(ImageError)?;
        let orientation = decoder.orientation().map_err(ImageError)?;
        fits(&decoder, orientation, file)?;
        // Converted before it is turned: each makes a copy, and what is converted is smaller.
        let image = DynamicImage::from_decoder(decoder).map_err(ImageError)?;
        let mut image = DynamicImage::ImageRgb8(image.into_rgb8());
        image.apply_orientation(orientation);
        let image = image.into_rgb8();
        Ok(Self { width: image.width(), height: image.height(), rgb: image.into_raw() })
    }

    /// Makes an image of RGB bytes, row by row; `None` unless there are `3 * width * height`.
    ///
    /// ```
    /// use offshoot::Image;
    ///
    /// assert!(Image::from_rgb(2, 2, vec![0; 12]).is_some());
    /// assert!(Image::from_rgb(2, 2, vec![0; 11]).is_none());
    /// ```
    #[must_use]
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Option<Self> {
        let exact = Frame::rgb(width, height, &rgb).is_ok()
            && rgb.len() == 3 * width as usize * height as usize;
        exact.then_some(Self { width, height, rgb })
    }

    /// Returns the image as a frame, without a copy.
    ///
    /// # Panics
    /// Never: the size was checked on creation.
    #[must_use]
    pub fn frame(&self) -> Frame<'_> {
        Frame::rgb(self.width, self.height, &self.rgb).expect("checked when it was made")
    }

    /// Returns the image with left and right exchanged.
    ///
    /// ```
    /// use offshoot::Image;
    ///
    /// let image = Image::from_rgb(2, 1, vec![1, 2, 3, 4, 5, 6]).expect("two pixels");
    /// assert_eq!(image.mirrored().rgb(), [4, 5, 6, 1, 2, 3]);
    /// ```
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let row = 3 * self.width as usize;
        let rows = self.rgb.chunks_exact(row).flat_map(|row| row.chunks_exact(3).rev().flatten());
        Self { rgb: rows.copied().collect(), ..*self }
    }

    /// Returns a copy with `view` applied, for augmentation.
    #[must_use]
    pub fn seen(&self, view: View) -> Self {
        match view {
            View::Mirrored => self.mirrored(),
            View::Nearer => self.middle(),
            View::Lighter => self.lit(5, 4),
            View::Darker => self.lit(4, 5),
        }
    }

    /// Crops to four fifths of each side, at least a pixel.
    fn middle(&self) -> Self {
        let [width, height] = [self.width, self.height].map(|side| (side - side / 5) as usize);
        let left = (self.width as usize - width) / 2;
        let top = (self.height as usize - height) / 2;
        let rows = self.rgb.chunks_exact(3 * self.width as usize).skip(top).take(height);
        let rgb = rows.flat_map(|row| &row[3 * left..][..3 * width]).copied().collect();
        Self { width: width as u32, height: height as u32, rgb }
    }

    /// Multiplies every value by a fraction, with saturation.
    fn lit(&self, over: u16, under: u16) -> Self {
        let table: Vec<u8> = (0..256).map(|x| (x * over / under).min(255) as u8).collect();
        Self { rgb: self.rgb.iter().map(|&x| table[usize::from(x)]).collect(), ..*self }
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Pixels, red, green, blue.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}

impl TryFrom<DynamicImage> for Image {
    type Error = Error;

    /// Takes an image of the `image` crate; transparency is dropped, 16 bits are rounded to 8.
    ///
    /// ```
    /// use image::{DynamicImage, RgbImage};
    /// use offshoot::Image;
    ///
    /// let image = Image::try_from(DynamicImage::from(RgbImage::new(640, 480)))?;
    /// assert_eq!((image.width(), image.height()), (640, 480));
    /// assert_eq!(RgbImage::from(image).dimensions(), (640, 480));
    /// # Ok::<(), offshoot::Error>(())
    /// ```
    ///
    /// # Errors
    /// A side of 0 pixels, or more than a [`Frame`] may have.
    fn try_from(image: DynamicImage) -> Result<Self, Error> {
        let rgb = image.into_rgb8();
        let (width, height) = rgb.dimensions();
        Frame::rgb(width, height, &rgb)?;
        Ok(Self { width, height, rgb: rgb.into_raw() })
    }
}

impl From<Image> for image::RgbImage {
    fn from(image: Image) -> Self {
        // The length fits by construction.
        Self::from_raw(image.width, image.height, image.rgb).unwrap_or_default()
    }
}

/// A file, or what was read of one.
trait Bytes: BufRead + Seek {}

impl<T: BufRead + Seek> Bytes for T {}

/// Checks the memory that an image states to take, before any of it is taken.
fn fits(decoder: &impl ImageDecoder, orientation: Orientation, file: u64) -> Result<(), ErrorKind> {
    let (width, height) = decoder.dimensions();
    let rgb = 3 * u64::from(width) * u64::from(height);
    let decoded = decoder.total_bytes();
    let converted = if decoder.color_type() == ColorType::Rgb8 { 0 } else { rgb };
    let turned = match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => rgb,
        _ => 0,
    };
    let need = decoded.saturating_add(converted).max(rgb.saturating_add(turned));
    let most = file.saturating_mul(MOST_RATIO).saturating_add(FREE_BYTES).min(MOST_BYTES);
    if need > most {
        return Err(ErrorKind::LargeImage { width, height, need, most, file });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_keep_what_they_should() {
        let image = Image::from_rgb(10, 5, (0..150).collect()).unwrap();
        let nearer = image.seen(View::Nearer);
        assert_eq!((nearer.width(), nearer.height()), (8, 4));
        assert_eq!(nearer.rgb()[..24], image.rgb()[3..27], "a column less on each side");
        assert_eq!(Image::from_rgb(1, 1, vec![9; 3]).unwrap().seen(View::Nearer).rgb(), [9; 3]);
        let shades = Image::from_rgb(1, 1, vec![0, 100, 250]).unwrap();
        assert_eq!(shades.seen(View::Lighter).rgb(), [0, 125, 255]);
        assert_eq!(shades.seen(View::Darker).rgb(), [0, 80, 200]);
        assert_eq!(image.seen(View::Mirrored), image.mirrored());
    }

    #[test]
    fn an_image_without_pixels_is_refused() {
        let error = Image::try_from(DynamicImage::new_rgb8(0, 3)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Frame(_)), "{error}");
        let grey =
            DynamicImage::ImageLuma16(image::ImageBuffer::from_pixel(2, 1, image::Luma([0xffff])));
        assert_eq!(Image::try_from(grey).unwrap().rgb(), [255; 6]);
    }

    #[test]
    fn bytes_in_memory_decode_as_their_file_does() {
        let file = std::env::temp_dir().join(format!("offshoot-{}.png", std::process::id()));
        let pixels = image::RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8, y as u8, 9]));
        pixels.save(&file).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        let opened = Image::open(&file);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(Image::decode(&bytes).unwrap(), opened.unwrap());
        let cut = Image::decode(&bytes[..bytes.len() - 20]).unwrap_err();
        assert!(matches!(cut.kind(), ErrorKind::Image(_)), "{cut}");
    }

    #[test]
    fn a_mirror_exchanges_columns_and_keeps_rows() {
        let rgb: Vec<u8> = (0..18).collect();
        let image = Image::from_rgb(3, 2, rgb).unwrap();
        let mirrored = image.mirrored();
        assert_eq!(mirrored.rgb(), [6, 7, 8, 3, 4, 5, 0, 1, 2, 15, 16, 17, 12, 13, 14, 9, 10, 11]);
        assert_eq!(mirrored.mirrored(), image);
    }
}
