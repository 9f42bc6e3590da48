//! Embeddings of every pixel format, and answers of every kind of head, in hexadecimal, by the facade:
//! `tests/programs/digest.c` prints the same by `liboffshoot`. `tests/test.sh` compares them.

use offshoot::{Embedding, Error, Extractor, Frame, Head, HeadKind, Limits, PixelFormat};

const WIDTH: u32 = 32;
const HEIGHT: u32 = 24;
const CLASSES: usize = 3;
const SAMPLES: usize = 12;

const FORMATS: [PixelFormat; 7] = [
    PixelFormat::Rgb8,
    PixelFormat::Bgr8,
    PixelFormat::Gray8,
    PixelFormat::Rgb565,
    PixelFormat::Yuyv,
    PixelFormat::Nv12,
    PixelFormat::I420,
];

/// Knuth's MMIX generator.
fn noise(state: &mut u64) -> u8 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as u8
}

/// FNV-1a.
fn digest(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn embed<'a>(
    extractor: &'a mut Extractor,
    format: PixelFormat,
    state: &mut u64,
) -> Result<Embedding<'a>, Error> {
    let pixels: Vec<u8> = (0..3 * WIDTH * HEIGHT).map(|_| noise(state)).collect();
    extractor.embed(&Frame::new(WIDTH, HEIGHT, format, &pixels)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let package = std::env::args().nth(1).unwrap_or("models/sprout/sprout.offshoot".to_string());
    let mut extractor = Extractor::open(package)?;
    let mut state = 7;
    for (number, format) in (1..).zip(FORMATS) {
        let embedding = embed(&mut extractor, format, &mut state)?;
        let Embedding::Int8 { quant, .. } = embedding else {
            return Err("a package that gives int8".into());
        };
        let scale = quant.scale.get().to_bits();
        let digest = digest(embedding.bytes());
        println!("format {number} {digest:016x} {scale:08x} {}", quant.zero_point);
    }
    for kind in HeadKind::ALL {
        let limits = Limits { classes: CLASSES as u16, samples: SAMPLES as u16 };
        let mut head = Head::new(kind, &extractor, limits)?;
        let classes = [head.add_class("a")?, head.add_class("b")?, head.add_class("c")?];
        for i in 0..SAMPLES {
            let embedding = embed(&mut extractor, FORMATS[i % CLASSES], &mut state)?;
            head.add_sample(classes[i % CLASSES], embedding)?;
        }
        head.fit()?;
        let mut probabilities = [0.0f32; CLASSES];
        let embedding = embed(&mut extractor, PixelFormat::Bgr8, &mut state)?;
        let answer = head.probabilities(embedding, &mut probabilities)?;
        let known = u8::from(answer.known().is_some());
        print!("kind {} {known} {}", kind as u8, answer.class().index());
        probabilities.iter().for_each(|share| print!(" {:08x}", share.to_bits()));
        println!();
    }
    Ok(())
}
