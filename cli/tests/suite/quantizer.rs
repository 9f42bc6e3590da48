//! The quantizer with real weights on real images: how often int8 names the class that float
//! names, and what its options do.

use std::fs;

use crate::common::{images, ok, refused, sprout};
use offshoot::{Extractor, Image};
use offshoot_convert::import::Source;
use offshoot_convert::ir::pooling::Pool;
use offshoot_convert::pipeline::job::Samples;
use offshoot_convert::pipeline::{Options, convert};
use offshoot_convert::quantize::{Rounding, Settings};
use offshoot_dataset::{LeftOut, images as files};
use offshoot_simulator::{Camera, Object};

fn largest(values: &[f32]) -> usize {
    (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]).then(b.cmp(&a))).unwrap_or(0)
}

/// The small MobileNet with its classifier, on the images it was not calibrated on. All models on
/// all images, beside onnxruntime: `tests/peers/agreement.py`.
#[test]
#[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
fn int8_names_what_float_names() {
    let shared = crate::common::shared();
    let source = Source::open(&shared.join("models/real/mobilenet_v1_0.25_128.onnx")).unwrap();
    let all = files(&shared.join("data/imagenet-sample"), 500, &mut LeftOut::default()).unwrap();
    let calibration: Vec<Image> = all.iter().step_by(4).map(|f| Image::open(f).unwrap()).collect();
    let cuts = vec!["/MobilenetV1/Logits/Conv2d_1c_1x1/Conv_output_0".to_string()];
    let options =
        |float| Options { cuts: cuts.clone(), pool: Pool::None, float, ..Options::default() };
    let package = |float| {
        let converted =
            convert(&source, Samples::Images(&calibration), &options(float), &mut ()).unwrap();
        Extractor::from_bytes(converted.bytes).unwrap()
    };
    let mut int8 = package(false);
    let mut float = package(true);
    let mut same = 0;
    let mut asked = 0;
    for file in all.iter().enumerate().filter(|(i, _)| i % 4 == 2).map(|(_, f)| f) {
        let image = Image::open(file).unwrap();
        let name = |e: &mut Extractor| {
            largest(&e.embed(&image.frame()).unwrap().iter().collect::<Vec<_>>())
        };
        same += usize::from(name(&mut int8) == name(&mut float));
        asked += 1;
    }
    println!("{same} of {asked} alike");
    assert!(asked == 125 && same * 100 >= asked * 90, "{same} of {asked}");
}

/// An L2 norm comes after the codes: they are judged, and are, what they are without.
#[test]
fn a_norm_changes_no_code() {
    let source = Source::open(&sprout()).unwrap();
    let images: Vec<Image> = (0..6)
        .map(|seed| {
            let p = Camera::new(96, 96).look(Some(Object::ALL[seed % 3]), seed as u64);
            Image::from_rgb(p.width, p.height, p.rgb).unwrap()
        })
        .collect();
    let package = |unit_length| {
        let quantizer = Settings { rounding: Rounding::Adaptive, ..Settings::default() };
        let options = Options { unit_length, quantizer, ..Options::default() };
        let made = convert(&source, Samples::Images(&images), &options, &mut ()).unwrap();
        (Extractor::from_bytes(made.bytes).unwrap(), made.report)
    };
    let (plain, judged) = package(false);
    let (unit, of_unit) = package(true);
    assert!(plain.package().graph().weights() == unit.package().graph().weights());
    assert_eq!((judged.judged, judged.steps), (of_unit.judged, of_unit.steps));
}

#[test]
fn layers_stay_in_float_and_reports_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    images(&dir.join("data"), &[Object::Mug, Object::Plant, Object::Key], 6);
    let model = sprout();
    let convert = |more: &[&str]| {
        let own = ["convert", model.to_str().unwrap(), "--calibrate", "data", "-o", "x.offshoot"];
        [own.as_slice(), more].concat().iter().map(|s| s.to_string()).collect::<Vec<_>>()
    };
    let run =
        |more: &[&str]| ok(dir, &convert(more).iter().map(String::as_str).collect::<Vec<_>>());

    let report: serde_json::Value =
        serde_json::from_str(&run(&["--json", "--report", "r.html", "--eval", "data"])).unwrap();
    let noise = |report: &serde_json::Value| report["noise"].as_f64().unwrap();
    assert!(noise(&report) > 0.0 && noise(&report) < 0.05, "{}", report["noise"]);
    let layers = report["layers"].as_array().unwrap();
    let worst = layers
        .iter()
        .max_by(|a, b| {
            a["noise_alone"]
                .as_f64()
                .unwrap_or(0.0)
                .total_cmp(&b["noise_alone"].as_f64().unwrap_or(0.0))
        })
        .unwrap();
    // The last layer's noise, gathered, is the embedding's.
    let gathered = layers.last().unwrap()["noise_together"].as_f64().unwrap();
    assert!(gathered > 0.5 * noise(&report) && gathered < 2.0 * noise(&report), "{gathered}");
    let counted: f64 =
        worst["histogram"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).sum();
    assert!((counted - 1.0).abs() < 1e-6, "{counted}");
    page_is_whole(&fs::read_to_string(dir.join("r.html")).unwrap(), &report);

    // What is kept by name is float; so is the package, in part, and the noise is less.
    let name = worst["name"].as_str().unwrap();
    let kept: serde_json::Value =
        serde_json::from_str(&run(&["--json", "--keep-float", name])).unwrap();
    assert_eq!(kept["precision"], "mixed");
    let layer = kept["layers"].as_array().unwrap().iter().find(|l| l["name"] == name).unwrap();
    assert_eq!((&layer["in_codes"], &layer["covered"]), (&false.into(), &serde_json::Value::Null));
    assert!(noise(&kept) < noise(&report), "{} {}", kept["noise"], report["noise"]);
    let wrong = format!("{}x", &name[..name.len() - 1]);
    let arguments = convert(&["--keep-float", &wrong]);
    refused(
        dir,
        &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
        &["--keep-float", &wrong, name],
    );
}

