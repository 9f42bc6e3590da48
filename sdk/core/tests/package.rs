//! A package is what was written, to the last bit, or it is refused.

#![cfg(feature = "alloc")]

use offshoot_core::Package;
use offshoot_core::package::{LayoutError, PackageError, Packed, Section, with_packed};

#[path = "../../tests/common/mod.rs"]
mod common;

use common::counting::{self, Counting, Counts};
use common::net::{every_operation, mobile_net};
use common::seal;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert!(every_operation() == every_operation());
    assert!(mobile_net() == mobile_net());
    assert!(every_operation() != mobile_net());
}

/// The writer's outer structure is the documented one, byte for byte.
#[test]
fn the_layout_is_the_documented_one() {
    for file in [every_operation(), mobile_net()] {
        assert!(seal::seal(&seal::sections(&file)) == file);
        let package = Package::open(&file).unwrap();
        let lens: Vec<usize> = package.sections().map(|(_, len)| len).collect();
        assert_eq!(lens, seal::sections(&file).map(|s| s.len()));
        assert!(package.sections().map(|(s, _)| s).eq(Section::ALL[..4].iter().copied()));
    }
}

#[test]
fn every_flipped_bit_is_rejected() {
    let mut file = every_operation();
    for bit in 0..file.len() * 8 {
        file[bit / 8] ^= 1 << (bit % 8);
        let error = Package::open(&file).err();
        assert!(matches!(error, Some(PackageError::Layout(_))), "bit {bit}: {error:?}");
        file[bit / 8] ^= 1 << (bit % 8);
    }
    Package::open(&file).unwrap();
}

/// All pairs in the header, which is 160 bytes with its table, would be 800,000: half of them.
#[test]
fn two_flipped_bits_in_the_header_are_rejected() {
    let mut file = every_operation();
    let bits = seal::entry(seal::SECTIONS) * 8;
    for (first, second) in (0..bits).flat_map(|a| (a + 1..bits).step_by(2).map(move |b| (a, b))) {
        for bit in [first, second] {
            file[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(Package::open(&file).is_err(), "bits {first} and {second}");
        for bit in [first, second] {
            file[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn every_truncation_and_extension_is_rejected() {
    let mut file = every_operation();
    for len in 0..file.len() {
        let error = Package::open(&file[..len]).unwrap_err();
        let expected = if len < 8 { "Magic" } else { "Length" };
        assert!(format!("{error:?}").contains(expected), "{len}: {error:?}");
    }
    let stated = file.len() as u64;
    for extra in 1..=200 {
        file.push(0);
        let found = stated + extra;
        let error = Package::open(&file).unwrap_err();
        assert_eq!(error, PackageError::Layout(LayoutError::Length { stated, found }));
    }
}

/// Opens a package at every alignment, as in flash or in a memory map.
#[test]
fn opens_at_every_address() {
    let file = mobile_net();
    for shift in 0..16 {
        let mut moved = vec![0; shift];
        moved.extend_from_slice(&file);
        let package = Package::open(&moved[shift..]).unwrap();
        assert_eq!(package.input_table().len(), 768);
        assert_eq!(package.goldens().count(), 2);
    }
}

#[test]
fn opening_allocates_nothing() {
    counting::prove_live();
    for file in [every_operation(), mobile_net()] {
        let (counts, sum) = counting::counted(|| {
            let package = Package::open(&file).unwrap();
            let graph = package.graph();
            let names: usize = graph.nodes().map(|(_, node)| node.name.len()).sum();
            let pixels: usize = package.goldens().map(|g| g.output.len()).sum();
            names
                + pixels
                + package.embedding_dim()
                + package.input_table().len()
                + graph.macs() as usize
        });
        assert_eq!(counts, Counts::NONE);
        assert!(sum > 2000);
    }
}

/// Packed weights are an addition: everything else stays what it was.
#[test]
fn packed_weights_are_a_section_more() {
    let file = mobile_net();
    let panels: Vec<i8> = (0..1000).map(|i| i as i8).collect();
    let packed = Packed { target: "neon-dot", order: 0x1234_5678, panels: &panels };
    let with = with_packed(&file, packed).unwrap();
    let plain = Package::open(&file).unwrap();
    let package = Package::open(&with).unwrap();
    assert_eq!(package.packed(), Some(packed));
    assert_eq!((plain.packed(), plain.manifest()), (None, package.manifest()));
    assert_eq!(package.packed().unwrap().panels.as_ptr().addr() % 64, with.as_ptr().addr() % 64);
    assert!(package.sections().eq(plain.sections().chain([(Section::Packed, 1064)])));
    let other = Packed { order: 1, ..packed };
    assert_eq!(with_packed(&with, other).unwrap(), with_packed(&file, other).unwrap());
    for target in ["", "a name of 17 byte", "sl/ash"] {
        let error = with_packed(&file, Packed { target, ..packed }).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), PackageError::Packed.to_string(), "{target:?}");
    }
    let mut broken = with.clone();
    for at in (0..broken.len()).step_by(7) {
        broken[at] ^= 1;
        assert!(matches!(Package::open(&broken), Err(PackageError::Layout(_))), "byte {at}");
        broken[at] ^= 1;
    }
    let short = Package::open(&with[..with.len() - 1]).unwrap_err();
    assert!(matches!(short, PackageError::Layout(LayoutError::Length { .. })));
}
