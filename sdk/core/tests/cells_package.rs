//! Packages with cells: they say what was written, and what does not fit is refused.

#![cfg(feature = "alloc")]

use offshoot_core::Package;
use offshoot_core::graph::TensorId;
use offshoot_core::package::{LayoutError, PackageError, Packed, Section, WriteError, with_packed};
use offshoot_core::spatial::{CellMap, CellsLayout, Neighbours};

#[path = "../../tests/common/mod.rs"]
mod common;

use common::counting::{self, Counting, Counts};
use common::net::{Net, window};
use common::random::Random;
use common::seal::{self, entry, put};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The fifth section of a file.
const CELLS: usize = 4;

const MAP: CellMap = CellMap { height: 8, width: 8, channels: 4, stride: [2; 2], offset: [1, 1] };

fn network() -> (Net, TensorId) {
    let mut net = Net::new(16, 1);
    let map = net.conv("map", Net::INPUT, window(3, 2, 1), 1, 4);
    (net, map)
}

fn layout(map: CellMap) -> CellsLayout {
    CellsLayout::new(&[map], Neighbours::Three, [16, 16], 0).unwrap()
}

fn package() -> Vec<u8> {
    let (net, output) = network();
    net.cells_package(&layout(MAP), output).unwrap()
}

/// The file with another section of cells, every checksum right.
fn with_section(section: &[u8]) -> Result<(), PackageError> {
    let file = package();
    let offset = seal::u64_at(&file, entry(CELLS) + 8) as usize;
    let mut file = [&file[..offset], section].concat();
    let total = file.len() as u64;
    put(&mut file, 16, &total.to_le_bytes());
    put(&mut file, entry(CELLS) + 16, &(section.len() as u64).to_le_bytes());
    put(&mut file, entry(CELLS) + 24, &seal::crc32(&[section]).to_le_bytes());
    let table = &file[seal::HEADER..seal::HEADER + seal::ENTRY * 5];
    let crc = seal::crc32(&[&file[..seal::TABLE_CHECKSUM], table]);
    put(&mut file, seal::TABLE_CHECKSUM, &crc.to_le_bytes());
    Package::open(&file).map(|_| ())
}

#[test]
fn what_is_written_is_read() {
    let file = package();
    counting::prove_live();
    let (counts, ()) = counting::counted(|| {
        let package = Package::open(&file).unwrap();
        let cells = package.cells().unwrap();
        assert_eq!(cells.maps(), [MAP]);
        assert_eq!((cells.neighbours(), cells.input()), (Neighbours::Three, [16, 16]));
        let output = package.graph().tensor(package.graph().output());
        assert_eq!(cells.zero_point(), output.element.quant().unwrap().zero_point);
    });
    assert_eq!(counts, Counts::NONE);
    let packed = Packed { target: "test", order: 3, panels: &[1, 2, 3] };
    let both = with_packed(&file, packed).unwrap();
    let opened = Package::open(&both).unwrap();
    assert_eq!(opened.cells(), Package::open(&file).unwrap().cells());
    assert!(opened.sections().map(|(s, _)| s).skip(4).eq([Section::Packed, Section::Cells]));
}

#[test]
fn the_identity_counts_the_layout() {
    let id = |map: CellMap| {
        let (net, output) = network();
        let file = net.cells_package(&layout(map), output).unwrap();
        Package::open(&file).unwrap().manifest().id
    };
    assert_eq!(id(MAP), id(MAP));
    assert_ne!(id(MAP), id(CellMap { offset: [3, 1], ..MAP }));
    assert_ne!(id(MAP), id(CellMap { stride: [2, 3], ..MAP }));
}

#[test]
fn what_does_not_fit_the_network_is_refused() {
    let cells = Some(WriteError::Package(PackageError::Cells));
    for map in [CellMap { height: 4, ..MAP }, CellMap { channels: 5, ..MAP }] {
        let (net, output) = network();
        assert_eq!(net.cells_package(&layout(map), output).err(), cells);
    }
    // Cells are no embedding.
    let (mut net, output) = network();
    net.unit_length = true;
    assert_eq!(net.cells_package(&layout(MAP), output).err(), cells);
}

#[test]
fn hostile_sections_are_refused() {
    let good = layout(MAP).to_bytes();
    assert_eq!(with_section(&good), Ok(()));
    assert_eq!(with_section(&[]), Err(PackageError::Layout(LayoutError::Table)));
    let large = with_section(&[0; 300]);
    assert!(matches!(large, Err(PackageError::Layout(LayoutError::TooLarge { .. }))), "{large:?}");
    let mut random = Random(5);
    let mut refused = 0;
    for _ in 0..2_000 {
        let mut forged = good.clone();
        let at = random.below(forged.len());
        forged[at] = random.below(256) as u8;
        forged.truncate(forged.len() - random.below(3) / 2);
        match with_section(&forged) {
            Ok(()) => {}
            Err(PackageError::Cells) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused > 800, "{refused}");
}

#[test]
fn every_flipped_bit_is_rejected() {
    let mut file = package();
    for at in 0..file.len() {
        file[at] ^= 1 << (at % 8);
        assert!(Package::open(&file).is_err(), "byte {at}");
        file[at] ^= 1 << (at % 8);
    }
}
