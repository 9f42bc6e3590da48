//! Seeded mutants of a package, their checksums made right again, through everything an
//! application does with a package: never a panic, never a long wait.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use offshoot::{Error, ErrorKind, Extractor, Frame, Manifest, Precision};
use offshoot_core::graph::{
    Affine, Clamp, Element, Int8Op, Op, Permutation, Slice, Tensor, Window,
};
use offshoot_core::package::{Extras, GraphWriter, PackageId, write_package};
use offshoot_core::preprocess::Preprocess;
use offshoot_core::{Multiplier, Quant, Scale, Shape};

mod common;

use common::net::{every_operation, preprocess};
use common::random::Random;
use common::seal;

const MUTANTS: u64 = 200_000;

const OPERATIONS: u64 = 30_000;

/// Opening, planning and one run of a network this small take microseconds.
const LONGEST: Duration = Duration::from_secs(5);

/// Bytes that mean something: limits, signs, continuation bits of variable-length numbers.
const TELLING: [u8; 16] = [0, 1, 2, 3, 4, 8, 16, 31, 32, 33, 63, 64, 127, 128, 254, 255];

fn mutate(random: &mut Random, section: &mut Vec<u8>) {
    if section.is_empty() {
        return section.push(random.bits() as u8);
    }
    let at = random.below(section.len());
    match random.below(9) {
        0 | 1 => section[at] ^= 1 << random.below(8),
        2 | 3 => section[at] = random.pick(&TELLING),
        4 => section[at] = section[at].wrapping_add(random.pick(&[1, 2, 255, 254])),
        5 => section.insert(at, random.pick(&TELLING)),
        6 => drop(section.splice(at..=at, [])),
        7 => {
            // A piece copied to somewhere else: other records, other nodes.
            let len = random.pick(&[2, 4, 8, 20]).min(section.len() - at);
            let to = random.below(section.len() - len + 1);
            section.copy_within(at..at + len, to);
        }
        _ => {
            let len = random.pick(&[2, 4]).min(section.len() - at);
            section[at..at + len].fill(random.pick(&[0, 127, 255]));
        }
    }
}

/// Mostly the graph, whose content has the most to say.
fn mutant(random: &mut Random, good: &[Vec<u8>; 4]) -> Vec<u8> {
    let mut sections = good.clone();
    for _ in 0..random.pick(&[1, 1, 1, 2, 3]) {
        let section = random.pick(&[0, 1, 1, 1, 1, 2, 2, 3]);
        mutate(random, &mut sections[section]);
    }
    let mut file = seal::seal(&sections);
    if random.below(16) == 0 {
        let at = random.below(seal::entry(seal::SECTIONS));
        file[at] = random.pick(&TELLING);
        seal::seal_table(&mut file);
    }
    file
}

/// Uses a package as an application does; the error's text is made as it would be shown.
fn used(file: Vec<u8>, pixels: &[u8]) -> Result<(), Error> {
    let mut extractor = Extractor::from_bytes(file)?;
    let frame = Frame::rgb(11, 7, pixels).expect("enough pixels");
    assert_eq!(extractor.embed(&frame)?.len(), extractor.embedding_dim());
    assert!(extractor.memory().arena > 0 && extractor.memory().live_set > 0);
    assert!(extractor.memory().arena < 1 << 24, "{:?}", extractor.memory());
    let verification = extractor.verify()?;
    assert!(verification.passed <= verification.vectors);
    Ok(())
}

/// The variant of an error, down to the reason but without its numbers.
fn variant(error: &Error) -> String {
    assert!(!error.to_string().is_empty());
    let text = match error.kind() {
        ErrorKind::Package(cause) => format!("{cause:?}"),
        other => format!("{other:?}"),
    };
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[test]
fn mutants_are_refused_or_run() {
    let good = seal::sections(&every_operation());
    let pixels = Random(5).bytes(3 * 11 * 7);
    used(seal::seal(&good), &pixels).expect("what mutants are made from is good");
    let (mut ran, mut reasons, mut slowest) = (0, BTreeMap::<String, u32>::new(), Duration::ZERO);
    for seed in 0..MUTANTS {
        let file = mutant(&mut Random(seed), &good);
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| used(file, &pixels)));
        let took = start.elapsed();
        assert!(took < LONGEST, "mutant {seed} took {took:?}");
        slowest = slowest.max(took);
        match outcome.unwrap_or_else(|_| panic!("mutant {seed} panicked")) {
            Ok(()) => ran += 1,
            Err(error) => *reasons.entry(variant(&error)).or_default() += 1,
        }
    }
    println!("{ran} of {MUTANTS} ran, slowest {slowest:?}, refused for {reasons:#?}");
    // Without these the mutants would only knock at the door.
    assert!(ran > MUTANTS / 20, "only {ran} ran");
    assert!(reasons.len() >= 18, "{reasons:#?}");
}

