//! Files that are quantized already: their integers are taken as they are, and give what plain
//! arithmetic on integers gives; what int8 has not is said and quantized anew. Beside onnxruntime:
//! `tests/peers/quantized.py`.

use offshoot::{Extractor, Image};
use offshoot_convert::import::Source;
use offshoot_convert::ir::pooling::Pool;
use offshoot_convert::pipeline::job::Samples;
use offshoot_convert::pipeline::{ConvertError, Converted, Options, convert};
use offshoot_convert::preprocess::preset::{PreprocessOverrides, Preset};
use offshoot_convert::quantize::{Settings, StepReport, Switch};
use offshoot_core::graph::{Graph, Int8Op, Op};
use offshoot_simulator::{Camera, Object};
use prost::Message;
use tract_onnx::pb::ModelProto;

use crate::common::ok;
use crate::common::quantized::{Form, Kind, Net, SIDE, stored};
use crate::common::small::preset;

fn images(count: u64) -> Vec<Image> {
    let look = |seed| {
        let side = SIDE as u32;
        let picture = Camera::new(side, side).look(Some(Object::ALL[seed as usize % 3]), seed);
        Image::from_rgb(picture.width, picture.height, picture.rgb).unwrap()
    };
    (0..count).map(look).collect()
}

fn net(seed: u64) -> Net {
    Net::block(seed, images(1)[0].rgb())
}

fn options() -> Options {
    let overrides = PreprocessOverrides { squash: true, ..preset(Preset::Unit) };
    Options { overrides, ..Options::default() }
}

fn converted(model: &ModelProto, options: &Options) -> Result<Converted, ConvertError> {
    let source = Source::parse("graph.onnx".as_ref(), &model.encode_to_vec())?;
    convert(&source, Samples::Images(&images(8)), options, &mut ())
}

fn extractor(made: &Converted) -> Extractor {
    Extractor::from_bytes(made.bytes.clone()).unwrap()
}

/// The report's line on what was taken.
fn said(made: &Converted) -> String {
    let first = made.report.steps.first().map(ToString::to_string);
    first.unwrap_or_default()
}

#[test]
fn codes_are_those_of_plain_arithmetic() {
    for seed in 0..6 {
        let net = net(seed);
        let kind = [Kind::U8, Kind::S8][seed as usize % 2];
        for form in [Form::Qdq, Form::Operators] {
            let made = converted(&net.model(form, kind), &options()).unwrap();
            assert_eq!(
                said(&made),
                "quantized already in the file: 6 of 6 layers taken as they are"
            );
            let step = f64::from(net.grids().last().unwrap().scale);
            let mut extractor = extractor(&made);
            let mut exact = 0;
            let mut all = 0;
            for image in images(12) {
                let want = net.run(image.rgb());
                let got: Vec<f32> = extractor.embed(&image.frame()).unwrap().iter().collect();
                assert_eq!(got.len(), want.len());
                for (got, want) in got.iter().zip(want) {
                    let off = ((f64::from(*got) - want) / step).abs();
                    assert!(off < 1.01, "{form:?} {kind:?} {seed}: {off} codes");
                    exact += usize::from(off < 0.01);
                    all += 1;
                }
            }
            println!("{form:?} {kind:?} {seed}: {exact} of {all} codes equal");
            assert!(exact * 10 >= all * 9, "{exact} of {all}");
        }
    }
}

/// Every layer, cut at: differences do not hide behind a pool.
#[test]
fn every_layer_is_within_one_code() {
    let net = net(1);
    let model = net.model(Form::Qdq, Kind::U8);
    for (id, grid) in net.grids().enumerate().skip(1) {
        let cut = Options { cuts: vec![format!("d{id}")], pool: Pool::None, ..options() };
        let mut extractor = extractor(&converted(&model, &cut).unwrap());
        let mut exact = 0;
        let mut all = 0;
        for image in images(4) {
            let want = net.run_to(id, image.rgb());
            let got: Vec<f32> = extractor.embed(&image.frame()).unwrap().iter().collect();
            assert_eq!(got.len(), want.len());
            for (got, want) in got.iter().zip(want) {
                let off = ((f64::from(*got) - want) / f64::from(grid.scale)).abs();
                assert!(off < 1.01, "layer {id}: {off} codes");
                exact += usize::from(off < 0.01);
                all += 1;
            }
        }
        println!("layer {id}: {exact} of {all} codes equal");
        assert!(exact * 100 >= all * 97, "layer {id}: {exact} of {all}");
    }
}

