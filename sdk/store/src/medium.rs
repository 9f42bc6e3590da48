//! Media: the storage interface of a store.

use crate::geometry::{Geometry, GeometryError};

#[cfg(feature = "nor")]
pub(crate) mod nor;

/// Non-volatile storage: a file, a partition, a chip.
///
/// The size is constant, and every byte can be overwritten with any value; a driver of flash that
/// must be erased first does so within [`Medium::write`].
pub trait Medium {
    /// Error of read, write and sync.
    type Error: core::error::Error + 'static;

    /// Returns the size in bytes. Constant for a medium.
    fn size(&self) -> u64;

    /// Returns the bytes that the medium writes at once, a power of two. Constant for a medium.
    ///
    /// Records begin at multiples of it. Atomic writes of a sector are not required; the sector
    /// only states which bytes a write may disturb.
    fn sector(&self) -> u32;

    /// Fills `out` with the bytes from `at` on, as the latest writes left them, synced or not.
    ///
    /// # Errors
    /// The medium fails; the contents of `out` are then unspecified.
    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Self::Error>;

    /// Writes `bytes` from `at` on, which is the beginning of a sector.
    ///
    /// Until the next [`Medium::sync`] the write may be on the medium, or not, or in part. The
    /// bytes after `bytes` in their last sector may take any value.
    ///
    /// # Errors
    /// The medium fails; the contents of the sectors of `bytes` are then unspecified.
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Returns when every earlier write will survive a power cut.
    ///
    /// # Errors
    /// The medium fails; any write since the last sync may then be lost, now or later.
    fn sync(&mut self) -> Result<(), Self::Error>;
}

/// Read or write outside the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("access of {length} bytes at offset {at} outside a medium of {size} bytes")]
pub struct OutOfRange {
    /// First byte.
    pub at: u64,
    /// Bytes to read or write.
    pub length: usize,
    /// Bytes of the medium.
    pub size: u64,
}

/// Medium in memory; a sync does nothing.
#[derive(Clone, Debug)]
pub struct MemoryMedium<B> {
    bytes: B,
    sector: u32,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> MemoryMedium<B> {
    /// Creates a medium on `bytes`, whose contents are kept, in sectors of `sector` bytes.
    ///
    /// # Errors
    /// The sector is no power of two or out of range, or two slots do not fit.
    pub fn new(bytes: B, sector: u32) -> Result<Self, GeometryError> {
        Geometry::new(bytes.as_ref().len() as u64, sector)?;
        Ok(Self { bytes, sector })
    }

    /// Returns the bytes.
    pub fn into_inner(self) -> B {
        self.bytes
    }
}

/// Returns `length` bytes from `at` on as a range of a medium of `size` bytes.
pub(crate) fn range(
    at: u64,
    length: usize,
    size: usize,
) -> Result<core::ops::Range<usize>, OutOfRange> {
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
