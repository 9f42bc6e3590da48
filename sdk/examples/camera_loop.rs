//! Answers on the frames of a camera, as another program gives them on standard input:
//!
//! ```text
//! ffmpeg -f v4l2 -video_size 640x480 -i /dev/video0 -f rawvideo -pix_fmt yuyv422 - |
//!     cargo run --release --example camera_loop sprout.offshoot things.head
//! ```

use std::io::{ErrorKind, Read, stdin};

use offshoot::{Answer, Extractor, Frame, Head, PixelFormat};

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let package = arguments.next().unwrap_or("sprout.offshoot".to_string());
    let head = arguments.next().unwrap_or("things.head".to_string());
    let mut extractor = Extractor::open(package)?;
    let mut head = Head::load(head, &extractor)?;
    head.fit()?;
    let mut camera = stdin().lock();
    let mut buffer = vec![0; (2 * WIDTH * HEIGHT) as usize];

    loop {
        match camera.read_exact(&mut buffer) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        // The camera's own bytes: no conversion, no copy.
        let frame = Frame::new(WIDTH, HEIGHT, PixelFormat::Yuyv, &buffer)?;
        match head.classify(extractor.embed(&frame)?)? {
            Answer::Known { class, confidence, .. } => {
                let name = head.class_name(class).unwrap_or("?");
                println!("{name} {:.2}", confidence.get());
            }
            _ => println!("unknown"),
        }
    }
}
