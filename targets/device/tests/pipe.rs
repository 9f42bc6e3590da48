//! Streams of programs that cameras are read with: GStreamer and ffmpeg. Skipped where they are not
//! installed.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use offshoot_device::{CameraPart, CapturedFrame, FrameSource, Piped, SourceError, Turn};

/// Colour of all pixels of the streams.
const COLOUR: [u8; 3] = [0x20, 0x80, 0xc0];

/// Starts a program; `None` if there is none, or it lacks a part.
fn start(program: &str, line: &str) -> Option<Child> {
    let started = Command::new(program)
        .args(line.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    if started.is_err() {
        eprintln!("skipped: there is no {program}");
    }
    started.ok()
}

/// Compares a frame of the stream with its colour, up to `most`; false if the program is not there.
fn shows_its_colour(program: &str, line: &str, (camera, most): (&str, u8)) -> bool {
    let Some(mut child) = start(program, line) else { return false };
    let Ok(CameraPart::Pipe(format)) = camera.parse() else { panic!("{camera}") };
    let stdout: Box<dyn Read + Send> = Box::new(child.stdout.take().unwrap());
    let mut piped = Piped::new(stdout, format, Turn::None).unwrap();
    let mut shot = CapturedFrame::default();
    piped.next(&mut shot).unwrap_or_else(|error| panic!("{program} {line}: {error}"));
    assert_eq!((shot.width(), shot.height()), (80, 48), "{line}");
    for pixel in shot.rgb().chunks(3) {
        let near = pixel.iter().zip(COLOUR).all(|(&found, wanted)| found.abs_diff(wanted) <= most);
        assert!(near, "{program} {line}: {pixel:?}");
    }
    // All frames, until the stream ends.
    let end = loop {
        if let Err(error) = piped.next(&mut shot) {
            break error;
        }
    };
    assert!(matches!(end, SourceError::StreamEnded { frames: 20, broken: 0 }), "{line}: {end}");
    child.wait().unwrap();
    true
}

#[test]
fn streams_of_gstreamer_are_read() {
    let colour = u32::from_be_bytes([0xff, COLOUR[0], COLOUR[1], COLOUR[2]]);
    let source = format!(
        "-q videotestsrc num-buffers=20 pattern=solid-color foreground-color={colour} ! videoconvert"
    );
    for (caps, camera) in [
        // Its luma of 16 to 235 is written as it is, and read as JPEG's of 0 to 255.
        ("video/x-raw,format=I420,width=80,height=48 ! jpegenc", "-"),
        ("video/x-raw,format=I420,width=80,height=48", "-:i420:80x48"),
        ("video/x-raw,format=NV12,width=80,height=48", "-:nv12:80x48"),
        ("video/x-raw,format=YUY2,width=80,height=48", "-:yuyv:80x48"),
        ("video/x-raw,format=RGB,width=80,height=48", "-:rgb:80x48"),
        ("video/x-raw,format=BGR,width=80,height=48", "-:bgr:80x48"),
    ] {
        let line = format!("{source} ! {caps} ! fdsink");
        let most = if camera == "-" { 12 } else { 5 };
        if !shows_its_colour("gst-launch-1.0", &line, (camera, most)) {
            return;
        }
    }
}

#[test]
fn streams_of_ffmpeg_are_read() {
    let [r, g, b] = COLOUR;
    let source = format!(
        "-nostdin -v error -f lavfi -i color=c=0x{r:02x}{g:02x}{b:02x}:size=80x48:rate=100 -frames:v 20"
    );
    for (output, camera) in [
        ("-c:v mjpeg -q:v 2 -f mjpeg -", "-"),
        ("-f rawvideo -pix_fmt yuv420p -", "-:i420:80x48"),
        ("-f rawvideo -pix_fmt nv12 -", "-:nv12:80x48"),
        ("-f rawvideo -pix_fmt yuyv422 -", "-:yuyv:80x48"),
        ("-f rawvideo -pix_fmt rgb24 -", "-:rgb:80x48"),
    ] {
        if !shows_its_colour("ffmpeg", &format!("{source} {output}"), (camera, 5)) {
            return;
        }
    }
}
