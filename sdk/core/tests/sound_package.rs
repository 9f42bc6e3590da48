//! Packages that take sound: what they say is what was written, and what does not fit is refused.

#![cfg(feature = "alloc")]

use offshoot_core::Package;
use offshoot_core::graph::{TensorId, Window};
use offshoot_core::package::{
    GoldenInput, LayoutError, PackageError, Packed, Section, with_packed,
};
use offshoot_core::sound::{Design, Designed, SoundError};

#[path = "../../tests/common/mod.rs"]
mod common;

use common::counting::{self, Counting, Counts};
use common::net::{Net, window};
use common::random::Random;
use common::seal::{self, entry, put};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The fifth section of a file.
const SOUND: usize = 4;
/// Frames of a window of the tests.
const FRAMES: u16 = 9;

fn designed() -> Designed {
    Design { step: 3, ..Design::YAMNET }.build()
}

fn network() -> (Net, TensorId) {
    let mut net = Net::listening(&designed(), FRAMES, 1);
    let map = net.conv("map", Net::INPUT, window(3, 2, 1), 1, 4);
    let output = net.conv("features", map, Window { kernel: [5, 32], ..window(1, 1, 0) }, 1, 6);
    (net, output)
}

fn package() -> Vec<u8> {
    let (net, output) = network();
    let samples = (0..1_680).map(|i| (i % 251 * 100) as i16 - 12_000).collect();
    net.sound_package(&designed(), output, &[(samples, vec![7; 6])])
}

/// The file with another sound section, every checksum right.
fn with_section(file: &[u8], section: &[u8]) -> Vec<u8> {
    let offset = seal::u64_at(file, entry(SOUND) + 8) as usize;
    let mut file = [&file[..offset], section].concat();
    let total = file.len() as u64;
    put(&mut file, 16, &total.to_le_bytes());
    put(&mut file, entry(SOUND) + 16, &(section.len() as u64).to_le_bytes());
    put(&mut file, entry(SOUND) + 24, &seal::crc32(&[section]).to_le_bytes());
    sealed(file, 5)
}

/// Makes the checksum of header and table right.
fn sealed(mut file: Vec<u8>, sections: usize) -> Vec<u8> {
    let table = &file[seal::HEADER..seal::HEADER + seal::ENTRY * sections];
    let crc = seal::crc32(&[&file[..seal::TABLE_CHECKSUM], table]);
    put(&mut file, seal::TABLE_CHECKSUM, &crc.to_le_bytes());
    file
}

fn section(file: &[u8]) -> Vec<u8> {
    file[seal::u64_at(file, entry(SOUND) + 8) as usize..].to_vec()
}

#[test]
fn what_is_written_is_read() {
    let file = package();
    let designed = designed();
    counting::prove_live();
    let (counts, ()) = counting::counted(|| {
        let package = Package::open(&file).unwrap();
        assert_eq!(package.sound(), Some(&designed.sound()));
        let golden = package.goldens().next().unwrap();
        let GoldenInput::Samples(samples) = golden.input else { panic!("{golden:?}") };
        assert!(samples.iter().eq((0..1_680).map(|i| (i % 251 * 100) as i16 - 12_000)));
        assert_eq!(golden.output, [7; 6]);
    });
    assert_eq!(counts, Counts::NONE);
    let package = Package::open(&file).unwrap();
    assert!(package.sections().map(|(s, _)| s).skip(4).eq([Section::Sound]));
}