/// Returns weights and biases of the convolutions, as the package has them.
fn constants(graph: &Graph<'_>) -> Vec<(Vec<i8>, Vec<i32>)> {
    let mut found = Vec::new();
    for (_, node) in graph.nodes() {
        if let Op::Int8(Int8Op::Conv { weights, bias, .. }) = node.op {
            let codes = weights.of(graph.weights()).iter().map(|&byte| byte as i8).collect();
            found.push((codes, bias.words(graph.weights()).collect()));
        }
    }
    found
}

#[test]
fn the_package_has_the_integers_of_the_file() {
    let net = net(3);
    for form in [Form::Qdq, Form::Operators] {
        let made = converted(&net.model(form, Kind::U8), &options()).unwrap();
        let extractor = extractor(&made);
        let package = extractor.package();
        let graph = package.graph();
        let found = constants(graph);
        assert_eq!(found.len(), 3);
        for ((weights, bias), conv) in found.iter().zip(net.convs()) {
            assert_eq!(*bias, conv.bias);
            let taps = conv.kernel * conv.kernel;
            let channels = conv.bias.len();
            for (at, &code) in weights.iter().enumerate() {
                // Taps, channels of a depthwise convolution; outputs, taps, inputs of others.
                let place = match conv.depthwise {
                    true => at % channels * taps + at / channels,
                    false => {
                        let row = at / conv.inputs;
                        (row / taps * conv.inputs + at % conv.inputs) * taps + row % taps
                    }
                };
                assert_eq!(code, conv.weights[place], "{form:?} weight {at}");
            }
        }
        let quants = (0..graph.tensor_count()).map(|id| {
            let quant = graph.tensor(id as u16).element.quant().unwrap();
            (quant.scale.get(), i32::from(quant.zero_point) + 128)
        });
        let want: Vec<(f32, i32)> = net.grids().map(|grid| (grid.scale, grid.zero)).collect();
        assert!(quants.eq(want.iter().copied()), "{form:?}");
    }
}

#[test]
fn no_step_of_the_quantizer_changes_them() {
    let model = net(1).model(Form::Qdq, Kind::U8);
    let plain = converted(&model, &options()).unwrap();
    let quantizer = Settings {
        equalize: Switch::On,
        correct: Switch::On,
        search: Some(std::time::Duration::from_millis(200)),
        ..Settings::default()
    };
    let pushed = converted(&model, &Options { quantizer, ..options() }).unwrap();
    assert_eq!(plain.bytes, pushed.bytes);
    // Calibrated on anything.
    let source = Source::parse("graph.onnx".as_ref(), &model.encode_to_vec()).unwrap();
    let dark = [Image::from_rgb(16, 16, vec![9; 768]).unwrap()];
    let dark = convert(&source, Samples::Images(&dark), &options(), &mut ()).unwrap();
    let [one, other] = [&plain, &dark].map(|made| {
        let extractor = extractor(made);
        constants(extractor.package().graph())
    });
    assert_eq!(one, other);
}

#[test]
fn requantized_files_get_ranges_of_their_own() {
    let net = net(2);
    let model = net.model(Form::Qdq, Kind::U8);
    let anew = converted(&model, &Options { requantize: true, ..options() }).unwrap();
    assert_eq!(anew.report.steps[0], StepReport::Requantized);
    assert!(anew.report.cosine_mean > 0.99, "{}", anew.report);
    let extractor = extractor(&anew);
    let package = extractor.package();
    let graph = package.graph();
    let quants = (1..graph.tensor_count()).map(|id| graph.tensor(id as u16).element.quant());
    let grids: Vec<f32> = net.grids().map(|grid| grid.scale).collect();
    assert!(quants.flatten().any(|quant| !grids.contains(&quant.scale.get())));
}

