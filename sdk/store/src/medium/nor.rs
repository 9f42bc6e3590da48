//! NOR flash as a medium: erased by blocks, then programmed by words, each once.

use core::fmt::Debug;
use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;

use super::{Medium, OutOfRange};
use crate::geometry::{Geometry, GeometryError};

/// Largest word that a flash may read or program at once, bytes.
const MOST_WORD: usize = 256;

/// Failure of a [`NorMedium`]. `E` is the error of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NorError<E: Debug> {
    /// Access outside the area.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// The driver failed.
    #[error("flash failed: {0:?}")]
    Flash(E),
}

/// Area of a NOR flash: of a microcontroller's own, or of a chip beside it.
///
/// A sector is the block that the flash erases at once (4 kB on an RP2350, 128 kB on an STM32H7);
/// four of them are the smallest area. Every write erases its blocks and then programs their words,
/// in the order of their addresses and each once, as flash with error correction wants it: a save
/// erases the block of a header twice. Nothing is kept back, a sync does nothing.
///
/// ```
/// # use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
/// # struct Chip([u8; 32 << 10]);
/// # impl ErrorType for Chip { type Error = NorFlashErrorKind; }
/// # impl ReadNorFlash for Chip {
/// #     const READ_SIZE: usize = 1;
/// #     fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), NorFlashErrorKind> {
/// #         Ok(out.copy_from_slice(&self.0[at as usize..][..out.len()]))
/// #     }
/// #     fn capacity(&self) -> usize { self.0.len() }
/// # }
/// # impl NorFlash for Chip {
/// #     const WRITE_SIZE: usize = 4;
/// #     const ERASE_SIZE: usize = 4096;
/// #     fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
/// #         Ok(self.0[from as usize..to as usize].fill(0xff))
/// #     }
/// #     fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
/// #         Ok(self.0[at as usize..][..bytes.len()].copy_from_slice(bytes))
/// #     }
/// # }
/// # let flash = Chip([0xff; 32 << 10]);
/// use offshoot_store::{NorMedium, Store};
///
/// // The last 16 kB of a flash of 32 kB.
/// let mut store = Store::open(NorMedium::new(flash, 16 << 10..32 << 10)?)?;
/// store.save(b"two mugs and a ball")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NorMedium<F> {
    flash: F,
    area: Range<u32>,
}

impl<F: NorFlash> NorMedium<F> {
    /// Takes an area of a flash; what it holds is kept.
    ///
    /// A flash whose words are longer than 256 bytes does not compile.
    ///
    /// # Errors
    /// The area does not begin with a block or ends outside the flash, two slots do not fit, or
    /// blocks have a size that is not supported.
    pub fn new(flash: F, area: Range<u32>) -> Result<Self, GeometryError> {
        const {
            assert!(F::WRITE_SIZE > 0 && F::READ_SIZE > 0, "words of 0 bytes");
            assert!(F::WRITE_SIZE <= MOST_WORD && F::READ_SIZE <= MOST_WORD, "words too long");
            assert!(F::ERASE_SIZE.is_multiple_of(F::WRITE_SIZE), "blocks of parts of words");
            assert!(F::ERASE_SIZE.is_multiple_of(F::READ_SIZE), "blocks of parts of words");
        }
        let sector = F::ERASE_SIZE as u32;
        let size = area.end.saturating_sub(area.start);
        Geometry::new(size.into(), sector)?;
        if !area.start.is_multiple_of(sector) {
            return Err(GeometryError::Unaligned { start: area.start, sector });
        }
        let capacity = flash.capacity() as u64;
        if u64::from(area.end) > capacity {
            return Err(GeometryError::Outside { end: area.end, capacity });
        }
        // The rest, which is no whole block, stays unused.
        Ok(Self { flash, area: area.start..area.start + size / sector * sector })
    }

    /// Returns the flash.
    pub fn into_inner(self) -> F {
        self.flash
    }

    /// Returns the address of an access.
    fn address(&self, at: u64, length: usize) -> Result<u32, OutOfRange> {
        let size = self.area.end - self.area.start;
        let range = super::range(at, length, size as usize)?;
        Ok(self.area.start + range.start as u32)
    }
}

impl<F: NorFlash> Medium for NorMedium<F>
where
    F::Error: 'static,
{
    type Error = NorError<F::Error>;

    fn size(&self) -> u64 {
        (self.area.end - self.area.start).into()
    }

    fn sector(&self) -> u32 {
        F::ERASE_SIZE as u32
    }

    fn read(&mut self, at: u64, mut out: &mut [u8]) -> Result<(), Self::Error> {
        let mut from = self.address(at, out.len())?;
        let word = F::READ_SIZE;
        while !out.is_empty() {
            let skipped = from as usize % word;
            let whole = out.len() / word * word;
            let length = if skipped == 0 && whole > 0 {
                self.flash.read(from, &mut out[..whole]).map_err(NorError::Flash)?;
                whole
            } else {
                // Part of a word.
                let mut buffer = [0; MOST_WORD];
                let start = from - skipped as u32;
                self.flash.read(start, &mut buffer[..word]).map_err(NorError::Flash)?;
                let length = (word - skipped).min(out.len());
                out[..length].copy_from_slice(&buffer[skipped..skipped + length]);
                length
            };
            out = &mut out[length..];
            from += length as u32;
        }
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Self::Error> {
        let from = self.address(at, bytes.len())?;
        let block = F::ERASE_SIZE;
        // The area is of whole blocks, so that the last one lies within it.
        let to = from + bytes.len().next_multiple_of(block) as u32;
        self.flash.erase(from, to).map_err(NorError::Flash)?;
        let whole = bytes.len() / F::WRITE_SIZE * F::WRITE_SIZE;
        let (words, rest) = bytes.split_at(whole);
        if !words.is_empty() {
            self.flash.write(from, words).map_err(NorError::Flash)?;
        }
        if !rest.is_empty() {
            let mut last = [0xff; MOST_WORD];
            last[..rest.len()].copy_from_slice(rest);
            let at = from + whole as u32;
            self.flash.write(at, &last[..F::WRITE_SIZE]).map_err(NorError::Flash)?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}
