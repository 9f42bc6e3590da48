//! MobileNetV2 with its real weights on real pictures: what int8 costs, by cosine and by the task.

mod common;

use std::path::{Path, PathBuf};

use offshoot::{Extractor, HeadKind, Picture};
use offshoot_cli::calibrate::cosine;
use offshoot_cli::convert::{Options, convert};
use offshoot_cli::data::{Dataset, pictures};
use offshoot_cli::embeddings::Embeddings;
use offshoot_cli::import::Source;
use offshoot_cli::teach::{Lesson, accuracy, few_shot, teach};

fn open(files: &[PathBuf]) -> Vec<Picture> {
    files.iter().map(|f| Picture::open(f).unwrap()).collect()
}

fn score(extractor: &mut Extractor, data: &Dataset) -> f64 {
    let train = Embeddings::extract(extractor, &data.train, || ()).unwrap();
    let val = Embeddings::extract(extractor, &data.val, || ()).unwrap();
    let all: Vec<usize> = (0..train.len()).collect();
    let mut head = teach(HeadKind::Softmax, extractor, &data.classes, &train, &all).unwrap();
    // All that is asked about was taught; `unknown` would count as wrong.
    head.set_strictness(0.0).unwrap();
    accuracy(&mut head, &val, &(0..val.len()).collect::<Vec<_>>()).unwrap()
}

#[test]
fn mobilenet_v2_on_ants_and_bees_and_imagenet() {
    let Some(shared) = common::shared("accuracy") else { return };
    let model = shared.join("models/real/mobilenet_v2_1.0_224.onnx");
    let source = Source::open(&model).unwrap();
    // Calibrated on 128 pictures of the sample, compared on 200 others.
    let all = pictures(&shared.join("data/imagenet-sample"), 500).unwrap();
    let calibration = pictures(&shared.join("data/imagenet-sample"), 128).unwrap();
    let others: Vec<PathBuf> = all.iter().filter(|p| !calibration.contains(p)).take(200).cloned().collect();
    assert_eq!(others.len(), 200);
    let calibration = open(&calibration);
    let package = |options: &Options, pictures: &[Picture]| {
        let converted = convert(&source, pictures, options, &mut |_, _| {}).unwrap();
        println!("{}", converted.report);
        converted
    };
    let int8 = package(&Options::default(), &calibration);
    assert_eq!(int8.report.cut, "/MobilenetV2/Logits/Conv2d_1c_1x1/Flatten_output_0");
    assert!(int8.report.preprocess_why.starts_with("tf, a guess"), "{}", int8.report.preprocess_why);
    let float = package(&Options { float: true, ..Options::default() }, &calibration[..16]);
    let mut int8 = Extractor::from_bytes(int8.bytes).unwrap();
    let mut float = Extractor::from_bytes(float.bytes).unwrap();

    let mut sum = 0.0;
    for picture in open(&others) {
        let want: Vec<f32> = float.embed(&picture.frame()).unwrap().iter().collect();
        let got: Vec<f32> = int8.embed(&picture.frame()).unwrap().iter().collect();
        sum += cosine(&got, &want);
    }
    let mean = sum / others.len() as f64;
    println!("cosine of int8 to float on 200 other ImageNet pictures: {mean:.4}");
    assert!(mean >= 0.99, "{mean}");

    let data = Dataset::open(Path::new(&shared.join("data/hymenoptera"))).unwrap();
    let (a, b) = (score(&mut int8, &data), score(&mut float, &data));
    println!("ants and bees, softmax on all {}: int8 {a:.3}, float {b:.3}", data.train.len());
    assert!(b >= 0.94, "float gave {b}");
    assert!(a >= b - 0.01, "int8 {a}, float {b}");
}

/// 5 shots, the best head, mean of 20 draws: what the shipped weights must keep.
#[test]
fn sprout_on_animals_and_on_ants_and_bees() {
    let Some(shared) = common::shared("sprout") else { return };
    let source = Source::open(&common::sprout()).unwrap();
    let calibration = open(&pictures(&shared.join("data/imagenet-sample"), 128).unwrap());
    let converted = convert(&source, &calibration, &Options::default(), &mut |_, _| {}).unwrap();
    let mut extractor = Extractor::from_bytes(converted.bytes).unwrap();
    for (folder, floor) in [("animals4", 0.70), ("hymenoptera", 0.80)] {
        let data = Dataset::open(&shared.join("data").join(folder)).unwrap();
        let train = Embeddings::extract(&mut extractor, &data.train, || ()).unwrap();
        let val = Embeddings::extract(&mut extractor, &data.val, || ()).unwrap();
        let mean = |kind: HeadKind| {
            let lesson = Lesson { kind, shots: 5, draws: 20, seed: 0 };
            let scores = few_shot(&lesson, &extractor, &data.classes, &train, &val).unwrap().scores;
            scores.iter().sum::<f64>() / scores.len() as f64
        };
        let best = HeadKind::ALL.into_iter().map(mean).fold(0.0, f64::max);
        println!("{folder}: {best:.3}");
        assert!(best >= floor, "{folder}: {best}");
    }
}
