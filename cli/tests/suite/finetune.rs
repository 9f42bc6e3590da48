//! Fine-tuning from the command: a refusal writes nothing, a tail is bound to its package, and the
//! commands that run a package take it.

use std::fs;
use std::path::Path;

use crate::common::{images, offshoot, ok, refused};
use offshoot_simulator::Object;

const OBJECTS: [Object; 3] = [Object::Mug, Object::Plant, Object::Key];

/// Built-in packages and images: well known objects, and the same in folders that say nothing.
fn prepare(dir: &Path) {
    ok(dir, &["pull", "sprout"]);
    images(&dir.join("data/train"), &OBJECTS, 6);
    images(&dir.join("data/val"), &OBJECTS, 4);
    for n in 0..12 {
        let object = OBJECTS[n % 3].name();
        // Every folder has each object twice.
        let folder = dir.join("mixed").join(["a", "b"][n / 3 % 2]);
        fs::create_dir_all(&folder).unwrap();
        let image = dir.join(format!("data/train/{object}/{}.png", n / 3));
        fs::copy(image, folder.join(format!("{object}{n}.png"))).unwrap();
    }
}

#[test]
fn finetune_verify_train_predict_eval() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    prepare(dir);

    // Nothing is to be learned from folders that say nothing.
    let output = offshoot(dir, &["finetune", "sprout.offshoot", "mixed", "-o", "mixed.tail"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("mixed: tuning is not clearly better"), "{message}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("refused: held-out squared error"));
    assert!(!dir.join("mixed.tail").exists());

    let forced = ["finetune", "sprout.offshoot", "data", "--force", "-o", "things.tail"];
    let text = ok(dir, &forced);
    for part in ["18 images of 3 classes", "kept: ", "12 other images before", "things.tail: "] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    let tail = fs::read(dir.join("things.tail")).unwrap();
    ok(dir, &["finetune", "sprout.offshoot", "data", "--force", "--dry-run", "-o", "dry.tail"]);
    assert!(!dir.join("dry.tail").exists());
    ok(dir, &forced);
    assert!(fs::read(dir.join("things.tail")).unwrap() == tail, "the same data, the same bytes");

    let plain = ok(dir, &["verify", "sprout.offshoot"]);
    let tuned = ok(dir, &["verify", "sprout.offshoot", "--tail", "things.tail"]);
    assert!(tuned.starts_with("verify ok  2 vectors") && tuned != plain, "{tuned}");
    let head = ["-o", "things.head", "--tail", "things.tail"];
    ok(dir, &[&["train", "sprout.offshoot", "data"][..], &head].concat());
    let question = ["predict", "sprout.offshoot", "things.head", "data/train/plant/0.png"];
    let text = ok(dir, &[&question[..], &["--tail", "things.tail", "--heatmap", "x.png"]].concat());
    assert!(text.contains("  plant"), "{text}");
    refused(dir, &question, &["things.head", "another package"]);
    let model = ["export", "sprout.offshoot", "--head", "things.head", "-o", "things.onnx"];
    ok(dir, &[&model[..], &["--tail", "things.tail"]].concat());
    refused(dir, &model, &["things.head", "another tuned tail"]);
    ok(dir, &["train", "sprout.offshoot", "data", "-o", "plain.head"]);
    let merge = ["merge", "things.head", "plain.head", "-o", "both.head"];
    refused(dir, &merge, &["different packages or tuned tails"]);
    let all = ["finetune", "sprout.offshoot", "data", "--force", "--all", "-o", "all.tail"];
    ok(dir, &all);
    let size = |name: &str| fs::metadata(dir.join(name)).unwrap().len();
    assert_eq!(size("all.tail") - size("things.tail"), 320 * (320 + 4));
    let tuned = ok(dir, &["verify", "sprout.offshoot", "--tail", "all.tail"]);
    assert!(tuned.starts_with("verify ok  2 vectors"), "{tuned}");
    let text = ok(dir, &["eval", "sprout.offshoot", "data", "--tail", "things.tail"]);
    assert!(text.contains("ridge"), "{text}");
    mistakes(dir);
}

/// What cannot be tuned or used is said.
fn mistakes(dir: &Path) {
    ok(dir, &["pull", "sharp"]);
    refused(
        dir,
        &["verify", "sharp.offshoot", "--tail", "things.tail"],
        &["tuned on another package"],
    );
    fs::write(dir.join("broken.tail"), b"OFFSTAIL").unwrap();
    refused(
        dir,
        &["verify", "sprout.offshoot", "--tail", "broken.tail"],
        &["broken.tail", "cut off"],
    );
    refused(dir, &["finetune", "sprout.offshoot", "data"], &["--output"]);
    refused(dir, &["finetune", "sprout.offshoot", "data", "-o", "x", "--folds", "1"], &["2..=10"]);
    images(&dir.join("few"), &OBJECTS, 2);
    refused(dir, &["finetune", "sprout.offshoot", "few", "-o", "x"], &["few: each class needs 3"]);
    assert!(!dir.join("x").exists());
}