/// A window of sizes at which arithmetic breaks; now and then not a possible one.
fn window(random: &mut Random) -> Window {
    let mut two = |values: &[u8]| [random.pick(values), random.pick(values)];
    let kernel = two(&[1, 1, 2, 3, 5, 9, 64, 0]);
    let stride = two(&[1, 1, 2, 3, 32, 33]);
    let dilation = two(&[1, 1, 1, 1, 2, 3, 32, 0]);
    let [top, left] = two(&[0, 0, 1, 2, 3, 63]);
    let [bottom, right] = two(&[0, 0, 1, 2, 3, 64]);
    Window { kernel, stride, dilation, pad: [top, left, bottom, right] }
}

fn clamp(random: &mut Random) -> Clamp {
    random.pick(&[
        Clamp::NONE,
        Clamp { lo: 127, hi: 127 },
        Clamp { lo: -128, hi: -128 },
        Clamp { lo: 1, hi: 0 },
    ])
}

fn affine(random: &mut Random) -> Affine {
    Affine {
        factor: random.pick(&[0, 1, -1, i16::MAX, i16::MIN]),
        offset: random.pick(&[0, 1, (1 << 30) - 1, 1 - (1 << 30), 1 << 30, i32::MIN]),
        shift: random.pick(&[0, 1, 14, 31, 32]),
    }
}

fn convolution(
    random: &mut Random,
    writer: &mut GraphWriter,
    input: Shape,
) -> Option<(Int8Op, Shape)> {
    let window = window(random);
    let channels = input.c() as u32;
    let (groups, out) =
        random.pick(&[(1, 1), (1, 5), (1, 17), (channels, channels), (channels, 2 * channels)]);
    let (h, w) = window.output(input)?;
    let fan_in = window.taps() * input.c() / groups as usize;
    let weight = random.pick(&[-128, 127, 0, 1]);
    let bias = random.pick(&[0, 1 << 30, -(1 << 30), i32::MAX - 32_640 * fan_in as i32, i32::MIN]);
    let op = Int8Op::Conv {
        window,
        groups: groups as u16,
        weights: writer.codes(&vec![weight; fan_in * out as usize]).unwrap(),
        bias: writer.words(&vec![bias; out as usize]).unwrap(),
        mantissas: writer
            .words(&vec![random.pick(&[0, 1, 1 << 30, i32::MAX]); out as usize])
            .unwrap(),
        shift: random.pick(&[0, 1, 15, 16]),
        clamp: clamp(random),
    };
    Some((op, Shape::new(h, w, out)?))
}

/// An operation that moves or picks codes.
fn moved(random: &mut Random, input: Shape) -> Option<(Int8Op, Shape)> {
    Some(match random.below(3) {
        0 => {
            let (h, w, c) = input.into();
            let lengths =
                random.pick(&[[h, w, c, 1], [h * w, c, 1, 1], [h * w * c, 1, 1, 0], [1, c, w, h]]);
            let order = random.pick(&[
                [0, 1, 2, 3],
                [3, 2, 1, 0],
                [1, 0, 3, 2],
                [0, 0, 1, 2],
                [1, 2, 3, 4],
            ]);
            (Int8Op::Permute(Permutation { dims: lengths, order }), Shape::vector(h * w * c)?)
        }
        1 => {
            let axis = random.below(4);
            let from = random.pick(&[0, 1, 2, u32::MAX]);
            let mut part: [u32; 3] = input.dims().map(|n| n as u32);
            if let Some(length) = part.get_mut(axis) {
                *length = length.saturating_sub(from);
            }
            let op = Int8Op::Slice(Slice { axis: axis as u8, from });
            (op, Shape::new(part[0], part[1], part[2])?)
        }
        _ => {
            let factor = random.pick(&[[1, 1], [2, 3], [0, 1], [255, 1]]);
            let (h, w, c) = input.into();
            let op = Int8Op::Upsample { factor };
            (op, Shape::new(h * u32::from(factor[0]), w * u32::from(factor[1]), c)?)
        }
    })
}

