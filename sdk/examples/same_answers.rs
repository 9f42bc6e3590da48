//! Answers of the facade to the lesson of `tests/doors`: each step with the bits of its numbers. The
//! other doors print the same lines; `tests/doors.sh` compares them.
//!
//! ```text
//! cargo run --example same_answers --no-default-features --features png -- \
//!     models/sprout/sprout.offshoot tests/doors/lesson.txt auto [EMPTY]
//! ```
//!
//! The last argument is a file for the empty head.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::fs;

use offshoot::{ClassId, Extractor, Frame, Head, Image, Limits, PixelFormat};

const LIMITS: Limits = Limits { classes: 4, samples: 20 };

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

enum Picture {
    File(Image),
    Raw { format: PixelFormat, width: u32, height: u32, pixels: Vec<u8> },
}

impl Picture {
    fn read(format: &str, width: u32, height: u32, path: &str) -> Outcome<Self> {
        let pixels = fs::read(path)?;
        let format = match format {
            "file" => return Ok(Self::File(Image::decode(&pixels)?)),
            "rgb" => PixelFormat::Rgb8,
            "bgr" => PixelFormat::Bgr8,
            "grey" => PixelFormat::Gray8,
            "rgb565" => PixelFormat::Rgb565,
            "yuyv" => PixelFormat::Yuyv,
            "nv12" => PixelFormat::Nv12,
            "i420" => PixelFormat::I420,
            _ => return Err(format!("no format `{format}`").into()),
        };
        Ok(Self::Raw { format, width, height, pixels })
    }

    fn frame(&self) -> Outcome<Frame<'_>> {
        Ok(match self {
            Self::File(image) => image.frame(),
            Self::Raw { format, width, height, pixels } => {
                Frame::new(*width, *height, *format, pixels)?
            }
        })
    }
}

struct Learner {
    extractor: Extractor,
    head: Head,
    pictures: BTreeMap<String, Picture>,
}

impl Learner {
    /// Carries out a step, and returns its results, each behind a space.
    fn step(&mut self, words: &[&str]) -> Outcome<String> {
        match *words {
            ["image", name, format, width, height, path] => {
                let picture = Picture::read(format, width.parse()?, height.parse()?, path)?;
                let embedding = self.extractor.embed(&picture.frame()?)?;
                let result = format!(" {}", digest_of(embedding.iter()));
                self.pictures.insert(name.to_string(), picture);
                Ok(result)
            }
            ["teach", class, image] => {
                let embedding = self.extractor.embed(&self.pictures[image].frame()?)?;
                let id = match self.head.class_named(class) {
                    Some(id) => id,
                    None => self.head.add_class(class)?,
                };
                self.head.add_sample(id, embedding)?;
                Ok(self.samples())
            }
            ["undo"] => {
                let class = self.head.undo().ok_or("nothing to undo")?;
                let name = self.name(class);
                if self.head.samples_of(class) == 0 {
                    self.head.remove_class(class)?;
                }
                Ok(format!(" {name}{}", self.samples()))
            }
            ["forget", class] => {
                self.head.remove_class(self.head.class_named(class).ok_or("no such class")?)?;
                Ok(self.samples())
            }
            ["classify", image] => self.classify(image),
            ["report"] => self.report(),
            ["save"] => {
                let bytes = self.head.to_bytes();
                Ok(format!(" {} {}", bytes.len(), digest(bytes)))
            }
            _ => Err("no such step".into()),
        }
    }

    fn classify(&mut self, image: &str) -> Outcome<String> {
        self.head.fit()?;
        let embedding = self.extractor.embed(&self.pictures[image].frame()?)?;
        let mut shares = vec![0.0; self.head.class_count()];
        let answer = self.head.probabilities(embedding, &mut shares)?;
        let known = if answer.known().is_some() { "is" } else { "unlike" };
        let mut line = format!(" {known} {}", self.name(answer.class()));
        for value in [answer.confidence().get()].into_iter().chain(shares) {
            write!(line, " {:08x}", value.to_bits())?;
        }
        Ok(line)
    }

    fn report(&mut self) -> Outcome<String> {
        self.head.fit()?;
        let report = self.head.report()?;
        let mut line = format!(" {} of {}", report.right(), report.asked());
        for own in self.head.classes() {
            for said in self.head.classes() {
                write!(line, " {}", report.confusion(own.0, said.0))?;
            }
        }
        let interval = report.interval();
        let advice: Vec<String> = report.advice().map(|advice| advice.to_string()).collect();
        let advice = digest(advice.concat().bytes());
        write!(line, " {} {advice}", digest_of([interval.low, interval.high]))?;
        Ok(line)
    }

    /// Number of samples per class.
    fn samples(&self) -> String {
        self.head.classes().fold(String::new(), |line, (class, name)| {
            format!("{line} {name} {}", self.head.samples_of(class))
        })
    }

    fn name(&self, class: ClassId) -> String {
        self.head.class_name(class).unwrap_or_default().to_string()
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [package, lesson, kind, ..] = arguments.as_slice() else {
        return Err("usage: same_answers PACKAGE LESSON KIND [EMPTY]".into());
    };
    let extractor = Extractor::open(package)?;
    let head = Head::new(kind.parse()?, &extractor, LIMITS)?;
    if let Some(empty) = arguments.get(3) {
        head.save(empty)?;
    }
    let mut learner = Learner { extractor, head, pictures: BTreeMap::new() };
    for line in fs::read_to_string(lesson)?.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() || words[0] == "#" {
            continue;
        }
        let result = learner.step(&words).map_err(|error| format!("{line}: {error}"))?;
        println!("{line}:{result}");
    }
    Ok(())
}
