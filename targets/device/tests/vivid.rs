//! A camera that Linux itself plays: `vivid`, the kernel's test driver of V4L2. Few systems have
//! it; `targets/test-camera.sh` starts one that has in a virtual machine.
//!
//! Skipped where it is not loaded, unless `OFFSHOOT_VIVID=1` says it must be.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs};

use linuxvideo::Device;
use linuxvideo::format::{PixFormat, PixelFormat};
use offshoot::Extractor;
use offshoot_device::{
    Camera, CapturedFrame, FrameSource, Latest, NoButtons, NoLed, Pixels, Ports, Raw, Screen,
    ScreenError, Session, Settings, Turn, modes,
};
use offshoot_view::State;

const DRIVER: &str = "/sys/bus/platform/drivers/vivid";
const VIDEO: &str = "/dev/video0";

/// Colours of its bars: three quarters of full colour.
const BARS: [[u8; 3]; 8] = [
    [191, 191, 191],
    [191, 191, 0],
    [0, 191, 191],
    [0, 191, 0],
    [191, 0, 191],
    [191, 0, 0],
    [0, 0, 191],
    [0, 0, 0],
];

fn is_loaded() -> bool {
    let is_loaded = Path::new(DRIVER).join("vivid.0").exists();
    assert!(is_loaded || env::var_os("OFFSHOOT_VIVID").is_none(), "no {DRIVER}/vivid.0");
    if !is_loaded {
        println!("skipped: vivid is not loaded; targets/test-camera.sh has it");
    }
    is_loaded
}

/// Checks the colour of every bar, far from its edges and from the letters on top. The driver's
/// YUV is up to three steps away; that of BT.709 would be 40, luma of 0 to 255 would be 20.
fn assert_bars(shot: &CapturedFrame, what: &str, wanted: impl Fn([u8; 3]) -> [u8; 3]) {
    let width = shot.width() as usize;
    let height = shot.height() as usize;
    for (bar, colour) in BARS.into_iter().enumerate() {
        let at = 3 * ((height - 8) * width + (2 * bar + 1) * width / 16);
        let found = &shot.rgb()[at..at + 3];
        let wanted = wanted(colour);
        let near = found.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 4);
        assert!(near, "{what}, bar {bar}: {found:?} for {wanted:?}");
    }
}

/// A frame in a format, as the driver delivers it.
fn frame(fourcc: [u8; 4], pixels: Pixels, turn: Turn) -> CapturedFrame {
    let format = PixFormat::new(640, 480, PixelFormat::from_fourcc(fourcc));
    let capture = Device::open(VIDEO).unwrap().video_capture(format).unwrap();
    let given = capture.format();
    assert_eq!(given.pixel_format().as_fourcc(), fourcc);
    let width = given.width();
    let height = given.height();
    let stride = given.bytes_per_line() as usize;
    let mut shot = CapturedFrame::default();
    let mut stream = capture.into_stream().unwrap();
    let mut convert =
        |bytes: &[u8]| Raw { pixels, width, height, stride, bytes }.convert(turn, &mut shot);
    stream.dequeue(|buffer| Ok(convert(&buffer))).unwrap().unwrap();
    shot
}

/// One test, as there is one camera.
#[test]
fn the_kernels_camera_is_read_in_every_format_lost_and_found() {
    if !is_loaded() {
        return;
    }
    let formats: Vec<_> = modes(VIDEO).unwrap().into_iter().map(|mode| mode.fourcc).collect();
    for (fourcc, pixels) in [
        (*b"RGB3", Pixels::Rgb24),
        (*b"BGR3", Pixels::Bgr24),
        (*b"YUYV", Pixels::Yuyv),
        (*b"NV12", Pixels::Nv12),
    ] {
        assert!(formats.contains(&fourcc), "{fourcc:?} of {formats:?}");
        let shot = frame(fourcc, pixels, Turn::None);
        assert_bars(&shot, &format!("{pixels:?}"), |colour| colour);
        println!("{pixels:?} {}x{}", shot.width(), shot.height());
    }
    // The driver's grey is BT.709's.
    let luma = |[r, g, b]: [u8; 3]| {
        [(0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)).round() as u8; 3]
    };
    assert_bars(&frame(*b"GREY", Pixels::Grey, Turn::None), "grey", luma);
    let turned = frame(*b"YUYV", Pixels::Yuyv, Turn::Right);
    assert_eq!((turned.width(), turned.height()), (480, 640));

    let mut camera = Camera::open(VIDEO, Turn::None).unwrap();
    let mut shot = CapturedFrame::default();
    camera.next(&mut shot).unwrap();
    assert_bars(&shot, "the camera", |colour| colour);
    drop(camera);
    lost_and_found();
}

/// Number of moments of each kind that were shown.
#[derive(Default)]
struct Seen {
    images: u32,
    messages: Vec<String>,
}

impl Screen for Seen {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        match moment.state {
            State::Error(text) => self.messages.push(text.to_string()),
            _ => self.images += u32::from(moment.image.is_some()),
        }
        Ok(())
    }
}

/// A device whose camera is unplugged and comes back goes on.
fn lost_and_found() {
    let extractor =
        Extractor::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/tests/tiny.offshoot"))
            .unwrap();
    let mut session = Session::new(extractor, None, Settings::default()).unwrap();
    let mut source = Latest::new(Camera::open(VIDEO, Turn::None).unwrap()).unwrap();
    let mut seen = Seen::default();
    let mut until = |seen: &mut Seen, what: &str, is_so: fn(&Seen) -> bool| {
        let start = Instant::now();
        while !is_so(seen) {
            assert!(start.elapsed() < Duration::from_secs(30), "{what}: {:?}", seen.messages);
            let buttons = &mut NoButtons;
            let ports = &mut Ports { source: &mut source, buttons, screen: seen, led: &mut NoLed };
            session.step(ports).unwrap();
        }
    };
    until(&mut seen, "pictures", |seen| seen.images >= 10);
    fs::write(format!("{DRIVER}/unbind"), "vivid.0").unwrap();
    // Told, and let go of: by the second time it was tried again, with the old one closed.
    until(&mut seen, "words about its loss", |seen| seen.messages.len() >= 2);
    println!("{}", seen.messages[0]);
    fs::write(format!("{DRIVER}/bind"), "vivid.0").unwrap();
    seen.images = 0;
    until(&mut seen, "images again", |seen| seen.images >= 10);
}
