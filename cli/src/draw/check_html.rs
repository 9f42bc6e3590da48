//! Checkup of a data set as one self-contained HTML page, without scripts.

use std::fmt::Write;

use super::report_html::escape;
use crate::measure::checkup::advice::{Advice, Subject};
use crate::measure::checkup::{Checkup, Seen};

/// Returns the page.
pub fn page(subject: &Subject, seen: &Seen, checkup: &Checkup, advice: &[Advice]) -> String {
    let mut page = String::new();
    let style = include_str!("report_html/page.css");
    let data = escape(&subject.data);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{data}: checkup</title>\n\
         <style>\n{style}</style>\n<main>\n<header><h1>{data}</h1>\n\
         <div class=\"soft\">{} samples of {} classes, by {}</div></header>\n",
        seen.labels.len(),
        seen.classes,
        escape(&subject.package)
    );
    let _ = write!(page, "<h2>What would help</h2>\n<ul>");
    for one in advice {
        let word = if one.is_advised { "yes" } else { "no" };
        let _ = write!(page, "<li><b>{}: {word}.</b> {}", one.change.name(), escape(&one.why));
        if let Some(command) = &one.command {
            let _ = write!(page, "<br><code>{}</code>", escape(command));
        }
        let _ = write!(page, "</li>");
    }
    let _ = writeln!(page, "</ul>");
    distances(&mut page, checkup);
    depths(&mut page, checkup);
    curve(&mut page, checkup);
    let version = env!("CARGO_PKG_VERSION");
    let _ = write!(page, "<footer>offshoot {version}</footer>\n</main>\n</html>\n");
    page
}

fn distances(page: &mut String, checkup: &Checkup) {
    let _ = write!(page, "<h2>How foreign the images are</h2>");
    if checkup.distances.is_empty() {
        let _ = write!(page, "<p>The package states no statistics of its calibration set.</p>");
        return;
    }
    let _ = write!(
        page,
        "<p class=\"note\">The middle image among held-out calibration images.</p>\n\
         <table><tr><th>depth</th><th>percentile</th><th>times the usual distance</th></tr>"
    );
    for distance in &checkup.distances {
        let name = escape(&distance.name);
        let _ = write!(
            page,
            "<tr><td>{name}</td><td>{:.1}</td><td>{:.2}</td></tr>",
            distance.percentile, distance.ratio
        );
    }
    let _ = write!(page, "</table>");
}

fn depths(page: &mut String, checkup: &Checkup) {
    let _ = write!(
        page,
        "<h2>Where classes are separable</h2>\n\
         <p class=\"note\">Ridge regression, each sample held out once.</p>\n\
         <table><tr><th>depth</th><th>values</th><th>right</th><th>95 %</th></tr>"
    );
    let all = checkup.gate.as_ref().map(|gate| &gate.all);
    for depth in checkup.depths.iter().chain(all) {
        let name = if depth.name.is_empty() { "all of these" } else { depth.name.as_str() };
        let [low, high] = depth.interval;
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{:.3}</td><td>{low:.3} to {high:.3}</td></tr>",
            escape(name),
            depth.len,
            depth.accuracy()
        );
    }
    let _ = write!(page, "</table>");
}

fn curve(page: &mut String, checkup: &Checkup) {
    let _ = write!(
        page,
        "<h2>With more samples</h2>\n<table><tr><th>samples a class</th><th>right</th></tr>"
    );
    for point in &checkup.curve.points {
        let _ = write!(page, "<tr><td>{}</td><td>{:.3}</td></tr>", point.shots, point.accuracy);
    }
    if let Some(doubled) = checkup.curve.doubled {
        let _ = write!(
            page,
            "<tr><td>{} (foretold)</td><td>{:.3} +- {:.3}</td></tr>",
            doubled.shots, doubled.accuracy, doubled.error
        );
    }
    let _ = writeln!(page, "</table>");
}
