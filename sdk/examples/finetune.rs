//! Gain of fine-tuning on images of one's own, against the same head on the network as it is:
//!
//! ```text
//! cargo run --release --example finetune --no-default-features --features png -- \
//!     models/sprout/sprout.offshoot DATA SHOTS DRAWS [--all 1] [--step 0.05 --epochs 20]
//! ```
//!
//! `DATA/<class>/*.jpg`, or `DATA/train/<class>` and `DATA/test/<class>` (or `val`), or Pascal VOC, of
//! which each box becomes an image, with a quarter of its sides around it. Prints a line per draw:
//! accuracy of the head on the network as it is, on the tuned one, and what the gate said.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use offshoot::{Extractor, Frame, Head, HeadKind, Image, Limits, Maps, Tuning};

/// Most test images of a class.
const TESTED: usize = 60;

/// Maps of a folder's images, class by class.
type Classes = Vec<Vec<Vec<i8>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [package, data, shots, draws, options @ ..] = &arguments[..] else {
        return Err("usage: finetune PACKAGE DATA SHOTS DRAWS [OPTION NUMBER]...".into());
    };
    let shots: usize = shots.parse()?;
    let draws: u64 = draws.parse()?;
    let mut tuning = Tuning { least_t: f32::NEG_INFINITY, ..Tuning::default() };
    let mut kind = HeadKind::Ridge;
    for option in options.chunks(2) {
        let [name, value] = option else { return Err("an option without its value".into()) };
        match name.as_str() {
            "--step" => tuning.step = value.parse()?,
            "--head-step" => tuning.head_step = value.parse()?,
            "--epochs" => tuning.epochs = Some(value.parse()?),
            "--all" => tuning = Tuning { least_t: tuning.least_t, ..Tuning::all() },
            "--head" => kind = value.parse()?,
            _ => return Err(format!("no option {name}").into()),
        }
    }
    let mut extractor = Extractor::open(package)?;
    extractor.keep_maps()?;
    let data = Path::new(data);
    let (train, test) = if data.join("Annotations").is_dir() {
        (boxes(&mut extractor, data)?, Classes::new())
    } else if data.join("train").is_dir() {
        let held_out = if data.join("test").is_dir() { "test" } else { "val" };
        let train = read(&mut extractor, &data.join("train"))?;
        (train, read(&mut extractor, &data.join(held_out))?)
    } else {
        (read(&mut extractor, data)?, Classes::new())
    };
    for draw in 0..draws {
        let drawn = Draw::new(&train, &test, shots, draw);
        one(&mut extractor, &drawn, &tuning, kind)?;
    }
    Ok(())
}

/// Trains and tests on one draw, and prints a line.
fn one(
    extractor: &mut Extractor,
    draw: &Draw<'_>,
    tuning: &Tuning,
    kind: HeadKind,
) -> Result<(), Box<dyn Error>> {
    extractor.set_tail(None)?;
    let mut maps = Maps::new(extractor, draw.shots.len() as u16)?;
    // In turn, as they would be taught.
    let most = draw.shots.iter().map(Vec::len).max().unwrap_or(0);
    for i in 0..most {
        for (class, shots) in draw.shots.iter().enumerate() {
            if let Some(map) = shots.get(i) {
                maps.add(class, map)?;
            }
        }
    }
    let before = accuracy(extractor, &maps, draw, kind)?;
    let begun = std::time::Instant::now();
    let tuned = maps.finetune(extractor, tuning, |_| {})?;
    let seconds = begun.elapsed().as_secs_f64();
    let Some(tail) = &tuned.tail else {
        println!("{}", tuned.verdict);
        return Ok(());
    };
    extractor.set_tail(Some(tail))?;
    let after = accuracy(extractor, &maps, draw, kind)?;
    let evidence = tail.recorded().evidence;
    println!(
        "{:.2} {:.2} gain {:+.2} t {:.2} brier {:.4} {:.4} wrong {} {} of {} {seconds:.1} s",
        100.0 * before,
        100.0 * after,
        100.0 * (after - before),
        evidence.t,
        evidence.before,
        evidence.after,
        evidence.wrong_before,
        evidence.wrong_after,
        evidence.samples
    );
    Ok(())
}

