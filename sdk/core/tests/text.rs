//! Packages that take text: what they say is what was written, and what does not fit is refused.

#![cfg(feature = "alloc")]

use offshoot_core::package::{
    Golden, GoldenInput, GraphWriter, LayoutError, PackageError, Packed, Section, Text, TokenIds,
    WriteError, with_packed, write_package, write_text_package,
};
use offshoot_core::preprocess::{Preprocess, Resize};
use offshoot_core::tokens::{Pooling, Tokens};
use offshoot_core::{Package, limits};

#[path = "../../tests/common/mod.rs"]
mod common;

use common::counting::{self, Counting, Counts};
use common::net::every_operation;
use common::random::Random;
use common::seal::{self, entry, put};
use common::words::{Words, words};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The fifth section of a file.
const TEXT: usize = 4;

#[test]
fn what_is_written_is_read() {
    let file = words().written().unwrap();
    counting::prove_live();
    let (counts, ()) = counting::counted(|| {
        let package = Package::open(&file).unwrap();
        let text = package.text().unwrap();
        assert_eq!((text.tokenizer, text.tokens.pooling), ("{}", Pooling::Mean));
        assert_eq!((package.token_table().len(), package.input_table().len()), (40, 0));
        let golden = package.goldens().next().unwrap();
        let GoldenInput::Tokens(ids) = golden.input else { panic!("{golden:?}") };
        assert!(ids.iter().eq([4, 0]));
        assert!(
            package
                .sections()
                .map(|(s, _)| s)
                .eq(Section::ALL[..4].iter().copied().chain([Section::Text]))
        );
    });
    assert_eq!(counts, Counts::NONE);
    let images = every_operation();
    let package = Package::open(&images).unwrap();
    assert_eq!((package.text(), package.token_table()), (None, &[][..]));
}

/// Only texts that the engine runs alone are computed at their own length.
#[test]
fn own_lengths_are_of_text_that_the_engine_runs() {
    let file = Words { ordered: true, own_length: true, ..words() }.written().unwrap();
    assert!(Package::open(&file).unwrap().manifest().extras.own_length);
    let file = Words { ordered: true, ..words() }.written().unwrap();
    assert!(!Package::open(&file).unwrap().manifest().extras.own_length);
    let refused = Words { own_length: true, ..words() }.written();
    assert_eq!(refused.unwrap_err(), WriteError::Package(PackageError::OwnLength));
}

/// Whatever a text package computes with is in its identity.
#[test]
fn the_identity_counts_the_tokenizer() {
    let id = |words: Words| Package::open(&words.written().unwrap()).unwrap().manifest().id;
    let plain = id(words());
    assert_eq!(plain, id(Words { golden: (vec![0], [0.0, 1.0]), ..words() }));
    let tokens = words().tokens;
    for other in [
        Words { tokenizer: "{ }", ..words() },
        Words { tokens: Tokens { pad: 0, ..tokens }, ..words() },
        Words { tokens: Tokens { pooling: Pooling::Last, ..tokens }, ..words() },
        Words { table: vec![0.5; 10], ..words() },
    ] {
        assert_ne!(plain, id(other));
    }
}

