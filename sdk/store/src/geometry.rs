//! Places of the slots on a medium.

/// Bytes of a slot's header.
pub(crate) const HEADER_BYTES: usize = 64;

/// Smallest sector, bytes: a header must lie within one.
pub const MIN_SECTOR: u32 = HEADER_BYTES as u32;

/// Largest sector, bytes.
pub const MAX_SECTOR: u32 = 1 << 20;

/// Reason that a medium cannot hold two slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GeometryError {
    /// Sector size that is no power of two, or out of range.
    #[error("sector of {found} bytes, allowed are powers of two from {MIN_SECTOR} to {MAX_SECTOR}")]
    BadSector {
        /// Bytes of a sector.
        found: u32,
    },
    /// Medium too small for two slots of two sectors each.
    #[error("medium too small: {found} bytes, two slots need {needed}")]
    TooSmall {
        /// Bytes of the medium.
        found: u64,
        /// Fewest bytes with this sector.
        needed: u64,
    },
    /// Area of a flash that begins within an erase block.
    #[error("area from byte {start} on begins within a block: begin it at a multiple of {sector}")]
    Unaligned {
        /// First byte of the area.
        start: u32,
        /// Bytes that the flash erases at once.
        sector: u32,
    },
    /// Area that ends outside its flash.
    #[error("area ends at byte {end}, the flash has {capacity}: give it one that it has")]
    Outside {
        /// End of the area.
        end: u32,
        /// Bytes of the flash.
        capacity: u64,
    },
}

/// Geometry of a medium: two slots of the same size, each a sector for the header, then the
/// payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub sector: u32,
    /// Bytes of one slot, a multiple of the sector.
    pub slot: u32,
}

impl Geometry {
    pub fn new(size: u64, sector: u32) -> Result<Self, GeometryError> {
        if !sector.is_power_of_two() || !(MIN_SECTOR..=MAX_SECTOR).contains(&sector) {
            return Err(GeometryError::BadSector { found: sector });
        }
        let needed = 4 * u64::from(sector);
        if size < needed {
            return Err(GeometryError::TooSmall { found: size, needed });
        }
        // The header states the slot in 32 bits; the rest of a larger medium stays unused. Slices
        // have at most `isize::MAX` bytes, so larger slots are of no use on 32-bit processors
        // either.
        let most = u64::from(u32::MAX >> 1);
        let whole = (size / 2).min(most) / u64::from(sector) * u64::from(sector);
        Ok(Self { sector, slot: whole as u32 })
    }

    /// Returns the first byte of a slot's header.
    pub fn header_at(&self, slot: usize) -> u64 {
        slot as u64 * u64::from(self.slot)
    }

    /// Returns the first byte of a slot's payload.
    pub fn payload_at(&self, slot: usize) -> u64 {
        self.header_at(slot) + u64::from(self.sector)
    }

    /// Returns the bytes of the longest payload.
    pub fn capacity(&self) -> u32 {
        self.slot - self.sector
    }
}

/// Returns the bytes of the smallest medium for payloads of up to `capacity` bytes in sectors of
/// `sector` bytes; [`None`] if the sector size is not allowed or a slot would exceed 2^31 - 1
/// bytes.
#[must_use]
pub const fn medium_size(capacity: u32, sector: u32) -> Option<u64> {
    if !sector.is_power_of_two() || sector < MIN_SECTOR || sector > MAX_SECTOR {
        return None;
    }
    let sectors = capacity.div_ceil(sector) as u64;
    let payload = if sectors == 0 { 1 } else { sectors };
    let slot = (1 + payload) * sector as u64;
    if slot > (u32::MAX >> 1) as u64 { None } else { Some(2 * slot) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_lie_within_the_medium_and_apart() {
        for sector in [64, 512, 4096] {
            for size in (4 * sector..40 * sector).step_by(37) {
                let found = Geometry::new(u64::from(size), sector).unwrap();
                assert_eq!(found.header_at(1), u64::from(found.slot));
                assert_eq!(found.payload_at(1) % u64::from(sector), 0);
                let end = found.payload_at(1) + u64::from(found.capacity());
                assert!(end <= u64::from(size) && u64::from(size) - end < 2 * u64::from(sector));
            }
        }
    }

    #[test]
    fn what_is_no_medium() {
        for found in [0, 32, 63, 65, 96, MAX_SECTOR * 2, u32::MAX] {
            assert_eq!(Geometry::new(1 << 30, found), Err(GeometryError::BadSector { found }));
            assert_eq!(medium_size(1, found), None);
        }
        let error = GeometryError::TooSmall { found: 255, needed: 256 };
        assert_eq!(Geometry::new(255, 64), Err(error));
        assert_eq!(Geometry::new(256, 64).unwrap().capacity(), 64);
        assert_eq!(Geometry::new(u64::MAX, 512).unwrap().slot, (1 << 31) - 512);
    }

    #[test]
    fn the_smallest_medium_is_just_large_enough() {
        for capacity in [1, 63, 64, 65, 5000] {
            let size = medium_size(capacity, 64).unwrap();
            assert!(Geometry::new(size, 64).unwrap().capacity() >= capacity);
            // One byte less loses a sector of each slot, or the medium.
            assert!(!Geometry::new(size - 1, 64).is_ok_and(|g| g.capacity() >= capacity));
        }
        assert_eq!(medium_size(u32::MAX >> 1, 512), None);
    }
}
