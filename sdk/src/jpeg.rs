//! Markers of a JPEG file, read before it is decoded (ITU-T T.81, annex B).

use std::borrow::Cow;

use offshoot_core::limits::FRAME_SIDE;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The marker that ends an image.
const END: [u8; 2] = [0xff, 0xd9];

/// The segment by which Motion JPEG in AVI says that its Huffman tables are the standard ones:
/// `zune-jpeg` then takes those of T.81, K.3.3.
const STANDARD_TABLES: [u8; 9] = *b"\xff\xe0\x00\x07AVI1\x00";

/// Pixels of an image whose end is looked for though no marker says it.
const MOST_PIXELS: usize = 1 << 23;

/// The marker of the coded image.
const SCAN: u8 = 0xda;

/// The markers of a file, in order, that have a segment or end the image. Segments, such as one
/// with a thumbnail, are passed over whole.
struct Markers<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Markers<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }
}

impl Iterator for Markers<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        loop {
            self.at += self.bytes.get(self.at..)?.iter().position(|&byte| byte == 0xff)? + 1;
            match *self.bytes.get(self.at)? {
                0xff => {}
                // Coded image, in which 0xff is followed by zero or a restart.
                0x00 | 0x01 | 0xd0..=0xd8 => self.at += 1,
                end @ 0xd9 => {
                    self.at = self.bytes.len();
                    return Some(end);
                }
                marker => {
                    // A segment that is cut has no length; nothing follows it.
                    let length = self.bytes.get(self.at + 1..self.at + 3);
                    self.at = match length {
                        Some(length) => {
                            self.at + 1 + usize::from(u16::from_be_bytes([length[0], length[1]]))
                        }
                        None => self.bytes.len(),
                    };
                    return Some(marker);
                }
            }
        }
    }
}

/// Returns true if a file begins as JPEG images do.
#[must_use]
pub fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8, 0xff])
}

/// The image with the standard Huffman tables where it has none, as cameras and AVI files leave
/// them out of Motion JPEG.
#[must_use]
pub fn with_tables(bytes: &[u8]) -> Cow<'_, [u8]> {
    // Huffman tables, or those of arithmetic coding, come before what they decode. A camera's frame
    // is not read further.
    let mut header = Markers::of(bytes).take_while(|&marker| marker != SCAN);
    if !is_jpeg(bytes) || header.any(|marker| matches!(marker, 0xc4 | 0xcc)) {
        return Cow::Borrowed(bytes);
    }
    Cow::Owned([&bytes[..2], &STANDARD_TABLES, &bytes[2..]].concat())
}

/// Returns true if the file ends before its image does, as after a download that broke off.
///
/// Decoders fill up what is missing, mostly with grey. An image that lacks its last marker alone,
/// as some cameras leave it out, is whole; where it is coded in one pass, that is found out: its
/// pixels are the same whatever follows.
#[must_use]
pub fn is_cut_short(bytes: &[u8]) -> bool {
    if !is_jpeg(bytes) || Markers::of(bytes).any(|marker| marker == END[1]) {
        return false;
    }
    // Coded in several passes over the image.
    let is_progressive = Markers::of(bytes).any(|marker| matches!(marker, 0xc2 | 0xca));
    let pixels = |more: &[u8]| {
        let ended = [&with_tables(bytes)[..], more, &END].concat();
        let side = FRAME_SIDE as usize;
        let options = DecoderOptions::default().set_max_width(side).set_max_height(side);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(ended.as_slice()), options);
        decoder.decode_headers().ok()?;
        // Of a large one that has no end nobody wants to know so much, which takes memory.
        let (width, height) = decoder.dimensions()?;
        if width * height > MOST_PIXELS { None } else { decoder.decode().ok() }
    };
    let alone = pixels(&[]);
    is_progressive || alone.is_none() || alone != pixels(&anything())
}

/// Coded image of no meaning: bytes none of which begins a marker.
fn anything() -> [u8; 512] {
    std::array::from_fn(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 24) as u8 % 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image without two like blocks.
    pub(crate) fn jpeg() -> Vec<u8> {
        let noise = |x: u32, y: u32| ((x * 37) ^ (y * 91)).wrapping_mul(2_654_435_761) >> 24;
        let image = image::RgbImage::from_fn(64, 48, |x, y| {
            image::Rgb([noise(x, y) as u8, x as u8, y as u8])
        });
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    }

    /// Without its segments of Huffman tables.
    fn bare(bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes[..2].to_vec();
        let mut at = 2;
        while bytes[at + 1] != 0xda {
            let end = at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
            if bytes[at + 1] != 0xc4 {
                out.extend(&bytes[at..end]);
            }
            at = end;
        }
        out.extend(&bytes[at..]);
        out
    }

    #[test]
    fn what_is_missing_at_the_end_is_noticed_wherever_it_is_cut() {
        let whole = jpeg();
        assert!(!is_cut_short(&whole));
        let scan = whole.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
        for end in (scan + 40..whole.len() - 40).step_by(97) {
            assert!(is_cut_short(&whole[..end]), "{end} of {} bytes", whole.len());
        }
        assert!(!is_cut_short(&whole[..whole.len() - 2]), "only the last marker is missing");
        // The end of a thumbnail is not that of the image.
        let length = (whole.len() as u16 + 2).to_be_bytes();
        let nested = [&whole[..2], &[0xff, 0xe1], &length, &whole, &whole[2..]].concat();
        assert!(!is_cut_short(&nested));
        assert!(is_cut_short(&nested[..nested.len() - whole.len() / 3]));
        assert!(!is_cut_short(b"\x89PNG") && !is_cut_short(b""));
    }

    #[test]
    fn images_without_tables_have_the_standard_ones() {
        let whole = jpeg();
        assert_eq!(with_tables(&whole), whole);
        // The encoder of `image` uses the standard tables.
        let bare = bare(&whole);
        assert!(image::load_from_memory(&bare).is_err(), "a decoder has no tables of its own");
        let pixels = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().into_rgb8();
        assert_eq!(pixels(&with_tables(&bare)), pixels(&whole));
    }
}
