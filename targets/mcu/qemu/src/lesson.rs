//! Lesson of the demo, the same on the host, which says what the answers are, and on the device.

use offshoot_core::head::{Answer, Head, HeadKind, Limits};
use offshoot_core::quant::{Quant, Scale};
use offshoot_core::{Embedding, Frame, PixelFormat};
use offshoot_engine::Extractor;

/// Classes that are taught.
pub const CLASSES: [&str; 2] = ["mug", "plant"];

/// Frames of each class: those that are taught, then those that are asked.
pub const TAUGHT: usize = 4;
pub const ASKED: usize = 2;

/// Sides of a frame of RGB565.
pub const WIDTH: u32 = 160;
pub const HEIGHT: u32 = 120;
pub const FRAME_BYTES: usize = 2 * WIDTH as usize * HEIGHT as usize;

/// Bytes of all frames, class by class.
pub const FRAMES_BYTES: usize = CLASSES.len() * (TAUGHT + ASKED) * FRAME_BYTES;

/// Values of sprout's embeddings.
pub const DIM: usize = 256;

/// Sizes of the head, and its kind.
pub const LIMITS: Limits = Limits { classes: 8, samples: 64 };
pub const KIND: HeadKind = HeadKind::Ridge;

/// Kinds whose fit is counted.
pub const COUNTED: [HeadKind; 3] = [HeadKind::NearestMean, HeadKind::Ridge, HeadKind::Slda];

/// Words of the memory of a head of any of these kinds.
pub const WORDS: usize = match LIMITS.words(HeadKind::Slda, DIM) {
    Ok(words) => words,
    Err(_) => panic!("the limits are in range"),
};

/// Head in memory of the caller's.
pub type Lent<'a> = Head<&'a mut [u32]>;

/// Answer with the bits of its confidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// Index of the class; none: unknown.
    pub class: Option<usize>,
    pub confidence: u32,
}

impl Said {
    fn new(answer: Answer) -> Self {
        let class = answer.known().map(|class| class.index());
        Self { class, confidence: answer.confidence().get().to_bits() }
    }
}

/// Returns a frame of a class.
pub fn frame(frames: &[u8], class: usize, index: usize) -> Frame<'_> {
    let start = (class * (TAUGHT + ASKED) + index) * FRAME_BYTES;
    let pixels = &frames[start..start + FRAME_BYTES];
    Frame::new(WIDTH, HEIGHT, PixelFormat::Rgb565, pixels)
        .unwrap_or_else(|_| panic!("the size is right"))
}

/// Returns a head that knows nothing.
pub fn empty<'a>(extractor: &Extractor<'_>, kind: HeadKind, memory: &'a mut [u32]) -> Lent<'a> {
    let id = extractor.package().manifest().id;
    Head::new(kind, DIM, id, LIMITS, memory).unwrap_or_else(|_| panic!("memory of `WORDS` words"))
}

/// Teaches all classes and fits.
pub fn teach(head: &mut Lent<'_>, extractor: &mut Extractor<'_>, frames: &[u8]) {
    for (class, name) in CLASSES.into_iter().enumerate() {
        let id = head.add_class(name).unwrap_or_else(|_| panic!("a good name"));
        for index in 0..TAUGHT {
            let embedding = extractor.embed(&frame(frames, class, index));
            head.add_sample(id, embedding).unwrap_or_else(|_| panic!("the head has room"));
        }
    }
    head.fit().unwrap_or_else(|_| panic!("the head has samples"));
}

/// Asks a fitted head about a frame that was not taught.
pub fn ask(head: &Lent<'_>, extractor: &mut Extractor<'_>, frame: &Frame<'_>) -> Said {
    Said::new(
        head.classify(extractor.embed(frame)).unwrap_or_else(|_| panic!("the head is fitted")),
    )
}

/// Made-up embeddings of 8 classes, 8 samples of each, for heads that are full.
pub struct Drill {
    codes: [i8; DIM],
    state: u32,
}

impl Drill {
    pub const SHOTS: usize = 8;

    pub fn new() -> Self {
        Self { codes: [0; DIM], state: 1 }
    }

    /// Returns the next embedding of a class: a pattern of its own under noise.
    pub fn next(&mut self, class: usize) -> Embedding<'_> {
        for (place, code) in self.codes.iter_mut().enumerate() {
            self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (self.state >> 24) as i32 - 128;
            let own = if place % 8 == class { 64 } else { 0 };
            *code = (own + noise / 4) as i8;
        }
        let scale = Scale::new(1.0 / 128.0).expect("a positive number");
        Embedding::Int8 { codes: &self.codes, quant: Quant { scale, zero_point: 0 } }
    }

    /// Fits a head that has the samples, and asks it for the first time.
    pub fn first_answer(&mut self, head: &mut Lent<'_>) -> Said {
        head.fit().unwrap_or_else(|_| panic!("the head has samples"));
        Said::new(head.classify(self.next(3)).unwrap_or_else(|_| panic!("the head is fitted")))
    }
}

/// Names of the classes of a [`Drill`].
pub const DRILLED: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