/// Replaces a stored tensor of a file.
fn with(mut model: ModelProto, name: &str, dims: &[i64], kind: i32, raw: Vec<u8>) -> ModelProto {
    let graph = model.graph.as_mut().unwrap();
    let own = graph.initializer.iter_mut().find(|t| t.name == name).unwrap();
    *own = stored(name, dims, kind, raw);
    model
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn what_int8_lacks_is_said_and_quantized_anew() {
    let net = net(4);
    let model = || net.model(Form::Qdq, Kind::U8);
    // Weights from 0 to 255 with a zero point of 10 reach 245 steps.
    let codes = (0..64).map(|at| (at * 4 + at % 3) as u8).collect();
    let wide = with(model(), "w3", &[8, 8, 1, 1], 2, codes);
    let wide = with(wide, "wz3", &[8], 2, vec![10; 8]);
    let made = converted(&wide, &options()).unwrap();
    let why = "5 of 6 layers taken as they are; anew: f3 (its weights are up to 242 steps from their zero point, \
               int8 has 127)";
    assert_eq!(said(&made), format!("quantized already in the file: {why}"));
    // With a zero point in the middle they do not.
    let codes = (0..64).map(|at| (at * 4 + at % 3) as u8).collect();
    let narrow = with(model(), "w3", &[8, 8, 1, 1], 2, codes);
    let narrow = with(narrow, "wz3", &[8], 2, vec![128; 8]);
    assert!(said(&converted(&narrow, &options()).unwrap()).contains("6 of 6 layers"));
    let bits = with(model(), "z1", &[], 4, vec![0, 0]);
    let bits = said(&converted(&bits, &options()).unwrap());
    assert!(bits.contains("f1 (its result has 16 bits)"), "{bits}");
    // The scale of what it reads is gone, too.
    assert!(bits.contains("the file has no scale for f1"), "{bits}");
}

/// Weights that are read through a transposition and another shape are those of the file.
#[test]
fn weights_keep_their_integers_in_another_order() {
    let net = net(5);
    let mut model = net.model(Form::Qdq, Kind::S8);
    let graph = model.graph.as_mut().unwrap();
    let own = graph.initializer.iter_mut().find(|t| t.name == "w3").unwrap();
    let codes = own.raw_data.clone();
    own.raw_data = (0..64).map(|at| codes[at % 8 * 8 + at / 8]).collect::<Vec<u8>>();
    own.dims = vec![8, 8];
    let scales = graph.node.iter_mut().find(|n| n.output[0] == "wd3").unwrap();
    scales.attribute[0].i = 1;
    scales.output[0] = "wt3".to_string();
    let mut more = crate::common::graph::Graph::default();
    more.whole("dims3", &[8, 8, 1, 1])
        .node("Transpose", "wr3", &["wt3"], &[("perm", &[1, 0])])
        .node("Reshape", "wd3", &["wr3", "dims3"], &[]);
    let at = graph.node.iter().position(|n| n.output[0] == "wt3").unwrap() + 1;
    graph.initializer.extend(more.0.initializer);
    graph.node.splice(at..at, more.0.node);
    let [made, plain] = [&model, &net.model(Form::Qdq, Kind::S8)]
        .map(|model| converted(model, &options()).unwrap());
    assert_eq!(said(&made), said(&plain));
    let [one, other] = [&made, &plain].map(|made| {
        let extractor = extractor(made);
        constants(extractor.package().graph())
    });
    assert_eq!(one, other);
}

/// Broken integers are refused by the name of their node; unlikely ones are taken or quantized
/// anew.
#[test]
fn broken_integers_are_typed_errors() {
    let net = net(0);
    let refused = |name: &str, dims: &[i64], kind: i32, raw: Vec<u8>, parts: &[&str]| {
        for form in [Form::Qdq, Form::Operators] {
            let broken = with(net.model(form, Kind::U8), name, dims, kind, raw.clone());
            let error = converted(&broken, &options()).map(|made| made.report.to_string());
            let error = error.expect_err(name).to_string();
            let whole = parts.iter().all(|part| error.contains(part));
            assert!(whole, "{name} {form:?}: {parts:?} not in {error}");
        }
    };
    for bad in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e39_f64 as f32] {
        refused("s1", &[], 1, floats(&[bad]), &["node `c1`"]);
        refused("s4", &[], 1, floats(&[bad]), &["node `c4`"]);
    }
    refused("ws1", &[8], 1, floats(&[-0.1; 8]), &["a scale of -0.1"]);
    refused("ws1", &[8], 1, floats(&[f32::NAN; 8]), &["`"]);
    refused("ws1", &[3], 1, floats(&[0.1; 3]), &["its scales do not fit"]);
    refused("z1", &[], 6, vec![0; 4], &["node `c1`", "a zero point of type INT32"]);
    refused("z1", &[2], 2, vec![0; 2], &["node `c1`", "two lengths"]);
    refused("s4", &[0], 1, Vec::new(), &["node `c4`"]);
}