/// Accuracy of a head that is taught the samples, on the test images.
fn accuracy(
    extractor: &mut Extractor,
    maps: &Maps,
    draw: &Draw<'_>,
    kind: HeadKind,
) -> Result<f64, Box<dyn Error>> {
    let limits = Limits { classes: draw.shots.len() as u16, samples: maps.len() as u16 };
    let mut head = Head::new(kind, extractor, limits)?;
    head.set_false_rejection_rate(0.0)?;
    for class in 0..draw.shots.len() {
        head.add_class(&format!("c{class}"))?;
    }
    for (class, map) in maps.iter() {
        let class = head.class_at(class).ok_or("a class")?;
        head.add_sample(class, extractor.embed_map(map)?)?;
    }
    head.fit()?;
    let mut right = 0;
    let mut asked = 0;
    for (class, tests) in draw.tests.iter().enumerate() {
        for map in tests {
            let answer = head.classify(extractor.embed_map(map)?)?;
            right += usize::from(answer.class().index() == class);
            asked += 1;
        }
    }
    Ok(f64::from(right as u32) / f64::from(asked.max(1) as u32))
}

/// Shots and test images of one draw, class by class.
struct Draw<'a> {
    shots: Vec<Vec<&'a Vec<i8>>>,
    tests: Vec<Vec<&'a Vec<i8>>>,
}

impl<'a> Draw<'a> {
    fn new(train: &'a Classes, test: &'a Classes, shots: usize, seed: u64) -> Self {
        let mut state = seed + 1;
        let mut drawn = Self { shots: Vec::new(), tests: Vec::new() };
        for (class, maps) in train.iter().enumerate() {
            let mut order: Vec<usize> = (0..maps.len()).collect();
            for i in (1..order.len()).rev() {
                order.swap(i, (splitmix(&mut state) % (i as u64 + 1)) as usize);
            }
            let cut = shots.min(order.len());
            drawn.shots.push(order[..cut].iter().map(|&i| &maps[i]).collect());
            let rest = order[cut..].iter().map(|&i| &maps[i]);
            drawn.tests.push(match test.get(class) {
                Some(maps) => maps.iter().take(TESTED).collect(),
                None => rest.take(TESTED).collect(),
            });
        }
        drawn
    }
}

/// Maps of the images in each folder of a folder.
fn read(extractor: &mut Extractor, folder: &Path) -> Result<Classes, Box<dyn Error>> {
    let mut classes = Classes::new();
    for class in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let mut maps = Vec::new();
        for file in entries(&class)? {
            let image = Image::open(&file)?;
            extractor.embed(&image.frame())?;
            maps.push(extractor.map().ok_or("maps are kept")?.to_vec());
        }
        classes.push(maps);
    }
    Ok(classes)
}

/// Maps of the boxes of Pascal VOC's annotations.
fn boxes(extractor: &mut Extractor, folder: &Path) -> Result<Classes, Box<dyn Error>> {
    let mut classes = BTreeMap::<String, Vec<Vec<i8>>>::new();
    for file in entries(&folder.join("Annotations"))? {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let image = Image::open(folder.join("JPEGImages").join(format!("{name}.jpg")))?;
        let text = fs::read_to_string(&file)?;
        for object in text.split("<object>").skip(1) {
            let sides = ["xmin", "ymin", "xmax", "ymax"].map(|tag| value(object, tag).parse());
            let [Ok(left), Ok(top), Ok(right), Ok(bottom)] = sides else { continue };
            let Some((width, height, rgb)) = cut(&image, [left, top, right, bottom]) else {
                continue;
            };
            extractor.embed(&Frame::rgb(width, height, &rgb)?)?;
            let map = extractor.map().ok_or("maps are kept")?.to_vec();
            classes.entry(value(object, "name").to_string()).or_default().push(map);
        }
    }
    Ok(classes.into_values().collect())
}

/// Text between the first pair of a tag.
fn value<'a>(text: &'a str, tag: &str) -> &'a str {
    let rest = text.split(&format!("<{tag}>")).nth(1).unwrap_or_default();
    rest.split('<').next().unwrap_or_default()
}

/// Width, height and pixels of a box with a quarter of its sides around it.
fn cut(image: &Image, [left, top, right, bottom]: [u32; 4]) -> Option<(u32, u32, Vec<u8>)> {
    let wide = right.checked_sub(left)? / 4;
    let high = bottom.checked_sub(top)? / 4;
    let columns = left.saturating_sub(wide)..(right + wide).min(image.width());
    let rows = top.saturating_sub(high)..(bottom + high).min(image.height());
    let mut rgb = Vec::new();
    for row in rows.clone() {
        let at = |column: u32| 3 * (row * image.width() + column) as usize;
        rgb.extend_from_slice(image.rgb().get(at(columns.start)..at(columns.end))?);
    }
    let [width, height] = [columns.len() as u32, rows.len() as u32];
    (width > 0 && height > 0).then_some((width, height, rgb))
}

/// Content of a folder, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.sort();
    Ok(paths)
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
