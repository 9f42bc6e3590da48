//! Models broken at random: each ends in an error that names the file, or in a package that is in
//! order; the program that the user started survives them all.
//!
//! By default a small part; `OFFSHOOT_MUTANTS=1000` makes so many of each backbone, and shows each
//! one to the whole command. `OFFSHOOT_BACKBONE=NAME` takes one of them.

use crate::common::attempt;
use crate::common::refill;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use attempt::{IMAGES, QUICK, attempt, check_folder};
use offshoot::Extractor;
use offshoot_cli::learn::few_shot::Draws;
use offshoot_convert::import::{ImportError, Source};
use offshoot_simulator::Object;
use prost::Message;
use tract_onnx::pb::{GraphProto, ModelProto};

/// A model with its weights taken out, so that what is changed is what counts.
struct Mutants {
    whole: Vec<u8>,
    bare: Vec<u8>,
    weights: Vec<(String, Vec<u8>)>,
}

impl Mutants {
    fn of(whole: Vec<u8>) -> Self {
        let mut model = ModelProto::decode(&whole[..]).unwrap();
        let mut weights = Vec::new();
        for tensor in &mut model.graph.as_mut().unwrap().initializer {
            if tensor.raw_data.len() > 64 {
                weights.push((tensor.name.clone(), std::mem::take(&mut tensor.raw_data)));
            }
        }
        Self { bare: model.encode_to_vec(), whole, weights }
    }

    /// One in four is broken anywhere, one in what is not weights, two are whole but say something
    /// else.
    fn make(&self, seed: u64) -> Vec<u8> {
        let mut draws = Draws::new(0x0ff5_4007, seed);
        if seed.is_multiple_of(4) {
            return broken(&self.whole, &mut draws);
        }
        let bytes = if seed % 4 == 1 { broken(&self.bare, &mut draws) } else { self.bare.clone() };
        let Ok(mut model) = ModelProto::decode(&bytes[..]) else { return bytes };
        for tensor in model.graph.iter_mut().flat_map(|g| &mut g.initializer) {
            if let Some((_, data)) = self.weights.iter().find(|(name, _)| *name == tensor.name) {
                tensor.raw_data.clone_from(data);
            }
        }
        if let (2.., Some(graph)) = (seed % 4, &mut model.graph) {
            (0..1 + draws.below(2)).for_each(|_| changed(graph, &mut draws));
        }
        model.encode_to_vec()
    }
}

fn pick(draws: &mut Draws, count: usize) -> usize {
    draws.below(count.max(1) as u64) as usize
}

/// One thing of a graph becomes another that it could have been.
fn changed(graph: &mut GraphProto, draws: &mut Draws) {
    const NUMBERS: [i64; 12] = [0, 1, 2, 3, 7, -1, -2, 64, 255, 1000, 1 << 20, i64::MAX];
    let number = NUMBERS[pick(draws, NUMBERS.len())];
    let nodes = graph.node.len();
    let tensors = graph.initializer.len();
    let at = pick(draws, nodes);
    let other = pick(draws, nodes);
    match draws.below(8) {
        0 => graph.node[at].op_type = graph.node[other].op_type.clone(),
        1 => drop(graph.node.remove(at)),
        2 => {
            let from = graph.node[other].output.first().cloned().unwrap_or_default();
            let inputs = &mut graph.node[at].input;
            let input = pick(draws, inputs.len());
            inputs.splice(input..(input + 1).min(inputs.len()), [from]);
        }
        3 => {
            let tensor = graph.initializer.get_mut(pick(draws, tensors));
            tensor.into_iter().for_each(|t| t.dims.reverse());
        }
        4 => {
            let tensor = graph.initializer.get_mut(pick(draws, tensors));
            let byte = pick(draws, 64);
            let bytes = tensor.into_iter().flat_map(|t| &mut t.raw_data);
            bytes.skip(byte).take(4).for_each(|b| *b = number as u8);
        }
        5 => graph.node[at].attribute = graph.node[other].attribute.clone(),
        _ => {
            let with = graph.node.iter_mut().filter(|n| !n.attribute.is_empty());
            let mut attributes: Vec<_> = with.flat_map(|n| &mut n.attribute).collect();
            let attribute = pick(draws, attributes.len());
            if let Some(attribute) = attributes.get_mut(attribute) {
                let int = pick(draws, attribute.ints.len());
                *attribute.ints.get_mut(int).unwrap_or(&mut attribute.i) = number;
            }
        }
    }
}

