//! Backbones for sound, with real weights and real recordings: the front end against those of
//! others, conversion, commands (needs `../shared`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use offshoot::{Extractor, Package};
use offshoot_core::sound::{Design, Room, Stream};
use offshoot_dataset::{LeftOut, Sample, sounds};

use crate::common::{ok, refused, shared};

fn model(name: &str) -> String {
    shared().join("models/sound").join(name).display().to_string()
}

fn data(name: &str) -> String {
    shared().join("data").join(name).display().to_string()
}

fn clips(name: &str, limit: usize) -> Vec<Vec<i16>> {
    let all = sounds(Path::new(&data(name)), limit, &mut LeftOut::default()).unwrap();
    all.iter().map(|clip| clip.sound(16_000).unwrap()).collect()
}

/// Bytes of one window, at the front of `samples`.
fn picture(design: &Design, samples: &[i16]) -> Vec<u8> {
    let designed = design.build();
    let sound = designed.sound();
    let [frames, bands] = [design.frames, design.bands].map(usize::from);
    let mut rows = vec![0; frames * bands];
    let mut words = vec![0; usize::from(sound.fft) + 2];
    let mut frame = vec![0; sound.frame()];
    let mut room = Room { samples: &mut frame, words: &mut words, rows: &mut rows };
    let mut stream = Stream::new(frames, bands);
    assert!(stream.push(&sound, &mut room, &mut &*samples).unwrap());
    let mut bytes = vec![0; frames * bands];
    stream.window(&sound, &room, &mut bytes).unwrap();
    bytes
}

/// Mean and largest distance in codes above the floor of the window.
fn distance(design: &Design, samples: &[i16], values: &[u8]) -> [f64; 2] {
    let preprocess = design.build().preprocess(design.frames);
    let values: Vec<f64> =
        values.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value).into()).collect();
    let loudest = values.iter().copied().fold(f64::MIN, f64::max);
    let floor = design.range.map_or(f64::MIN, |decibels| loudest - decibels / 10.0 + 0.01);
    let mut sum = 0.0;
    let mut most = 0.0f64;
    let mut count = 0.0;
    for (&byte, &value) in picture(design, samples).iter().zip(&values) {
        let code = value * f64::from(preprocess.std[0]) + f64::from(preprocess.mean[0]);
        if value > floor && (0.0..=255.0).contains(&code) {
            let error = (f64::from(byte) - code).abs();
            sum += error;
            most = most.max(error);
            count += 1.0;
        }
    }
    [sum / count, most]
}

