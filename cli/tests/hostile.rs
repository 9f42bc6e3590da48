//! Models made to do harm (`../shared/style.md` 2.2) and models broken at random: each ends in an
//! error that names the file, or in a package that is in order; the program that the user started
//! survives them all.
//!
//! By default a small part of the mutants; `OFFSHOOT_MUTANTS=1000` makes so many of each backbone, and
//! shows each one to the whole command.

mod common;
#[path = "common/graph.rs"]
mod graph;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use graph::Graph;
use offshoot::Extractor;
use offshoot_cli::import::{ImportError, Source};
use offshoot_cli::teach::Draws;
use offshoot_simulator::Object;
use prost::Message;
use tract_onnx::pb::{GraphProto, ModelProto, StringStringEntryProto};

/// What no hostile model may take, on a slow machine.
const QUICK: Duration = Duration::from_secs(20);

struct Case {
    name: &'static str,
    model: ModelProto,
    /// What the error must say.
    parts: &'static [&'static str],
}

fn case(name: &'static str, model: ModelProto, parts: &'static [&'static str]) -> Case {
    Case { name, model, parts }
}

/// A convolution with one attribute of one's own.
fn conv(attribute: (&str, &[i64])) -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.weights("w", &[4, 3, 3, 3]).node("Conv", "c", &["x", "w"], &[attribute]);
    graph.model(13)
}

/// A node that makes more of little, added to a picture.
fn maker(op: &str, inputs: &[(&str, &[i64])]) -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    let names: Vec<&str> = inputs.iter().map(|(name, _)| *name).collect();
    for (name, values) in inputs {
        graph.whole(name, values);
    }
    graph.node(op, "made", &names, &[]).node("Mul", "m", &["x", "made"], &[]);
    graph.model(13)
}

fn range() -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    for (name, value) in [("from", 0), ("to", 1 << 40), ("step", 1)] {
        graph.whole(name, &[value]).0.initializer.last_mut().unwrap().dims.clear();
    }
    graph.node("Range", "made", &["from", "to", "step"], &[]).node("Mul", "m", &["x", "made"], &[]);
    graph.model(13)
}

/// An `If` in an `If`, and so on, each branch with two.
fn nested(depth: usize) -> ModelProto {
    let mut inner = Graph::new(&[1]);
    inner.node("Identity", "leaf", &["x"], &[]);
    let mut body = inner.model(13).graph.unwrap();
    for _ in 0..depth {
        let mut outer = Graph::new(&[1]);
        outer.node("If", "branch", &["x"], &[]);
        for name in ["then_branch", "else_branch"] {
            outer.branch(name, body.clone());
        }
        body = outer.model(13).graph.unwrap();
    }
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.node("If", "branch", &["x"], &[]).branch("then_branch", body);
    graph.node("Relu", "last", &["branch"], &[]);
    graph.model(13)
}

fn cycle() -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.node("Add", "a", &["x", "b"], &[]).node("Relu", "b", &["a"], &[]);
    graph.model(13)
}

fn weights(change: impl Fn(&mut tract_onnx::pb::TensorProto)) -> ModelProto {
    let mut model = conv(("strides", &[1, 1]));
    change(&mut model.graph.as_mut().unwrap().initializer[0]);
    model
}