/// One to four changes: a bit, a byte, an interesting byte, a part cut out, doubled or moved.
fn broken(bytes: &[u8], draws: &mut Draws) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + draws.below(4) {
        let at = draws.below(bytes.len() as u64) as usize;
        let length = (draws.below(64) as usize + 1).min(bytes.len() - at);
        match draws.below(6) {
            0 => bytes[at] ^= 1 << draws.below(8),
            1 => bytes[at] = draws.below(256) as u8,
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][draws.below(5) as usize],
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let part = bytes[at..at + length].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let part = bytes[at..at + length].to_vec();
                let to = draws.below((bytes.len() - length + 1) as u64) as usize;
                bytes[to..to + length].copy_from_slice(&part);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

/// Backbones with weights of their own and with random ones: all whose mutants can be made by the
/// thousand.
const REAL: [&str; 2] = ["mobilenet_v1_0.25_128", "ppocr_cls_mobilenet_v3"];
const REFILLED: [&str; 13] = [
    "shufflenet_v2_x0_5_op17",
    "light_shufflenet",
    "squeezenet1_1_op13",
    "mnasnet0_5_op17",
    "mobilenet_v2_dynamo",
    "mobilenet_v3_small_op13",
    "regnet_y_400mf_op13",
    "ssdlite320_mobilenet_v3_large_full_op17",
    "yolov8n_op13",
    "efficientnet_b0_op13",
    "googlenet_op17",
    "resnet18_dynamo",
    "densenet121_op13",
];
/// Small graphs of `../shared/cases`: what is lowered, and what is put in the place of others.
const LOWERED: [&str; 9] = [
    "dynamic_quant",
    "groupnorm18",
    "local_function",
    "ort_optimized",
    "prelu_channel",
    "qdq_u8s8_per_channel",
    "qoperator",
    "torch_lrn",
    "torch_upsample_mid",
];
const TEXT: [&str; 3] = ["bert_tiny_op17_dyn", "bert_tiny_dynamo", "gpt2_tiny_op17"];

/// The backbone that is always there, and others where they are.
fn backbones() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = vec![("sprout", fs::read(crate::common::sprout()).unwrap())];
    if cfg!(not(shared)) {
        println!("mutants of other backbones: skipped, the data are not beside the repository");
        return all;
    }
    let shared = crate::common::shared();
    let real = |name: &'static str| {
        (name, fs::read(shared.join(format!("models/real/{name}.onnx"))).unwrap())
    };
    all.extend(REAL.map(real));
    let lowered = |name: &'static str| {
        (name, fs::read(shared.join(format!("cases/graphs/{name}.onnx"))).unwrap())
    };
    all.extend(LOWERED.map(lowered));
    let one = std::env::var("OFFSHOOT_BACKBONE").ok();
    if asked().is_some() || one.is_some() {
        all.extend(
            REFILLED.iter().chain(&TEXT).map(|name| (*name, refill::skeleton(&shared, name).0)),
        );
    }
    if let Some(one) = one {
        all.retain(|(name, _)| *name == one);
        assert!(!all.is_empty(), "OFFSHOOT_BACKBONE={one}: there is no such backbone");
    }
    all
}

fn asked() -> Option<u64> {
    std::env::var("OFFSHOOT_MUTANTS").ok().map(|n| n.parse().expect("OFFSHOOT_MUTANTS is a number"))
}

#[test]
fn mutants_do_not_disturb_our_own_look() {
    for (name, bytes) in backbones() {
        let mutants = Mutants::of(bytes);
        let mut fine = 0;
        let mut refused = 0;
        for seed in 0..asked().unwrap_or(100) {
            let bytes = mutants.make(seed);
            let start = Instant::now();
            match Source::parse(Path::new("mutant.onnx"), &bytes) {
                Ok(_) => fine += 1,
                Err(ImportError::NotOnnx { .. } | ImportError::Refused { .. }) => refused += 1,
                Err(other) => panic!("{name} {seed}: {other}"),
            }
            assert!(start.elapsed() < QUICK, "{name} {seed}");
        }
        println!("{name}: {fine} looked right, {refused} were refused");
        assert!(fine > 0 && refused > 0, "{name}: mutants are too mild or too wild");
    }
}

#[test]
fn mutants_leave_the_command_alive_and_no_wrong_package() {
    let dir = tempfile::tempdir().unwrap();
    let images = dir.path().join("pictures");
    let texts = dir.path().join("texts");
    crate::common::images(&images.join("data"), &[Object::Mug], 2);
    fs::create_dir_all(texts.join("data/letters")).unwrap();
    fs::write(texts.join("data/letters/some.txt"), "a b c d e\n").unwrap();
    fs::write(texts.join("data/letters/few.txt"), "c a\n").unwrap();
    let list = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "d", "e"].join("\n");
    fs::write(dir.path().join("vocab.txt"), list).unwrap();
    let text = ["--tokenizer", "../vocab.txt", "--tokens", "32"];
    for (name, bytes) in backbones() {
        let (folder, options) =
            if TEXT.contains(&name) { (&texts, &text) } else { (&images, &IMAGES) };
        let mutants = Mutants::of(bytes);
        let mut converted = 0;
        let mut refused = 0;
        let mut ended = 0;
        let mut slowest = (Duration::ZERO, 0);
        for seed in 0..asked().unwrap_or(7) {
            fs::write(folder.join("bad.onnx"), mutants.make(seed)).unwrap();
            let (output, time) = attempt(folder, options, &[]);
            let context = format!("{name} {seed}: {}", String::from_utf8_lossy(&output.stderr));
            slowest = slowest.max((time, seed));
            let package = folder.join("out.offshoot");
            match output.status.code() {
                Some(0) => {
                    converted += 1;
                    // In order, and computes what its maker did.
                    let mut made = Extractor::open(&package).expect(&context);
                    assert!(made.verify().expect(&context).is_ok(), "{context}");
                    fs::remove_file(&package).unwrap();
                }
                Some(2) => {
                    refused += 1;
                    ended += u64::from(context.contains("reading it"));
                    assert!(
                        context.contains("error: bad.onnx") || context.contains("error: "),
                        "{context}"
                    );
                    assert!(!context.contains("panicked"), "{context}");
                }
                _ => panic!("{context}"),
            }
            check_folder(folder, &context);
            assert!(!package.exists(), "{context}");
        }
        println!(
            "{name}: {converted} converted, {refused} refused, {ended} of these by the end of the child; \
             slowest {:.1} s, number {}",
            slowest.0.as_secs_f64(),
            slowest.1
        );
    }
}
