//! Small graphs in the manners of exporters, made here: channels last, other opsets, weights in
//! other files, several faults at once. `convert` compares each with tract's own run of it.

use std::path::Path;

use offshoot::{Picture, Precision};
use offshoot_cli::convert::{ConvertError, Converted, Options, convert};
use offshoot_cli::embedding::Pool;
use offshoot_cli::import::{ImportError, Source};
use offshoot_cli::preset::{Preset, Wishes};
use offshoot_simulator::{Camera, Object};
use prost::Message;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType, type_proto,
};

/// A graph under construction; a node's output has the node's name.
#[derive(Default)]
struct Graph(GraphProto);

impl Graph {
    fn new(dims: &[i64]) -> Self {
        let dim = |&d: &i64| Dimension { denotation: String::new(), value: Some(Value::DimValue(d)) };
        let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
        let tensor = type_proto::Tensor { elem_type: 1, shape: Some(shape) };
        let mut graph = Self::default();
        let r#type = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
        graph.0.input.push(ValueInfoProto {
            name: "x".to_string(),
            r#type: Some(r#type),
            ..Default::default()
        });
        graph
    }

    fn node(&mut self, op: &str, name: &str, inputs: &[&str], attributes: &[(&str, &[i64])]) -> &mut Self {
        let attribute = |(name, ints): &(&str, &[i64])| AttributeProto {
            name: name.to_string(),
            r#type: AttributeType::Ints.into(),
            ints: ints.to_vec(),
            ..AttributeProto::default()
        };
        self.0.node.push(NodeProto {
            op_type: op.to_string(),
            name: name.to_string(),
            input: inputs.iter().map(|s| s.to_string()).collect(),
            output: vec![name.to_string()],
            attribute: attributes.iter().map(attribute).collect(),
            ..NodeProto::default()
        });
        self
    }

    /// A number instead of a list as the last node's attribute.
    fn number(&mut self, name: &str, value: i64) -> &mut Self {
        self.0.node.last_mut().unwrap().attribute.push(AttributeProto {
            name: name.to_string(),
            r#type: AttributeType::Int.into(),
            i: value,
            ..AttributeProto::default()
        });
        self
    }

    fn weights(&mut self, name: &str, dims: &[i64]) -> &mut Self {
        let n = dims.iter().product::<i64>();
        let values = (0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 100.0);
        self.0.initializer.push(TensorProto {
            name: name.to_string(),
            dims: dims.to_vec(),
            data_type: 1,
            raw_data: values.flat_map(f32::to_le_bytes).collect(),
            ..TensorProto::default()
        });
        self
    }

    fn whole(&mut self, name: &str, values: &[i64]) -> &mut Self {
        self.0.initializer.push(TensorProto {
            name: name.to_string(),
            dims: vec![values.len() as i64],
            data_type: 7,
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..TensorProto::default()
        });
        self
    }

    fn model(&mut self, opset: i64) -> ModelProto {
        let mut graph = std::mem::take(&mut self.0);
        let output = graph.node.last().unwrap().output[0].clone();
        graph.output.push(ValueInfoProto { name: output, ..ValueInfoProto::default() });
        ModelProto {
            ir_version: 7,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: opset }],
            graph: Some(graph),
            ..ModelProto::default()
        }
    }
}

fn converted(model: &ModelProto, float: bool) -> Result<Converted, ConvertError> {
    converted_with(model, Options { float, ..Options::default() })
}

fn converted_with(model: &ModelProto, options: Options) -> Result<Converted, ConvertError> {
    let source = Source::parse(Path::new("graph.onnx"), &model.encode_to_vec())?;
    let pictures: Vec<Picture> = (0..4)
        .map(|seed| {
            let p = Camera::new(64, 48).look(Some(Object::Mug), seed);
            Picture::from_rgb(p.width, p.height, p.rgb).unwrap()
        })
        .collect();
    let wishes = Wishes { preset: Some(Preset::Tf), ..Wishes::default() };
    convert(&source, &pictures, &Options { wishes, ..options }, &mut |_, _| {})
}

/// Both precisions; int8 must be whole and near.
fn both(model: &ModelProto, cut: &str) {
    let float = converted(model, true).unwrap().report;
    assert!(float.difference < 1e-4, "{float}");
    let int8 = converted(model, false).unwrap().report;
    assert_eq!((int8.precision, &*int8.cut), (Precision::Int8, cut), "{int8}");
    assert!(int8.cosine_min > 0.98, "{int8}");
}

const TO_PLANES: (&str, &[i64]) = ("perm", &[0, 3, 1, 2]);
const TO_PIXELS: (&str, &[i64]) = ("perm", &[0, 2, 3, 1]);

