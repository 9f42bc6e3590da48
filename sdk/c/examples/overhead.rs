//! Time of a call of `offshoot_extractor_embed` beside that of the facade, turn by turn:
//! `cargo run --release -p offshoot-c --example overhead models/sprout/sprout.offshoot`.

use std::time::{Duration, Instant};

use offshoot::{Extractor, Frame};
use offshoot_c::{
    Embedding, ExtractorHandle, In, Out, PixelFormat, Status, offshoot_extractor_embed,
    offshoot_extractor_open_bytes,
};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;
const TURNS: usize = 400;

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    1e6 * times[times.len() / 2].as_secs_f64()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let package = std::env::args().nth(1).unwrap_or("models/sprout/sprout.offshoot".to_string());
    let bytes = std::fs::read(package)?;
    let pixels: Vec<u8> = (0..3 * WIDTH * HEIGHT).map(|i| (i * 31 % 251) as u8).collect();

    let mut handle = ExtractorHandle { id: 0 };
    let open = |handle: &mut ExtractorHandle| {
        // SAFETY: bytes and handle live until the call returns; null options are the default.
        unsafe {
            let options = In::new(std::ptr::null());
            let handle = Out::new(handle);
            offshoot_extractor_open_bytes(In::new(bytes.as_ptr()), bytes.len(), options, handle)
        }
    };
    assert_eq!(open(&mut handle), Status::Ok);
    let mut facade = Extractor::from_bytes(bytes.clone())?;
    let mut values = vec![0.0f32; facade.embedding_dim()];
    let camera = offshoot_c::Frame {
        size: size_of::<offshoot_c::Frame>() as u32,
        format: PixelFormat::Rgb8 as u32,
        width: WIDTH,
        height: HEIGHT,
        stride: 0,
        pixels: pixels.as_ptr(),
        bytes: pixels.len(),
    };
    let mut embedding = Embedding {
        size: size_of::<Embedding>() as u32,
        form: 0,
        values: values.as_mut_ptr().cast(),
        bytes: size_of_val(&values[..]),
        dim: 0,
        scale: 0.0,
        zero_point: 0,
    };

    let mut of_rust = Vec::new();
    let mut of_c = Vec::new();
    for _ in 0..TURNS {
        let start = Instant::now();
        facade.embed(&Frame::rgb(WIDTH, HEIGHT, &pixels)?)?;
        of_rust.push(start.elapsed());
        let start = Instant::now();
        // SAFETY: frame, embedding and their memory live until the call returns.
        let status =
            unsafe { offshoot_extractor_embed(handle, In::new(&camera), Out::new(&mut embedding)) };
        of_c.push(start.elapsed());
        assert_eq!(status, Status::Ok);
    }
    let rust = median(&mut of_rust);
    let c = median(&mut of_c);
    println!("{TURNS} turns, medians: Rust {rust:.1} us, C {c:.1} us, {:+.2} us", c - rust);

    // Calls that do next to nothing: the price of the door alone.
    let start = Instant::now();
    for _ in 0..1_000_000 {
        let mut info = std::mem::MaybeUninit::<offshoot_c::Verification>::zeroed();
        // SAFETY: a size of 0 is refused before anything else is read.
        let status =
            unsafe { offshoot_c::offshoot_extractor_verify(handle, Out::new(info.as_mut_ptr())) };
        assert_eq!(status, Status::InvalidSize);
    }
    println!("a call that is refused: {:.0} ns", 1e3 * start.elapsed().as_secs_f64());
    Ok(())
}
