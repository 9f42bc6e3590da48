//! Power cuts on a simulated NOR flash: words are programmed once between two erasures, the word
//! and the block in work when the power fails hold anything.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read,
    check_write,
};
use offshoot_store::{GeometryError, NorError, NorMedium, Store};

mod common;

use common::{Random, record};

/// Reason that the simulated flash failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    PowerCut,
    /// Word that is not erased.
    Twice,
    Access(NorFlashErrorKind),
}

impl NorFlashError for Failure {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Access(kind) => *kind,
            _ => NorFlashErrorKind::Other,
        }
    }
}

/// NOR flash of words of `WORD` bytes and blocks of `BLOCK`. An erasure is a step, and so is every
/// word that is programmed.
#[derive(Clone, Debug)]
struct Nor<const WORD: usize, const BLOCK: usize> {
    bytes: Vec<u8>,
    /// Words that may not be programmed before their block is erased.
    used: Vec<bool>,
    steps: u64,
    steps_left: Option<u64>,
    random: Random,
}

impl<const WORD: usize, const BLOCK: usize> Nor<WORD, BLOCK> {
    fn new(bytes: Vec<u8>) -> Self {
        let used = vec![true; bytes.len() / WORD];
        Self { bytes, used, steps: 0, steps_left: None, random: Random(1) }
    }

    /// Counts a step; false if the power fails in it.
    fn step(&mut self) -> Result<bool, Failure> {
        if self.steps_left == Some(0) {
            return Err(Failure::PowerCut);
        }
        self.steps += 1;
        self.steps_left = self.steps_left.map(|left| left - 1);
        Ok(self.steps_left != Some(0))
    }

    /// Cuts the power within the step of that number from now on, 1 for the next.
    fn cut_in(&mut self, step: u64, seed: u64) {
        self.steps_left = Some(step);
        self.random = Random(seed);
    }

    /// Leaves what an erasure leaves that was cut short: in each byte some bits are erased, some
    /// cleared before that, or any.
    fn half_erase(&mut self, block: usize) {
        let manner = self.random.below(5);
        for byte in &mut self.bytes[block..block + BLOCK] {
            let any = self.random.next() as u8;
            *byte = match manner {
                0 => *byte,
                1 => *byte | any,
                2 => 0,
                3 => 0xff,
                _ => any,
            };
        }
    }

    /// Leaves what programming leaves that was cut short: some of the bits, or a word of anything.
    fn half_program(&mut self, at: usize, word: &[u8]) {
        let manner = self.random.below(5);
        for (byte, new) in self.bytes[at..at + WORD].iter_mut().zip(word) {
            let any = self.random.next() as u8;
            *byte = match manner {
                0 => *byte,
                1 | 2 => new | any,
                3 => *new,
                _ => any,
            };
        }
    }
}

impl<const WORD: usize, const BLOCK: usize> ErrorType for Nor<WORD, BLOCK> {
    type Error = Failure;
}

