//! Records, random numbers, and what must be found after a fault.
#![allow(dead_code, reason = "every suite uses a part")]

use offshoot_store::{Fate, FaultyMedium, Store};

pub const SECTOR: u32 = 64;

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    /// Any fate that leaves each bit old or new.
    pub fn fate(&mut self) -> Fate {
        match self.below(6) {
            0 | 1 => Fate::Lost,
            2 | 3 => Fate::Kept,
            4 if self.below(2) == 0 => Fate::First(self.below(65) as usize),
            4 => Fate::Last(self.below(65) as usize),
            _ => Fate::Mixed(self.next()),
        }
    }
}

/// Bytes that differ for every number.
pub fn record(number: u64, length: usize) -> Vec<u8> {
    Random(number).bytes(length)
}

/// Loads the record, after opening as after a start.
pub fn loaded(store: &mut Store<FaultyMedium>) -> Option<Vec<u8>> {
    let mut room = vec![0; store.capacity()];
    store.load(&mut room).expect("the current record loads").map(<[u8]>::to_vec)
}

pub fn open(medium: FaultyMedium) -> Store<FaultyMedium> {
    let store = Store::open(medium).expect("a store opens on any bytes");
    assert!(!store.has_lost(), "a power cut damages no record");
    store
}

/// A medium of `capacity` bytes a slot, filled by `fill`.
pub fn medium(capacity: u32, fill: impl FnMut() -> u8) -> FaultyMedium {
    let size = offshoot_store::medium_size(capacity, SECTOR).expect("a small capacity");
    let mut bytes = vec![0; size as usize];
    bytes.fill_with(fill);
    FaultyMedium::new(bytes, SECTOR).expect("large enough")
}

/// A slot's header, written down a second time from `power.md`.
pub fn header(slot_bytes: u32, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = b"OFFSTORE\x01\0\0\0".to_vec();
    out.extend(SECTOR.to_le_bytes());
    out.extend(slot_bytes.to_le_bytes());
    out.extend(sequence.to_le_bytes());
    out.extend((payload.len() as u32).to_le_bytes());
    out.extend(crc(&[&out, payload].concat()).to_le_bytes());
    let inverse: Vec<u8> = out[8..].iter().map(|b| !b).collect();
    out.extend(inverse);
    out
}

/// CRC-32 (IEEE), bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

/// The image of a medium whose slots hold these numbers and payloads.
pub fn image(capacity: u32, slots: [Option<(u64, &[u8])>; 2]) -> FaultyMedium {
    let size = offshoot_store::medium_size(capacity, SECTOR).expect("a small capacity") as usize;
    let mut bytes = vec![0; size];
    for (slot, content) in slots.iter().enumerate() {
        let Some((sequence, payload)) = content else { continue };
        let at = slot * size / 2;
        bytes[at..at + 64].copy_from_slice(&header(size as u32 / 2, *sequence, payload));
        bytes[at + 64..at + 64 + payload.len()].copy_from_slice(payload);
    }
    FaultyMedium::new(bytes, SECTOR).expect("large enough")
}

/// The states a save must survive in: name, medium, and what it holds.
pub fn beginnings(capacity: u32) -> Vec<(&'static str, FaultyMedium, Option<Vec<u8>>)> {
    let mut random = Random(1);
    let old = record(101, 150);
    let older = record(100, 170);
    let held = Some(old.clone());
    let garbage = medium(capacity, || random.next() as u8);
    vec![
        ("zeros", medium(capacity, || 0), None),
        ("erased", medium(capacity, || 0xff), None),
        ("garbage", garbage, None),
        ("one record", image(capacity, [Some((1, &old)), None]), held.clone()),
        ("one record, second slot", image(capacity, [None, Some((9, &old))]), held.clone()),
        ("two records", image(capacity, [Some((7, &older)), Some((8, &old))]), held.clone()),
        (
            "the numbers wrap",
            image(capacity, [Some((u64::MAX, &old)), Some((u64::MAX - 1, &older))]),
            held.clone(),
        ),
        (
            "the numbers have wrapped",
            image(capacity, [Some((u64::MAX, &older)), Some((0, &old))]),
            held.clone(),
        ),
        ("equal numbers", image(capacity, [Some((5, &old)), Some((5, &older))]), held),
    ]
}

/// Calls `check` with every medium that a power cut may leave: up to `exhaustive` waiting writes in
/// all subsets, and each of them torn at every byte with all subsets of the others; beyond,
/// `samples` at random.
pub fn every_cut(
    medium: &FaultyMedium,
    exhaustive: usize,
    samples: u64,
    random: &mut Random,
    mut check: impl FnMut(FaultyMedium),
) {
    let lengths: Vec<usize> = medium.unsynced().iter().map(|w| w.bytes.len()).collect();
    let count = lengths.len();
    if count > exhaustive {
        check(medium.after_cut(|_, _| Fate::Lost));
        check(medium.after_cut(|_, _| Fate::Kept));
        (0..samples).for_each(|_| check(medium.after_cut(|_, _| random.fate())));
        return;
    }
    let of = |subset: u64, i: usize| if subset >> i & 1 == 1 { Fate::Kept } else { Fate::Lost };
    for subset in 0..1_u64 << count {
        check(medium.after_cut(|i, _| of(subset, i)));
        for torn in (0..count).filter(|i| subset >> i & 1 == 1) {
            for n in 1..lengths[torn] {
                for fate in [Fate::First(n), Fate::Last(n)] {
                    check(medium.after_cut(|i, _| if i == torn { fate } else { of(subset, i) }));
                }
            }
        }
    }
}
