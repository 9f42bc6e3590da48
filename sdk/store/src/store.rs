//! Two slots, one of them current.

use crate::error::{LoadError, OpenError, SaveError};
use crate::geometry::{Geometry, HEADER_BYTES};
use crate::header::{Found, Header};
use crate::medium::Medium;

/// Bytes of a record on the stack at a time.
const CHUNK: usize = 256;

/// What became of a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The record is on the medium.
    Written,
    /// The record was the current one already; nothing was written.
    Unchanged,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// No header: never used, or a save that did not come to its end.
    Nothing,
    /// A header to which the payload does not fit; or nothing that can be read.
    Damaged(Option<Header>),
    Record(Header),
}

/// A record that loads, and its slot.
#[derive(Clone, Copy, Debug)]
struct Current {
    slot: usize,
    header: Header,
}

/// One record on a medium: the last that was saved, whenever the power fails.
#[derive(Debug)]
pub struct Store<M> {
    medium: M,
    geometry: Geometry,
    current: Option<Current>,
    /// Slots whose header may stand for something that must not load later; erased before a save.
    stale: [bool; 2],
    lost: bool,
    foreign: bool,
}

impl<M: Medium> Store<M> {
    /// Opens a medium: an old store, or anything else, which counts as empty.
    ///
    /// Syncs first: what a killed process left unsynced would load now and could be gone after a
    /// power cut. Writes nothing. Reads each slot once.
    ///
    /// # Errors
    /// A medium that is too small, was written with another geometry or by a newer version, or
    /// fails. Damage is no error here: see [`Store::load`] and [`Store::has_lost`].
    pub fn open(medium: M) -> Result<Self, OpenError<M::Error>> {
        Self::look(medium, false)
    }

    /// Opens a medium of which not all can be read: a slot that cannot counts as damaged.
    ///
    /// The record that loads may then be older than the last that was saved. Use it where
    /// [`Store::open`] keeps failing and an old record is better than none.
    ///
    /// # Errors
    /// As [`Store::open`], but for failed reads.
    pub fn salvage(medium: M) -> Result<Self, OpenError<M::Error>> {
        Self::look(medium, true)
    }

    /// Opens a medium as empty, whatever it holds. The payloads stay on it until they are overwritten.
    ///
    /// # Errors
    /// A medium that is too small or fails; it may then still hold its record.
    pub fn erase(medium: M) -> Result<Self, OpenError<M::Error>> {
        let geometry = Geometry::new(medium.size(), medium.sector())?;
        let mut store =
            Self { medium, geometry, current: None, stale: [true; 2], lost: false, foreign: false };
        store.settle().map_err(OpenError::Medium)?;
        Ok(store)
    }

    /// Longest record, bytes.
    pub fn capacity(&self) -> usize {
        self.geometry.capacity() as usize
    }

    /// Bytes of the current record, if there is one.
    pub fn record_len(&self) -> Option<usize> {
        self.current.map(|c| c.header.length as usize)
    }

    /// Number of the current record: one more with every save that writes, 0 after the largest.
    pub fn sequence(&self) -> Option<u64> {
        self.current.map(|c| c.header.sequence)
    }

    /// Whether a record newer than the current one was found damaged or unreadable when the store was
    /// opened. False again after a save.
    pub fn has_lost(&self) -> bool {
        self.lost
    }

    /// Whether the medium was found to hold something that no save can have left, when the store was opened:
    /// no header, and a second slot that is not blank. The next save overwrites it; ask first. False again
    /// after a save.
    ///
    /// Also the remains of a store of which both headers have rotted, or which was [erased](Self::erase) and never
    /// saved to.
    pub fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// Sectors that one save of `length` bytes writes: the payload's, and the header's twice.
    pub fn sectors_per_save(&self, length: usize) -> u64 {
        2 + (length as u64).div_ceil(u64::from(self.geometry.sector))
    }

    /// The medium, for its own settings. What is written to it behind the store's back is not noticed.
    pub fn medium_mut(&mut self) -> &mut M {
        &mut self.medium
    }

    /// The medium.
    pub fn into_medium(self) -> M {
        self.medium
    }

