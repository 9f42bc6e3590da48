//! Conversion report as one self-contained HTML page, for screens of any width, without scripts.

use std::fmt::Write;

use offshoot_convert::quantize::noise::decibels;
use offshoot_convert::report::{Fix, LayerReport, MemoryPlan, Report, bytes, millions, percent};
use offshoot_core::package::Precision;

pub mod evidence;
mod noise_chart;

use evidence::Evidence;
pub(crate) use noise_chart::escape;

/// Number of layers with a histogram.
const HISTOGRAMS: usize = 8;

/// Content of the page.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The report.
    pub report: &'a Report,
    /// Name of the model.
    pub title: &'a str,
    /// Command line to repeat.
    pub command: &'a str,
    /// Answers to labelled samples, if there were some (`--eval`).
    pub evidence: Option<&'a Evidence>,
}

/// Returns the page.
pub fn page(content: &Page<'_>) -> String {
    let Page { report, command, .. } = *content;
    let mut page = String::new();
    let style = include_str!("report_html/page.css");
    let name = escape(content.title);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{name}: conversion</title>\n\
         <style>\n{style}</style>\n<main>\n<header><h1>{name}</h1>\n"
    );
    let _ = write!(
        page,
        "<div class=\"soft\">cut at {} &middot; {}</div>",
        escape(&report.cut),
        report.precision.name()
    );
    let _ = writeln!(page, "<p class=\"verdict\">{}</p></header>", escape(&report.verdict()));
    tiles(&mut page, report);
    let _ = write!(page, "<p class=\"meaning\"><b>For you:</b> {}</p>", escape(&report.meaning()));
    done(&mut page, report);
    if let Some(evidence) = content.evidence {
        evidence::write(&mut page, evidence);
    }
    if !report.layers.is_empty() {
        noise(&mut page, report);
        worst(&mut page, report);
    }
    fixes(&mut page, report, command);
    if let Some(plan) = &report.memory {
        memory(&mut page, plan);
    }
    if !report.layers.is_empty() {
        layers(&mut page, report);
    }
    let version = env!("CARGO_PKG_VERSION");
    let _ = write!(
        page,
        "<footer>offshoot {version} &middot; {}</footer>\n</main>\n</html>\n",
        escape(command)
    );
    page
}
fn megabytes(bytes: usize) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

fn tiles(page: &mut String, report: &Report) {
    let mut tiles = vec![
        (format!("{:.4}", report.cosine_mean), "cosine to float, mean"),
        (format!("{:.4}", report.cosine_min), "cosine, worst of all"),
        (format!("{:.1} dB", decibels(report.noise)), "SQNR of the embedding"),
        (megabytes(report.package), "package"),
    ];
    if report.arena > 0 {
        tiles.push((megabytes(report.arena), "memory to run"));
    }
    tiles.push((millions(report.macs), "multiply-adds"));
    if let Some(task) = &report.task {
        tiles.push((format!("{:.1} %", 100.0 * task.own), "few-shot accuracy"));
        // No sign where nothing is gained or lost.
        let gain = if task.drop.abs() < 0.005 { 0.0 } else { -task.drop };
        let gain = if gain == 0.0 { "0.00".to_string() } else { format!("{gain:+.2}") };
        tiles.push((gain, "points against float"));
    }
    let _ = write!(page, "<div class=\"tiles\">");
    for (value, what) in tiles {
        let _ = write!(page, "<div class=\"tile\"><b>{value}</b><span>{what}</span></div>");
    }
    let _ = write!(page, "</div>");
}

fn done(page: &mut String, report: &Report) {
    let _ = write!(page, "<h2>What was done</h2><ul>");
    let images =
        format!("calibrated on {} {}; {}", report.images, report.kind, report.preprocess_why);
    let cut = format!("cut at {}: {}", report.cut, report.cut_why);
    let unsure = report.cut_unsure.iter().map(|u| format!("unsure: {u}"));
    let warning = report.preprocess_warning.iter().map(|w| format!("warning: {w}"));
    for line in std::iter::once(cut)
        .chain(unsure)
        .chain([images])
        .chain(warning)
        .chain(report.steps.iter().map(ToString::to_string))
    {
        let _ = write!(page, "<li>{}</li>", escape(&line));
    }
    let _ = write!(page, "</ul>");
    if let Some(task) = &report.task {
        let _ = write!(page, "<p class=\"note\">{}</p>", escape(&task.to_string()));
    }
}

fn noise(page: &mut String, report: &Report) {
    let layers: Vec<&LayerReport> = report.layers.iter().filter(|l| !l.keeps_values).collect();
    let _ = write!(
        page,
        "<h2>Noise of each layer</h2><p>Noise-to-signal ratio of powers, in the order of the network. A point is \
         one layer quantized alone (isolated): float input, its own weights and activations in int8. The line is the \
         total noise up to the layer, with all layers as in the package (accumulated). Names show where the pointer \
         is.</p><figure>{}<div class=\"legend\"><span>\
         <i style=\"background:var(--one)\"></i>isolated</span><span><i style=\"background:var(--two)\"></i>\
         accumulated</span></div></figure>",
        noise_chart::noise(&layers)
    );
}