/// As tf2onnx writes a Keras model: the picture's channels last, and around each convolution a
/// transposition that moves nothing.
#[test]
fn channels_last() {
    for opset in [9, 13, 17] {
        let mut graph = Graph::new(&[1, 12, 16, 3]);
        graph
            .weights("w", &[8, 3, 3, 3])
            .weights("v", &[16, 8, 1, 1])
            .weights("b", &[8])
            .weights("d", &[16, 10]);
        graph
            .node("Transpose", "planes", &["x"], &[TO_PLANES])
            .node("Conv", "conv", &["planes", "w"], &[("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])])
            .node("Transpose", "pixels", &["conv"], &[TO_PIXELS])
            // A bias per channel, where the channels are last.
            .node("Add", "biased", &["pixels", "b"], &[])
            .node("Relu", "relu", &["biased"], &[])
            .node("Transpose", "planes2", &["relu"], &[TO_PLANES])
            .node("Conv", "conv2", &["planes2", "v"], &[])
            .node("Transpose", "pixels2", &["conv2"], &[TO_PIXELS])
            .node("ReduceMean", "mean", &["pixels2"], &[("axes", &[1, 2])])
            .number("keepdims", 0)
            .node("MatMul", "logits", &["mean", "d"], &[]);
        both(&graph.model(opset), "mean");
    }
}

/// A map of pixels as the output is pooled over its pixels, wherever its channels are.
#[test]
fn a_map_is_pooled_wherever_its_channels_are() {
    for last in [true, false] {
        let mut graph = Graph::new(&[1, 3, 12, 16]);
        graph.weights("w", &[8, 3, 3, 3]).node("Conv", "conv", &["x", "w"], &[]);
        graph.node("Relu", "relu", &["conv"], &[]);
        if last {
            graph.node("Transpose", "pixels", &["relu"], &[TO_PIXELS]);
        }
        let report = converted(&graph.model(13), false).unwrap().report;
        assert!(report.pool == Some(Pool::Avg) && report.dim == 8 && report.cosine_min > 0.99, "{report}");
    }
}

/// Attention over the pixels, by the picture's own features.
#[test]
fn products_of_two_computed_matrices() {
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[8, 3, 4, 4]).weights("q", &[8, 8]).weights("d", &[8, 7]).whole("rows", &[1, 8, 12]);
    graph
        .node("Conv", "conv", &["x", "w"], &[("strides", &[4, 4])])
        .node("Reshape", "planes", &["conv", "rows"], &[])
        .node("Transpose", "tokens", &["planes"], &[("perm", &[0, 2, 1])])
        .node("MatMul", "queries", &["tokens", "q"], &[])
        .node("MatMul", "scores", &["queries", "planes"], &[])
        .node("Softmax", "shares", &["scores"], &[])
        .number("axis", -1)
        .node("MatMul", "mixed", &["shares", "tokens"], &[])
        .node("ReduceMean", "mean", &["mixed"], &[("axes", &[1])])
        .number("keepdims", 0)
        .node("MatMul", "logits", &["mean", "d"], &[]);
    let model = graph.model(13);
    assert!(converted(&model, true).unwrap().report.difference < 1e-4);
    let report = converted(&model, false).unwrap().report;
    assert!(report.precision == Precision::Mixed && report.cosine_min > 0.98, "{report}");
}

/// Several tensors at once, each pooled in every way; the source model's values say what it must be.
#[test]
fn several_cuts_and_every_pool() {
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[8, 3, 3, 3]).weights("v", &[5, 8, 3, 3]);
    graph.node("Conv", "conv", &["x", "w"], &[]).node("Relu", "relu", &["conv"], &[]).node(
        "Conv",
        "last",
        &["relu", "v"],
        &[("strides", &[2, 2])],
    );
    let model = graph.model(13);
    for (pool, dim) in [(Pool::Avg, 13), (Pool::Max, 13), (Pool::Gem, 13), (Pool::None, 8 * 140 + 5 * 24)] {
        for float in [true, false] {
            let cuts = ["relu", "last"].map(str::to_string).to_vec();
            let report = converted_with(&model, Options { cuts, pool, float, ..Options::default() });
            let report = report.unwrap().report;
            assert_eq!((report.dim, report.pool), (dim, Some(pool).filter(|&p| p != Pool::None)));
            assert!(if float { report.difference < 1e-4 } else { report.cosine_min > 0.98 }, "{report}");
        }
    }
}

/// Channels split, shuffled, joined and cut apart, and an activation in pieces.
#[test]
fn shuffles_splits_and_formulas() {
    for opset in [9, 13, 21] {
        let mut graph = Graph::new(&[1, 3, 12, 16]);
        graph.weights("w", &[12, 3, 3, 3]).weights("v", &[12, 1, 3, 3]).weights("d", &[18, 7]);
        graph.whole("apart", &[1, 3, 4, 10, 14]).whole("together", &[1, 12, 10, 14]).whole("halves", &[6, 6]);
        graph
            .node("Conv", "conv", &["x", "w"], &[])
            .node("Sigmoid", "gate", &["conv"], &[])
            .node("Mul", "silu", &["conv", "gate"], &[])
            .node("Reshape", "groups", &["silu", "apart"], &[])
            .node("Transpose", "turned", &["groups"], &[("perm", &[0, 2, 1, 3, 4])])
            .node("Reshape", "shuffled", &["turned", "together"], &[])
            .node("Conv", "depthwise", &["shuffled", "v"], &[("pads", &[1, 1, 1, 1])])
            .number("group", 12);
        if opset < 13 {
            graph.node("Split", "first", &["depthwise"], &[("split", &[6, 6])]).number("axis", 1);
        } else {
            graph.node("Split", "first", &["depthwise", "halves"], &[]).number("axis", 1);
        }
        graph.0.node.last_mut().unwrap().output.push("second".to_string());
        graph
            .node("Tanh", "tanh", &["second"], &[])
            .node("Concat", "joined", &["tanh", "first", "second"], &[])
            .number("axis", 1)
            .node("GlobalAveragePool", "pool", &["joined"], &[])
            .node("Flatten", "flat", &["pool"], &[])
            .node("Gemm", "logits", &["flat", "d"], &[]);
        both(&graph.model(opset), "flat");
    }
}

/// A layer norm in pieces, as before opset 17, keeps to floats; all around it is int8.
#[test]
fn a_layer_norm_is_an_island() {
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[16, 3, 4, 4]).weights("s", &[16]).weights("v", &[16, 32]).weights("d", &[32, 7]);
    graph
        .node("Conv", "conv", &["x", "w"], &[("strides", &[4, 4])])
        .node("Transpose", "pixels", &["conv"], &[TO_PIXELS])
        .node("ReduceMean", "mean", &["pixels"], &[("axes", &[3])])
        .node("Sub", "centred", &["pixels", "mean"], &[])
        .node("Mul", "square", &["centred", "centred"], &[])
        .node("ReduceMean", "variance", &["square"], &[("axes", &[3])])
        .node("Sqrt", "deviation", &["variance"], &[])
        .node("Div", "normal", &["centred", "deviation"], &[])
        .node("Mul", "scaled", &["normal", "s"], &[])
        .node("MatMul", "wide", &["scaled", "v"], &[])
        .node("Relu", "relu", &["wide"], &[])
        .node("ReduceMean", "features", &["relu"], &[("axes", &[1, 2])])
        .number("keepdims", 0)
        .node("MatMul", "logits", &["features", "d"], &[]);
    let model = graph.model(13);
    assert!(converted(&model, true).unwrap().report.difference < 1e-4);
    let report = converted(&model, false).unwrap().report;
    assert!(report.precision == Precision::Mixed && report.cosine_min > 0.98, "{report}");
}

