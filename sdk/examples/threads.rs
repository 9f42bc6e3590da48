//! One network shared by all cores, and what a frame takes:
//! `cargo run --release --example threads models/sharp/sharp.offshoot`.

use std::num::NonZeroU8;
use std::thread::available_parallelism;
use std::time::Instant;

use offshoot::{Extractor, Frame, Options};

const FRAMES: u32 = 50;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let package = std::env::args().nth(1).unwrap_or("sharp.offshoot".to_string());
    let cores = u8::try_from(available_parallelism()?.get()).unwrap_or(u8::MAX);
    let pixels = vec![128; 640 * 480 * 3];
    let frame = Frame::rgb(640, 480, &pixels)?;

    for threads in (1..=cores).filter_map(NonZeroU8::new) {
        // `pin` keeps each thread on a core of its own, which steadies the times.
        let options = Options::new().threads(threads).pin(true);
        let mut extractor = Extractor::open_with(&package, &options)?;
        extractor.embed(&frame)?;
        let start = Instant::now();
        for _ in 0..FRAMES {
            extractor.embed(&frame)?;
        }
        println!(
            "{threads} threads: {:.2} ms a frame",
            1e3 * start.elapsed().as_secs_f64() / f64::from(FRAMES)
        );
    }
    Ok(())
}