/// A front end and packed weights stand in one file.
#[test]
fn packed_weights_leave_the_front_end() {
    let file = package();
    let packed = Packed { target: "test", order: 3, panels: &[1, 2, 3] };
    let both = with_packed(&file, packed).unwrap();
    let opened = Package::open(&both).unwrap();
    assert_eq!(opened.packed(), Some(packed));
    assert_eq!(opened.sound(), Package::open(&file).unwrap().sound());
    assert_eq!(opened.manifest().id, Package::open(&file).unwrap().manifest().id);
    assert!(opened.sections().map(|(s, _)| s).skip(4).eq([Section::Packed, Section::Sound]));
    // Twice, or the other way around.
    for numbers in [[7u32, 7], [7, 5], [5, 5], [6, 7], [5, 11]] {
        let mut other = both.clone();
        put(&mut other, entry(4), &numbers[0].to_le_bytes());
        put(&mut other, entry(5), &numbers[1].to_le_bytes());
        let error = Package::open(&sealed(other, 6)).unwrap_err();
        assert_eq!(error, PackageError::Layout(LayoutError::Table), "{numbers:?}");
    }
}

#[test]
fn the_identity_counts_the_front_end() {
    let id = |design: Design| {
        let designed = design.build();
        let (net, output) = network();
        let file = net.sound_package(&designed, output, &[]);
        Package::open(&file).unwrap().manifest().id
    };
    let own = Design { step: 3, ..Design::YAMNET };
    let plain = id(own);
    assert_eq!(plain, id(own));
    for other in [
        Design { step: 4, ..own },
        Design { offset: 0.01, ..own },
        Design { high: 7_000.0, ..own },
        Design { rate: 8_000, high: 3_900.0, ..own },
    ] {
        assert_ne!(plain, id(other));
    }
}

#[test]
fn every_flipped_bit_and_truncation_is_rejected() {
    let mut file = package();
    let start = seal::u64_at(&file, entry(SOUND) + 8) as usize;
    for bit in (0..2_000).chain(start * 8..file.len() * 8) {
        file[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(Package::open(&file), Err(PackageError::Layout(_))), "bit {bit}");
        file[bit / 8] ^= 1 << (bit % 8);
    }
    for len in (0..file.len()).step_by(7) {
        assert!(matches!(Package::open(&file[..len]), Err(PackageError::Layout(_))), "{len} bytes");
    }
}

#[test]
fn hostile_sections_are_refused() {
    let file = package();
    let good = section(&file);
    assert_eq!(with_section(&file, &good), file);
    let open = |section: &[u8]| Package::open(&with_section(&file, section)).map(|_| ());
    for end in 1..good.len() {
        assert_eq!(open(&good[..end]), Err(PackageError::SoundSection), "{end} bytes");
    }
    assert_eq!(open(&[&good[..], &[0]].concat()), Err(PackageError::SoundSection));
    // An empty section is none, and is left out of the table.
    assert_eq!(open(&[]), Err(PackageError::Layout(LayoutError::Table)));
    // The rate, the hop and the length of the transform have two bytes each, the step has one.
    let name = 1 + "yamnet".len();
    for (at, bytes, error) in [
        (name, &[0x80, 1][..], SoundError::Rate { rate: 128 }),
        (name + 2, &[0x80, 0], SoundError::Advance { hop: 0, step: 3 }),
        (name + 4, &[0x80, 2], SoundError::Transform { fft: 256 }),
        (name + 6, &[0], SoundError::Advance { hop: 160, step: 0 }),
        (name + 6, &[10], SoundError::Advance { hop: 160, step: 10 }),
    ] {
        let mut section = good.clone();
        put(&mut section, at, bytes);
        assert_eq!(open(&section), Err(PackageError::Sound(error)));
    }
    // Anything else in any byte: an error, or a front end that was checked.
    let mut random = Random(5);
    for _ in 0..3_000 {
        let mut section = good.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(section.len());
            section[at] = random.bits() as u8;
        }
        if let Ok(package) = Package::open(&with_section(&file, &section)) {
            let sound = package.sound().unwrap();
            assert_eq!(sound.check(FRAMES.into(), 64), Ok(()));
        }
    }
}

#[test]
fn goldens_have_the_length_of_a_window() {
    let (net, output) = network();
    let long = vec![(vec![0; 1_681], vec![0; 6])];
    let result = std::panic::catch_unwind(|| net.sound_package(&designed(), output, &long));
    let message = *result.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("Golden"), "{message}");
}
