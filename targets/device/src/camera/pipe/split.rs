//! Division of a stream into its JPEG images.

use std::io::{self, BufRead, ErrorKind};

/// Max bytes of an image.
const MOST: usize = 64 << 20;

/// Next part of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Whole image.
    Image,
    /// No image in so many bytes that none is to be expected.
    Junk,
    /// End of the stream.
    End,
}

/// Reader of JPEG images that follow each other (MJPEG), with any bytes between them.
///
/// Markers are parsed (ITU-T T.81, B.1): an image in a segment, such as a thumbnail, has an end
/// marker of its own. An image that another one interrupts has lost its end: it is given up and
/// counted, and reading goes on with the other one.
#[derive(Debug)]
pub(crate) struct Splitter {
    /// Max bytes without an image.
    most_junk: u64,
    skipped: u64,
    broken: u64,
}

impl Splitter {
    pub fn new(most_junk: u64) -> Self {
        Self { most_junk, skipped: 0, broken: 0 }
    }

    /// Returns the number of images that lost their end since the last call.
    pub fn take_broken(&mut self) -> u64 {
        std::mem::take(&mut self.broken)
    }

    /// Reads the next image into `out`, without the bytes before it. An image cut off by the end of
    /// the stream is none.
    pub fn next(&mut self, file: &mut impl BufRead, out: &mut Vec<u8>) -> io::Result<Part> {
        loop {
            out.clear();
            match self.begin(file).and_then(|part| match part {
                Part::Image => self.follow(file, out).map(|()| part),
                _ => Ok(part),
            }) {
                // A wrong length has swallowed what follows.
                Err(error) if error.kind() == ErrorKind::FileTooLarge => self.broken += 1,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    self.broken += u64::from(!out.is_empty());
                    return Ok(Part::End);
                }
                result => return result,
            }
        }
    }

    /// Skips to the end of the marker that begins an image.
    fn begin(&mut self, file: &mut impl BufRead) -> io::Result<Part> {
        loop {
            self.skipped += skip_to_marker(file)?;
            let mut marker = take(file)?;
            while marker == 0xff {
                marker = take(file)?;
            }
            self.skipped += 1;
            if marker == 0xd8 {
                self.skipped = 0;
                return Ok(Part::Image);
            }
            if self.skipped > self.most_junk {
                self.skipped = 0;
                return Ok(Part::Junk);
            }
        }
    }

    /// Copies everything from the first marker up to and including the last one.
    fn follow(&mut self, file: &mut impl BufRead, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend([0xff, 0xd8]);
        let mut has_scan = false;
        loop {
            copy_to_marker(file, out)?;
            let mut marker = copy(file, out)?;
            while marker == 0xff {
                marker = copy(file, out)?;
            }
            match marker {
                0xd9 => return Ok(()),
                // Entropy-coded data, in which 0xff is followed by zero or a restart; or reserved.
                0x00..=0xbf | 0xd0..=0xd7 => {}
                0xd8 => has_scan = self.restart(out),
                _ => {
                    let length = [copy(file, out)?, copy(file, out)?];
                    if has_scan && length == [0xff, 0xd8] {
                        // It was the last marker, before it was damaged.
                        has_scan = self.restart(out);
                        continue;
                    }
                    has_scan = has_scan || marker == 0xda;
                    for _ in 2..u16::from_be_bytes(length) {
                        copy(file, out)?;
                    }
                }
            }
        }
    }

    /// Gives up an image because another one begins; returns false: that has no scan yet.
    fn restart(&mut self, out: &mut Vec<u8>) -> bool {
        self.broken += 1;
        out.clear();
        out.extend([0xff, 0xd8]);
        false
    }
}

/// Skips the bytes up to and including the next 0xff; returns their number.
fn skip_to_marker(file: &mut impl BufRead) -> io::Result<u64> {
    let mut count = 0;
    loop {
        let bytes = fill(file)?;
        let found = bytes.iter().position(|byte| *byte == 0xff);
        let taken = found.map_or(bytes.len(), |at| at + 1);
        file.consume(taken);
        count += taken as u64;
        if found.is_some() {
            return Ok(count);
        }
    }
}

