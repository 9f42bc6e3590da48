//! A small network behind whatever stands before it, converted and run.

use std::path::Path;

use offshoot::{Extractor, Image};
use offshoot_convert::import::Source;
use offshoot_convert::pipeline::job::Samples;
use offshoot_convert::pipeline::{ConvertError, Converted, Options, convert};
use offshoot_convert::preprocess::preset::{PreprocessOverrides, Preset};
use offshoot_core::preprocess::Preprocess;
use offshoot_simulator::{Camera, Object};
use prost::Message;
use tract_onnx::pb::{ModelProto, type_proto};

use super::graph::Graph;

pub fn looks(count: u64) -> Vec<Image> {
    let look = |seed| {
        let p = Camera::new(64, 48).look(Some(Object::ALL[seed as usize % 3]), seed);
        Image::from_rgb(p.width, p.height, p.rgb).unwrap()
    };
    (0..count).map(look).collect()
}

pub fn converted(model: &ModelProto, options: Options) -> Result<Converted, ConvertError> {
    let source = Source::parse(Path::new("graph.onnx"), &model.encode_to_vec())?;
    convert(&source, Samples::Images(&looks(4)), &options, &mut ())
}

pub fn float(overrides: PreprocessOverrides) -> Options {
    Options { float: true, overrides, ..Options::default() }
}

pub fn preset(preset: Preset) -> PreprocessOverrides {
    PreprocessOverrides { preset: Some(preset), ..PreprocessOverrides::default() }
}

pub fn error(model: &ModelProto) -> String {
    converted(model, float(preset(Preset::Tf))).expect_err("the model is refused").to_string()
}

pub fn embedding(made: &Converted) -> Vec<f32> {
    let mut extractor = Extractor::from_bytes(made.bytes.clone()).unwrap();
    extractor.embed(&looks(5)[4].frame()).unwrap().iter().collect()
}

pub fn preprocess(made: &Converted) -> Preprocess {
    Extractor::from_bytes(made.bytes.clone()).unwrap().package().manifest().preprocess
}

pub fn alike(a: &[f32], b: &[f32]) {
    let length = b.iter().map(|v| v * v).sum::<f32>().sqrt();
    let off = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
    assert!(a.len() == b.len() && off < 1e-4 * length, "{a:?}\n{b:?}");
}

/// A network behind `x`, by a convolution whose border must be that of normalized images.
pub fn rest(graph: &mut Graph, x: &str) -> ModelProto {
    graph
        .weights("w", &[8, 3, 3, 3])
        .node("Conv", "conv", &[x, "w"], &[("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])])
        .node("Relu", "relu", &["conv"], &[])
        .node("GlobalAveragePool", "pool", &["relu"], &[]);
    graph.model(13)
}

pub fn plain() -> ModelProto {
    rest(&mut Graph::new(&[1, 3, 12, 16]), "x")
}

pub fn of_type(model: &mut ModelProto, kind: i32) {
    let input = &mut model.graph.as_mut().unwrap().input[0];
    let Some(type_proto::Value::TensorType(tensor)) = &mut input.r#type.as_mut().unwrap().value
    else {
        panic!()
    };
    tensor.elem_type = kind;
}
