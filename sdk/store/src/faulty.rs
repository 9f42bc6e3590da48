//! Fault injection: a medium that loses power and fails on command.

use std::ops::Range;
use std::vec;
use std::vec::Vec;

use crate::geometry::{Geometry, GeometryError};
use crate::medium::{Medium, OutOfRange, range};

/// Error of a [`FaultyMedium`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Power off.
    #[error("power cut")]
    PowerCut,
    /// Operation selected to fail.
    #[error("injected failure of operation {operation}")]
    Injected {
        /// Number of the operation, from 0.
        operation: u64,
    },
    /// Access outside the medium.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

/// Effect of a failing operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// No effect.
    Clean,
    /// Half of the effect: a write writes half of its bytes; a sync makes every second pending
    /// sector durable and drops the others, although reads still return them, like Linux; a read
    /// returns garbage.
    Half,
}

/// Effect of a power cut on one unsynced write to one sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is written.
    Lost,
    /// The write is complete.
    Kept,
    /// The first n bytes are written.
    First(usize),
    /// The last n bytes are written.
    Last(usize),
    /// Each bit is the old or the new one, at random; the number is the seed.
    Mixed(u64),
    /// The whole sector becomes garbage, also the part that was not written; the number is the
    /// seed.
    Garbage(u64),
}

/// Write, or the part of it in one sector, that a power cut may lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsynced {
    /// First byte on the medium.
    pub at: usize,
    /// Bytes written.
    pub bytes: Vec<u8>,
}

/// Numbers of operations on a medium since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of reads, writes and syncs.
    pub operations: u64,
    /// Number of bytes written and of syncs: the points at which the power can fail.
    pub steps: u64,
    /// Number of sectors written.
    pub sectors: u64,
    /// Number of syncs.
    pub syncs: u64,
}

/// Medium in memory that loses power at any byte and fails at any operation.
///
/// Writes are pending until a sync. [`FaultyMedium::after_cut`] returns the medium after a power
/// cut, with a [`Fate`] for each pending write.
///
/// ```
/// use offshoot_store::{Fate, FaultyMedium, Store};
///
/// let mut medium = FaultyMedium::new(vec![0xff; 1024], 64)?;
/// medium.cut_after(70); // within the payload
/// let mut store = Store::open(medium)?;
/// assert!(store.save(b"never acknowledged").is_err());
/// let found = store.into_medium().after_cut(|_, _| Fate::Kept);
/// assert_eq!(Store::open(found)?.record_len(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FaultyMedium {
    sector: u32,
    /// Bytes that survive a power cut.
    durable: Vec<u8>,
    /// Bytes that reads return.
    visible: Vec<u8>,
    unsynced: Vec<Unsynced>,
    steps_left: Option<u64>,
    is_off: bool,
    fail: Range<u64>,
    manner: Manner,
    counts: Counts,
}

impl FaultyMedium {
    /// Creates a medium that holds `bytes` and does not fail yet.
    ///
    /// # Errors
    /// The sector is no power of two or out of range, or two slots do not fit.
    pub fn new(bytes: Vec<u8>, sector: u32) -> Result<Self, GeometryError> {
        Geometry::new(bytes.len() as u64, sector)?;
        Ok(Self::healthy(bytes, sector))
    }

    fn healthy(bytes: Vec<u8>, sector: u32) -> Self {
        Self {
            sector,
            visible: bytes.clone(),
            durable: bytes,
            unsynced: vec![],
            steps_left: None,
            is_off: false,
            fail: 0..0,
            manner: Manner::Clean,
            counts: Counts::default(),
        }
    }

    /// Cuts the power after `steps` more steps: each byte written is one, each sync is one. The
    /// write in which it happens has written its bytes until then; a sync is done or not.
    pub fn cut_after(&mut self, steps: u64) {
        self.steps_left = Some(steps);
    }

    /// Makes operations fail, by their numbers counted from now on: 0 is the next.
    pub fn fail(&mut self, operations: Range<u64>, manner: Manner) {
        let now = self.counts.operations;
        self.fail = operations.start.saturating_add(now)..operations.end.saturating_add(now);
        self.manner = manner;
    }