/// Everything is in the page, and nothing outside it.
fn page_is_whole(page: &str, report: &serde_json::Value) {
    for text in ["href=", "url(", "<script", "@import", "<link", "<iframe"] {
        assert!(!page.contains(text), "the page is not by itself: {text}");
    }
    let images = page.matches(" src=\"data:image/jpeg;base64,").count();
    assert_eq!(page.matches("src=").count(), images, "images are inside");
    assert!(images > 3, "{images} examples");
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    let points =
        report["layers"].as_array().unwrap().iter().filter(|l| l["noise_together"].is_number());
    let shown = page.matches("class=\"alone\"").count();
    assert!(shown <= points.count() && shown > 10, "{shown}");
    assert!(page.contains("<b>For you:</b> Int8 moves an embedding by "));
    for fix in report["fixes"].as_array().unwrap() {
        let command = fix["command"].as_str().unwrap();
        let gain = fix["gain_decibels"].as_f64();
        let option = command.rsplit(" --").next().unwrap();
        let shown = page.contains(&format!("<mark>--{option}</mark>"));
        assert_eq!(shown, gain.is_none_or(|gain| gain > 0.05), "{command}");
    }
}

#[test]
fn weights_are_rounded_for_their_inputs() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    images(&dir.join("data"), &[Object::Mug, Object::Plant, Object::Key], 6);
    let model = sprout();
    let report = |rounding: &str, package: &str| -> serde_json::Value {
        let arguments = ["convert", model.to_str().unwrap(), "--calibrate", "data", "--json"];
        let own = ["--rounding", rounding, "-o", package];
        serde_json::from_str(&ok(dir, &[&arguments[..], &own].concat())).unwrap()
    };
    let nearest = report("nearest", "n.offshoot");
    let adaptive = report("adaptive", "a.offshoot");
    let noise = |report: &serde_json::Value| report["noise"].as_f64().unwrap();
    assert!(noise(&adaptive) < 0.95 * noise(&nearest), "{} {}", noise(&adaptive), noise(&nearest));
    let done = |report: &serde_json::Value| {
        report["done"].to_string().contains("rounded for their inputs")
    };
    assert!(done(&adaptive) && !done(&nearest), "{}", adaptive["done"]);
    report("adaptive", "again.offshoot");
    assert!(
        fs::read(dir.join("a.offshoot")).unwrap() == fs::read(dir.join("again.offshoot")).unwrap()
    );
}

#[test]
fn images_of_a_covered_lens_are_doubted() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    images(&dir.join("seen"), &[Object::Mug, Object::Plant], 2);
    fs::create_dir(dir.join("dark")).unwrap();
    for n in 0..4u8 {
        let dark = |x: u32, y: u32| image::Rgb([n, (x * y % 7) as u8, (x + y) as u8 % 5]);
        image::RgbImage::from_fn(128, 96, dark).save(dir.join(format!("dark/{n}.png"))).unwrap();
    }
    let model = sprout();
    let told = |data: &str| {
        ok(dir, &["convert", model.to_str().unwrap(), "--calibrate", data, "-o", "x.offshoot"])
    };
    assert!(
        told("dark")
            .contains("warning        the images are almost one colour (standard deviation ")
    );
    assert!(!told("seen").contains("warning"));
}

#[test]
fn ranges_and_a_search() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    images(&dir.join("data"), &[Object::Mug, Object::Plant], 6);
    let model = sprout();
    let json = |more: &[&str]| -> serde_json::Value {
        let own = [
            "convert",
            model.to_str().unwrap(),
            "--calibrate",
            "data",
            "-o",
            "x.offshoot",
            "--json",
        ];
        serde_json::from_str(&ok(dir, &[own.as_slice(), more].concat())).unwrap()
    };
    let plain = json(&[]);
    for method in ["minmax", "percentile", "kl"] {
        let other = json(&["--ranges", method]);
        assert!(
            other["done"].to_string().contains(&format!("ranges by {method}")),
            "{}",
            other["done"]
        );
        // What is said about the other was measured with these channels; it may equalize where
        // these do not, or the other way round, if that is better by more than its margin.
        let said = plain["fixes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|f| f["command"].to_string().contains(method));
        let gain = said.unwrap()["gain_decibels"].as_f64().unwrap();
        let own =
            other["judged_decibels"].as_f64().unwrap() - plain["judged_decibels"].as_f64().unwrap();
        assert!(own >= gain - 0.2, "{method}: {gain} {own}");
    }
    let found = json(&["--search-seconds", "2"]);
    assert!(found["done"].to_string().contains("searched: "), "{}", found["done"]);
    assert!(found["judged_decibels"].as_f64() >= plain["judged_decibels"].as_f64());
}
