//! Takes some steps of tuning on maps made by a formula, for `targets/count-tuning.sh`, which counts
//! their instructions:
//!
//! ```text
//! cargo run --release -p offshoot-core --example tuning_steps -- PACKAGE biases|all STEPS
//! ```
//!
//! 200 samples of ten classes, products computed anew in each step, as on a device. Prints the steps of
//! the whole tuning.

use std::error::Error;

use offshoot_core::Package;
use offshoot_core::tail::{Samples, Tail, Tuner, Tuning};

const SAMPLES: usize = 200;
const CLASSES: u16 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [package, what, steps] = &arguments[..] else {
        return Err("usage: tuning_steps PACKAGE biases|all STEPS".into());
    };
    let tuning = match what.as_str() {
        "biases" => Tuning::default(),
        "all" => Tuning::all(),
        other => return Err(format!("no {other}; there are biases and all").into()),
    };
    let steps: u32 = steps.parse()?;
    let file = std::fs::read(package)?;
    let package = Package::open(&file)?;
    let tail = Tail::find(package.graph()).ok_or("the package has no tail")?;
    let len = tail.map_len();
    let value = |i: usize| (i.wrapping_mul(2_654_435_761) >> 24 & 0x7f) as i8 - 64;
    let maps: Vec<i8> = (0..SAMPLES * len).map(value).collect();
    let owners: Vec<u16> = (0..SAMPLES as u16).map(|i| i % CLASSES).collect();
    let samples = Samples { maps: &maps, owners: &owners, classes: CLASSES };
    let layout = tuning.layout(&tail, &samples, false);
    let mut memory = vec![0; layout.words()?];
    let mut tuner = Tuner::new(&package, samples, tuning, layout, &mut memory)?;
    for _ in 0..steps {
        tuner.step();
    }
    println!("{} steps, {} bytes", tuner.progress().of, 4 * layout.words()?);
    Ok(())
}