#[test]
fn all_that_is_not_supported_is_listed_at_once() {
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[8, 3, 3, 3]);
    graph
        .node("Conv", "conv", &["x", "w"], &[])
        .node("Sin", "sine", &["conv"], &[])
        .node("Cos", "cosine", &["conv"], &[])
        .node("Relu", "fine", &["conv"], &[])
        .node("Add", "sum", &["sine", "cosine"], &[])
        .node("Add", "sum2", &["sum", "fine"], &[]);
    let error = converted(&graph.model(13), false).unwrap_err().to_string();
    // What only follows from them is not named.
    for part in ["2 nodes are not supported", "`sine`: Sin, giving 1,8,10,14", "`cosine`: Cos", "--cut conv"]
    {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    assert!(!error.contains("sum"), "{error}");
}

#[test]
fn weights_in_other_files_are_read_only_when_asked_for() {
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[8, 3, 3, 3]).node("Conv", "conv", &["x", "w"], &[]);
    let mut model = graph.model(13);
    let tensor = &mut model.graph.as_mut().unwrap().initializer[0];
    let data = std::mem::take(&mut tensor.raw_data);
    tensor.data_location = Some(1);
    let entry = |location: &str| StringStringEntryProto { key: "location".into(), value: location.into() };
    tensor.external_data.push(entry("weights.bin"));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("weights.bin"), data).unwrap();
    let path = dir.path().join("graph.onnx");
    let open = |model: &ModelProto, allowed| {
        std::fs::write(&path, model.encode_to_vec()).unwrap();
        Source::open(&path).unwrap().with_external_data(allowed).import(&[], None, Pool::None)
    };
    let refused = open(&model, false).unwrap_err();
    assert!(
        matches!(&refused, ImportError::ExternalData { tensors: 1, first, .. } if first == "weights.bin")
    );
    assert_eq!(open(&model, true).unwrap().model.layers.len(), 2);
    // Never from outside the model's folder.
    for outside in ["../weights.bin", "/etc/passwd"] {
        model.graph.as_mut().unwrap().initializer[0].external_data = vec![entry(outside)];
        assert!(matches!(open(&model, true).unwrap_err(), ImportError::ExternalData { .. }));
    }
}
