//! What a store needs of the thing it keeps its record on.

use crate::geometry::{Geometry, GeometryError};

/// Bytes that outlive the power: a file, a partition, a chip.
///
/// The size never changes, and every byte can be overwritten with any other; a driver for flash that
/// must be erased first does so within [`Medium::write`].
pub trait Medium {
    /// What can go wrong here.
    type Error: core::error::Error + 'static;

    /// Bytes in all. Always the same for one medium.
    fn size(&self) -> u64;

    /// Bytes that the medium writes at once, a power of two. Always the same for one medium.
    ///
    /// Records begin at multiples of it. Nothing depends on a sector being written whole or not at
    /// all; it only says which bytes a write may disturb.
    fn sector(&self) -> u32;

    /// Fills `out` with the bytes from `at` on, as the latest writes left them, synced or not.
    ///
    /// # Errors
    /// What the medium reports; `out` then holds anything.
    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Self::Error>;

    /// Writes `bytes` from `at` on, which is the beginning of a sector.
    ///
    /// Until the next [`Medium::sync`] the write may be on the medium, or not, or in part. What
    /// follows `bytes` in their last sector may take any value.
    ///
    /// # Errors
    /// What the medium reports; the sectors of `bytes` then hold anything.
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Returns when every earlier write will survive a power cut.
    ///
    /// # Errors
    /// What the medium reports; any of the writes since the last sync may then be lost, now or later.
    fn sync(&mut self) -> Result<(), Self::Error>;
}

/// A read or write that does not lie within the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes from {at} on do not lie within {size}")]
pub struct OutOfRange {
    /// First byte.
    pub at: u64,
    /// Bytes to read or write.
    pub length: usize,
    /// Bytes of the medium.
    pub size: u64,
}

/// Bytes in memory, which a sync need not do anything for.
#[derive(Clone, Debug)]
pub struct MemoryMedium<B> {
    bytes: B,
    sector: u32,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> MemoryMedium<B> {
    /// A medium on `bytes`, which keep their contents, in sectors of `sector` bytes.
    ///
    /// # Errors
    /// A sector that is no power of two or out of range; too few bytes for two slots.
    pub fn new(bytes: B, sector: u32) -> Result<Self, GeometryError> {
        Geometry::new(bytes.as_ref().len() as u64, sector)?;
        Ok(Self { bytes, sector })
    }

    /// The bytes.
    pub fn into_inner(self) -> B {
        self.bytes
    }
}

/// `length` bytes from `at` on as a range of a medium of `size` bytes.
pub(crate) fn range(at: u64, length: usize, size: usize) -> Result<core::ops::Range<usize>, OutOfRange> {
    let outside = OutOfRange { at, length, size: size as u64 };
    let start = usize::try_from(at).map_err(|_| outside)?;
    let end = start.checked_add(length).filter(|end| *end <= size).ok_or(outside)?;
    Ok(start..end)
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Medium for MemoryMedium<B> {
    type Error = OutOfRange;

    fn size(&self) -> u64 {
        self.bytes.as_ref().len() as u64
    }

    fn sector(&self) -> u32 {
        self.sector
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), OutOfRange> {
        let bytes = self.bytes.as_ref();
        out.copy_from_slice(&bytes[range(at, out.len(), bytes.len())?]);
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), OutOfRange> {
        let all = self.bytes.as_mut();
        let range = range(at, bytes.len(), all.len())?;
        all[range].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), OutOfRange> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_ends_where_it_ends() {
        let mut medium = MemoryMedium::new([7; 256], 64).unwrap();
        let mut out = [0; 4];
        medium.write(252, &[1, 2, 3, 4]).unwrap();
        medium.read(252, &mut out).unwrap();
        assert_eq!(out, [1, 2, 3, 4]);
        let error = OutOfRange { at: 253, length: 4, size: 256 };
        assert_eq!(medium.read(253, &mut out), Err(error));
        assert_eq!(medium.write(253, &out), Err(error));
        assert_eq!(medium.read(u64::MAX, &mut out), Err(OutOfRange { at: u64::MAX, ..error }));
        assert_eq!(medium.into_inner()[251..], [7, 1, 2, 3, 4]);
    }
}
