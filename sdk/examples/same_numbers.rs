//! Numbers for other languages to compare with: embeddings of frames in every pixel format, and a head
//! with its answers. The frames are made by a formula.
//!
//! ```text
//! cargo run --example same_numbers --no-default-features --features png -- models/sprout/sprout.offshoot
//! ```

use std::error::Error;

use offshoot::{Extractor, Frame, Head, HeadKind, Limits, PixelFormat};

const WIDTH: u32 = 100;
const HEIGHT: u32 = 80;

/// Bytes of a frame that no two seeds have in common.
fn bytes(seed: u32, length: usize) -> Vec<u8> {
    let byte = |i: usize| ((i as u32).wrapping_add(seed).wrapping_mul(2_654_435_761) >> 24) as u8;
    (0..length).map(byte).collect()
}

/// Frame that is darker than the others by `shade`.
fn shaded(seed: u32, shade: u8) -> Vec<u8> {
    bytes(seed, 3 * 32 * 32).iter().map(|&x| shade + x / 4).collect()
}

fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    bytes.into_iter().map(|byte| format!("{byte:02x}")).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: same_numbers PACKAGE")?;
    let mut extractor = Extractor::open(path)?;
    let area = (WIDTH * HEIGHT) as usize;
    for (name, format, length) in [
        ("rgb", PixelFormat::Rgb8, 3 * area),
        ("bgr", PixelFormat::Bgr8, 3 * area),
        ("grey", PixelFormat::Gray8, area),
        ("rgb565", PixelFormat::Rgb565, 2 * area),
        ("yuyv", PixelFormat::Yuyv, 2 * area),
        ("nv12", PixelFormat::Nv12, area / 2 * 3),
        ("i420", PixelFormat::I420, area / 2 * 3),
    ] {
        let pixels = bytes(7, length);
        let frame = Frame::new(WIDTH, HEIGHT, format, &pixels)?;
        println!("{name} {}", hex(extractor.embed(&frame)?.bytes()));
    }
    for kind in HeadKind::ALL {
        taught(&mut extractor, kind)?;
    }
    println!("verify {}", hex(extractor.verify()?.digest));
    Ok(())
}

/// Prints the bytes of a head, and the bits of its probabilities.
fn taught(extractor: &mut Extractor, kind: HeadKind) -> Result<(), Box<dyn Error>> {
    let mut head = Head::new(kind, extractor, Limits { classes: 4, samples: 40 })?;
    for class in 0..3 {
        let id = head.add_class(&format!("class {class}"))?;
        for sample in 0..5 {
            let pixels = shaded(100 * class + sample, 60 * class as u8);
            head.add_sample(id, extractor.embed(&Frame::rgb(32, 32, &pixels)?)?)?;
        }
    }
    head.fit()?;
    let mut record = vec![0; head.encoded_len()];
    head.encode(&mut record)?;
    println!("{kind} record {}", hex(record));
    for class in 0..3 {
        let pixels = shaded(100 * class + 50, 60 * class as u8);
        let mut probabilities = vec![0.0; head.class_count()];
        let embedding = extractor.embed(&Frame::rgb(32, 32, &pixels)?)?;
        let answer = head.probabilities(embedding, &mut probabilities)?;
        let bits = probabilities.iter().flat_map(|p| p.to_le_bytes());
        let known = answer.known().is_some();
        println!("{kind} answer {} {known} {}", answer.class().index(), hex(bits));
    }
    Ok(())
}
