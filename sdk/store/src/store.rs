//! The store: two slots, one of them current.

use crate::error::{LoadError, OpenError, SaveError};
use crate::geometry::{Geometry, HEADER_BYTES};
use crate::header::{Found, Header};
use crate::medium::Medium;

/// Most bytes of a record on the stack at a time.
const CHUNK: usize = 256;

/// Outcome of a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The record is on the medium.
    Written,
    /// The record equals the current one; nothing was written.
    Unchanged,
}

/// Contents of a slot.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// No header: never used, or an interrupted save.
    Nothing,
    /// Header whose checksum does not match the payload, or an unreadable slot.
    Damaged(Option<Header>),
    Record(Header),
}

impl Seen {
    /// Returns the record of a slot, if it has one.
    fn current(&self, slot: usize) -> Option<Current> {
        match *self {
            Self::Record(header) => Some(Current { slot, header }),
            Self::Nothing | Self::Damaged(_) => None,
        }
    }

    /// Returns true if a record is lost here, one newer than the current one as far as is known.
    fn is_loss(&self, current: Option<&Current>) -> bool {
        let Self::Damaged(header) = self else { return false };
        header.is_none_or(|header| current.is_none_or(|c| header.is_newer(&c.header)))
    }
}

/// Header of the current record, and its slot.
#[derive(Clone, Copy, Debug)]
struct Current {
    slot: usize,
    header: Header,
}

/// Store of one record on a medium: the last record saved, whenever the power fails.
#[derive(Debug)]
pub struct Store<M> {
    medium: M,
    geometry: Geometry,
    current: Option<Current>,
    /// True for each slot whose header must not load later; the header is erased before a save.
    stale: [bool; 2],
    lost: bool,
    foreign: bool,
}

impl<M: Medium> Store<M> {
    /// Opens a medium: an old store, or anything else, which counts as empty.
    ///
    /// Syncs first, because writes that a killed process left unsynced would load now and could be
    /// gone after a power cut. Writes nothing. Reads each slot once.
    ///
    /// # Errors
    /// The medium is too small, was written with another geometry or by another version, or fails.
    /// Damage is no error here: see [`Store::load`] and [`Store::has_lost`].
    pub fn open(medium: M) -> Result<Self, OpenError<M::Error>> {
        Self::look(medium, false)
    }

    /// Opens a medium that is unreadable in part: an unreadable slot counts as damaged.
    ///
    /// The record that loads may then be older than the last one saved. Use it if [`Store::open`]
    /// keeps failing and an old record is better than none.
    ///
    /// # Errors
    /// Those of [`Store::open`], except failed reads of a slot.
    pub fn salvage(medium: M) -> Result<Self, OpenError<M::Error>> {
        Self::look(medium, true)
    }

    /// Opens a medium as empty, whatever it holds. The payloads stay on it until they are
    /// overwritten.
    ///
    /// # Errors
    /// The medium is too small or fails; it may then still hold its record.
    pub fn erase(medium: M) -> Result<Self, OpenError<M::Error>> {
        let geometry = Geometry::new(medium.size(), medium.sector())?;
        let mut store =
            Self { medium, geometry, current: None, stale: [true; 2], lost: false, foreign: false };
        store.settle().map_err(OpenError::Medium)?;
        Ok(store)
    }

    /// Returns the bytes of the longest record.
    pub fn capacity(&self) -> usize {
        self.geometry.capacity() as usize
    }

    /// Returns the bytes of the current record; [`None`] if there is no record.
    pub fn record_len(&self) -> Option<usize> {
        self.current.map(|c| c.header.length as usize)
    }

    /// Returns the sequence number of the current record: one more with every save that writes, 0
    /// after the largest.
    pub fn sequence(&self) -> Option<u64> {
        self.current.map(|c| c.header.sequence)
    }

    /// True if a record newer than the current one was found damaged or unreadable when the store
    /// was opened. False again after a save.
    pub fn has_lost(&self) -> bool {
        self.lost
    }

    /// True if the medium, when opened, held data that no save can have left: no header, and a
    /// second slot that is not blank. The next save overwrites it; ask the user first. False again
    /// after a save.
    ///
    /// Also true for the remains of a store whose two headers are damaged, or which was
    /// [erased](Self::erase) and never saved to.
    pub fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// Returns the number of sectors that one save of `length` bytes writes: those of the payload,
    /// and that of the header twice.
    pub fn sectors_per_save(&self, length: usize) -> u64 {
        2 + (length as u64).div_ceil(u64::from(self.geometry.sector))
    }

