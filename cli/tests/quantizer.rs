//! The quantizer with real weights on real pictures: how often int8 names the class that float names, and
//! what its options do.

mod common;

use std::path::Path;

use common::{ok, refused, sprout};
use offshoot::{Extractor, Picture};
use offshoot_cli::convert::{Converted, Options, convert};
use offshoot_cli::data::pictures;
use offshoot_cli::embedding::Pool;
use offshoot_cli::import::Source;
use offshoot_cli::quantizer::{KeepFloat, Settings};
use offshoot_core::package::Precision;
use offshoot_simulator::Object;

fn largest(values: &[f32]) -> usize {
    (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]).then(b.cmp(&a))).unwrap_or(0)
}

/// The small MobileNet with its classifier, on the pictures it was not calibrated on. All models on all
/// pictures, beside onnxruntime: `tests/peers/agreement.py`.
#[test]
fn int8_names_what_float_names() {
    let Some(shared) = common::shared("quantizer") else { return };
    let source = Source::open(&shared.join("models/real/mobilenet_v1_0.25_128.onnx")).unwrap();
    let all = pictures(&shared.join("data/imagenet-sample"), 500).unwrap();
    let calibration: Vec<Picture> = all.iter().step_by(4).map(|f| Picture::open(f).unwrap()).collect();
    let cuts = vec!["/MobilenetV1/Logits/Conv2d_1c_1x1/Conv_output_0".to_string()];
    let options = |float| Options { cuts: cuts.clone(), pool: Pool::None, float, ..Options::default() };
    let package = |float| {
        let converted = convert(&source, &calibration, &options(float), &mut |_, _| {}).unwrap();
        Extractor::from_bytes(converted.bytes).unwrap()
    };
    let (mut int8, mut float) = (package(false), package(true));
    let (mut same, mut asked) = (0, 0);
    for file in all.iter().enumerate().filter(|(i, _)| i % 4 == 2).map(|(_, f)| f) {
        let picture = Picture::open(file).unwrap();
        let name =
            |e: &mut Extractor| largest(&e.embed(&picture.frame()).unwrap().iter().collect::<Vec<_>>());
        same += usize::from(name(&mut int8) == name(&mut float));
        asked += 1;
    }
    println!("{same} of {asked} alike");
    assert!(asked == 125 && same * 100 >= asked * 90, "{same} of {asked}");
}
