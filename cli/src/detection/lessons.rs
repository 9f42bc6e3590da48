//! Lessons from annotated images: cells, marks, thresholds from folds.

use std::path::{Path, PathBuf};

use offshoot::{Cells, CellsLayout, Error, Extractor, Image, Mark, SpatialHead, SpatialLimits};
use offshoot_core::spatial::MAX_SPATIAL_CLASSES;
use offshoot_dataset::{Area, DataError, LeftOut, Scene};

use crate::error::CommandError;

/// Number of parts of the training scenes, each of which is tested by a head of the others.
const FOLDS: usize = 5;

/// Annotated image with its cells.
#[derive(Debug)]
pub struct Seen {
    /// Path of the image.
    pub path: PathBuf,
    /// Int8 values of the cells.
    pub codes: Vec<i8>,
    /// Those of the same scene without objects.
    pub template: Option<Vec<i8>>,
    /// Objects.
    pub marks: Vec<Mark>,
}

/// Returns the mark of a box in an image.
pub fn mark(class: usize, area: &Area, image: &Image) -> Option<Mark> {
    let width = image.width() as f32;
    let height = image.height() as f32;
    let left = (area.x as f32 / width).min(1.0);
    let top = (area.y as f32 / height).min(1.0);
    let right = ((area.x + area.width) as f32 / width).min(1.0);
    let bottom = ((area.y + area.height) as f32 / height).min(1.0);
    let is_inside = right > left && bottom > top;
    is_inside.then(|| Mark::boxed(class as u8, [left, top, right - left, bottom - top]))
}

/// Returns the path of the same scene without objects: the image's name in another folder.
fn template(folder: &Path, image: &Path) -> Result<PathBuf, DataError> {
    let path = folder.join(image.file_name().unwrap_or_default());
    if path.is_file() {
        return Ok(path);
    }
    let what = "same scene without objects, under the name of its image";
    Err(DataError::Missing { path, what })
}

/// Computes the cells of scenes; those that cannot be read are left out.
///
/// # Errors
/// Fails on the first fault if the record is strict, if a template is missing, and like
/// [`Extractor::cells`].
pub fn see(
    extractor: &mut Extractor,
    scenes: &[Scene],
    templates: Option<&Path>,
    left_out: &mut LeftOut,
    mut step: impl FnMut(),
) -> Result<Vec<Seen>, CommandError> {
    let mut all = Vec::new();
    for scene in scenes {
        step();
        let image = match scene.open(left_out.care().cut_short) {
            Ok(image) => image,
            Err(fault) => {
                left_out.pass(fault)?;
                continue;
            }
        };
        let template = match templates {
            Some(folder) => {
                let empty = Image::open(template(folder, &scene.path)?)?;
                Some(extractor.cells(&empty.frame())?.codes().to_vec())
            }
            None => None,
        };
        let codes = extractor.cells(&image.frame())?.codes().to_vec();
        let marks = scene.boxes.iter().filter_map(|(class, area)| mark(*class, area, &image));
        all.push(Seen { path: scene.path.clone(), codes, template, marks: marks.collect() });
    }
    Ok(all)
}

impl Seen {
    /// Sets the empty scene of a head, if there is one, and returns the cells.
    ///
    /// # Errors
    /// Fails if the head has learned without an empty scene.
    pub fn cells(&self, head: &mut SpatialHead) -> Result<Cells<'_>, Error> {
        let layout = *head.layout();
        if let Some(template) = &self.template {
            head.set_reference(&wrapped(layout, template))?;
        }
        Ok(wrapped(layout, &self.codes))
    }
}

/// Wraps values that an extractor of this layout gave.
fn wrapped(layout: CellsLayout, codes: &[i8]) -> Cells<'_> {
    Cells::new(layout, codes).expect("values of the same package")
}

/// Returns an empty head with these classes.
fn empty(extractor: &Extractor, classes: &[String]) -> Result<SpatialHead, Error> {
    let room = classes.len().clamp(1, MAX_SPATIAL_CLASSES) as u8;
    let mut head = SpatialHead::new(extractor, SpatialLimits { classes: room })?;
    for class in classes {
        head.add_class(class)?;
    }
    Ok(head)
}

/// Teaches a head; its thresholds are from parts of the scenes, each tested by a head of the others.
///
/// # Errors
/// Fails if there are too many classes, no objects or no background.
pub fn teach(
    extractor: &Extractor,
    classes: &[String],
    seen: &[Seen],
) -> Result<SpatialHead, Error> {
    let folds = FOLDS.min(seen.len()).max(1);
    let mut parts = Vec::new();
    for fold in 0..folds {
        let mut head = empty(extractor, classes)?;
        for own in seen.iter().skip(fold).step_by(folds) {
            let cells = own.cells(&mut head)?;
            head.teach(&cells, &own.marks)?;
        }
        parts.push(head);
    }
    let mut whole = empty(extractor, classes)?;
    prepare(&mut whole, seen)?;
    for part in &parts {
        whole.merge(part)?;
    }
    for fold in (0..folds).filter(|_| folds > 1) {
        let mut rest = empty(extractor, classes)?;
        prepare(&mut rest, seen)?;
        for (_, part) in parts.iter().enumerate().filter(|(at, _)| *at != fold) {
            rest.merge(part)?;
        }
        // The other parts may have no objects.
        if rest.fit().is_err() {
            continue;
        }
        for own in seen.iter().skip(fold).step_by(folds) {
            let cells = own.cells(&mut rest)?;
            rest.test(&cells, &own.marks)?;
        }
        whole.add_tests(&rest);
    }
    whole.fit()?;
    Ok(whole)
}

/// Makes a head compare with empty scenes if the lessons do.
fn prepare(head: &mut SpatialHead, seen: &[Seen]) -> Result<(), Error> {
    match seen.first() {
        Some(first) => first.cells(head).map(|_| ()),
        None => Ok(()),
    }
}