    /// Returns the medium, for its own settings. Do not write to it: the store does not notice.
    pub fn medium_mut(&mut self) -> &mut M {
        &mut self.medium
    }

    /// Returns the medium.
    pub fn into_medium(self) -> M {
        self.medium
    }

    /// Reads the current record into the front of `out`; [`None`] if none was ever saved.
    ///
    /// # Errors
    /// The record is longer than `out`, the medium fails, or the record is damaged. If it is
    /// damaged, open the medium again: the older slot may still load.
    pub fn load<'a>(&mut self, out: &'a mut [u8]) -> Result<Option<&'a [u8]>, LoadError<M::Error>> {
        let Some(Current { slot, header }) = self.current else {
            return if self.lost { Err(LoadError::Damaged) } else { Ok(None) };
        };
        let found = out.len();
        let needed = header.length as usize;
        let out = out.get_mut(..needed).ok_or(LoadError::TooShort { found, needed })?;
        self.medium.read(self.geometry.payload_at(slot), out).map_err(LoadError::Medium)?;
        let mut hasher = header.hasher(&self.geometry);
        hasher.update(out);
        if hasher.finalize() == header.crc { Ok(Some(out)) } else { Err(LoadError::Damaged) }
    }

    /// Replaces the current record with `record`, which survives a power cut once this returns.
    ///
    /// A record equal to the current one is not written again.
    ///
    /// # Errors
    /// The record is longer than [`Store::capacity`], or the medium fails. The previous record
    /// stays the current one, and the next save may succeed. After a power cut that follows a
    /// failed save, either of the two may load.
    pub fn save(&mut self, record: &[u8]) -> Result<Saved, SaveError<M::Error>> {
        let found = record.len();
        let capacity = self.capacity();
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
            // The header may be on the medium. It is withdrawn, now or before the next save,
            // because that save must not decide which record of the two loads.
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
        let [first, second] = &seen;
        let current = match (first.current(0), second.current(1)) {
            // Saves never leave equal numbers. Any rule will do if it is deterministic.
            (Some(a), Some(b)) => Some(if b.header.is_newer(&a.header) { b } else { a }),
            (a, b) => a.or(b),
        };
        // A save that power cut short leaves an old header before a new payload: no loss.
        let lost = seen.iter().any(|s| s.is_loss(current.as_ref()));
        let stale = seen.map(|s| matches!(s, Seen::Damaged(_)));
        // The first save goes to slot 0 and may have been cut short. Slot 1 is not written before
        // it has succeeded.
        let foreign = matches!(seen, [Seen::Nothing, Seen::Nothing])
            && match is_blank(&mut medium, &geometry, 1) {
                Err(_) if tolerant => false,
                blank => !blank.map_err(OpenError::Medium)?,
            };
        Ok(Self { medium, geometry, current, stale, lost, foreign })
    }

    /// Erases headers that must not load.
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

    /// True if the medium holds `record`, byte for byte, as the current one.
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

/// True if a slot holds only zeros, or only ones like erased flash.
fn is_blank<M: Medium>(medium: &mut M, geometry: &Geometry, slot: usize) -> Result<bool, M::Error> {
    let mut at = geometry.header_at(slot);
    let end = at + u64::from(geometry.slot);
    let mut buffer = [0; CHUNK];
    let mut first = None;
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

/// Reads a slot and checks its checksum.
fn look_at<M: Medium>(
    medium: &mut M,
    geometry: &Geometry,
    slot: usize,
) -> Result<Seen, OpenError<M::Error>> {
    let mut first = [0; HEADER_BYTES];
    medium.read(geometry.header_at(slot), &mut first).map_err(OpenError::Medium)?;
    let header = match Header::read(&first, geometry) {
        Found::Nothing => return Ok(Seen::Nothing),
        Found::OtherVersion(found) => return Err(OpenError::OtherVersion { found }),
        Found::OtherGeometry(Geometry { sector, slot }) => {
            let here = geometry.slot;
            let sector_here = geometry.sector;
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
