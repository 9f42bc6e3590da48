//! `offshoot demo`: the whole workflow on a simulated camera.

use std::path::Path;
use std::time::{Duration, Instant};

use embedded_graphics::framebuffer::{Framebuffer, buffer_size};
use embedded_graphics::image::GetPixel;
use embedded_graphics::pixelcolor::raw::{LittleEndian, RawU16};
use embedded_graphics::pixelcolor::{Rgb565, RgbColor};
use embedded_graphics::prelude::Point;
use offshoot::{Embedding, Extractor, Head, HeadKind, Image, Limits};
use offshoot_convert::import::Source;
use offshoot_convert::pipeline::job::Samples;
use offshoot_convert::pipeline::{Options, convert};
use offshoot_convert::report::{bytes, millions, ms};
use offshoot_device::BuiltIn;
use offshoot_simulator::{Camera, Object};
use offshoot_view::{ClassLine, Screen, State};

use super::shared::{png, write_file};
use crate::args::DemoArgs;
use crate::built_in::{Packages, SPROUT};
use crate::error::CommandError;

/// Default file name of the screenshot.
const IMAGE: &str = "offshoot-demo.png";

/// Objects to teach.
const OBJECTS: [Object; 3] = [Object::Mug, Object::Plant, Object::Key];
/// Training and test images per object.
const SHOTS: u64 = 5;
const UNSEEN: u64 = 10;
/// Simulated camera.
const CAMERA: Camera = Camera::new(160, 120);

