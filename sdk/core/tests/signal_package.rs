//! Packages that take signals: what they say is what was written, and what does not fit is refused.

#![cfg(feature = "alloc")]

use offshoot_core::graph::{TensorId, Window};
use offshoot_core::package::{
    GoldenInput, LayoutError, PackageError, Packed, Section, with_packed,
};
use offshoot_core::preprocess::signal::SignalError;
use offshoot_core::{Package, Sensor, Shape};

#[path = "../../tests/common/mod.rs"]
mod common;

use common::counting::{self, Counting, Counts};
use common::net::{Net, window};
use common::random::Random;
use common::seal::{self, entry, put};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The fifth section of a file.
const SENSOR: usize = 4;
/// Mean and divisor of each channel.
const CHANNELS: [[f32; 2]; 3] = [[0.5, 2.0], [-1.0, 0.25], [9.8, 4.0]];

fn shape() -> Shape {
    Shape::new(1, 8, 3).unwrap()
}

fn network() -> (Net, TensorId) {
    let mut net = Net::sensing(shape(), 1);
    let map = net.conv("map", Net::INPUT, Window { kernel: [1, 3], ..window(1, 1, 0) }, 1, 4);
    let output = net.conv("features", map, Window { kernel: [1, 6], ..window(1, 1, 0) }, 1, 6);
    (net, output)
}

fn sensor(channels: &[u8]) -> Sensor<'_> {
    Sensor { rate: 50.0, unit: 0.001, step: 3, channels }
}

fn samples() -> Vec<f32> {
    (0..24).map(|i| i as f32 / 8.0 - 1.0).collect()
}

fn package() -> Vec<u8> {
    let (net, output) = network();
    net.signal_package(&sensor(&Sensor::pack(&CHANNELS)), output, &[(samples(), vec![7; 6])])
}

/// The file with another sensor section, every checksum right.
fn with_section(file: &[u8], section: &[u8]) -> Vec<u8> {
    let offset = seal::u64_at(file, entry(SENSOR) + 8) as usize;
    let mut file = [&file[..offset], section].concat();
    let total = file.len() as u64;
    put(&mut file, 16, &total.to_le_bytes());
    put(&mut file, entry(SENSOR) + 16, &(section.len() as u64).to_le_bytes());
    put(&mut file, entry(SENSOR) + 24, &seal::crc32(&[section]).to_le_bytes());
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
    file[seal::u64_at(file, entry(SENSOR) + 8) as usize..].to_vec()
}

#[test]
fn what_is_written_is_read() {
    let file = package();
    let channels = Sensor::pack(&CHANNELS);
    counting::prove_live();
    let (counts, ()) = counting::counted(|| {
        let package = Package::open(&file).unwrap();
        assert_eq!(package.sensor(), Some(&sensor(&channels)));
        assert!(package.sensor().unwrap().normalization().eq(CHANNELS));
        assert!(package.input_table().is_empty());
        let golden = package.goldens().next().unwrap();
        let GoldenInput::Signal(samples) = golden.input else { panic!("{golden:?}") };
        assert!(samples.iter().eq((0..24).map(|i| i as f32 / 8.0 - 1.0)));
        assert_eq!(golden.output, [7; 6]);
    });
    assert_eq!(counts, Counts::NONE);
    let package = Package::open(&file).unwrap();
    assert!(package.sections().map(|(s, _)| s).skip(4).eq([Section::Sensor]));
}

#[test]
fn packed_weights_leave_the_sensor() {
    let file = package();
    let packed = Packed { target: "test", order: 3, panels: &[1, 2, 3] };
    let both = with_packed(&file, packed).unwrap();
    let opened = Package::open(&both).unwrap();
    assert_eq!(opened.packed(), Some(packed));
    assert_eq!(opened.sensor(), Package::open(&file).unwrap().sensor());
    assert!(opened.sections().map(|(s, _)| s).skip(4).eq([Section::Packed, Section::Sensor]));
    // Twice, or the other way around, or beside another kind of input.
    for numbers in [[10u32, 10], [10, 5], [6, 10], [7, 10], [9, 10], [5, 11]] {
        let mut other = both.clone();
        put(&mut other, entry(4), &numbers[0].to_le_bytes());
        put(&mut other, entry(5), &numbers[1].to_le_bytes());
        let error = Package::open(&sealed(other, 6)).unwrap_err();
        assert_eq!(error, PackageError::Layout(LayoutError::Table), "{numbers:?}");
    }
}

#[test]
fn the_identity_counts_the_sensor() {
    let id = |sensor: Sensor<'_>| {
        let (net, output) = network();
        Package::open(&net.signal_package(&sensor, output, &[])).unwrap().manifest().id
    };
    let channels = Sensor::pack(&CHANNELS);
    let own = sensor(&channels);
    assert_eq!(id(own), id(own));
    let mut others = CHANNELS;
    others[2][0] += 0.5;
    let others = Sensor::pack(&others);
    let different = [
        Sensor { channels: &others, ..own },
        Sensor { step: 2, ..own },
        Sensor { unit: 0.002, ..own },
        Sensor { rate: 100.0, ..own },
    ];
    assert!(different.into_iter().all(|other| id(other) != id(own)));
}

#[test]
fn every_flipped_bit_and_truncation_is_rejected() {
    let mut file = package();
    let start = seal::u64_at(&file, entry(SENSOR) + 8) as usize;
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
        assert_eq!(open(&good[..end]), Err(PackageError::SensorSection), "{end} bytes");
    }
    assert_eq!(open(&[&good[..], &[0]].concat()), Err(PackageError::SensorSection));
    // An empty section is none, and is left out of the table.
    assert_eq!(open(&[]), Err(PackageError::Layout(LayoutError::Table)));
    let number = SignalError::Number;
    let normalization = |channel| SignalError::Normalization { channel };
    for (at, bytes, error) in [
        (0, f32::NAN.to_le_bytes(), number),
        (4, 0.0f32.to_le_bytes(), number),
        (8, [0, 24, 0xff, 0xff], number),
        (8, [9, 24, 0, 0], number),
        (10, f32::INFINITY.to_le_bytes(), normalization(0)),
        (22, (-0.25f32).to_le_bytes(), normalization(1)),
    ] {
        let mut section = good.clone();
        let len = if at == 8 { 2 } else { 4 };
        put(&mut section, at, &bytes[..len]);
        assert_eq!(open(&section), Err(PackageError::Sensor(error)), "byte {at}");
    }
    let (net, output) = network();
    let other = Sensor::pack(&CHANNELS[..2]);
    let written = std::panic::catch_unwind(|| net.signal_package(&sensor(&other), output, &[]));
    assert!(written.unwrap_err().downcast::<String>().unwrap().contains("need: 24, have: 16"));
    // Anything else in any byte: an error, or a sensor that was checked.
    let mut random = Random(5);
    for _ in 0..3_000 {
        let mut section = good.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(section.len());
            section[at] = random.bits() as u8;
        }
        if let Ok(package) = Package::open(&with_section(&file, &section)) {
            assert_eq!(package.sensor().unwrap().check(shape()), Ok(()));
        }
    }
}

#[test]
fn goldens_are_one_window_of_finite_samples() {
    for golden in [vec![0.0; 21], [vec![0.0; 23], vec![f32::NAN]].concat()] {
        let (net, output) = network();
        let channels = Sensor::pack(&CHANNELS);
        let goldens = vec![(golden, vec![0; 6])];
        let result =
            std::panic::catch_unwind(|| net.signal_package(&sensor(&channels), output, &goldens));
        let message = *result.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("Golden"), "{message}");
    }
}
