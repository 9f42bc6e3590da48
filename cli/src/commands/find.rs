//! `train`, `eval` and `predict` of packages with cells: heads that find objects.

use std::path::Path;
use std::time::Instant;

use offshoot::{Detection, Extractor, GoodHead, Image, SpatialHead};
use offshoot_convert::report::bytes;
use offshoot_core::anomaly::GOOD_MAGIC;
use offshoot_dataset::{LeftOut, Sample, Scene, Scenes, Selection, images};
use serde_json::{Value, json};

use super::cell_heads::begins_with;
use super::progress::Progress;
use super::shared::{check_count, decoded, png, tell, write_file};
use crate::args::{EvalArgs, GoodArg, PredictArgs, TrainArgs};
use crate::detection::lessons::{self, Seen};
use crate::detection::overlay::{counted, draw, draw_errors, draw_heat};
use crate::detection::scoring::Scores;
use crate::error::CommandError;

/// Share of the scenes that are tested if the data set is not split: one in so many.
const HELD_OUT: usize = 3;

/// Annotated scenes with their cells.
struct Lessons {
    classes: Vec<String>,
    train: Vec<Seen>,
    val: Vec<Seen>,
}

fn open(
    extractor: &mut Extractor,
    data: &Path,
    selection: &Selection,
    templates: Option<&Path>,
    shots: Option<usize>,
) -> Result<Lessons, CommandError> {
    check_count(shots, "--shots", data)?;
    let Scenes { classes, mut train, val, mut left_out } = Scenes::open(data, selection)?;
    if let Some(shots) = shots {
        train = drawn(&train, shots);
    }
    let bar = Progress::new(train.len() + val.len(), "cells");
    let train = lessons::see(extractor, &train, templates, &mut left_out, || bar.step());
    let val = lessons::see(extractor, &val, templates, &mut left_out, || bar.step());
    bar.finish();
    tell(data, &left_out);
    let train = train?;
    left_out.check_some(data, train.len(), "images")?;
    Ok(Lessons { classes, train, val: val? })
}

/// Returns so many scenes, spread evenly over all.
fn drawn(scenes: &[Scene], most: usize) -> Vec<Scene> {
    let count = most.min(scenes.len());
    (0..count).map(|i| scenes[i * scenes.len() / count].clone()).collect()
}

/// Trains a head on scenes and saves it; tests it on those that are for that.
pub(super) fn train(args: &TrainArgs, mut extractor: Extractor) -> Result<(), CommandError> {
    if let Some(good) = args.good {
        return learn_good(args, good, extractor);
    }
    let selection = args.selection.selection();
    let templates = args.templates.as_deref();
    let Lessons { classes, train, val } =
        open(&mut extractor, &args.data, &selection, templates, args.shots)?;
    let start = Instant::now();
    let mut head = lessons::teach(&extractor, &classes, &train)?;
    let taken = start.elapsed();
    head.save(&args.output)?;
    let objects: usize = train.iter().map(|seen| seen.marks.len()).sum();
    println!(
        "{}: {objects} objects of {} classes in {} pictures, trained in {:.1} s; {} in memory, {} saved",
        args.output.display(),
        classes.len(),
        train.len(),
        taken.as_secs_f64(),
        bytes(head.limits().bytes(head.layout()).map_err(offshoot::Error::from)?),
        bytes(head.encoded_len()),
    );
    for class in 0..head.class_count() as u8 {
        let name = head.class_name(class).unwrap_or_default();
        let threshold = head.threshold(class);
        if let Some(expected) = head.expected(class) {
            println!(
                "  {name}: expect F1 {:.2} (precision {:.2}, recall {:.2}) at threshold {threshold:.2}, by {} held-out objects",
                expected.f1, expected.precision, expected.recall, expected.objects
            );
        } else {
            println!(
                "  {name}: threshold {threshold:.2}; three pictures or more say what to expect"
            );
        }
    }
    if !val.is_empty() {
        println!("{}", Scores::measure(&mut head, &val)?);
    }
    Ok(())
}

/// Measures heads that are trained on a part of the scenes and tested on the others.
pub(super) fn eval(args: &EvalArgs, mut extractor: Extractor) -> Result<(), CommandError> {
    let selection = args.selection.selection();
    let templates = args.templates.as_deref();
    let Lessons { classes, mut train, mut val } =
        open(&mut extractor, &args.data, &selection, templates, args.shots)?;
    if val.is_empty() {
        let (tested, learned): (Vec<_>, Vec<_>) =
            train.into_iter().enumerate().partition(|(at, _)| at % HELD_OUT == HELD_OUT - 1);
        train = learned.into_iter().map(|(_, seen)| seen).collect();
        val = tested.into_iter().map(|(_, seen)| seen).collect();
    }
    if val.is_empty() {
        let what = "no picture is left to test on; add some, or lower --shots".to_string();
        return Err(CommandError::TooFew { path: args.data.clone(), what });
    }
    let start = Instant::now();
    let mut head = lessons::teach(&extractor, &classes, &train)?;
    println!(
        "{}: {} classes; trained on {} pictures in {:.1} s; tested on {} others",
        args.data.display(),
        classes.len(),
        train.len(),
        start.elapsed().as_secs_f64(),
        val.len()
    );
    let scores = Scores::measure(&mut head, &val)?;
    println!("{scores}");
    if let Some(path) = &args.confusion {
        // The picture with the most errors.
        let errors = |[hits, found, objects]: [usize; 3]| found + objects - 2 * hits;
        let worst = (0..val.len()).max_by_key(|&at| errors(scores.by_image[at])).unwrap_or(0);
        let seen = &val[worst];
        let cells = seen.cells(&mut head)?;
        let found = head.find(&cells)?.to_vec();
        let image = Image::open(&seen.path)?;
        write_file(path, &png(&draw_errors(&image, &head, &found, &seen.marks), path)?)?;
        println!("  {}: errors in {}", path.display(), seen.path.display());
    }
    Ok(())
}