/// An operation with its output's shape right, so that its other parameters are what decides.
fn operation(
    random: &mut Random,
    writer: &mut GraphWriter,
    input: Shape,
) -> Option<(Int8Op, Vec<u16>, Shape)> {
    let pooled = |window: &Window| {
        let (h, w) = window.output(input)?;
        Shape::new(h, w, input.c() as u32)
    };
    let (op, shape) = match random.below(13) {
        0..=2 => convolution(random, writer, input)?,
        3 => {
            let window = window(random);
            (Int8Op::MaxPool { window }, pooled(&window)?)
        }
        4 => {
            let window = window(random);
            let include_pad = random.below(2) == 0;
            let mantissa = random.pick(&[0, 1, i32::MAX, 1 << 30, -1]);
            let multiplier = Multiplier { mantissa, shift: random.pick(&[0, 1, 15]) };
            let op = Int8Op::AveragePool { window, include_pad, multiplier, clamp: clamp(random) };
            (op, pooled(&window)?)
        }
        5 => {
            let b = random.pick(&[0, 1, i16::MAX, i16::MIN]);
            let op = Int8Op::Add { a: affine(random), b, clamp: clamp(random) };
            return Some((op, vec![0, 0], input));
        }
        6 => {
            let affines = [affine(random), affine(random)];
            let op = Int8Op::Concat { affines: writer.affines(&affines).unwrap() };
            let (h, w, c) = input.into();
            return Some((op, vec![0, 0], Shape::new(h, w, 2 * c)?));
        }
        7 => {
            let mantissa = random.pick(&[0, 1, i32::MAX, 1 << 30, -1]);
            let multiplier = Multiplier { mantissa, shift: random.pick(&[0, 1, 15, 16]) };
            return Some((
                Int8Op::Multiply { multiplier, clamp: clamp(random) },
                vec![0, 0],
                input,
            ));
        }
        8 => {
            let codes = [random.pick(&[-128, 127]); 256];
            (Int8Op::Table { table: writer.codes(&codes).unwrap() }, input)
        }
        9..=11 => moved(random, input)?,
        _ => (Int8Op::Rescale { affine: affine(random), clamp: clamp(random) }, input),
    };
    Some((op, vec![0], shape))
}

/// A package of one random operation; `None` where there is none or the writer refuses it.
fn one_operation(random: &mut Random) -> Option<Vec<u8>> {
    let preprocess =
        Preprocess { height: 1 + random.below(9) as u16, ..preprocess(1 + random.below(9) as u16) };
    let mut quant = || Quant { scale: Scale::ONE, zero_point: random.pick(&[-128, 127, 0]) };
    let input = quant();
    let output = quant();
    let codes = |shape, quant| Tensor { shape, element: Element::Int8(quant) };
    let mut writer = GraphWriter::new(codes(preprocess.shape()?, input));
    // Codes of one extreme, of the other, or both.
    let table = random.pick(&[[-128, -128], [127, 127], [-128, 127]]).repeat(384);
    let input_table = writer.codes(&table).unwrap();
    let (op, inputs, shape) = operation(random, &mut writer, preprocess.shape()?)?;
    let kept = op.keeps_codes();
    let output = codes(shape, if kept { input } else { output });
    writer.node("one", Op::Int8(op), &inputs, output).unwrap();
    let manifest = Manifest {
        source: "",
        source_sha256: [0; 32],
        cut: "",
        tool: "",
        id: PackageId::new([0; 32]),
        precision: Precision::Int8,
        preprocess,
        input_table,
        tensors: 2,
        output: 1,
        goldens: 0,
        extras: Extras::default(),
    };
    write_package(&manifest, &writer, &[]).ok()
}

/// Runs packages that pass the checks, also where every number is the largest or the least.
#[test]
fn extreme_operations_are_refused_or_run() {
    let pixels = Random(6).bytes(3 * 11 * 7);
    let mut ran = 0;
    let mut slowest = Duration::ZERO;
    for seed in 0..OPERATIONS {
        let Some(file) = one_operation(&mut Random(seed)) else { continue };
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| used(file, &pixels)));
        slowest = slowest.max(start.elapsed());
        let refused = outcome.unwrap_or_else(|_| panic!("operation {seed} panicked")).err();
        assert!(refused.is_none(), "operation {seed} was written and is refused: {refused:?}");
        ran += 1;
    }
    println!("{ran} of {OPERATIONS} ran, slowest {slowest:?}");
    assert!(ran > OPERATIONS / 10 && slowest < LONGEST, "{ran} ran, slowest {slowest:?}");
}