/// Copies the bytes up to and including the next 0xff.
fn copy_to_marker(file: &mut impl BufRead, out: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let bytes = fill(file)?;
        let found = bytes.iter().position(|byte| *byte == 0xff);
        let taken = found.map_or(bytes.len(), |at| at + 1);
        if out.len() + taken > MOST {
            return Err(ErrorKind::FileTooLarge.into());
        }
        out.extend_from_slice(&bytes[..taken]);
        file.consume(taken);
        if found.is_some() {
            return Ok(());
        }
    }
}

fn copy(file: &mut impl BufRead, out: &mut Vec<u8>) -> io::Result<u8> {
    if out.len() >= MOST {
        return Err(ErrorKind::FileTooLarge.into());
    }
    let byte = take(file)?;
    out.push(byte);
    Ok(byte)
}

fn take(file: &mut impl BufRead) -> io::Result<u8> {
    let byte = fill(file)?[0];
    file.consume(1);
    Ok(byte)
}

/// Returns the bytes that are buffered, at least one.
fn fill(file: &mut impl BufRead) -> io::Result<&[u8]> {
    loop {
        match file.fill_buf() {
            Ok([]) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // Buffered: does not read again.
    file.fill_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Image of one segment and some entropy-coded data, all of it made of `mark`.
    fn image(mark: u8) -> Vec<u8> {
        let segment = [0xff, 0xe1, 0, 4, mark, mark];
        let scan = [0xff, 0xda, 0, 3, mark, mark, 0xff, 0x00, 0xff, 0xd0, mark];
        [&[0xff, 0xd8][..], &segment, &scan, &[0xff, 0xd9]].concat()
    }

    /// Images found in a stream, read in pieces of this many bytes, and the number of broken ones.
    fn split(stream: &[u8], piece: usize, most_junk: u64) -> (Vec<Option<Vec<u8>>>, u64) {
        let mut file = io::BufReader::with_capacity(piece, stream);
        let mut splitter = Splitter::new(most_junk);
        let mut found = Vec::new();
        let mut out = Vec::new();
        loop {
            match splitter.next(&mut file, &mut out).unwrap() {
                Part::Image => found.push(Some(out.clone())),
                Part::Junk => found.push(None),
                Part::End => return (found, splitter.take_broken()),
            }
        }
    }

    #[test]
    fn whole_images_survive_any_damage_between_and_before_them() {
        let [one, two, three] = [1, 2, 3].map(image);
        let cut = &two[..two.len() - 3];
        let whole = |found: &[&Vec<u8>]| found.iter().map(|i| Some((*i).clone())).collect();
        for piece in [1, 2, 7, 4096] {
            let stream = [b"junk\xff", &one[..], &[0, 0xff, 7], &two, &three].concat();
            assert_eq!(split(&stream, piece, 99), (whole(&[&one, &two, &three]), 0));
            // One that lost its end, and one that the end of the stream cuts off.
            let stream = [&one[..], cut, &three, cut].concat();
            assert_eq!(split(&stream, piece, 99), (whole(&[&one, &three]), 2));
            let stream = [&[9; 250][..], &[0xff, 0x02], &one].concat();
            assert_eq!(split(&stream, piece, 99), (vec![None, Some(one.clone())], 0));
        }
    }

    /// What stands whole behind a length that was changed is found again.
    #[test]
    fn damaged_bytes_cost_few_images() {
        let mut random = 1_u64;
        for _ in 0..2000 {
            let mut stream = (0..200_u8).flat_map(|_| image(7)).collect::<Vec<u8>>();
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (random >> 33) as usize % (stream.len() / 2);
            // Not a length of thousands of bytes, which costs as many.
            stream[at] ^= 1 << (random >> 60 & 3);
            let (found, _) = split(&stream, 64, u64::MAX);
            assert!(found.len() >= 80, "{} at {at}", found.len());
            assert_eq!(found.last(), Some(&Some(image(7))));
        }
    }
}