/// The twelve of the study, as far as it names them, and others of their kinds.
fn cases() -> Vec<Case> {
    let huge: &[i64] = &[1 << 16, 1 << 15];
    vec![
        case(
            "eight gigabytes",
            maker("ConstantOfShape", &[("s", huge)]),
            &["node `made`", "2147483648 values"],
        ),
        case(
            "stride 0",
            conv(("strides", &[0, 0])),
            &["node `c` (Conv)", "`strides` of 0; allowed are 1 to"],
        ),
        case("pads", conv(("pads", &[1 << 20; 4])), &["`pads` of 1048576; allowed are 0 to"]),
        case("input", relu(&[1, 3, 1 << 40, 1 << 40], "x"), &["tensor `x`", "larger than 268435456 values"]),
        case("dilations", conv(("dilations", &[1, 1, 1])), &["`dilations` has 3 values"]),
        case("kernel", conv(("kernel_shape", &[5, 5])), &["`kernel_shape` is not that of its weights"]),
        case("group 0", conv_group(0), &["`group` of 0"]),
        case("group 3 of 4", conv_group(3), &["`group` of 3, which does not divide 4 channels"]),
        case("dims", weights(|t| t.dims = vec![1 << 62, 4]), &["tensor `w`", "larger than"]),
        case("negative", weights(|t| t.dims[0] = -4), &["a dimension of -4"]),
        case("too short", weights(|t| t.raw_data.truncate(8)), &["values of 8 bytes", "asks for 432"]),
        case("type", weights(|t| t.data_type = 8), &["values of ONNX type 8"]),
        case("external", weights(outside), &["tensors lie outside the file", "/etc/passwd"]),
        case("nested", nested(12), &["not supported", "`branch`", "If"]),
        case("cycle", cycle(), &["waits for its own result"]),
        case("range", range(), &["node `made` (Range)", "1099511627776 values"]),
        case("expand", maker("Expand", &[("one", &[7]), ("s", huge)]), &["node `made` (Expand)"]),
        case("tile", maker("Tile", &[("one", &[7]), ("n", &[1 << 40])]), &["node `made` (Tile)"]),
        case("nowhere", relu(&[1, 3, 8, 8], "ghost"), &["reads `ghost`, which nothing gives"]),
        case("twice", twice(), &["gives `r`, which is there already"]),
        case("resize", resize(1e6), &["a factor of 1000000"]),
        case("not a number", resize(f32::NAN), &["a factor of NaN"]),
        case("many", many(1 << 15), &["32768 nodes; the limit is"]),
    ]
}

fn conv_group(group: i64) -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.weights("w", &[4, 3, 3, 3]).node("Conv", "c", &["x", "w"], &[]).number("group", group);
    graph.model(13)
}

fn relu(dims: &[i64], of: &str) -> ModelProto {
    let mut graph = Graph::new(dims);
    graph.node("Relu", "r", &[of], &[]);
    graph.model(13)
}

fn twice() -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.node("Relu", "r", &["x"], &[]).node("Relu", "r", &["x"], &[]);
    graph.model(13)
}

fn many(count: usize) -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    let name = |i: usize| if i == 0 { "x".to_string() } else { format!("r{i}") };
    for i in 0..count {
        graph.node("Relu", &name(i + 1), &[&name(i)], &[]);
    }
    graph.model(13)
}

fn resize(factor: f32) -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.floats("f", &[1.0, 1.0, factor, factor]).node("Resize", "big", &["x", "", "f"], &[]);
    graph.model(13)
}

fn outside(tensor: &mut tract_onnx::pb::TensorProto) {
    tensor.raw_data.clear();
    tensor.data_location = Some(1);
    tensor.external_data =
        vec![StringStringEntryProto { key: "location".to_string(), value: "/etc/passwd".to_string() }];
}

/// In the process itself: what the child would be kept from is refused before tract sees it.
#[test]
fn hostile_graphs_are_refused_before_tract_sees_them() {
    for Case { name, model, parts } in cases() {
        let start = Instant::now();
        let source = Source::parse(Path::new("bad.onnx"), &model.encode_to_vec());
        let error = source.and_then(|s| s.import(&[], None, Default::default())).unwrap_err().to_string();
        for part in [&["bad.onnx"], parts].concat() {
            assert!(error.contains(part), "{name}: `{part}` is not in: {error}");
        }
        assert!(start.elapsed() < QUICK, "{name}: {:?}", start.elapsed());
    }
}

fn convert(folder: &Path, variables: &[(&str, &str)]) -> (Output, Duration) {
    let start = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_offshoot"));
    let args = [
        "convert",
        "bad.onnx",
        "--calibrate",
        "data",
        "-o",
        "out.offshoot",
        "--preset",
        "raw",
        "--input-size",
        "48x192",
    ];
    command.args(args).current_dir(folder).envs(variables.iter().copied());
    let output = command.output().unwrap();
    (output, start.elapsed())
}