    /// Cancels [`FaultyMedium::cut_after`] and [`FaultyMedium::fail`]. Lost writes stay lost.
    pub fn heal(&mut self) {
        self.steps_left = None;
        self.is_off = false;
        self.fail = 0..0;
    }

    /// Returns the numbers of operations so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns the writes that the next power cut may lose, in the order of writing.
    #[must_use]
    pub fn unsynced(&self) -> &[Unsynced] {
        &self.unsynced
    }

    /// Returns the bytes that reads return.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.visible
    }

    /// Returns the medium after a power cut, without faults. `fate` gets the index of each pending
    /// write and the write.
    pub fn after_cut(&self, mut fate: impl FnMut(usize, &Unsynced) -> Fate) -> Self {
        let mut bytes = self.durable.clone();
        for (index, write) in self.unsynced.iter().enumerate() {
            self.apply(&mut bytes, write, fate(index, write));
        }
        Self::healthy(bytes, self.sector)
    }

    fn apply(&self, bytes: &mut [u8], write: &Unsynced, fate: Fate) {
        let length = write.bytes.len();
        let old = &mut bytes[write.at..write.at + length];
        match fate {
            Fate::Lost => {}
            Fate::Kept => old.copy_from_slice(&write.bytes),
            Fate::First(n) => old[..n.min(length)].copy_from_slice(&write.bytes[..n.min(length)]),
            Fate::Last(n) => {
                let from = length - n.min(length);
                old[from..].copy_from_slice(&write.bytes[from..]);
            }
            Fate::Mixed(mut seed) => {
                for (old, new) in old.iter_mut().zip(&write.bytes) {
                    let mask = random_byte(&mut seed);
                    *old = *old & mask | new & !mask;
                }
            }
            Fate::Garbage(mut seed) => {
                let sector = self.sector as usize;
                let start = write.at / sector * sector;
                let end = (start + sector).min(bytes.len());
                bytes[start..end].fill_with(|| random_byte(&mut seed));
            }
        }
    }

    /// Counts an operation and returns its injected failure, if any.
    fn begin(&mut self) -> Result<Option<Fault>, Fault> {
        let operation = self.counts.operations;
        self.counts.operations += 1;
        if self.is_off {
            return Err(Fault::PowerCut);
        }
        Ok(self.fail.contains(&operation).then_some(Fault::Injected { operation }))
    }

    /// Returns the number of `wanted` steps that are done before the power fails.
    fn spend(&mut self, wanted: u64) -> u64 {
        let done = self.steps_left.map_or(wanted, |left| left.min(wanted));
        self.steps_left = self.steps_left.map(|left| left - done);
        self.counts.steps += done;
        self.is_off = done < wanted;
        done
    }

    /// Writes to the visible bytes, and records the part in each sector for a power cut.
    fn put(&mut self, mut at: usize, mut bytes: &[u8]) {
        self.visible[at..at + bytes.len()].copy_from_slice(bytes);
        while !bytes.is_empty() {
            let sector = self.sector as usize;
            let (part, rest) = bytes.split_at((sector - at % sector).min(bytes.len()));
            self.unsynced.push(Unsynced { at, bytes: part.to_vec() });
            self.counts.sectors += 1;
            at += part.len();
            bytes = rest;
        }
    }

    /// Makes the pending writes selected by `arrives` durable and drops the others.
    fn flush(&mut self, arrives: impl Fn(usize) -> bool) {
        for (index, write) in std::mem::take(&mut self.unsynced).iter().enumerate() {
            if arrives(index) {
                self.durable[write.at..write.at + write.bytes.len()].copy_from_slice(&write.bytes);
            }
        }
    }
}

impl Medium for FaultyMedium {
    type Error = Fault;

    fn size(&self) -> u64 {
        self.durable.len() as u64
    }