    /// Reads the current record into the front of `out`; nothing if none was ever saved.
    ///
    /// # Errors
    /// A record longer than `out`; a medium that fails; a record that is damaged. Then open the
    /// medium again: the older slot may still load.
    pub fn load<'a>(&mut self, out: &'a mut [u8]) -> Result<Option<&'a [u8]>, LoadError<M::Error>> {
        let Some(Current { slot, header }) = self.current else {
            return if self.lost { Err(LoadError::Damaged) } else { Ok(None) };
        };
        let (found, needed) = (out.len(), header.length as usize);
        let out = out.get_mut(..needed).ok_or(LoadError::TooShort { found, needed })?;
        self.medium.read(self.geometry.payload_at(slot), out).map_err(LoadError::Medium)?;
        let mut hasher = header.hasher(&self.geometry);
        hasher.update(out);
        if hasher.finalize() == header.crc { Ok(Some(out)) } else { Err(LoadError::Damaged) }
    }

    /// Saves `record` in the place of the current one. When this returns, it survives a power cut.
    ///
    /// A record equal to the current one is not written again.
    ///
    /// # Errors
    /// A record longer than [`Store::capacity`]; a medium that fails. The record of before stays
    /// the current one, and the next save may succeed. After a power cut that follows a failed
    /// save, either of the two may load.
    pub fn save(&mut self, record: &[u8]) -> Result<Saved, SaveError<M::Error>> {
        let (found, capacity) = (record.len(), self.capacity());
        if found > capacity {
            return Err(SaveError::TooLong { found, capacity });
        }
        self.settle().map_err(SaveError::Medium)?;
        // A current record that cannot be read is one more reason to write.
        if self.is_current(record).unwrap_or(false) {
            return Ok(Saved::Unchanged);
        }
        let slot = self.current.map_or(0, |c| 1 - c.slot);
        let sequence = self.current.map_or(1, |c| c.header.sequence.wrapping_add(1));
        let header = Header::of(sequence, record, &self.geometry);
        // Before the header: until this is synced, the slot holds no header or the old one, and a
        // slot with an old header is not chosen, whatever its payload has become.
        self.write_payload(slot, record).map_err(SaveError::Medium)?;
        if let Err(error) = self.write_header(slot, &header.bytes(&self.geometry)) {
            // It may have arrived. It is withdrawn, now or before the next save, because that save
            // must not make the outcome of this one depend on what else arrives.
            self.stale[slot] = true;
            let _ = self.settle();
            return Err(SaveError::Medium(error));
        }
        self.current = Some(Current { slot, header });
        (self.lost, self.foreign) = (false, false);
        Ok(Saved::Written)
    }

    fn look(mut medium: M, tolerant: bool) -> Result<Self, OpenError<M::Error>> {
        let geometry = Geometry::new(medium.size(), medium.sector())?;
        medium.sync().map_err(OpenError::Medium)?;
        let mut seen = [Seen::Nothing; 2];
        for (slot, seen) in seen.iter_mut().enumerate() {
            *seen = match look_at(&mut medium, &geometry, slot) {
                Err(OpenError::Medium(_)) if tolerant => Seen::Damaged(None),
                other => other?,
            };
        }
        let at = |slot: usize| match seen[slot] {
            Seen::Record(header) => Some(Current { slot, header }),
            _ => None,
        };
        let current = match (at(0), at(1)) {
            // Equal numbers cannot come from saves. Any rule does, if it is always the same.
            (Some(a), Some(b)) => Some(if b.header.is_newer(&a.header) { b } else { a }),
            (a, b) => a.or(b),
        };
        // A save that power cut short leaves an old header before a new payload: no loss.
        let is_newer = |header: Header| current.is_none_or(|c| header.is_newer(&c.header));
        let lost = seen.iter().any(|s| matches!(s, Seen::Damaged(header) if header.is_none_or(is_newer)));
        let stale = seen.map(|s| matches!(s, Seen::Damaged(_)));
        // The first save goes to slot 0 and may have been cut short. Slot 1 is not written before it has succeeded.
        let foreign = matches!(seen, [Seen::Nothing, Seen::Nothing])
            && match is_blank(&mut medium, &geometry, 1) {
                Err(_) if tolerant => false,
                blank => !blank.map_err(OpenError::Medium)?,
            };
        Ok(Self { medium, geometry, current, stale, lost, foreign })
    }

    /// Takes back headers that must not load.
    fn settle(&mut self) -> Result<(), M::Error> {
        if self.stale == [false; 2] {
            return Ok(());
        }
        for slot in (0..2).filter(|slot| self.stale[*slot]) {
            self.medium.write(self.geometry.header_at(slot), &[0; HEADER_BYTES])?;
        }
        self.medium.sync()?;
        self.stale = [false; 2];
        Ok(())
    }

    fn write_payload(&mut self, slot: usize, record: &[u8]) -> Result<(), M::Error> {
        self.medium.write(self.geometry.header_at(slot), &[0; HEADER_BYTES])?;
        if !record.is_empty() {
            self.medium.write(self.geometry.payload_at(slot), record)?;
        }
        self.medium.sync()
    }

    fn write_header(&mut self, slot: usize, header: &[u8; HEADER_BYTES]) -> Result<(), M::Error> {
        self.medium.write(self.geometry.header_at(slot), header)?;
        self.medium.sync()
    }

    /// Whether the medium holds `record`, byte for byte, as the current one.
    fn is_current(&mut self, record: &[u8]) -> Result<bool, M::Error> {
        let Some(Current { slot, header }) = self.current else { return Ok(false) };
        if record.len() != header.length as usize {
            return Ok(false);
        }
        let mut first = [0; HEADER_BYTES];
        self.medium.read(self.geometry.header_at(slot), &mut first)?;
        if first != header.bytes(&self.geometry) {
            return Ok(false);
        }
        let mut at = self.geometry.payload_at(slot);
        let mut buffer = [0; CHUNK];
        for part in record.chunks(CHUNK) {
            let buffer = &mut buffer[..part.len()];
            self.medium.read(at, buffer)?;
            if buffer != part {
                return Ok(false);
            }
            at += part.len() as u64;
        }
        Ok(true)
    }
}