#[test]
fn unlikely_integers_make_valid_packages_or_typed_errors() {
    let net = net(0);
    for (name, scale) in [("s1", 1e-30), ("s1", 1e30), ("s4", 1e-30), ("s5", 1e-9), ("s6", 1e20)] {
        let model = with(net.model(Form::Qdq, Kind::U8), name, &[], 1, floats(&[scale]));
        match converted(&model, &options()) {
            Ok(made) => drop(extractor(&made)),
            Err(error) => assert!(!error.to_string().contains("bug"), "{name} {scale}: {error}"),
        }
    }
    let mut large = self::net(0);
    large.convs_mut().for_each(|conv| conv.bias.fill(i32::MAX));
    match converted(&large.model(Form::Qdq, Kind::U8), &options()) {
        Ok(made) => drop(extractor(&made)),
        Err(error) => assert!(!error.to_string().contains("bug"), "{error}"),
    }
}

/// A file whose input is bytes: the scale of its first codes is that of the bytes.
#[test]
fn bytes_are_codes_already() {
    let net = net(7);
    for form in [Form::Qdq, Form::Operators] {
        let mut model = net.model(form, Kind::U8);
        crate::common::small::of_type(&mut model, 2);
        let graph = model.graph.as_mut().unwrap();
        graph.node.retain(|node| node.output[0] != "c0");
        for name in graph.node.iter_mut().flat_map(|node| &mut node.input) {
            if name == "c0" {
                *name = "x".to_string();
            }
        }
        let overrides = PreprocessOverrides { squash: true, ..PreprocessOverrides::default() };
        let made = converted(&model, &Options { overrides, ..Options::default() }).unwrap();
        assert!(said(&made).contains("6 of 6 layers"), "{}", made.report);
        let step = f64::from(net.grids().last().unwrap().scale);
        let mut extractor = extractor(&made);
        for image in images(4) {
            let want = net.run(image.rgb());
            let got: Vec<f32> = extractor.embed(&image.frame()).unwrap().iter().collect();
            for (got, want) in got.iter().zip(want) {
                let off = ((f64::from(*got) - want) / step).abs();
                assert!(off < 1.01, "{form:?}: {off} codes");
            }
        }
    }
}