fn worst(page: &mut String, report: &Report) {
    let _ = write!(
        page,
        "<h2>The worst layers</h2><p>Histograms of their activations, on a logarithmic scale, and the range that int8 \
         covers (shaded). Activations of equalized layers are shown after equalization.</p><div class=\"small\">"
    );
    for layer in report.worst().into_iter().take(HISTOGRAMS) {
        let noise = percent(layer.alone.unwrap_or_default());
        let how = layer.treatment();
        let _ = write!(
            page,
            "<figure><h3 title=\"{0}\"><bdi>{0}</bdi></h3><p>{1}, {2}<br>{noise} isolated{how}</p>{3}</figure>",
            escape(&layer.name),
            layer.op,
            layer.shape,
            noise_chart::curve(layer)
        );
    }
    let _ = write!(page, "</div>");
}

fn fixes(page: &mut String, report: &Report, command: &str) {
    if report.precision == Precision::Float {
        return;
    }
    let _ = write!(
        page,
        "<h2>Worth trying</h2><p>The signal-to-noise ratio (SQNR) of this package is {:.1} dB on the validation {}. \
         Alternatives measured to be better on them, and further options:</p>",
        decibels(report.judged),
        report.kind
    );
    let fixes = report.fixes();
    for Fix { what, options, .. } in
        fixes.iter().filter(|fix| fix.gain.is_none_or(|gain| gain > 0.05))
    {
        let _ = write!(
            page,
            "<div class=\"fix\"><b>{}</b><pre>{} <mark>{}</mark></pre></div>",
            escape(what),
            escape(command),
            escape(options)
        );
    }
    let worse: Vec<String> = fixes
        .iter()
        .filter(|fix| fix.gain.is_some_and(|gain| gain <= 0.05))
        .map(|fix| escape(&fix.what))
        .collect();
    if !worse.is_empty() {
        let _ = write!(page, "<p class=\"note\">Measured and no better: {}.</p>", worse.join("; "));
    }
}

fn memory(page: &mut String, plan: &MemoryPlan) {
    let _ = write!(
        page,
        "<h2>Memory over time</h2><p>Position of each tensor in the arena, from the first layer to the embedding. \
         The arena takes {}; no placement can take less than {} (dashed), the largest live set. If every feature map \
         existed as a whole, it would be {}.</p><figure>{}<div class=\"legend\"><span><i style=\"background:var(--one)\"></i>tensors\
         </span><span><i style=\"background:var(--three)\"></i>scratch of a step</span><span>\
         <i style=\"background:var(--two)\"></i>largest live set</span></div></figure>",
        bytes(plan.arena),
        bytes(plan.least),
        bytes(plan.bound),
        noise_chart::memory(plan)
    );
}

/// Cell of a table without a value.
const DASH: &str = "&ndash;";

/// Returns a bar of a length from 0 to 1, with the name of its layer.
fn share_bar(share: f64, layer: &LayerReport, what: &str) -> String {
    if share == 0.0 {
        return "<span class=\"room\"></span>".to_string();
    }
    let width = (40.0 * share).max(1.0);
    format!(
        "<span class=\"room\"><i class=\"share\" style=\"width:{width:.0}px\" title=\"{}: {what}\"></i></span>",
        escape(&layer.name)
    )
}

fn layers(page: &mut String, report: &Report) {
    let _ = write!(
        page,
        "<h2>All layers</h2><p>Multiply-adds, bytes and noise of each layer.</p>\
         <div class=\"scroll\" role=\"group\" aria-label=\"all layers\" tabindex=\"0\">\
         <table class=\"layers\"><tr><th>layer</th><th class=\"left\">operation</th><th>result</th><th colspan=\"2\">multiply-adds</th>\
         <th colspan=\"2\">weights</th><th>isolated</th><th>accumulated</th><th class=\"left\">int8 range</th></tr>"
    );
    let most_macs = report.layers.iter().map(|l| l.macs).max().unwrap_or(0).max(1) as f64;
    let most_bytes = report.layers.iter().map(|l| l.weights).max().unwrap_or(0).max(1) as f64;
    for layer in &report.layers {
        let macs = if layer.macs == 0 { DASH.to_string() } else { millions(layer.macs) };
        let weights = if layer.weights == 0 { DASH.to_string() } else { layer.weights.to_string() };
        let macs_bar = share_bar(layer.macs as f64 / most_macs, layer, &macs);
        let weights_bar =
            share_bar(layer.weights as f64 / most_bytes, layer, &format!("{weights} bytes"));
        let range =
            layer.covered.map_or("float".to_string(), |[lo, hi]| format!("{lo:.2} to {hi:.2}"));
        let _ = write!(
            page,
            "<tr><td class=\"name\" title=\"{0}\"><bdi>{0}</bdi></td><td class=\"left\">{1}</td><td>{2}</td>\
             <td>{macs}</td><td>{macs_bar}</td><td>{weights}</td><td>{weights_bar}</td><td>{3}</td><td>{4}</td>\
             <td class=\"left\">{range}{5}</td></tr>",
            escape(&layer.name),
            layer.op,
            layer.shape,
            layer.alone.map_or(DASH.to_string(), percent),
            layer.together.map_or(DASH.to_string(), percent),
            layer.treatment(),
        );
    }
    let _ = write!(page, "</table></div>");
}
