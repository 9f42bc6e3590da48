//! A sensor in place of a camera: tables and streams become windows; what is broken is counted or refused.

use std::io::Cursor;
use std::time::Duration;

use offshoot::{Extractor, Probe, Sensor};
use offshoot_core::Shape;
use offshoot_core::graph::Window;
use offshoot_device::{
    CapturedFrame, FrameSource, SampleForm, SensorFile, SensorStream, SourceError,
};

#[path = "../../../sdk/tests/common/mod.rs"]
mod common;

use common::net::{Net, window};

/// Places of a window, and places from one to the next.
const WINDOW: usize = 4;
const STEP: usize = 2;

fn probe() -> Probe {
    let mut net = Net::sensing(Shape::new(1, WINDOW as u32, 2).unwrap(), 1);
    let output = net.conv("out", Net::INPUT, Window { kernel: [1, 4], ..window(1, 1, 0) }, 1, 4);
    let channels = Sensor::pack(&[[0.0, 1.0]; 2]);
    let sensor = Sensor { rate: 0.0, unit: 0.5, step: STEP as u32, channels: &channels };
    let package = net.signal_package(&sensor, output, &[]);
    Probe::new(&Extractor::from_bytes(package).unwrap()).unwrap()
}

fn samples(shot: &CapturedFrame) -> Vec<f32> {
    let signal = shot.signal().unwrap();
    (0..signal.places()).flat_map(|at| [0, 1].map(|c| signal.get(at, c).unwrap())).collect()
}

/// First sample of each window until the end, and the error there.
fn read(bytes: impl Into<Vec<u8>>, form: SampleForm) -> (Vec<f32>, u64, SourceError) {
    let mut stream = SensorStream::new(Cursor::new(bytes.into()), "a test", form, probe());
    let mut shot = CapturedFrame::default();
    let mut firsts = Vec::new();
    loop {
        match stream.next(&mut shot) {
            Ok(()) => firsts.push(samples(&shot)[0]),
            Err(error) => return (firsts, stream.broken_frames(), error),
        }
    }
}

#[test]
fn lines_and_raw_samples_are_the_same_windows() {
    let rows: Vec<[i16; 2]> = (0..9).map(|i| [2 * i, -2 * i]).collect();
    let text: String = rows.iter().map(|[a, b]| format!("{},{}\n", a / 2, b / 2)).collect();
    let named =
        format!("time,x,y\n{}", text.lines().map(|l| format!("0.1,{l}\r\n")).collect::<String>());
    let int16: Vec<u8> = rows.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
    let floats = rows.iter().flatten().flat_map(|&x| (f32::from(x) / 2.0).to_le_bytes()).collect();
    for (bytes, form) in [
        (text.into_bytes(), SampleForm::Csv),
        (named.into_bytes(), SampleForm::Csv),
        (int16, SampleForm::Int16),
        (floats, SampleForm::Float32),
    ] {
        let (firsts, broken, error) = read(bytes, form);
        assert_eq!((firsts, broken), (vec![0.0, 2.0, 4.0], 0), "{form}");
        assert!(matches!(error, SourceError::StreamEnded { frames: 3, broken: 0 }), "{error}");
    }
}

#[test]
fn broken_places_are_passed_over_and_counted() {
    let text = "0,0\n1,1\nno,number\n2,2\n3\n3,3\n4,inf\n";
    let (firsts, broken, error) = read(text, SampleForm::Csv);
    assert_eq!((firsts, broken), (vec![0.0], 3));
    assert!(matches!(error, SourceError::StreamEnded { frames: 1, broken: 3 }), "{error}");
    let floats: Vec<u8> = [0.0, 0.0, f32::NAN, 1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0f32]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .chain([1, 2, 3, 4, 5])
        .collect();
    let (firsts, broken, _) = read(floats, SampleForm::Float32);
    assert_eq!((firsts, broken), (vec![0.0], 2));
    let (_, _, error) = read("1,2,3\n", SampleForm::Csv);
    assert!(matches!(error, SourceError::OtherChannels { found: 3, need: 2, .. }), "{error}");
    for empty in ["", "a,b\n", "1,2\n3,4\n"] {
        let (_, _, error) = read(empty, SampleForm::Csv);
        assert!(matches!(error, SourceError::NoWindow { .. }), "{error}");
    }
}

#[test]
fn a_table_begins_again_and_no_window_spans_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    let text: String = (0..7).map(|i| format!("{i},0\n")).collect();
    std::fs::write(&path, text).unwrap();
    let mut table = SensorFile::open(&path, probe(), Duration::ZERO).unwrap();
    let mut shot = CapturedFrame::default();
    let mut next = || {
        table.next(&mut shot).unwrap();
        samples(&shot)[0]
    };
    assert_eq!([next(), next(), next(), next()], [0.0, 2.0, 0.0, 2.0]);
    assert!(shot.frame().is_some(), "a picture of it");
    // A picture that is taken afterwards is no signal.
    shot.reshape(2, 2);
    assert!(shot.signal().is_none());
    std::fs::write(&path, "1,2\n").unwrap();
    let error = SensorFile::open(&path, probe(), Duration::ZERO).unwrap_err();
    assert!(matches!(error, SourceError::NoWindow { .. }), "{error}");
    assert!(SensorFile::open(dir.path(), probe(), Duration::ZERO).is_err());
}