/// A network whose last product has weights of 4 bits in blocks, or floats; 6 outputs of 8 inputs.
fn of_weights(form: &str) -> ModelProto {
    let mut graph = Net::grid_free();
    let nibble = |row: usize, column: usize| (row * 5 + column * 3) % 16;
    let scale = |block: usize, column: usize| 0.05 + 0.01 * (block + 2 * column) as f32;
    // Codes of 4 bits less 8, in blocks of 4 along the rows.
    let weight =
        |row: usize, column: usize| (nibble(row, column) as f32 - 8.0) * scale(row / 4, column);
    let places = || (0..8).flat_map(|row| (0..6).map(move |column| (row, column)));
    match form {
        "floats" => {
            let values: Vec<f32> = places().map(|(row, column)| weight(row, column)).collect();
            graph.floats("w", &values).0.initializer.last_mut().unwrap().dims = vec![8, 6];
            graph.node("MatMul", "product", &["vector", "w"], &[]);
        }
        "blocks" => {
            let codes: Vec<u8> = places().map(|(r, c)| (nibble(r, c) as u8 + 8) & 15).collect();
            let packed = codes.chunks(2).map(|two| two[0] | two[1] << 4).collect();
            graph.0.initializer.push(stored("q", &[8, 6], 22, packed));
            let scales = (0..2).flat_map(|b| (0..6).map(move |c| scale(b, c)));
            graph.floats("s", &scales.collect::<Vec<_>>());
            graph.0.initializer.last_mut().unwrap().dims = vec![2, 6];
            graph.node("DequantizeLinear", "w", &["q", "s"], &[]);
            graph.number("axis", 0).number("block_size", 4);
            graph.node("MatMul", "product", &["vector", "w"], &[]);
        }
        _ => {
            // The block of 16 is the least that onnxruntime has; this one reads 4.
            let columns = (0..6).flat_map(|c| (0..2).map(move |b| (b, c)));
            let pair = |b: usize, c: usize, at: usize| {
                let row = 4 * b + 2 * at;
                (nibble(row, c) | nibble(row + 1, c) << 4) as u8
            };
            let packed = columns.clone().flat_map(|(b, c)| [pair(b, c, 0), pair(b, c, 1)]);
            graph.0.initializer.push(stored("q", &[6, 2, 2], 2, packed.collect()));
            let scales: Vec<f32> = columns.map(|(b, c)| scale(b, c)).collect();
            graph.floats("s", &scales).node("MatMulNBits", "product", &["vector", "q", "s"], &[]);
            for (name, value) in [("K", 8), ("N", 6), ("bits", 4), ("block_size", 4)] {
                graph.number(name, value);
            }
        }
    }
    graph.node("Sigmoid", "embedding", &["product"], &[]);
    graph.model(21)
}

#[test]
fn weights_alone_are_dequantized() {
    let cut = || Options { cuts: vec!["embedding".to_string()], ..options() };
    let float = Options { float: true, ..cut() };
    let embedded = |form: &str| -> Vec<f32> {
        let made = converted(&of_weights(form), &float).unwrap();
        let mut extractor = extractor(&made);
        extractor.embed(&images(3)[2].frame()).unwrap().iter().collect()
    };
    let want = embedded("floats");
    assert!(want.iter().any(|v| (v - 0.5).abs() > 0.01), "{want:?}");
    for form in ["blocks", "bits"] {
        let got = embedded(form);
        assert!(got.iter().zip(&want).all(|(g, w)| (g - w).abs() < 1e-5), "{got:?} {want:?}");
        assert_eq!(got.len(), want.len());
        let int8 = converted(&of_weights(form), &cut()).unwrap();
        // The product is a classifier, whatever its weights are stored as.
        assert_eq!(converted(&of_weights(form), &options()).unwrap().report.cut, "vector");
        assert!(int8.report.cosine_min > 0.99, "{}", int8.report);
        assert!(!said(&int8).contains("quantized already"), "{}", int8.report);
    }
}

#[test]
fn the_command_says_what_was_taken() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let model = net(0).model(Form::Qdq, Kind::U8).encode_to_vec();
    std::fs::write(folder.join("net.onnx"), model).unwrap();
    crate::common::images(&folder.join("seen"), &Object::ALL[..2], 4);
    let convert = ["convert", "net.onnx", "--calibrate", "seen", "--preset", "unit"];
    let text = ok(folder, &convert);
    assert!(
        text.contains("quantized already in the file: 6 of 6 layers taken as they are"),
        "{text}"
    );
    let text = ok(folder, &[&convert[..], &["--requantize"]].concat());
    assert!(text.contains("quantized anew (--requantize)"), "{text}");
    let text = ok(folder, &[&convert[..], &["--requantize", "--json"]].concat());
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let command = report["fixes"][0]["command"].as_str().unwrap();
    assert!(command.contains("--requantize"), "{command}");
}