#[test]
fn every_flipped_bit_and_truncation_is_rejected() {
    let mut file = words().written().unwrap();
    for bit in 0..file.len() * 8 {
        file[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(Package::open(&file), Err(PackageError::Layout(_))), "bit {bit}");
        file[bit / 8] ^= 1 << (bit % 8);
    }
    for len in 0..file.len() {
        assert!(matches!(Package::open(&file[..len]), Err(PackageError::Layout(_))), "{len} bytes");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let tokens = words().tokens;
    let good = words();
    let cases: [(&str, Words, PackageError); 12] = [
        (
            "a padding beyond the table",
            Words { tokens: Tokens { pad: 5, ..tokens }, ..words() },
            PackageError::Text,
        ),
        ("a row too few", Words { table: vec![0.0; 8], ..words() }, PackageError::Text),
        ("a row too many", Words { table: vec![0.0; 12], ..words() }, PackageError::Text),
        (
            "no rows",
            Words { tokens: Tokens { vocabulary: 0, ..tokens }, table: vec![], ..words() },
            PackageError::Text,
        ),
        (
            "a vocabulary whose product wraps",
            Words { tokens: Tokens { vocabulary: (1 << 30) + 5, ..tokens }, ..words() },
            PackageError::Text,
        ),
        ("two rows of places", Words { input: (2, 4), ..words() }, PackageError::Text),
        ("wider than the rows", Words { input: (1, 5), ..words() }, PackageError::Text),
        ("no room for marks", Words { input: (1, 2), ..words() }, PackageError::Text),
        (
            "a preprocessing of images",
            Words {
                preprocess: Preprocess { width: 2, resize: Resize::Squash, ..Preprocess::NONE },
                ..words()
            },
            PackageError::Text,
        ),
        ("a golden id beyond the table", golden(&good, &[5]), PackageError::Golden),
        ("a golden text too long", golden(&good, &[0; 4]), PackageError::Golden),
        ("an empty golden text", golden(&good, &[]), PackageError::Golden),
    ];
    for (name, words, expected) in cases {
        match words.written() {
            Err(WriteError::Package(error)) if error == expected => {}
            other => panic!("{name}: {:?}", other.map(|file| file.len())),
        }
    }
}

fn golden(words: &Words, ids: &[u32]) -> Words {
    Words { golden: (ids.to_vec(), [0.0; 2]), ..words.clone() }
}

/// A row of tokens has a width, a height of 1, and 3 bytes for each.
#[test]
fn golden_texts_are_rows() {
    const GOLDENS: usize = 3;
    let good = words().written().unwrap();
    let start = seal::u64_at(&good, entry(GOLDENS) + 8) as usize;
    let end = start + seal::u64_at(&good, entry(GOLDENS) + 16) as usize;
    assert_eq!(good[start..start + 3], [2, 1, 6]);
    for (at, value) in [(0, 1), (0, 3), (1, 0), (1, 2)] {
        let mut file = good.clone();
        file[start + at] = value;
        let crc = seal::crc32(&[&file[start..end]]);
        put(&mut file, entry(GOLDENS) + 24, &crc.to_le_bytes());
        seal_table(&mut file);
        let error = Package::open(&file).unwrap_err();
        assert_eq!(error, PackageError::Golden, "byte {at} is {value}");
    }
}

/// The other kind of package cannot be written with them.
#[test]
fn golden_vectors_are_of_one_kind() {
    let file = every_operation();
    let package = Package::open(&file).unwrap();
    let writer = GraphWriter::new(package.graph().tensor(0));
    let tokens = Golden { input: GoldenInput::Tokens(TokenIds::new(&[])), output: &[] };
    let frame = package.goldens().next().unwrap();
    let refused = Err(WriteError::Package(PackageError::Golden));
    assert_eq!(write_package(package.manifest(), &writer, &[frame, tokens]), refused);
    let text = Text { tokens: words().tokens, tokenizer: "{}" };
    assert_eq!(write_text_package(package.manifest(), &text, &writer, &[frame]), refused);
}

/// A file with other bytes in its text section, every checksum right.
fn with_section(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut file = words().written().unwrap();
    let offset = seal::u64_at(&file, entry(TEXT) + 8) as usize;
    let mut section = file.split_off(offset);
    change(&mut section);
    put(&mut file, entry(TEXT) + 16, &(section.len() as u64).to_le_bytes());
    put(&mut file, entry(TEXT) + 24, &seal::crc32(&[&section]).to_le_bytes());
    file.extend(section);
    let total = file.len() as u64;
    put(&mut file, 16, &total.to_le_bytes());
    seal_table(&mut file);
    file
}

/// The table has one entry more than that of images.
fn seal_table(file: &mut [u8]) {
    let crc = seal::crc32(&[&file[..seal::TABLE_CHECKSUM], &file[seal::HEADER..entry(TEXT + 1)]]);
    put(file, seal::TABLE_CHECKSUM, &crc.to_le_bytes());
}

/// Tries all damaged sections: a package that opens also fills its input.
#[test]
fn mutants_of_the_section() {
    let mut random = Random(3);
    let mut opened = 0;
    for _ in 0..20_000 {
        let file = with_section(|section| {
            for _ in 0..=random.below(2) {
                let at = random.below(section.len());
                match random.below(4) {
                    0 => section.insert(at, random.bits() as u8),
                    1 if section.len() > 1 => drop(section.remove(at)),
                    _ => section[at] = random.pick(&[0, 1, 2, 4, 5, 0x7f, 0x80, 0xff]),
                }
            }
        });
        let Ok(package) = Package::open(&file) else { continue };
        opened += 1;
        let text = package.text().unwrap();
        let shape = package.graph().tensor(0).shape;
        let mut input = vec![f32::NAN; shape.elements()];
        text.tokens.fill(shape, package.token_table(), &[4, 0], &mut input).unwrap();
        assert!(input.iter().all(|v| v.is_finite()));
    }
    assert!(opened > 500, "only {opened} opened");
}

type Change = fn(&mut Vec<u8>);

#[test]
fn hostile_sections() {
    assert!(with_section(|_| {}) == words().written().unwrap());
    let text = PackageError::Text;
    let layout = PackageError::Layout;
    // Vocabulary, pad, pooling, the length of the tokenizer, the tokenizer.
    let cases: [(&str, Change, PackageError); 7] = [
        ("empty", |s| s.clear(), layout(LayoutError::Table)),
        ("cut off", |s| s.truncate(3), text),
        ("something behind", |s| s.push(0), text),
        ("a pooling that does not exist", |s| s[2] = 3, text),
        ("a tokenizer longer than the section", |s| s[3] = 9, text),
        ("a tokenizer that is not UTF-8", |s| s[4] = 0xff, text),
        (
            "larger than any",
            |s| s.resize(limits::TEXT_BYTES + 1, 0),
            layout(LayoutError::TooLarge {
                section: Section::Text,
                bytes: limits::TEXT_BYTES as u64 + 1,
            }),
        ),
    ];
    for (name, change, expected) in cases {
        let file = with_section(change);
        let (counts, outcome) = counting::counted(|| Package::open(&file).map(|_| ()));
        assert_eq!((outcome, counts), (Err(expected), Counts::NONE), "{name}");
    }
}

#[test]
fn hostile_tables() {
    let cases: [(&str, Change); 3] = [
        ("a section that does not exist", |f| f[entry(TEXT)] = 11),
        ("a required section again", |f| f[entry(TEXT)] = 4),
        ("packed weights that are none", |f| f[entry(TEXT)] = 5),
    ];
    for (name, change) in cases {
        let mut file = words().written().unwrap();
        change(&mut file);
        seal_table(&mut file);
        let error = Package::open(&file).map(|_| ()).unwrap_err();
        // Without its text, a package is one of images.
        let expected = if name.starts_with("packed") {
            PackageError::Input
        } else {
            LayoutError::Table.into()
        };
        assert_eq!(error, expected, "{name}");
    }
    let packed = Packed { target: "avx2", order: 1, panels: &[0; 64] };
    assert!(
        with_packed(&words().written().unwrap(), packed).is_err(),
        "nothing of a text is packed"
    );
}
