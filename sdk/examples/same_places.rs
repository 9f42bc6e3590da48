//! Answers of the facade about places and signals, with the bits of their numbers. The other doors
//! print the same lines; `tests/doors.sh` compares them.
//!
//! ```text
//! cargo run --example same_places --no-default-features --features png -- \
//!     sdk/tests/tiny-cells.offshoot sdk/tests/tiny-signals.offshoot
//! ```

use std::error::Error;

use offshoot::{Cells, Extractor, Frame, GoodHead, Mark, Signal, SpatialHead, SpatialLimits};

/// Left upper corners of the squares that are taught.
const PLACES: [[usize; 2]; 5] = [[2, 4], [16, 8], [8, 20], [22, 22], [4, 12]];

type Outcome<T> = Result<T, Box<dyn Error>>;

/// FNV-1a, which is short in every language.
fn digest(bytes: impl IntoIterator<Item = u8>) -> String {
    let hash = bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn digest_of(values: impl IntoIterator<Item = f32>) -> String {
    digest(values.into_iter().flat_map(f32::to_le_bytes))
}

fn bits(values: &[f32]) -> String {
    values.iter().map(|value| format!(" {:08x}", value.to_bits())).collect()
}

/// Cells of a square of eight pixels on a dark floor.
fn square(extractor: &mut Extractor, [x, y]: [usize; 2], colour: [u8; 3]) -> Outcome<Cells<'_>> {
    let mut rgb = [40; 3 * 32 * 32];
    for row in y..y + 8 {
        rgb[3 * (32 * row + x)..][..24].as_chunks_mut().0.fill(colour);
    }
    Ok(extractor.cells(&Frame::rgb(32, 32, &rgb)?)?)
}

fn places(extractor: &mut Extractor) -> Outcome<()> {
    let mut head = SpatialHead::new(extractor, SpatialLimits { classes: 2 })?;
    let mut good = GoodHead::new(extractor, false)?;
    let class = head.add_class("square")?;
    for [x, y] in PLACES {
        let cells = square(extractor, [x, y], [220; 3])?;
        head.teach(&cells, &[Mark::boxed(class, [x as f32 / 32.0, y as f32 / 32.0, 0.25, 0.25])])?;
        head.fit()?;
        good.teach(&cells)?;
        if good.lessons() > 1 {
            good.fit()?;
        }
    }
    for found in head.find(&square(extractor, [12, 14], [220; 3])?)? {
        let [x, y] = found.centre;
        let [width, height] = found.size.unwrap_or_default();
        println!("found {}{}", found.class, bits(&[found.score, x, y, width, height]));
    }
    let layout = *good.layout();
    let odd = square(extractor, [12, 14], [255, 0, 255])?;
    let unusual = good.look(&odd)?;
    let columns = layout.grid()[1];
    let [y, x] = layout.centre(unusual.place / columns, unusual.place % columns);
    let heat = digest_of(unusual.heat.iter().copied());
    let threshold = unusual.threshold.unwrap_or_default();
    let numbers = bits(&[unusual.score, threshold, x, y]);
    println!("unusual {}{numbers} {heat}", u8::from(unusual.is_unusual()));
    println!("heads {} {}", digest(head.to_bytes()), digest(good.to_bytes()));
    Ok(())
}

fn signals(extractor: &mut Extractor) -> Outcome<()> {
    let samples: Vec<i16> = (0..3 * 26).map(|at| (at * 37 % 2001 - 1000) as i16).collect();
    let window = extractor.embed_signal(&Signal::int16(3, &samples[..3 * 16])?)?;
    println!("window {}", digest_of(window.iter()));
    let mean = extractor.embed_recording(&Signal::int16(3, &samples)?)?;
    println!("recording {}", digest_of(mean.iter()));
    Ok(())
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [cells, sensor] = arguments.as_slice() else {
        return Err("usage: same_places CELLS SIGNALS".into());
    };
    places(&mut Extractor::open(cells)?)?;
    signals(&mut Extractor::open(sensor)?)
}