#[test]
#[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
fn the_front_end_is_that_of_others() {
    let python = std::env::var("OFFSHOOT_PYTHON").unwrap_or_else(|_| "python3".to_string());
    let has = Command::new(&python).args(["-c", "import onnxruntime"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        println!("skipped: {python} has no onnxruntime; set OFFSHOOT_PYTHON to one that has");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let designs = [Design::SPEECH_EMBEDDING, Design::YAMNET];
    let need = designs.map(|design| design.build().sound().window(design.frames.into()));
    let mut windows = Vec::new();
    for (i, clip) in clips("speech-commands-mini", 24).into_iter().enumerate() {
        // As loud as recorded, and a hundredth of it.
        let quiet = if i % 2 == 0 { 1 } else { 100 };
        let mut clip: Vec<i16> = clip.iter().map(|x| x / quiet).collect();
        clip.resize(need[1], 3);
        let bytes: Vec<u8> = clip.iter().flat_map(|x| x.to_le_bytes()).collect();
        fs::write(dir.path().join(format!("{i}.i16")), bytes).unwrap();
        windows.push(clip);
    }
    // The reference cuts its floor at the loudest of all it gets, so it gets one window.
    for (design, (need, ending)) in designs.iter().zip(need.into_iter().zip(["speech", "yamnet"])) {
        for (i, clip) in windows.iter().enumerate() {
            let bytes: Vec<u8> = clip[..need].iter().flat_map(|x| x.to_le_bytes()).collect();
            fs::write(dir.path().join(format!("{i}.i16")), bytes).unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/mel.py");
        let front = model("speech_embedding_frontend.onnx");
        let output = Command::new(&python).arg(script).arg(front).arg(dir.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut worst = [0.0f64; 2];
        for (i, clip) in windows.iter().enumerate() {
            let values = fs::read(dir.path().join(format!("{i}.{ending}"))).unwrap();
            let found = distance(design, &clip[..need], &values);
            worst = [worst[0].max(found[0]), worst[1].max(found[1])];
        }
        let [mean, most] = worst;
        println!("{}: {mean:.3} codes in the mean, {most:.3} at most", design.name);
        assert!(mean <= 1.0 && most <= 2.0, "{}", design.name);
    }
}

/// Converts a model without an option for sound: its digest is known. The embeddings' cosine to the
/// float network's is at least `cosine`.
fn converted(folder: &Path, name: &str, cosine: f64) -> PathBuf {
    let command = ["convert", &model(name), "--calibrate", &data("speech-commands-mini")];
    let text = ok(folder, &[&command[..], &["-o", "ears.offshoot", "--json"]].concat());
    let said: serde_json::Value = serde_json::from_str(&text).unwrap();
    println!("{name}: cosine {}", said["cosine_mean"]);
    assert!(said["cosine_mean"].as_f64().unwrap() >= cosine);
    folder.join("ears.offshoot")
}

/// Accuracy of the head `auto` in what `eval` prints.
fn accuracy(text: &str) -> f64 {
    let line = text.lines().find(|line| line.trim_start().starts_with("auto")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
fn the_speech_embedding_is_taught_digits_and_words() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let path = converted(dir, "speech_embedding.onnx", 0.995);
    let bytes = fs::read(&path).unwrap();
    let package = Package::open(&bytes).unwrap();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/speech/speech.offshoot");
    assert!(bytes == fs::read(shipped).unwrap(), "models/speech/README.md says how it is made");
    assert_eq!((package.sound().unwrap().name, package.embedding_dim()), ("speech-embedding", 96));
    assert_eq!(package.manifest().cut, "conv2d_19");
    let memory = Extractor::from_bytes(bytes.clone()).unwrap().memory();
    println!("package {} bytes, arena {}", bytes.len(), memory.arena);
    assert!(bytes.len() <= 400_000 && memory.arena <= 130_000);
    assert!(ok(dir, &["verify", "ears.offshoot"]).contains("verify ok  1 vectors"));
    // Two speakers teach, four are asked.
    for class in 0..10 {
        for entry in
            fs::read_dir(shared().join(format!("data/spoken-digits-mini/{class}"))).unwrap()
        {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let teaches = name.contains("george") || name.contains("jackson");
            let part = if teaches { "train" } else { "val" };
            let folder = dir.join(format!("digits/{part}/{class}"));
            fs::create_dir_all(&folder).unwrap();
            fs::copy(&file, folder.join(name)).unwrap();
        }
    }
    let words = data("speech-commands-mini");
    for (data, shots, least) in
        [("digits", "3", 0.88), (&*words, "1", 0.66), (&*words, "3", 0.84), (&*words, "5", 0.88)]
    {
        let text = ok(dir, &["eval", "ears.offshoot", data, "--shots", shots, "--head", "auto"]);
        println!("{text}");
        assert!(accuracy(&text) >= least, "{least}: {text}");
    }
    ok(dir, &["train", "ears.offshoot", "digits/train", "-o", "digits.head"]);
    let seven = "digits/val/7/7_theo_0.wav";
    let said = ok(dir, &["predict", "ears.offshoot", "digits.head", seven, "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["nearest"], "7", "{said}");
    let events =
        ok(dir, &["predict", "ears.offshoot", "digits.head", seven, "--every", "0.25", "--json"]);
    let events: serde_json::Value = serde_json::from_str(&events).unwrap();
    assert!(events["events"].is_array(), "{events}");
    ok(dir, &["embed", "ears.offshoot", "digits/val", "-o", "digits.npz"]);
    refused(dir, &["predict", "ears.offshoot", "digits.head", "ears.offshoot"], &["takes sound"]);
}

#[test]
#[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
fn yamnet_is_converted() {
    let dir = tempfile::tempdir().unwrap();
    let path = converted(dir.path(), "yamnet.dq.onnx", 0.985);
    let bytes = fs::read(&path).unwrap();
    let package = Package::open(&bytes).unwrap();
    assert_eq!((package.sound().unwrap().name, package.embedding_dim()), ("yamnet", 1024));
    assert!(ok(dir.path(), &["verify", "ears.offshoot"]).contains("verify ok"));
}

#[test]
fn wrong_front_ends_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let sprout = crate::common::sprout().display().to_string();
    let silent = dir.join("clips");
    fs::create_dir(&silent).unwrap();
    let convert = ["convert", &sprout, "--calibrate", "clips"];
    let with = |preset| [&convert[..], &["--sound", preset]].concat();
    refused(dir, &with("yamnet"), &["clips", "no .wav files"]);
    refused(dir, &with("yam"), &["no such front end; there are speech-embedding, yamnet, pann"]);
    let header =
        b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80>\0\0\0}\0\0\x02\0\x10\0data\x08\0\0\0";
    fs::write(silent.join("a.wav"), [&header[..], &[1, 2, 3, 4, 5, 6, 7, 8]].concat()).unwrap();
    refused(dir, &with("yamnet"), &["an input of 96 x 96 x 3", "makes frames x 64 x 1"]);
    fs::write(silent.join("a.wav"), [&header[..], &[1, 2, 3]].concat()).unwrap();
    refused(dir, &with("yamnet"), &["a.wav", "ends early"]);
    assert!(Sample::of_file(silent.join("a.wav")).sound(16_000).is_err());
}

#[test]
fn the_demo_teaches_sounds_and_draws_them() {
    let dir = tempfile::tempdir().unwrap();
    let text = ok(dir.path(), &["demo", "--sound", "--out", "screen.png", "--keep", "kept"]);
    println!("{text}");
    let line = text.lines().find(|line| line.ends_with("of 50 right")).unwrap();
    let right: u32 = line.split_whitespace().next().unwrap().parse().unwrap();
    assert!(right >= 45, "{text}");
    let screen = image::open(dir.path().join("screen.png")).unwrap().into_rgb8();
    assert_eq!(screen.dimensions(), (640, 480));
    // Bright parts of a spectrogram: the word stands out.
    assert!(screen.pixels().filter(|pixel| pixel[0] > 230 && pixel[2] < 120).count() > 300);
    let verified = ok(dir.path(), &["verify", "kept/speech.offshoot"]);
    assert!(verified.contains("verify ok"), "{verified}");
    let report = ok(dir.path(), &["report", "kept/demo.head", "--package", "kept/speech.offshoot"]);
    assert!(report.contains("15 samples of 5 classes"), "{report}");
    refused(dir.path(), &["demo", "--sound", "--extractor", "small"], &["cannot be used with"]);
}
