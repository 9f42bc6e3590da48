//! Right model, wrong preprocessing: what is known, and what is noticed (needs `../shared`).

use std::path::Path;

use offshoot::Image;
use offshoot_convert::import::Source;
use offshoot_convert::pipeline::job::Samples;
use offshoot_convert::pipeline::{Options, convert};
use offshoot_convert::preprocess::preset::{PreprocessOverrides, Preset};
use offshoot_convert::report::Report;
use offshoot_dataset::{LeftOut, images};

/// Metadata that nobody reads: the file is no longer the one that the catalogue knows.
fn unknown(bytes: &[u8]) -> Vec<u8> {
    // Field 14 of a model, two strings.
    [bytes, &[14 << 3 | 2, 6, 10, 1, b'a', 18, 1, b'b']].concat()
}

#[test]
#[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
fn conventions_are_recognised_guessed_and_doubted() {
    let shared = crate::common::shared();
    let sample = images(&shared.join("data/imagenet-sample"), 16, &mut LeftOut::default()).unwrap();
    let sample: Vec<Image> = sample.iter().map(|f| Image::open(f).unwrap()).collect();
    let read = |name: &str| std::fs::read(shared.join(format!("models/real/{name}.onnx"))).unwrap();
    let report = |bytes: &[u8], preset: Option<Preset>| -> Report {
        let options = Options {
            overrides: PreprocessOverrides { preset, ..PreprocessOverrides::default() },
            ..Options::default()
        };
        let source = Source::parse(Path::new("m.onnx"), bytes).unwrap();
        let report = convert(&source, Samples::Images(&sample), &options, &mut ()).unwrap().report;
        println!("{}: {:?}", report.preprocess_why, report.preprocess_warning);
        report
    };
    let known = read("mobilenet_v2_1.0_224");
    let right = report(&known, None);
    assert_eq!(right.preprocess_why, "tf, as the catalogue has it for mobilenet_v2_1.0_224");
    assert_eq!(
        (right.cut_why.as_str(), right.preprocess_warning),
        ("as the catalogue has it", None)
    );
    let wrong = report(&known, Some(Preset::Imagenet)).preprocess_warning.unwrap();
    assert!(wrong.starts_with("the catalogue has tf for mobilenet_v2_1.0_224"), "{wrong}");

    let unknown = unknown(&known);
    let guessed = report(&unknown, None);
    assert!(guessed.preprocess_why.starts_with("tf, a guess"), "{}", guessed.preprocess_why);
    assert_eq!(guessed.preprocess_warning, None);
    assert_eq!(report(&unknown, Some(Preset::Tf)).preprocess_warning, None);
    for preset in [Preset::Imagenet, Preset::Raw] {
        let doubted = report(&unknown, Some(preset));
        let warning = doubted.preprocess_warning.clone().unwrap();
        assert!(warning.contains("more confident on the images with --preset tf"), "{warning}");
        assert!(doubted.to_string().contains(&format!("warning        {warning}")), "{doubted}");
    }
    // A network that is nearly as sure with another convention.
    let close =
        report(&self::unknown(&read("mobilenet_v1_0.75_192")), None).preprocess_warning.unwrap();
    assert!(close.starts_with("the guess is close: tf "), "{close}");
}
