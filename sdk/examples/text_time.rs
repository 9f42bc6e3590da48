//! Time of the embedding of texts, for comparisons with other programs in turns: for each line of ids
//! on standard input, milliseconds and then the embedding are written on a line.
//!
//! ```text
//! cargo run --example text_time --no-default-features --features png -- minilm.offshoot < lines
//! ```

use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::time::Instant;

use offshoot::Extractor;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: text_time PACKAGE < IDS")?;
    let mut extractor = Extractor::open(path)?;
    for line in stdin().lines() {
        let ids = line?.split_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>()?;
        let begun = Instant::now();
        let embedding: Vec<f32> = extractor.embed_tokens(&ids)?.iter().collect();
        print!("{:.4}", 1e3 * begun.elapsed().as_secs_f64());
        embedding.iter().for_each(|value| print!(" {value}"));
        println!();
        stdout().flush()?;
    }
    Ok(())
}
