//! Hand-made packages whose checksums are right and whose content is not, each with the error it
//! must give; refusing one takes no memory.

#![cfg(feature = "alloc")]

use offshoot_core::Package;
use offshoot_core::graph::{FloatOp, GraphError, Op, Tensor};
use offshoot_core::package::{LayoutError, PackageError, Precision, Section};
use offshoot_core::preprocess::{Channels, PreprocessError, Resize};

#[path = "../../tests/common/mod.rs"]
mod common;
mod parts;

use common::counting::{self, Counting, Counts};
use common::net::{every_operation, node::*};
use common::seal::{self, entry, put};
use parts::Parts;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type FileCase = (&'static str, fn(&mut Vec<u8>), LayoutError);
type SectionCase = (&'static str, fn(&mut [Vec<u8>; 4]), PackageError);
type Change = fn(&mut Parts);
type Case = (&'static str, Change, PackageError);

fn refused(name: &str, file: &[u8], expected: PackageError) -> Result<(), String> {
    let (counts, outcome) = counting::counted(|| Package::open(file).map(|_| ()));
    match outcome {
        Err(error) if error == expected && counts == Counts::NONE => Ok(()),
        outcome => Err(format!("{name}: {outcome:?} instead of {expected:?}, {counts:?}")),
    }
}

/// Checks every case and reports all that fail.
fn check(outcomes: impl Iterator<Item = Result<(), String>>, at_least: usize) {
    counting::prove_live();
    let outcomes: Vec<_> = outcomes.collect();
    let failed: Vec<_> =
        outcomes.iter().filter_map(|o| o.as_ref().err()).map(String::as_str).collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), outcomes.len(), failed.join("\n"));
    assert!(outcomes.len() >= at_least, "{} cases only", outcomes.len());
}

fn check_parts(cases: &[Case]) {
    let good = Parts::of(&every_operation());
    assert!(
        good.sealed() == every_operation(),
        "taking apart and putting together changes nothing"
    );
    let outcome = |(name, change, expected): &Case| {
        let mut parts = good.clone();
        change(&mut parts);
        refused(name, &parts.sealed(), *expected)
    };
    check(cases.iter().map(outcome), 10);
}

fn too_large(section: Section, bytes: u64) -> LayoutError {
    LayoutError::TooLarge { section, bytes }
}

fn shorten(section: &mut Vec<u8>) {
    section.truncate(section.len() - 1);
}

fn put_u64(file: &mut [u8], at: usize, value: u64) {
    put(file, at, &value.to_le_bytes());
}

/// The changed section is given its right checksum.
fn seal_section(file: &mut [u8], section: usize) {
    let offset = seal::u64_at(file, entry(section) + 8) as usize;
    let len = seal::u64_at(file, entry(section) + 16) as usize;
    let crc = seal::crc32(&[&file[offset..offset + len]]);
    put(file, entry(section) + 24, &crc.to_le_bytes());
}

fn grow(file: &mut Vec<u8>, len: usize) {
    file.resize(len, 0);
    put_u64(file, 16, len as u64);
}

#[test]
fn headers() {
    let stated = every_operation().len() as u64;
    let cases: [FileCase; 10] = [
        ("another magic", |f| f[7] = b't', LayoutError::Magic),
        ("a head's magic", |f| put(f, 0, b"OFFSHEAD"), LayoutError::Magic),
        ("version 0", |f| f[8] = 0, LayoutError::Version { found: 0 }),
        ("a future version", |f| f[8] = 2, LayoutError::Version { found: 2 }),
        (
            "a big-endian version",
            |f| put(f, 8, &[0, 0, 0, 1]),
            LayoutError::Version { found: 1 << 24 },
        ),
        (
            "a byte less stated",
            |f| f[16] -= 1,
            LayoutError::Length { stated: stated - 1, found: stated },
        ),
        ("3 sections", |f| f[12] = 3, LayoutError::Table),
        // What follows the table would then be a part of it.
        ("5 sections", |f| f[12] = 5, LayoutError::TableChecksum),
        ("6 sections", |f| f[12] = 6, LayoutError::TableChecksum),
        ("reserved field", |f| f[24] = 1, LayoutError::Table),
    ];
    check_files(&cases);
}

#[test]
fn section_tables() {
    let cases: [FileCase; 14] = [
        ("sections out of order", |f| f[entry(0)..entry(2)].rotate_left(32), LayoutError::Table),
        ("the same section twice", |f| f[entry(1)] = 1, LayoutError::Table),
        ("an unknown section", |f| f[entry(3)] = 5, LayoutError::Table),
        ("first reserved field", |f| f[entry(2) + 4] = 1, LayoutError::Table),
        ("second reserved field", |f| f[entry(2) + 28] = 1, LayoutError::Table),
        ("misaligned by a byte", |f| f[entry(2) + 8] += 1, LayoutError::Table),
        ("misaligned by half", |f| f[entry(2) + 8] ^= 32, LayoutError::Table),
        ("a hole", |f| move_section(f, 2, 64), LayoutError::Table),
        ("overlapping", |f| move_section(f, 1, -64), LayoutError::Table),
        ("on top of the table", |f| put_u64(f, entry(0) + 8, 0), LayoutError::Table),
        (
            "an offset at the end of memory",
            |f| put_u64(f, entry(3) + 8, u64::MAX - 63),
            LayoutError::Table,
        ),
        ("a length beyond the file", |f| put_u64(f, entry(2) + 16, 1 << 29), LayoutError::Table),
        ("a section cut off", |f| grow(f, f.len() - 1), LayoutError::Table),
        ("something hangs on", |f| grow(f, f.len() + 64), LayoutError::Table),
    ];
    check_files(&cases);
}

fn move_section(file: &mut [u8], section: usize, by: i64) {
    let offset = seal::u64_at(file, entry(section) + 8);
    put_u64(file, entry(section) + 8, offset.wrapping_add_signed(by));
}

#[test]
fn section_contents() {
    use Section::{Golden, Graph, Manifest, Weights};
    let cases: [FileCase; 11] = [
        ("manifest too large", |f| put_u64(f, entry(0) + 16, 16_385), too_large(Manifest, 16_385)),
        ("graph too large", |f| put_u64(f, entry(1) + 16, 524_289), too_large(Graph, 524_289)),
        (
            "weights too large",
            |f| put_u64(f, entry(2) + 16, (1 << 30) + 1),
            too_large(Weights, (1 << 30) + 1),
        ),
        (
            "golden too large",
            |f| put_u64(f, entry(3) + 16, (4 << 20) + 1),
            too_large(Golden, (4 << 20) + 1),
        ),
        ("length wraps", |f| put_u64(f, entry(2) + 16, u64::MAX), too_large(Weights, u64::MAX)),
        ("length of 2^32", |f| put_u64(f, entry(1) + 16, 1 << 32), too_large(Graph, 1 << 32)),
        ("manifest's checksum", |f| f[entry(0) + 24] ^= 1, LayoutError::Checksum(Manifest)),
        ("weights' checksum", |f| f[entry(2) + 27] ^= 0x80, LayoutError::Checksum(Weights)),
        ("no checksum", |f| put(f, entry(3) + 24, &[0; 4]), LayoutError::Checksum(Golden)),
        ("padding before the graph", |f| f[padding(1)] = 1, LayoutError::Padding),
        (
            "a section shorter than it was",
            |f| {
                f[entry(0) + 16] -= 1;
                seal_section(f, 0);
            },
            LayoutError::Padding,
        ),
    ];
    assert_eq!(every_operation()[padding(1)], 0);
    check_files(&cases);
}

/// The last byte before a section.
fn padding(section: usize) -> usize {
    let file = every_operation();
    let before = seal::u64_at(&file, entry(section) + 8) as usize - 1;
    let end =
        seal::u64_at(&file, entry(section - 1) + 8) + seal::u64_at(&file, entry(section - 1) + 16);
    assert!(end <= before as u64, "the section before ends where this one begins");
    before
}

fn check_files(cases: &[FileCase]) {
    let outcome = |(name, change, expected): &FileCase| {
        let mut file = every_operation();
        change(&mut file);
        seal::seal_table(&mut file);
        refused(name, &file, (*expected).into())
    };
    check(cases.iter().map(outcome), 9);
}

#[test]
fn sections_that_do_not_decode() {
    let bad = PackageError::Manifest;
    let node = |node| PackageError::Graph(GraphError::Node { node });
    let tensors = |found| PackageError::Graph(GraphError::Tensors { found });
    let cases: [SectionCase; 16] = [
        ("no manifest", |s| s[0].clear(), bad),
        ("a manifest cut off", |s| s[0].truncate(60), bad),
        ("a manifest without its last byte", |s| shorten(&mut s[0]), bad),
        ("something behind the manifest", |s| s[0].push(0), bad),
        ("a name that is not UTF-8", |s| s[0][1] = 0xff, bad),
        ("a name longer than the manifest", |s| s[0][0] = 127, bad),
        (
            "a name of 2^63 bytes",
            |s| drop(s[0].splice(0..1, [[0xff; 9].as_slice(), &[0x7f]].concat())),
            bad,
        ),
        ("a length that does not end", |s| s[0].fill(0xff), bad),
        ("a manifest of zeros", |s| s[0].fill(0), bad),
        ("no graph", |s| s[1].clear(), tensors(COUNT + 1)),
        ("a record cut off", |s| s[1].truncate(20 * (COUNT + 1) - 1), tensors(COUNT + 1)),
        ("no nodes", |s| s[1].truncate(20 * (COUNT + 1)), node(0)),
        ("a node cut off", |s| shorten(&mut s[1]), node(EMBEDDING)),
        ("something behind the nodes", |s| s[1].push(0), node(COUNT)),
        (
            "an operation that does not exist",
            |s| s[1].extend([1, b'x', 2, 0, 0, 0, 99]),
            node(COUNT),
        ),
        ("a node name that is not UTF-8", |s| s[1][20 * (COUNT + 1) + 1] = 0xc0, node(0)),
    ];
    let outcome = |(name, change, expected): &SectionCase| {
        let mut sections = seal::sections(&every_operation());
        change(&mut sections);
        refused(name, &seal::seal(&sections), *expected)
    };
    check(cases.iter().map(outcome), 16);
}

#[test]
fn golden_vectors() {
    // Width, height, the length of the pixels (192: two bytes), the pixels, the length of the
    // embedding, the embedding.
    let cases: [SectionCase; 11] = [
        ("announced but not there", |s| s[3].clear(), PackageError::Golden),
        ("cut off", |s| shorten(&mut s[3]), PackageError::Golden),
        ("something behind", |s| s[3].push(0), PackageError::Golden),
        (
            "one more than announced",
            |s| s[3] = [s[3].as_slice(), &s[3]].concat(),
            PackageError::Golden,
        ),
        ("width 0", |s| s[3][0] = 0, PackageError::Golden),
        ("height 0", |s| s[3][1] = 0, PackageError::Golden),
        ("a row more than pixels", |s| s[3][1] = 9, PackageError::Golden),
        (
            "no pixels in no frame",
            |s| s[3] = [&[0, 0, 0, 10][..], &[0; 10]].concat(),
            PackageError::Golden,
        ),
        ("an embedding too short", |s| s[3] = frame(8, 9), PackageError::Golden),
        ("an embedding too long", |s| s[3] = frame(8, 11), PackageError::Golden),
        ("pixels longer than the section", |s| s[3][3] = 0x7f, PackageError::Golden),
    ];
    fn frame(side: usize, embedding: usize) -> Vec<u8> {
        let pixels = 3 * side * side;
        let head = [side as u8, side as u8, pixels as u8 | 0x80, (pixels >> 7) as u8];
        [&head[..], &vec![1; pixels], &[embedding as u8], &vec![0; embedding]].concat()
    }
    let outcome = |(name, change, expected): &SectionCase| {
        let mut sections = seal::sections(&every_operation());
        assert_eq!(&sections[3][..4], [8, 8, 0xc0, 1]);
        change(&mut sections);
        refused(name, &seal::seal(&sections), *expected)
    };
    check(cases.iter().map(outcome), 11);
    let mut sections = seal::sections(&every_operation());
    sections[3] = frame(8, 10);
    Package::open(&seal::seal(&sections)).expect("only the lengths matter");
}

/// `verify` makes a frame of every golden vector: what no frame may be must be refused here.
#[test]
fn golden_frames_are_frames() {
    let beyond = offshoot_core::limits::FRAME_SIDE as u16 + 1;
    for (width, height) in [(beyond, 1), (1, beyond), (u16::MAX, 1)] {
        let mut sections = seal::sections(&every_operation());
        let pixels = vec![9u8; 3 * usize::from(width) * usize::from(height)];
        sections[3] = postcard::to_allocvec(&(width, height, &pixels[..], &[0u8; 10][..])).unwrap();
        let file = seal::seal(&sections);
        check(
            core::iter::once(refused(&format!("{width}x{height}"), &file, PackageError::Golden)),
            1,
        );
    }
}

#[test]
fn manifests() {
    let cases: [Case; 8] = [
        ("a long source", |p| p.manifest.source = "n".repeat(257).leak(), PackageError::Manifest),
        ("a long cut", |p| p.manifest.cut = "n".repeat(257).leak(), PackageError::Manifest),
        ("a long tool", |p| p.manifest.tool = "n".repeat(9999).leak(), PackageError::Manifest),
        (
            "float",
            |p| p.manifest.precision = Precision::Float,
            PackageError::Precision(Precision::Float),
        ),
        (
            "mixed",
            |p| p.manifest.precision = Precision::Mixed,
            PackageError::Precision(Precision::Mixed),
        ),
        ("the input as output", |p| p.manifest.output = 0, PackageError::Graph(GraphError::Output)),
        (
            "no such output",
            |p| p.manifest.output = COUNT as u16 + 1,
            PackageError::Graph(GraphError::Output),
        ),
        ("output 65535", |p| p.manifest.output = u16::MAX, PackageError::Graph(GraphError::Output)),
    ];
    let tensors = |found| PackageError::Graph(GraphError::Tensors { found });
    let counts: [Case; 4] = [
        ("no tensors", |p| p.manifest.tensors = 0, tensors(0)),
        ("only an input", |p| p.manifest.tensors = 1, tensors(1)),
        ("more tensors than bytes", |p| p.manifest.tensors = u16::MAX, tensors(65_535)),
        (
            "a tensor too many",
            |p| {
                p.tensors = vec![p.tensors[0]; 4097];
                p.manifest.tensors = 4097;
            },
            tensors(4097),
        ),
    ];
    check_parts(&[&cases[..], &counts].concat());
}

#[test]
fn preprocessing() {
    let size = |width, height| PackageError::Preprocess(PreprocessError::Size { width, height });
    let normal = |channel| PackageError::Preprocess(PreprocessError::Normalization { channel });
    let cases: [Case; 18] = [
        ("width 0", |p| p.manifest.preprocess.width = 0, size(0, 8)),
        ("height 0", |p| p.manifest.preprocess.height = 0, size(8, 0)),
        ("crop smaller than the input", |p| p.manifest.preprocess.resize = crop(7), size(8, 8)),
        ("crop 0", |p| p.manifest.preprocess.resize = crop(0), size(8, 8)),
        (
            "product overflow",
            |p| (p.manifest.preprocess.width, p.manifest.preprocess.height) = (u16::MAX, u16::MAX),
            size(u16::MAX, u16::MAX),
        ),
        ("NaN mean", |p| p.manifest.preprocess.mean[1] = f32::NAN, normal(1)),
        ("infinite mean", |p| p.manifest.preprocess.mean[0] = f32::NEG_INFINITY, normal(0)),
        ("std 0", |p| p.manifest.preprocess.std[2] = 0.0, normal(2)),
        ("negative std", |p| p.manifest.preprocess.std[0] = -1.0, normal(0)),
        ("NaN std", |p| p.manifest.preprocess.std[0] = f32::NAN, normal(0)),
        ("infinite std", |p| p.manifest.preprocess.std[0] = f32::INFINITY, normal(0)),
        ("subnormal std", |p| p.manifest.preprocess.std[0] = 1e-40, normal(0)),
        ("another width", |p| p.manifest.preprocess.width = 9, PackageError::Input),
        ("another order", |p| p.manifest.preprocess.channels = Channels::Gray, PackageError::Input),
        ("a short table", |p| p.manifest.input_table.len = 767, PackageError::Input),
        ("a long table", |p| p.manifest.input_table.len = 769, PackageError::Input),
        ("no table", |p| p.manifest.input_table.len = 0, PackageError::Input),
        ("a table elsewhere", |p| p.manifest.input_table.offset = u32::MAX, PackageError::Input),
    ];
    check_parts(&cases);
}

fn crop(short_side: u16) -> Resize {
    Resize::Crop { short_side }
}

#[test]
fn tensors() {
    let cases: [(&'static str, Change); 22] = [
        ("no rows", |p| p.word(3, 0, 0)),
        ("no columns", |p| p.word(3, 1, 0)),
        ("no channels", |p| p.word(3, 2, 0)),
        ("65536 rows", |p| p.word(3, 0, 65_536)),
        ("65536 channels", |p| p.word(3, 2, 65_536)),
        ("a dimension of -1", |p| p.word(3, 1, u32::MAX)),
        ("the product is 2^48", |p| (0..3).for_each(|i| p.word(3, i, 65_535))),
        ("the product is 2^32", |p| {
            [1 << 15, 1 << 15, 4].iter().enumerate().for_each(|(i, v)| p.word(3, i, *v))
        }),
        ("one value too many", |p| {
            [1 << 14, (1 << 14) + 1, 1].iter().enumerate().for_each(|(i, v)| p.word(3, i, *v))
        }),
        ("scale 0", |p| p.scale(3, 0.0)),
        ("scale -0", |p| p.scale(3, -0.0)),
        ("NaN scale", |p| p.scale(3, f32::NAN)),
        ("infinite scale", |p| p.scale(3, f32::INFINITY)),
        ("subnormal scale", |p| p.scale(3, f32::MIN_POSITIVE / 2.0)),
        ("smallest scale", |p| p.scale(3, f32::from_bits(1))),
        ("negative scale", |p| p.scale(3, -0.1)),
        ("kind 2", |p| p.tensors[3][17] = 2),
        ("kind 255", |p| p.tensors[3][17] = 255),
        ("first reserved byte", |p| p.tensors[3][18] = 1),
        ("second reserved byte", |p| p.tensors[3][19] = 1),
        ("floats with a scale", |p| p.tensors[3][17] = 0),
        ("floats with a zero point", |p| {
            p.tensors[3] = [p.tensors[3][..12].to_vec(), vec![0, 0, 0, 0, 1, 0, 0, 0]]
                .concat()
                .try_into()
                .unwrap()
        }),
    ];
    let error = PackageError::Graph(GraphError::Tensor { tensor: 3 });
    check_parts(&cases.map(|(name, change)| (name, change, error)));
}

#[test]
fn what_nodes_read() {
    fn read(p: &mut Parts, node: usize, ids: &[u16]) {
        p.nodes[node].read(ids);
    }
    let bad = |node| PackageError::Graph(GraphError::Inputs { node });
    let cases: [Case; 13] = [
        ("itself", |p| read(p, STEM, &[1]), bad(STEM)),
        ("the next", |p| read(p, POINT, &[4]), bad(POINT)),
        ("the last", |p| read(p, SUM, &[1, COUNT as u16]), bad(SUM)),
        ("no tensor", |p| read(p, SUM, &[u16::MAX, 1]), bad(SUM)),
        ("nothing", |p| read(p, STEM, &[]), bad(STEM)),
        ("nothing, joined", |p| read(p, JOINED, &[]), bad(JOINED)),
        ("two where one is needed", |p| read(p, STEM, &[0, 0]), bad(STEM)),
        ("one where two are needed", |p| read(p, SUM, &[1]), bad(SUM)),
        ("three where two are needed", |p| read(p, SUM, &[1, 1, 1]), bad(SUM)),
        ("half an id", |p| p.nodes[STEM].inputs = vec![0], bad(STEM)),
        ("one id and a half", |p| p.nodes[STEM].inputs = vec![0; 3], bad(STEM)),
        ("129", |p| read(p, JOINED, &[5; 129]), bad(JOINED)),
        ("more than the node list", |p| read(p, JOINED, &[5; 9999]), bad(JOINED)),
    ];
    check_parts(&cases);
}

#[test]
fn lists_of_other_lengths() {
    let node = |node| PackageError::Graph(GraphError::Node { node });
    let cases: [Case; 10] = [
        ("a node less", |p| drop(p.nodes.pop()), node(EMBEDDING)),
        ("a node more", |p| p.nodes.push(p.nodes[STEM].clone()), node(COUNT)),
        (
            "a tensor less",
            |p| {
                p.tensors.pop();
                (p.manifest.tensors, p.manifest.output) = (COUNT as u16, COUNT as u16 - 1);
            },
            node(EMBEDDING),
        ),
        (
            "a tensor more",
            |p| {
                p.tensors.push(p.tensors[COUNT]);
                p.manifest.tensors = COUNT as u16 + 2;
            },
            node(COUNT),
        ),
        (
            "codes become floats",
            |p| float(p, STEM + 1),
            PackageError::Graph(GraphError::Kind { node: STEM }),
        ),
        (
            "the input is floats",
            |p| float(p, 0),
            PackageError::Graph(GraphError::Kind { node: STEM }),
        ),
        (
            "floats among codes",
            |p| float(p, MAX + 1),
            PackageError::Graph(GraphError::Kind { node: MAX }),
        ),
        ("softmax of codes", |p| p.nodes[FLAT].op = Op::Float(FloatOp::Softmax), kind(FLAT)),
        ("codes quantized again", |p| p.nodes[FLAT].op = Op::Float(FloatOp::Quantize), kind(FLAT)),
        ("codes to codes", |p| p.nodes[FLAT].op = Op::Float(FloatOp::Dequantize), kind(FLAT)),
    ];
    check_parts(&cases);
    let moved: [Case; 4] = [
        ("a max pool changes the scale", |p| p.scale(MAX + 1, 0.5), kind(MAX)),
        ("a border changes the zero point", |p| p.tensors[PADDED + 1][16] ^= 1, kind(PADDED)),
        ("a reshape changes the scale", |p| p.scale(SWAPPED + 1, 0.5), kind(SWAPPED)),
        ("a flatten changes the zero point", |p| p.tensors[FLAT + 1][16] ^= 1, kind(FLAT)),
    ];
    let good = Parts::of(&every_operation());
    let outcome = |(name, change, expected): &Case| {
        let mut parts = good.clone();
        change(&mut parts);
        refused(name, &parts.sealed(), *expected)
    };
    check(moved.iter().map(outcome), 4);
}

fn kind(node: usize) -> PackageError {
    PackageError::Graph(GraphError::Kind { node })
}

/// Makes a tensor a valid one of floats.
fn float(parts: &mut Parts, tensor: usize) {
    let record = &mut parts.tensors[tensor];
    record[12..Tensor::RECORD].fill(0);
}