/// Finds objects in images.
pub(super) fn predict(args: &PredictArgs, mut extractor: Extractor) -> Result<(), CommandError> {
    if begins_with(&args.head, GOOD_MAGIC) {
        return look(args, extractor);
    }
    let mut head = SpatialHead::load(&args.head, &extractor)?;
    if let (Some(path), [_, _, ..]) = (&args.draw, &args.images[..]) {
        let what = format!("--draw takes one image, {} were given", args.images.len());
        return Err(CommandError::Heatmap { path: path.clone(), what });
    }
    if let Some(path) = &args.template {
        let empty = Image::open(path)?;
        head.set_reference(&extractor.cells(&empty.frame())?).map_err(offshoot::Error::from)?;
    }
    let mut results = Vec::new();
    for path in &args.images {
        let image =
            if args.care.cut_short { Image::open_cut_short(path) } else { Image::open(path) }?;
        let found = head.find(&extractor.cells(&image.frame())?)?.to_vec();
        if args.json {
            results.extend(found.iter().map(|own| result(path, &image, &head, own)));
        } else {
            println!("{}  {}", path.display(), counted(&head, &found));
        }
        if let Some(out) = &args.draw {
            write_file(out, &png(&draw(&image, &head, &found), out)?)?;
        }
    }
    if args.json {
        println!("{:#}", Value::Array(results));
    }
    Ok(())
}

/// Returns a detection in the form of COCO's results.
fn result(path: &Path, image: &Image, head: &SpatialHead, own: &Detection) -> Value {
    let [left, top, width, height] = own.area(head.unknown_size());
    let across = image.width() as f32;
    let down = image.height() as f32;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    json!({
        "image_id": stem.parse::<u64>().map_or(json!(stem), Value::from),
        "category_id": own.class + 1,
        "category": head.class_name(own.class),
        "bbox": [left * across, top * down, width * across, height * down],
        "score": own.score,
    })
}

/// Learns good pictures; each is first asked of a head of those before it.
fn learn_good(
    args: &TrainArgs,
    good: GoodArg,
    mut extractor: Extractor,
) -> Result<(), CommandError> {
    let mut left_out = LeftOut::new(args.selection.care.into());
    let files = images(&args.data, usize::MAX, &mut left_out)?;
    let files: Vec<Sample> = files.into_iter().map(Sample::of_file).collect();
    let images = decoded(&args.data, &files, &mut left_out)?;
    let mut head = GoodHead::new(&extractor, good == GoodArg::Fixed)?;
    for image in &images {
        let cells = extractor.cells(&image.frame())?;
        head.teach(&cells).map_err(offshoot::Error::from)?;
        // A single picture has no deviations.
        let _ = head.fit();
    }
    if images.len() < LEAST_GOOD {
        let what = format!("{} good pictures, at least {LEAST_GOOD} are needed", images.len());
        return Err(CommandError::TooFew { path: args.data.clone(), what });
    }
    head.save(&args.output)?;
    let threshold = head.threshold().unwrap_or_default();
    println!(
        "{}: {} good pictures; unusual is a score above {threshold:.2}",
        args.output.display(),
        images.len()
    );
    Ok(())
}

/// Least number of good pictures: three are tested, by heads of two and more.
const LEAST_GOOD: usize = 5;

/// Tells what is unusual in images, and where.
fn look(args: &PredictArgs, mut extractor: Extractor) -> Result<(), CommandError> {
    let mut head = GoodHead::load(&args.head, &extractor)?;
    if let (Some(path), [_, _, ..]) = (&args.draw, &args.images[..]) {
        let what = format!("--draw takes one image, {} were given", args.images.len());
        return Err(CommandError::Heatmap { path: path.clone(), what });
    }
    for path in &args.images {
        let image =
            if args.care.cut_short { Image::open_cut_short(path) } else { Image::open(path) }?;
        let layout = *head.layout();
        let found = head.look(&extractor.cells(&image.frame())?).map_err(offshoot::Error::from)?;
        let width = layout.grid()[1];
        let [down, across] = layout.centre(found.place / width, found.place % width);
        let is_unusual = found.is_unusual();
        if args.json {
            let own = json!({
                "file": path.display().to_string(),
                "score": found.score,
                "threshold": found.threshold,
                "unusual": is_unusual,
                "at": [across * image.width() as f32, down * image.height() as f32],
                "rows": layout.grid()[0],
                "columns": width,
                "heat": found.heat,
            });
            println!("{own}");
        } else {
            let word = if is_unusual { "unusual" } else { "good" };
            println!(
                "{}  {word} {:.2}, most at {across:.2} {down:.2}",
                path.display(),
                found.score
            );
        }
        if let Some(out) = &args.draw {
            let picture = draw_heat(&image, layout.grid(), found.heat, found.threshold);
            write_file(out, &png(&picture, out)?)?;
        }
    }
    Ok(())
}
