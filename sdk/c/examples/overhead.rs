//! Time of a call of `offshoot_extractor_embed` beside that of the facade, turn by turn:
//! `cargo run --release -p offshoot-c --example overhead models/sprout/sprout.offshoot`.

use std::time::{Duration, Instant};

use offshoot::{Extractor, Frame};
use offshoot_c::{
    Embedding, ExtractorHandle, ExtractorInfo, In, Out, PixelFormat, Status,
    offshoot_extractor_embed, offshoot_extractor_get_info, offshoot_extractor_open_bytes,
};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;
const TURNS: usize = 400;

/// Shortest and middle time in microseconds.
fn summary(times: &mut [Duration]) -> [f64; 2] {
    times.sort_unstable();
    [times[0], times[times.len() / 2]].map(|time| 1e6 * time.as_secs_f64())
}

/// Times calls that do next to nothing: the price of the door alone.
fn door(handle: ExtractorHandle) {
    const CALLS: u32 = 1_000_000;
    // SAFETY: numbers, valid as zeros.
    let mut info: ExtractorInfo = unsafe { std::mem::zeroed() };
    info.size = size_of::<ExtractorInfo>() as u32;
    let start = Instant::now();
    for _ in 0..CALLS {
        // SAFETY: the struct lives until the call returns.
        let status = unsafe { offshoot_extractor_get_info(handle, Out::new(&mut info)) };
        assert_eq!(status, Status::Ok);
    }
    let each = start.elapsed() / CALLS;
    println!("offshoot_extractor_get_info: {} ns", each.as_nanos());
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
    println!("{TURNS} turns, us, shortest and median");
    println!("Rust: {:.1?}", summary(&mut of_rust));
    println!("C:    {:.1?}", summary(&mut of_c));
    door(handle);
    Ok(())
}
