//! Models made to do harm (`../shared/style.md` 2.2): each ends in an error that names the file,
//! and the program that the user started survives them all. Models broken at random: `mutants.rs`.

use crate::common::attempt;
use crate::common::graph;

use std::fs;
use std::path::Path;
use std::time::Instant;

use attempt::{IMAGES, QUICK, attempt, check_folder};
use graph::Graph;
use offshoot_convert::import::Source;
use offshoot_simulator::Object;
use prost::Message;
use tract_onnx::pb::{ModelProto, StringStringEntryProto};

mod lowered;

struct Case {
    name: &'static str,
    model: ModelProto,
    /// Parts of the message.
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

/// A node that makes more of little, added to an image.
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
    let plain = vec![
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
        case(
            "input",
            relu(&[1, 3, 1 << 40, 1 << 40], "x"),
            &["tensor `x`", "larger than 268435456 values"],
        ),
        case("dilations", conv(("dilations", &[1, 1, 1])), &["`dilations` has 3 values"]),
        case(
            "kernel",
            conv(("kernel_shape", &[5, 5])),
            &["`kernel_shape` is not that of its weights"],
        ),
        case("group 0", conv_group(0), &["`group` of 0"]),
        case("group 3 of 4", conv_group(3), &["`group` of 3, which does not divide 4 channels"]),
        case("dims", weights(|t| t.dims = vec![1 << 62, 4]), &["tensor `w`", "larger than"]),
        case("negative", weights(|t| t.dims[0] = -4), &["a dimension of -4"]),
        case(
            "too short",
            weights(|t| t.raw_data.truncate(8)),
            &["values of 8 bytes", "asks for 432"],
        ),
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
    ];
    plain.into_iter().chain(lowered::cases()).collect()
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
    tensor.external_data = vec![StringStringEntryProto {
        key: "location".to_string(),
        value: "/etc/passwd".to_string(),
    }];
}

/// Refuses in the process itself, before tract, what the child would be kept from.
#[test]
fn hostile_graphs_are_refused_before_tract_sees_them() {
    for Case { name, model, parts } in cases() {
        let start = Instant::now();
        let source = Source::parse(Path::new("bad.onnx"), &model.encode_to_vec());
        let error =
            source.and_then(|s| s.import(&[], None, Default::default())).unwrap_err().to_string();
        for part in [&["bad.onnx"], parts].concat() {
            assert!(error.contains(part), "{name}: `{part}` is not in: {error}");
        }
        assert!(start.elapsed() < QUICK, "{name}: {:?}", start.elapsed());
    }
}

#[test]
fn the_command_survives_hostile_graphs() {
    let dir = tempfile::tempdir().unwrap();
    crate::common::images(&dir.path().join("data"), &[Object::Mug], 1);
    for Case { name, model, parts } in cases() {
        fs::write(dir.path().join("bad.onnx"), model.encode_to_vec()).unwrap();
        let (output, time) = attempt(dir.path(), &IMAGES, &[]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{name}: {text}");
        assert!(!text.contains("panicked"), "{name}: {text}");
        assert!(time < QUICK, "{name}: {time:?}");
        check_folder(dir.path(), name);
        assert!(!dir.path().join("out.offshoot").exists(), "{name}");
    }
}

/// Models that are found out only while shapes are computed meet the limits of the process.
#[cfg(target_os = "linux")]
#[test]
fn limits_of_memory_and_time_become_errors() {
    let dir = tempfile::tempdir().unwrap();
    crate::common::images(&dir.path().join("data"), &[Object::Mug], 1);
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.weights("w", &[1 << 20, 3, 1, 1]).node("Conv", "c", &["x", "w"], &[]);
    fs::write(dir.path().join("bad.onnx"), graph.model(13).encode_to_vec()).unwrap();
    let (output, time) = attempt(dir.path(), &IMAGES, &[("OFFSHOOT_IMPORT_MIB", "20")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("bad.onnx: reading it needed more memory than allowed"), "{text}");
    assert!(text.contains("OFFSHOOT_IMPORT_MIB=N") && time < QUICK, "{time:?}: {text}");
    check_folder(dir.path(), "memory");
    assert!(!dir.path().join("out.offshoot").exists());

    fs::write(dir.path().join("bad.onnx"), many(12_000).encode_to_vec()).unwrap();
    let (output, time) = attempt(dir.path(), &IMAGES, &[("OFFSHOOT_IMPORT_SECONDS", "0")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("bad.onnx: reading it took more than 0 s of processor time"),
        "{time:?}: {text}"
    );
    assert!(text.contains("OFFSHOOT_IMPORT_SECONDS=N"), "{text}");
    check_folder(dir.path(), "time");
}

/// A child does not outlive its parent.
#[cfg(target_os = "linux")]
#[test]
fn a_child_without_its_parent_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // Process 1 is not the parent.
    let output = crate::common::offshoot(dir.path(), &["--inside", "1", "inspect", "bad.onnx"]);
    assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(2), 0, 0));
}