    fn sector(&self) -> u32 {
        self.sector
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Fault> {
        let fails = self.begin()?;
        let range = range(at, out.len(), self.visible.len())?;
        if let Some(fault) = fails {
            if self.manner == Manner::Half {
                out.fill(0xee);
            }
            return Err(fault);
        }
        out.copy_from_slice(&self.visible[range]);
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        let fails = self.begin()?;
        let start = range(at, bytes.len(), self.visible.len())?.start;
        if let Some(fault) = fails {
            let half = if self.manner == Manner::Half { bytes.len() / 2 } else { 0 };
            self.put(start, &bytes[..half]);
            return Err(fault);
        }
        let done = self.spend(bytes.len() as u64) as usize;
        self.put(start, &bytes[..done]);
        if done < bytes.len() { Err(Fault::PowerCut) } else { Ok(()) }
    }

    fn sync(&mut self) -> Result<(), Fault> {
        if let Some(fault) = self.begin()? {
            if self.manner == Manner::Half {
                self.flush(|index| index % 2 == 0);
            }
            return Err(fault);
        }
        if self.spend(1) == 0 {
            return Err(Fault::PowerCut);
        }
        self.counts.syncs += 1;
        self.flush(|_| true);
        Ok(())
    }
}

/// Returns a random byte (SplitMix64).
fn random_byte(seed: &mut u64) -> u8 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 56) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medium() -> FaultyMedium {
        FaultyMedium::new(vec![0; 256], 64).unwrap()
    }

    #[test]
    fn writes_wait_for_a_sync_and_are_cut_at_sectors() {
        let mut medium = medium();
        medium.write(64, &[1; 100]).unwrap();
        assert_eq!(
            medium.unsynced().iter().map(|u| (u.at, u.bytes.len())).collect::<Vec<_>>(),
            [(64, 64), (128, 36)]
        );
        assert_eq!(medium.bytes()[64..164], [1; 100]);
        assert!(medium.after_cut(|_, _| Fate::Lost).bytes().iter().all(|b| *b == 0));
        let second = medium.after_cut(|index, _| if index == 1 { Fate::Kept } else { Fate::Lost });
        assert_eq!(second.bytes()[64..164], [[0; 64].as_slice(), &[1; 36]].concat());
        medium.sync().unwrap();
        assert_eq!(medium.after_cut(|_, _| Fate::Lost).bytes(), medium.bytes());
        assert_eq!(medium.counts(), Counts { operations: 2, steps: 101, sectors: 2, syncs: 1 });
    }

    #[test]
    fn sectors_tear() {
        let mut medium = medium();
        medium.write(0, &[0xff; 10]).unwrap();
        let after = |fate| medium.after_cut(|_, _| fate).bytes().to_vec();
        assert_eq!(after(Fate::First(3))[..11], [255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(after(Fate::Last(3))[..11], [0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 0]);
        assert_eq!(after(Fate::Last(99)), after(Fate::Kept));
        let mixed = after(Fate::Mixed(1));
        assert!(
            mixed[..10].iter().any(|b| ![0, 255].contains(b))
                && mixed[10..].iter().all(|b| *b == 0)
        );
        let garbage = after(Fate::Garbage(1));
        assert!(garbage[10..64].iter().any(|b| *b != 0) && garbage[64..].iter().all(|b| *b == 0));
    }

    #[test]
    fn the_power_fails_within_a_write_or_before_a_sync() {
        let mut medium = medium();
        medium.cut_after(5);
        assert_eq!(medium.write(0, &[1; 8]), Err(Fault::PowerCut));
        assert_eq!(medium.bytes()[..8], [1, 1, 1, 1, 1, 0, 0, 0]);
        assert_eq!(medium.read(0, &mut [0]), Err(Fault::PowerCut));
        medium.heal();
        medium.cut_after(2);
        medium.write(64, &[2; 2]).unwrap();
        assert_eq!(medium.sync(), Err(Fault::PowerCut));
        assert!(medium.after_cut(|_, _| Fate::Lost).bytes().iter().all(|b| *b == 0));
    }

    #[test]
    fn operations_fail_by_number() {
        let mut medium = medium();
        medium.fail(1..3, Manner::Half);
        medium.write(0, &[1; 4]).unwrap();
        assert_eq!(medium.write(64, &[2; 4]), Err(Fault::Injected { operation: 1 }));
        assert_eq!(medium.bytes()[64..68], [2, 2, 0, 0]);
        assert_eq!(medium.sync(), Err(Fault::Injected { operation: 2 }));
        medium.sync().unwrap();
        // The second write was forgotten, although it shows.
        let after = medium.after_cut(|_, _| Fate::Kept);
        assert_eq!((after.bytes()[0], after.bytes()[64], medium.bytes()[64]), (1, 0, 2));
    }
}
