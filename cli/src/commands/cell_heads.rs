//! Heads of cells in `merge` and `report`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use offshoot::SpatialHead;
use offshoot_core::spatial::SPATIAL_MAGIC;
use serde_json::{Value, json};

use crate::args::{MergeArgs, ReportArgs};
use crate::error::CommandError;

/// Returns true if a file begins as a head of cells does.
pub(super) fn is_one(path: &Path) -> bool {
    begins_with(path, SPATIAL_MAGIC)
}

/// Returns true if a file begins with these bytes.
pub(super) fn begins_with(path: &Path, magic: [u8; 8]) -> bool {
    let mut first = [0; 8];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && first == magic
}

/// Adds up the sums of heads of cells.
pub(super) fn merge(args: &MergeArgs) -> Result<(), CommandError> {
    let others: Vec<PathBuf> = args.heads.iter().filter(|path| !is_one(path)).cloned().collect();
    if let Some(path) = others.into_iter().next() {
        let what = "no head of cells, as others of these are: they do not add up".to_string();
        return Err(CommandError::OtherHead { path, what });
    }
    let mut merged = SpatialHead::read(&args.heads[0])?;
    for path in &args.heads[1..] {
        let other = SpatialHead::read(path)?;
        merged.merge(&other).map_err(|error| CommandError::OtherHead {
            path: path.clone(),
            what: error.to_string(),
        })?;
    }
    merged.save(&args.output)?;
    println!(
        "{}: {} pictures, {} classes of objects, from {} heads",
        args.output.display(),
        merged.lessons(),
        merged.class_count(),
        args.heads.len()
    );
    Ok(())
}

/// Reports on a head of cells: what was taught, and what tests let expect.
pub(super) fn report(args: &ReportArgs) -> Result<(), CommandError> {
    let head = match &args.package {
        Some(path) => SpatialHead::load(&args.head, &offshoot::Extractor::open(path)?)?,
        None => SpatialHead::read(&args.head)?,
    };
    if args.json {
        println!("{:#}", as_json(&head));
        return Ok(());
    }
    let objects: u32 = classes(&head).map(|class| head.objects_of(class)).sum();
    println!(
        "{}: head of cells, {objects} objects of {} classes in {} pictures{}",
        args.head.display(),
        head.class_count(),
        head.lessons(),
        if head.has_reference() { ", compared with an empty scene" } else { "" }
    );
    let names = || classes(&head).map(|class| head.class_name(class).unwrap_or_default());
    let width = names().map(|name| name.chars().count()).max().unwrap_or(0);
    for (class, name) in classes(&head).zip(names()) {
        let count = head.objects_of(class);
        let threshold = head.threshold(class);
        let expected = match head.expected(class) {
            None => "three tested pictures say what to expect".to_string(),
            Some(expected) => format!(
                "expect precision {:.2}, recall {:.2}, F1 {:.2}, from {} objects",
                expected.precision, expected.recall, expected.f1, expected.objects
            ),
        };
        println!("  {name:<width$} {count:>5} objects, threshold {threshold:.2}; {expected}");
    }
    Ok(())
}

fn classes(head: &SpatialHead) -> impl Iterator<Item = u8> {
    0..head.class_count() as u8
}

fn as_json(head: &SpatialHead) -> Value {
    let class = |class: u8| {
        let expected = head.expected(class).map(|expected| {
            json!({
                "precision": expected.precision,
                "recall": expected.recall,
                "f1": expected.f1,
                "objects": expected.objects,
            })
        });
        json!({
            "name": head.class_name(class),
            "objects": head.objects_of(class),
            "threshold": head.threshold(class),
            "size": head.size_of(class),
            "expected": expected,
        })
    };
    json!({
        "kind": "cells",
        "pictures": head.lessons(),
        "has_reference": head.has_reference(),
        "classes": classes(head).map(class).collect::<Vec<Value>>(),
    })
}
