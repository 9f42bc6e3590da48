//! Real exporter graphs of the architectures people bring, weights refilled.
//!
//! `convert` itself compares every embedding of our float network with tract's run of the source
//! model and refuses to go on where they differ, so a conversion that ends is an import that is
//! right; what is left to check is the cut, the precision and how far int8 is from float.

mod common;
#[path = "common/refill.rs"]
mod refill;

use std::path::Path;

use offshoot::{Picture, Precision};
use offshoot_cli::convert::{Options, convert};
use offshoot_cli::import::Source;
use offshoot_cli::preset::{Preset, Wishes};
use offshoot_simulator::{Camera, Object};

struct Case {
    name: &'static str,
    precision: Precision,
    /// Least mean cosine; random weights leave less than trained ones do.
    cosine: f64,
}

const INT8: Precision = Precision::Int8;

const CASES: [Case; 6] = [
    Case { name: "resnet18_op13", precision: INT8, cosine: 0.98 },
    Case { name: "resnet50_op17_bn", precision: INT8, cosine: 0.98 },
    Case { name: "googlenet_op17", precision: INT8, cosine: 0.98 },
    Case { name: "mobilenet_v2_op17_bn_dynbatch", precision: INT8, cosine: 0.98 },
    Case { name: "squeezenet1_1_op13", precision: INT8, cosine: 0.98 },
    Case { name: "mobilenet_v3_small_op13", precision: Precision::Mixed, cosine: 0.98 },
];

#[test]
fn cut_precision_and_cosine() {
    let Some(shared) = common::shared("architectures") else { return };
    let mut wrong = Vec::new();
    for case in &CASES {
        let (bytes, cut) = refill::skeleton(&shared, case.name);
        let report = convert_bytes(case.name, &bytes);
        println!("{:<32} {} {:.4} {}", case.name, report.precision.name(), report.cosine_mean, report.cut);
        if report.cut != cut || report.precision != case.precision || report.cosine_mean < case.cosine {
            wrong.push(format!("{}: {report}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn convert_bytes(name: &str, bytes: &[u8]) -> offshoot_cli::report::Report {
    let source = Source::parse(Path::new(name), bytes).unwrap();
    let objects = Object::ALL.into_iter().map(Some);
    let pictures: Vec<Picture> = objects
        .enumerate()
        .map(|(i, object)| {
            let p = Camera::new(160, 120).look(object, i as u64);
            Picture::from_rgb(p.width, p.height, p.rgb).unwrap()
        })
        .collect();
    let wishes = Wishes { preset: Some(Preset::Imagenet), ..Wishes::default() };
    let options = Options { wishes, ..Options::default() };
    convert(&source, &pictures, &options, &mut |_, _| {}).unwrap().report
}
