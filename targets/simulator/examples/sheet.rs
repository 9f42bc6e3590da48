//! Writes a contact sheet of every object as a PPM file and prints the time per image.
//!
//! `cargo run --release -p offshoot-simulator --example sheet -- sheet.ppm [columns] [first seed]`

use std::time::Instant;

use offshoot_simulator::{Camera, Object};

const WIDTH: u32 = 160;
const HEIGHT: u32 = 120;

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "sheet.ppm".into());
    let columns: u32 = args.next().and_then(|n| n.parse().ok()).unwrap_or(8).max(1);
    let first: u64 = args.next().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut subjects: Vec<_> = Object::ALL.into_iter().map(Some).collect();
    subjects.push(None);

    let stride = (columns * WIDTH * 3) as usize;
    let mut sheet = vec![0; stride * HEIGHT as usize * subjects.len()];
    let camera = Camera::new(WIDTH, HEIGHT);
    for (row, &subject) in subjects.iter().enumerate() {
        let mut times = Vec::new();
        for column in 0..columns {
            let seed = first + u64::from(column) + 1000 * row as u64;
            let start = Instant::now();
            let image = camera.look(subject, seed);
            times.push(start.elapsed().as_secs_f64() * 1e3);
            for (y, line) in image.rgb.chunks_exact(WIDTH as usize * 3).enumerate() {
                let at = (row * HEIGHT as usize + y) * stride + (column * WIDTH * 3) as usize;
                sheet[at..at + line.len()].copy_from_slice(line);
            }
        }
        let name = subject.map_or("empty table", Object::name);
        times.sort_by(f64::total_cmp);
        println!("{name:12} best {:.1} ms, median {:.1} ms", times[0], times[times.len() / 2]);
    }
    let header = format!("P6 {} {} 255\n", columns * WIDTH, HEIGHT * subjects.len() as u32);
    std::fs::write(path, [header.as_bytes(), &sheet].concat())
}