pub(super) fn run(args: &DemoArgs, packages: &Packages) -> Result<(), CommandError> {
    let start = Instant::now();
    // Converted anew each time: the demo shows the workflow, not a stored result.
    let sprout = sprout(packages)?;
    let chosen = packages.or_fitting(args.extractor.extractor);
    let package = match chosen {
        BuiltIn::Small => sprout,
        BuiltIn::Sharp => {
            println!("   {}", Extractor::from_bytes(sprout)?.verify()?);
            let sharp = packages.package(BuiltIn::Sharp)?.into_owned();
            println!("   From here on with the sharper built-in package: {}", bytes(sharp.len()));
            sharp
        }
    };
    let mut extractor = Extractor::from_bytes(package.clone())?;
    println!("   {}", extractor.verify()?);

    println!("2. Teach {} from {SHOTS} images each of a simulated camera", names());
    let head = teach(&mut extractor)?;
    println!("3. Classify {} unseen images", UNSEEN * OBJECTS.len() as u64);
    let exam = examine(&mut extractor, &head)?;
    println!("   {} of {} right", exam.right, exam.asked);
    for (object, right) in OBJECTS.iter().zip(exam.per_object) {
        println!("   {:<6} {right:>2} of {UNSEEN}", object.name());
    }
    let answer_time = exam.time / exam.asked as u32;
    println!(
        "   {:.1} ms from frame to answer, 1 thread, arena {}",
        ms(answer_time),
        bytes(extractor.memory().arena)
    );
    // Not into the current folder, which may be a clone of the project.
    let out = args.out.clone().unwrap_or_else(|| std::env::temp_dir().join(IMAGE));
    screen(&mut extractor, &head, &out)?;
    println!("4. {} shows the screen of the device", out.display());
    if let Some(folder) = &args.keep {
        std::fs::create_dir_all(folder).map_err(|source| CommandError::write(folder, source))?;
        write_file(&folder.join(chosen.file()), &package)?;
        head.save(folder.join("demo.head"))?;
        println!("   {} holds {} and demo.head", folder.display(), chosen.file());
    }
    println!(
        "Done in {:.1} s. Next: offshoot convert YOUR.onnx --calibrate IMAGES",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Returns the small package: converted here, if this program comes with the model.
fn sprout(packages: &Packages) -> Result<Vec<u8>, CommandError> {
    if !packages.has(SPROUT) {
        println!("1. Take the small package; {SPROUT}, to convert, is no part of this program");
        return Ok(packages.package(BuiltIn::Small)?.into_owned());
    }
    let model = packages.read(SPROUT)?;
    println!("1. Convert {SPROUT} ({}), the smaller backbone we ship, to int8", bytes(model.len()));
    convert_sprout(&model)
}

fn convert_sprout(model: &[u8]) -> Result<Vec<u8>, CommandError> {
    let start = Instant::now();
    let source = Source::parse(Path::new(SPROUT), model)?;
    // All objects and the empty table, on seeds used nowhere else.
    let subjects = Object::ALL.into_iter().map(Some).chain([None]);
    let images: Vec<Image> = subjects
        .enumerate()
        .flat_map(|(i, object)| (0..4).map(move |shot| look(object, 9_000 + 10 * i as u64 + shot)))
        .collect();
    let converted = convert(&source, Samples::Images(&images), &Options::default(), &mut ())?;
    let report = &converted.report;
    println!(
        "   {} layers, {} MACs, package {}, cosine to float {:.3}, {:.1} s",
        report.nodes,
        millions(report.macs),
        bytes(report.package),
        report.cosine_mean,
        start.elapsed().as_secs_f64()
    );
    Ok(converted.bytes)
}

/// Renders an image; each seed has a table, light and pose of its own.
fn look(object: Option<Object>, seed: u64) -> Image {
    let image = CAMERA.look(object, seed);
    Image::from_rgb(image.width, image.height, image.rgb).expect("the camera fills its frame")
}

fn seed(class: usize, shot: u64) -> u64 {
    1_000 * (class as u64 + 1) + shot
}

fn teach(extractor: &mut Extractor) -> Result<Head, CommandError> {
    let limits = Limits { classes: 8, samples: 64 };
    let mut head = Head::new(HeadKind::Auto, extractor, limits)?;
    let mut time = Duration::ZERO;
    for (class, object) in OBJECTS.into_iter().enumerate() {
        let id = head.add_class(object.name())?;
        for shot in 0..SHOTS {
            let image = look(Some(object), seed(class, shot));
            let embedding = extractor.embed(&image.frame())?;
            let start = Instant::now();
            head.add_sample(id, embedding)?;
            time += start.elapsed();
        }
    }
    let start = Instant::now();
    head.fit()?;
    time += start.elapsed();
    println!(
        "   {} samples, {} head, {:.2} ms to train",
        head.sample_count(),
        head.chosen()?.kind,
        ms(time)
    );
    Ok(head)
}

struct Exam {
    right: usize,
    asked: usize,
    per_object: Vec<usize>,
    time: Duration,
}

fn examine(extractor: &mut Extractor, head: &Head) -> Result<Exam, CommandError> {
    let mut exam =
        Exam { right: 0, asked: 0, per_object: vec![0; OBJECTS.len()], time: Duration::ZERO };
    for (class, object) in OBJECTS.into_iter().enumerate() {
        for shot in 0..UNSEEN {
            let image = look(Some(object), seed(class, 100 + shot));
            let start = Instant::now();
            let embedding: Embedding<'_> = extractor.embed(&image.frame())?;
            let answer = head.classify(embedding)?;
            exam.time += start.elapsed();
            exam.asked += 1;
            let right = usize::from(answer.class().index() == class);
            exam.right += right;
            exam.per_object[class] += right;
        }
    }
    Ok(exam)
}

const WIDTH: usize = 320;
const HEIGHT: usize = 240;
type Panel = Framebuffer<
    Rgb565,
    RawU16,
    LittleEndian,
    WIDTH,
    HEIGHT,
    { buffer_size::<Rgb565>(WIDTH, HEIGHT) },
>;

/// Draws the screen for one unseen image, at twice the size of the panel for legibility.
fn screen(extractor: &mut Extractor, head: &Head, out: &Path) -> Result<(), CommandError> {
    let image = look(Some(OBJECTS[0]), seed(0, 100));
    let embedding = extractor.embed(&image.frame())?;
    let seen = offshoot_view::Image::new(image.width(), image.height(), image.rgb());
    draw_answer(head, embedding, seen, "A teach   B next class", out)
}

/// Draws the screen of an answer to one sample, with what the device sees of it.
pub(super) fn draw_answer(
    head: &Head,
    embedding: Embedding<'_>,
    seen: Option<offshoot_view::Image<'_>>,
    hint: &str,
    out: &Path,
) -> Result<(), CommandError> {
    let mut probabilities = vec![0.0; head.class_count()];
    let answer = head.probabilities(embedding, &mut probabilities)?;
    let lines: Vec<ClassLine<'_>> = head
        .classes()
        .zip(&probabilities)
        .map(|((id, name), &probability)| ClassLine {
            name,
            samples: head.samples_of(id) as u32,
            probability,
        })
        .collect();
    let class = head.class_name(answer.class()).unwrap_or_default();
    let mut panel = Panel::new();
    let drawn = Screen {
        title: "Offshoot",
        image: seen,
        objects: None,
        state: State::Answer { class, confidence: answer.confidence().get() },
        classes: &lines,
        threshold: None,
        advice: "",
        hint,
    }
    .draw(&mut panel);
    match drawn {
        Ok(()) => write_file(out, &png(&image_of(&panel), out)?),
        Err(never) => match never {},
    }
}

/// Returns the panel as an image, each pixel enlarged to a square.
fn image_of(panel: &Panel) -> image::RgbImage {
    let scale = 2;
    image::RgbImage::from_fn((scale * WIDTH) as u32, (scale * HEIGHT) as u32, |x, y| {
        let at = Point::new(x as i32 / scale as i32, y as i32 / scale as i32);
        let color = panel.pixel(at).unwrap_or_default();
        image::Rgb([
            eight_bits(color.r(), Rgb565::MAX_R),
            eight_bits(color.g(), Rgb565::MAX_G),
            eight_bits(color.b(), Rgb565::MAX_B),
        ])
    })
}

/// Expands a component of five or six bits to eight.
fn eight_bits(component: u8, max: u8) -> u8 {
    (u16::from(component) * 255 / u16::from(max)) as u8
}

fn names() -> String {
    OBJECTS.map(Object::name).join(", ")
}