/// Whether a slot holds zeros alone, or ones alone as erased flash does.
fn is_blank<M: Medium>(medium: &mut M, geometry: &Geometry, slot: usize) -> Result<bool, M::Error> {
    let mut at = geometry.header_at(slot);
    let end = at + u64::from(geometry.slot);
    let (mut buffer, mut first) = ([0; CHUNK], None);
    while at < end {
        // At most `CHUNK`, so that it fits.
        let length = (end - at).min(CHUNK as u64) as usize;
        medium.read(at, &mut buffer[..length])?;
        let blank = *first.get_or_insert(buffer[0]);
        if !matches!(blank, 0 | 0xff) || buffer[..length].iter().any(|&byte| byte != blank) {
            return Ok(false);
        }
        at += length as u64;
    }
    Ok(true)
}

/// Reads a slot and compares its checksum.
fn look_at<M: Medium>(medium: &mut M, geometry: &Geometry, slot: usize) -> Result<Seen, OpenError<M::Error>> {
    let mut first = [0; HEADER_BYTES];
    medium.read(geometry.header_at(slot), &mut first).map_err(OpenError::Medium)?;
    let header = match Header::read(&first, geometry) {
        Found::Nothing => return Ok(Seen::Nothing),
        Found::OtherVersion(found) => return Err(OpenError::OtherVersion { found }),
        Found::OtherGeometry(Geometry { sector, slot }) => {
            let (here, sector_here) = (geometry.slot, geometry.sector);
            return Err(OpenError::OtherGeometry { slot, sector, here, sector_here });
        }
        Found::Header(header) => header,
    };
    if header.length > geometry.capacity() {
        return Ok(Seen::Damaged(Some(header)));
    }
    let mut hasher = header.hasher(geometry);
    let mut at = geometry.payload_at(slot);
    let end = at + u64::from(header.length);
    let mut buffer = [0; CHUNK];
    while at < end {
        // At most `CHUNK`, so that it fits.
        let length = (end - at).min(CHUNK as u64) as usize;
        medium.read(at, &mut buffer[..length]).map_err(OpenError::Medium)?;
        hasher.update(&buffer[..length]);
        at += length as u64;
    }
    let fits = hasher.finalize() == header.crc;
    Ok(if fits { Seen::Record(header) } else { Seen::Damaged(Some(header)) })
}
