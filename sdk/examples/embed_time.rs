//! Median time of an embedding, to compare other languages with: `sdk/python/examples/embed_time.py` is the
//! same in Python.
//!
//! ```text
//! cargo run --example embed_time --no-default-features --features png -- models/sprout/sprout.offshoot 2000
//! ```

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use offshoot::{Extractor, Frame};

/// Side of the frame, that of sprout's input.
const SIDE: u32 = 96;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: embed_time PACKAGE RUNS")?;
    let runs: usize = std::env::args().nth(2).ok_or("usage: embed_time PACKAGE RUNS")?.parse()?;
    let mut extractor = Extractor::open(path)?;
    let byte = |i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8;
    let pixels: Vec<u8> = (0..3 * SIDE * SIDE).map(byte).collect();
    let frame = Frame::rgb(SIDE, SIDE, &pixels)?;
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs.max(1) {
        let begun = Instant::now();
        black_box(extractor.embed(&frame)?.len());
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    println!("{:.1} us", 1e6 * times[times.len() / 2].as_secs_f64());
    Ok(())
}
