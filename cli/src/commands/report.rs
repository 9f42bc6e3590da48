//! `offshoot report`.

use std::path::Path;

use offshoot::{AskError, ClassId, Extractor, Head, HeadError, HeadKind, NOTHING, Recipe};
use serde_json::{Value, json};

use super::cell_heads;
use crate::args::ReportArgs;
use crate::error::CommandError;

/// Names of a class of background: that of a device, and that of a data set.
const BACKGROUNDS: [&str; 2] = [NOTHING, "background"];

pub(super) fn run(args: &ReportArgs) -> Result<(), CommandError> {
    if cell_heads::is_one(&args.head) {
        return cell_heads::report(args);
    }
    let mut head = Head::read(&args.head)?;
    let far = args.package.as_ref().map(|path| far(&head, path)).transpose()?.flatten();
    head.fit()?;
    let chosen = head.chosen()?;
    let classes: Vec<(ClassId, String)> =
        head.classes().map(|(id, name)| (id, name.to_string())).collect();
    let counts: Vec<usize> = classes.iter().map(|(id, _)| head.samples_of(*id)).collect();
    if args.json {
        let mut report = as_json(&head, chosen, &classes)?;
        report["far"] = json!(far);
        println!("{report:#}");
        return Ok(());
    }
    println!(
        "{}: {}, {} samples of {} classes",
        args.head.display(),
        chosen.kind,
        head.sample_count(),
        classes.len()
    );
    let report = head.report()?;
    match report.accuracy() {
        _ if classes.len() == 1 => println!("  only one class: accuracy cannot be measured"),
        None => println!("  no class has two samples: cross-validation is not possible"),
        Some(accuracy) => {
            let low = report.interval().low;
            let high = report.interval().high;
            println!(
                "  accuracy {accuracy:.3} when held out, {} of {}; 95 %: {low:.3} to {high:.3}; calibration error {:.3}",
                report.right(),
                report.asked(),
                report.calibration_error().unwrap_or_default(),
            );
        }
    }
    if !head.parts().is_single() {
        println!("  {}", parts(&head)?);
    }
    let width = classes.iter().map(|(_, name)| name.chars().count()).max().unwrap_or(0);
    for ((own, name), count) in classes.iter().zip(counts) {
        let row: Vec<String> =
            classes.iter().map(|(id, _)| format!("{:>4}", report.confusion(*own, *id))).collect();
        println!("  {name:<width$} {count:>5} samples, taken for {}", row.concat());
    }
    for advice in report.advice() {
        println!("  {advice}");
    }
    args.package.as_deref().map_or(Ok(()), |path| of_package(&head, path, far))
}

/// Prints what the package says of the samples, and of wake words.
fn of_package(head: &Head, package: &Path, far: Option<f32>) -> Result<(), CommandError> {
    if let Some(far) = far {
        println!(
            "  {far:.2} of the samples lie farther from the calibration set than 94 % of its own; \
             `offshoot check` says what helps with foreign images"
        );
    } else {
        println!("  the package states no statistics of its calibration set: see `offshoot check`");
    }
    wake(head, package)
}

/// Prints the threshold of a head of wake words and what it hears at it; nothing for packages that
/// take no sound, and heads without background.
fn wake(head: &Head, package: &Path) -> Result<(), CommandError> {
    let extractor = Extractor::open(package)?;
    let background = BACKGROUNDS.into_iter().find_map(|name| head.class_named(name));
    let (Some(sound), Some(background)) = (extractor.sound(), background) else { return Ok(()) };
    let windows = f64::from(sound.rate) * 3_600.0 / f64::from(sound.hop) / f64::from(sound.step);
    let Some(threshold) = head.wake_threshold(background, windows as f32)? else {
        println!("  wake words: fewer than ten samples of background");
        return Ok(());
    };
    println!("  wake words, at a probability of {threshold:.4}, one false alarm an hour:");
    for (class, name) in head.classes().filter(|(class, _)| *class != background) {
        if let Some(recall) = head.recall(class, threshold)? {
            println!("  {name}: {recall:.2} of its samples are heard");
        }
    }
    Ok(())
}

/// Returns the share of the samples that lie far from the calibration set of their package; none if
/// it states no statistics, or embeddings are scaled after them.
fn far(head: &Head, package: &Path) -> Result<Option<f32>, CommandError> {
    let extractor = Extractor::open(package)?;
    if extractor.id() != head.package_id() {
        return Err(offshoot::Error::from(HeadError::OtherPackage).into());
    }
    let package = extractor.package();
    let domain = package.domain().filter(|_| !package.manifest().extras.unit_length);
    let known = domain.and_then(|domain| domain.embedding());
    Ok(known.and_then(|known| known.share_far(head.samples().map(|(_, sample)| sample))))
}

/// Describes what the head reads of an embedding of several parts, with the reason.
pub(super) fn parts(head: &Head) -> Result<String, CommandError> {
    let all = head.parts().dim();
    let last = head.parts().last();
    let reads = match head.reads_all()? {
        true => format!("reads all {all} values of an embedding"),
        false => format!("reads the last {last} of {all} values of an embedding"),
    };
    Ok(match head.part_errors()? {
        Some(found) => format!(
            "{reads}: held-out error {:.3} on the last part, {:.3} on all (t {:.1})",
            found.last, found.all, found.t
        ),
        None if matches!(head.kind(), HeadKind::NearestMean | HeadKind::Knn) => {
            format!("{reads}: {} has no choice", head.kind())
        }
        None => format!("{reads}: too few samples to choose, teach 4 of each class"),
    })
}

fn as_json(
    head: &Head,
    chosen: Recipe,
    classes: &[(ClassId, String)],
) -> Result<Value, CommandError> {
    let kind = head.kind().name();
    let package = head.package_id().to_string();
    let counts: Vec<usize> = classes.iter().map(|(id, _)| head.samples_of(*id)).collect();
    let report = head.report()?;
    // With a single class every sample is right.
    let accuracy = report.accuracy().filter(|_| classes.len() > 1);
    let rows = classes.iter().zip(counts).map(|((own, name), samples)| {
        let row = classes.iter().map(|(id, _)| report.confusion(*own, *id));
        json!({ "name": name, "samples": samples, "taken_for": row.collect::<Vec<_>>() })
    });
    Ok(json!({
        "package": package,
        "kind": kind,
        "chosen": chosen.kind.name(),
        "parts": (!head.parts().is_single()).then(|| parts_json(head)).transpose()?,
        "classes": rows.collect::<Vec<_>>(),
        "asked": report.asked(),
        "right": report.right(),
        "accuracy": accuracy,
        "interval": accuracy.map(|_| [report.interval().low, report.interval().high]),
        "calibration_error": report.calibration_error(),
        "advice": report.advice().map(|advice| advice.to_string()).collect::<Vec<_>>(),
    }))
}

/// Returns what the head reads of an embedding of several parts.
fn parts_json(head: &Head) -> Result<Value, AskError> {
    let errors = head.part_errors()?;
    Ok(json!({
        "values": head.parts().dim(),
        "last": head.parts().last(),
        "reads_all": head.reads_all()?,
        "last_error": errors.map(|found| found.last),
        "all_error": errors.map(|found| found.all),
        "t": errors.map(|found| found.t),
    }))
}