impl<const WORD: usize, const BLOCK: usize> ReadNorFlash for Nor<WORD, BLOCK> {
    const READ_SIZE: usize = WORD;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Failure> {
        check_read(self, offset, bytes.len()).map_err(Failure::Access)?;
        bytes.copy_from_slice(&self.bytes[offset as usize..offset as usize + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const WORD: usize, const BLOCK: usize> NorFlash for Nor<WORD, BLOCK> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = BLOCK;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Failure> {
        check_erase(self, from, to).map_err(Failure::Access)?;
        for block in (from as usize..to as usize).step_by(BLOCK) {
            let words = block / WORD..(block + BLOCK) / WORD;
            if !self.step()? {
                self.half_erase(block);
                self.used[words].fill(true);
                return Err(Failure::PowerCut);
            }
            self.bytes[block..block + BLOCK].fill(0xff);
            self.used[words].fill(false);
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failure> {
        check_write(self, offset, bytes.len()).map_err(Failure::Access)?;
        for (index, word) in bytes.chunks(WORD).enumerate() {
            let at = offset as usize + index * WORD;
            if self.used[at / WORD] {
                return Err(Failure::Twice);
            }
            let is_whole = self.step()?;
            self.used[at / WORD] = true;
            if !is_whole {
                self.half_program(at, word);
                return Err(Failure::PowerCut);
            }
            self.bytes[at..at + WORD].copy_from_slice(word);
        }
        Ok(())
    }
}

/// Blocks of the flash before the store's area, which stay as they are.
const BEFORE: usize = 2;

/// Stores on a flash of one geometry.
struct Suite<const WORD: usize, const BLOCK: usize> {
    /// Blocks of the area.
    blocks: usize,
}

impl<const WORD: usize, const BLOCK: usize> Suite<WORD, BLOCK> {
    fn filled(&self, mut fill: impl FnMut() -> u8) -> Nor<WORD, BLOCK> {
        Nor::new((0..(BEFORE + self.blocks) * BLOCK).map(|_| fill()).collect())
    }

    fn open(&self, flash: Nor<WORD, BLOCK>) -> Store<NorMedium<Nor<WORD, BLOCK>>> {
        let area = (BEFORE * BLOCK) as u32..((BEFORE + self.blocks) * BLOCK) as u32;
        let store = Store::open(NorMedium::new(flash, area).unwrap()).expect("any bytes open");
        assert!(!store.has_lost(), "a power cut damages no record");
        store
    }

    fn loaded(&self, flash: &Nor<WORD, BLOCK>) -> Option<Vec<u8>> {
        let mut store = self.open(flash.clone());
        let mut room = vec![0; store.capacity()];
        store.load(&mut room).expect("the current record loads").map(<[u8]>::to_vec)
    }

    /// Saves; the power may fail. Returns the flash after that, and whether the save returned.
    fn save(&self, flash: Nor<WORD, BLOCK>, record: &[u8]) -> (Nor<WORD, BLOCK>, bool) {
        let mut store = self.open(flash);
        let saved = match store.save(record) {
            Ok(_) => true,
            Err(error) => {
                let cut = offshoot_store::SaveError::Medium(NorError::Flash(Failure::PowerCut));
                assert_eq!(error, cut);
                false
            }
        };
        let mut flash = store.into_medium().into_inner();
        flash.steps_left = None;
        (flash, saved)
    }

    /// Flashes that a save may begin with: bytes of any kind, one record, two.
    fn beginnings(&self) -> Vec<Nor<WORD, BLOCK>> {
        let mut random = Random(1);
        let erased = self.filled(|| 0xff);
        let one = self.save(erased.clone(), &record(101, self.longest() * 3 / 4)).0;
        let two = self.save(one.clone(), &record(102, self.longest())).0;
        vec![self.filled(|| 0), self.filled(|| random.next() as u8), erased, one, two]
    }

    fn longest(&self) -> usize {
        ((self.blocks / 2 - 1) * BLOCK).min(300)
    }

    /// Cuts the power in every step of a save, `seeds` times, and again in one of the next save.
    /// Returns the number of states.
    fn cut_everywhere(&self, seeds: u64) -> u64 {
        let new = record(7, self.longest() - 3);
        let next = record(8, self.longest() / 2);
        let mut states = 0;
        for flash in self.beginnings() {
            let old = self.loaded(&flash);
            let before = flash.steps;
            let all = self.save(flash.clone(), &new).0.steps - before;
            for step in 1..=all {
                for seed in 0..seeds {
                    let mut cut = flash.clone();
                    cut.cut_in(step, seed << 32 | step);
                    let (cut, saved) = self.save(cut, &new);
                    let held = self.loaded(&cut);
                    assert!(!saved && (held == old || held.as_ref() == Some(&new)));
                    let mut again = cut;
                    again.cut_in(1 + seed % all, seed);
                    let (again, saved) = self.save(again, &next);
                    let found = self.loaded(&again);
                    assert!(found.as_ref() == Some(&next) || !saved && found == held);
                    let (last, saved) = self.save(again, &new);
                    assert!(saved && self.loaded(&last).as_ref() == Some(&new));
                    states += 2;
                }
            }
        }
        states
    }

    /// Saves, equal and other records, restarts and power cuts at random, against a model.
    fn histories(&self, count: u64, events: u64) {
        for seed in 0..count {
            let mut random = Random(seed);
            let mut flash = self.filled(|| random.next() as u8);
            let front = flash.bytes[..BEFORE * BLOCK].to_vec();
            let mut held: Option<Vec<u8>> = None;
            for event in 0..events {
                let number = random.below(4);
                let length = random.below(self.longest() as u64 + 1) as usize;
                let record = match &held {
                    Some(held) if number == 0 => held.clone(),
                    _ => record(event, length),
                };
                if number == 1 {
                    let cut = 1 + random.below(40);
                    flash.cut_in(cut, random.next());
                }
                let (after, saved) = self.save(flash, &record);
                let found = self.loaded(&after);
                let is_new = found.as_ref() == Some(&record);
                assert!(is_new || !saved && found == held, "history {seed}, event {event}");
                (flash, held) = (after, found);
            }
            assert!(flash.bytes[..front.len()] == front, "bytes before the area changed");
        }
    }
}

#[test]
fn power_fails_in_every_word_and_erasure() {
    let mut states = Suite::<1, 64> { blocks: 12 }.cut_everywhere(12);
    states += Suite::<8, 256> { blocks: 6 }.cut_everywhere(40);
    states += Suite::<4, 4096> { blocks: 4 }.cut_everywhere(8);
    states += Suite::<256, 4096> { blocks: 4 }.cut_everywhere(40);
    // The words and blocks of an STM32H7.
    states += Suite::<32, 131_072> { blocks: 4 }.cut_everywhere(1);
    println!("{states} states after power cuts on NOR flash, none lost");
    assert!(states > 50_000, "{states} states only");
}

#[test]
fn random_histories() {
    Suite::<1, 64> { blocks: 12 }.histories(100, 60);
    Suite::<32, 256> { blocks: 7 }.histories(100, 60);
    Suite::<256, 4096> { blocks: 4 }.histories(20, 60);
}

/// The rule of the simulation is one that a medium can break.
#[test]
fn a_word_is_not_programmed_twice() {
    let mut flash = Suite::<4, 64> { blocks: 4 }.filled(|| 0xff);
    assert_eq!(flash.write(0, &[1; 4]), Err(Failure::Twice));
    flash.erase(0, 64).unwrap();
    flash.write(0, &[1; 4]).unwrap();
    assert_eq!(flash.write(0, &[1; 4]), Err(Failure::Twice));
    assert_eq!(flash.write(4, &[1; 3]), Err(Failure::Access(NorFlashErrorKind::NotAligned)));
}

/// Reads of any place and length, of a flash that reads whole words.
#[test]
fn parts_of_words_are_read() {
    use offshoot_store::Medium;
    let mut random = Random(1);
    let flash = Suite::<8, 64> { blocks: 4 }.filled(|| random.next() as u8);
    let bytes = flash.bytes[128..].to_vec();
    let mut medium = NorMedium::new(flash, 128..384).unwrap();
    for at in 0..20 {
        for length in 0..40 {
            let mut out = vec![0; length];
            medium.read(at, &mut out).unwrap();
            assert_eq!(out, bytes[at as usize..][..length]);
        }
    }
    assert!(matches!(medium.read(255, &mut [0; 2]), Err(NorError::OutOfRange(_))));
}

#[test]
fn areas_are_checked() {
    let area = |range| NorMedium::new(Nor::<4, 64>::new(vec![0; 1024]), range).map(|_| ());
    assert_eq!(area(0..1024), Ok(()));
    assert_eq!(area(64..400), Ok(()));
    assert_eq!(area(32..512), Err(GeometryError::Unaligned { start: 32, sector: 64 }));
    assert_eq!(area(512..1088), Err(GeometryError::Outside { end: 1088, capacity: 1024 }));
    assert_eq!(area(64..256), Err(GeometryError::TooSmall { found: 192, needed: 256 }));
    #[allow(clippy::reversed_empty_ranges)]
    let reversed = area(512..256);
    assert_eq!(reversed, Err(GeometryError::TooSmall { found: 0, needed: 256 }));
}
