//! `offshoot report`.

use offshoot::{ClassId, Head, Recipe};
use serde_json::{Value, json};

use crate::args::ReportArgs;
use crate::error::CommandError;

pub(super) fn run(args: &ReportArgs) -> Result<(), CommandError> {
    let mut head = Head::read(&args.head)?;
    head.fit()?;
    let chosen = head.chosen()?;
    let classes: Vec<(ClassId, String)> =
        head.classes().map(|(id, name)| (id, name.to_string())).collect();
    let counts: Vec<usize> = classes.iter().map(|(id, _)| head.samples_of(*id)).collect();
    if args.json {
        let report = as_json(&head, chosen, &classes)?;
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
    let width = classes.iter().map(|(_, name)| name.chars().count()).max().unwrap_or(0);
    for ((own, name), count) in classes.iter().zip(counts) {
        let row: Vec<String> =
            classes.iter().map(|(id, _)| format!("{:>4}", report.confusion(*own, *id))).collect();
        println!("  {name:<width$} {count:>5} samples, taken for {}", row.concat());
    }
    for advice in report.advice() {
        println!("  {advice}");
    }
    Ok(())
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
        "classes": rows.collect::<Vec<_>>(),
        "asked": report.asked(),
        "right": report.right(),
        "accuracy": accuracy,
        "interval": accuracy.map(|_| [report.interval().low, report.interval().high]),
        "calibration_error": report.calibration_error(),
        "advice": report.advice().map(|advice| advice.to_string()).collect::<Vec<_>>(),
    }))
}
