//! Time of the embedding of pictures, for comparisons with other programs in turns: for each line with
//! the path of a file on standard input, milliseconds and then the embedding are written on a line. A
//! file that comes again is not decoded again.
//!
//! ```text
//! cargo run --example image_time --no-default-features --features png -- vit.offshoot < paths
//! ```

use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::time::Instant;

use offshoot::{Extractor, Image};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: image_time PACKAGE < PATHS")?;
    let mut extractor = Extractor::open(path)?;
    let mut last: Option<(String, Image)> = None;
    for line in stdin().lines() {
        let path = line?;
        let image = match last.take().filter(|(known, _)| *known == path) {
            Some((_, image)) => image,
            None => Image::open(&path)?,
        };
        let begun = Instant::now();
        let embedding: Vec<f32> = extractor.embed(&image.frame())?.iter().collect();
        print!("{:.4}", 1e3 * begun.elapsed().as_secs_f64());
        embedding.iter().for_each(|value| print!(" {value}"));
        println!();
        stdout().flush()?;
        last = Some((path, image));
    }
    Ok(())
}