/// Nothing half done may be left, however the work ended.
fn check_folder(folder: &Path, context: &str) {
    let names = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let others: Vec<String> =
        names.filter(|n| !["bad.onnx", "data", "out.offshoot"].contains(&n.as_str())).collect();
    assert!(others.is_empty(), "{context}: {others:?}");
}

#[test]
fn the_command_survives_hostile_graphs() {
    let dir = tempfile::tempdir().unwrap();
    common::pictures(&dir.path().join("data"), &[Object::Mug], 1);
    for Case { name, model, parts } in cases() {
        fs::write(dir.path().join("bad.onnx"), model.encode_to_vec()).unwrap();
        let (output, time) = convert(dir.path(), &[]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{name}: {text}");
        assert!(!text.contains("panicked"), "{name}: {text}");
        assert!(time < QUICK, "{name}: {time:?}");
        check_folder(dir.path(), name);
        assert!(!dir.path().join("out.offshoot").exists(), "{name}");
    }
}

/// What is only found out while shapes are worked out meets the limits of the process.
#[cfg(target_os = "linux")]
#[test]
fn limits_of_memory_and_time_become_errors() {
    let dir = tempfile::tempdir().unwrap();
    common::pictures(&dir.path().join("data"), &[Object::Mug], 1);
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.weights("w", &[1 << 20, 3, 1, 1]).node("Conv", "c", &["x", "w"], &[]);
    fs::write(dir.path().join("bad.onnx"), graph.model(13).encode_to_vec()).unwrap();
    let (output, time) = convert(dir.path(), &[("OFFSHOOT_IMPORT_MIB", "20")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("bad.onnx: reading it asked for more memory than it may have"), "{text}");
    assert!(text.contains("OFFSHOOT_IMPORT_MIB=N") && time < QUICK, "{time:?}: {text}");
    check_folder(dir.path(), "memory");
    assert!(!dir.path().join("out.offshoot").exists());

    fs::write(dir.path().join("bad.onnx"), many(12_000).encode_to_vec()).unwrap();
    let (output, time) = convert(dir.path(), &[("OFFSHOOT_IMPORT_SECONDS", "0")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("bad.onnx: reading it took more than 0 s of processor time"), "{time:?}: {text}");
    assert!(text.contains("OFFSHOOT_IMPORT_SECONDS=N"), "{text}");
    check_folder(dir.path(), "time");
}

/// A child does not outlive its parent.
#[cfg(target_os = "linux")]
#[test]
fn a_child_without_its_parent_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // Process 1 is not the parent.
    let output = common::offshoot(dir.path(), &["--inside", "1", "inspect", "bad.onnx"]);
    assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(2), 0, 0));
}

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
    let (nodes, tensors) = (graph.node.len(), graph.initializer.len());
    let (at, other) = (pick(draws, nodes), pick(draws, nodes));
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

/// The backbone that is always there, and others where they are.
fn backbones() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = vec![("sprout", fs::read(common::sprout()).unwrap())];
    if let Some(shared) = common::shared("mutants of other backbones") {
        for name in ["mobilenet_v1_0.25_128", "ppocr_cls_mobilenet_v3"] {
            all.push((name, fs::read(shared.join(format!("models/real/{name}.onnx"))).unwrap()));
        }
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
        let (mut fine, mut refused) = (0, 0);
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
    common::pictures(&dir.path().join("data"), &[Object::Mug], 2);
    let count = asked().unwrap_or(7);
    for (name, bytes) in backbones() {
        let mutants = Mutants::of(bytes);
        let (mut converted, mut refused, mut ended, mut slowest) = (0, 0, 0, (Duration::ZERO, 0));
        for seed in 0..count {
            fs::write(dir.path().join("bad.onnx"), mutants.make(seed)).unwrap();
            let (output, time) = convert(dir.path(), &[]);
            let context = format!("{name} {seed}: {}", String::from_utf8_lossy(&output.stderr));
            slowest = slowest.max((time, seed));
            let package = dir.path().join("out.offshoot");
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
                    assert!(context.contains("error: bad.onnx") || context.contains("error: "), "{context}");
                    assert!(!context.contains("panicked"), "{context}");
                }
                _ => panic!("{context}"),
            }
            check_folder(dir.path(), &context);
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
