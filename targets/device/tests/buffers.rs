//! Buffers of each pixel format that another program has made, against what it makes of them
//! itself: ffmpeg's, by `buffers/make.sh`.

use std::fs;

use offshoot_device::{CapturedFrame, Pixels, Raw, Turn};

const WIDTH: usize = 64;
const HEIGHT: usize = 48;

fn read(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/buffers/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Rows with bytes behind them that must not be seen.
fn padded(bytes: &[u8], row: usize, padding: usize) -> Vec<u8> {
    bytes.chunks(row).flat_map(|row| [row, &vec![0xee; padding][..]].concat()).collect()
}

/// The place in a turned image of what is at a place of the upright one.
fn turned(turn: Turn, x: usize, y: usize) -> (usize, usize) {
    match turn {
        Turn::None => (x, y),
        Turn::Right => (HEIGHT - 1 - y, x),
        Turn::Half => (WIDTH - 1 - x, HEIGHT - 1 - y),
        Turn::Left => (y, WIDTH - 1 - x),
    }
}

/// Mean and largest difference between a buffer's image and an upright one.
fn difference(raw: Raw<'_>, turn: Turn, wanted: &[u8]) -> (f64, u8) {
    let mut shot = CapturedFrame::default();
    raw.convert(turn, &mut shot).unwrap();
    let across = if turn.is_sideways() { HEIGHT } else { WIDTH };
    assert_eq!(
        (shot.width() as usize, shot.rgb().len()),
        (across, wanted.len()),
        "{:?}",
        raw.pixels
    );
    let mut sum = 0;
    let mut most = 0;
    for (at, wanted) in wanted.chunks(3).enumerate() {
        let (x, y) = turned(turn, at % WIDTH, at / WIDTH);
        let found = &shot.rgb()[3 * (y * across + x)..][..3];
        for (a, b) in found.iter().zip(wanted) {
            sum += u64::from(a.abs_diff(*b));
            most = most.max(a.abs_diff(*b));
        }
    }
    (sum as f64 / wanted.len() as f64, most)
}

/// Both round once: one step apart at most. Colours of BT.709 are 40 steps away, luma of 0 to 255
/// is 20.
#[test]
fn buffers_are_read_as_ffmpeg_reads_them() {
    for (pixels, name, row) in [
        (Pixels::Rgb24, "rgb24", 3 * WIDTH),
        (Pixels::Yuyv, "yuyv422", 2 * WIDTH),
        (Pixels::Nv12, "nv12", WIDTH),
    ] {
        let raw = read(&format!("{name}.raw"));
        let wanted = read(&format!("{name}.rgb"));
        for padding in [0, 5, 64] {
            let bytes = padded(&raw, row, padding);
            let stride = row + padding;
            let raw =
                Raw { pixels, width: WIDTH as u32, height: HEIGHT as u32, stride, bytes: &bytes };
            for turn in [Turn::None, Turn::Right, Turn::Half, Turn::Left] {
                let (mean, most) = difference(raw, turn, &wanted);
                assert!(
                    most <= 1 && mean < 0.2,
                    "{name} {turn:?}, {padding} more a row: {mean} {most}"
                );
            }
            // What went in, but for the colour that two or four pixels share.
            let (mean, _) = difference(raw, Turn::None, &read("rgb24.rgb"));
            assert!(mean < 1.0, "{name}: {mean}");
        }
    }
}

/// Decoders round more than once, and fill in the colour of every other pixel by the same straight
/// line.
#[test]
fn a_frame_of_motion_jpeg_is_read_as_ffmpeg_reads_it() {
    let bytes = read("mjpeg.raw");
    let wanted = read("mjpeg.rgb");
    let raw = Raw { pixels: Pixels::Mjpeg, width: 0, height: 0, stride: 0, bytes: &bytes };
    for turn in [Turn::None, Turn::Right, Turn::Half, Turn::Left] {
        let (mean, most) = difference(raw, turn, &wanted);
        assert!(mean < 0.5 && most <= 5, "{turn:?}: {mean} {most}");
    }
}
