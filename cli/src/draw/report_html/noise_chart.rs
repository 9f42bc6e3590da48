//! Charts of the report, as SVG with the colours of the page.
//!
//! A chart is stretched to the width of the screen, lines and points keep theirs, and its labels are
//! text of the page: so it can be read on a phone. Every part has its name as a title, which
//! browsers show where the pointer is.

use std::fmt::Write;

use offshoot_convert::report::{LayerReport, MemoryPlan, bytes, percent};

/// Sides of the coordinates of a chart.
const SIDE: f64 = 1000.0;

/// Escapes text for HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A chart from the first layer to the embedding.
struct Chart {
    ticks: String,
    svg: String,
}

impl Chart {
    /// Begins a chart.
    fn new(label: &str) -> Self {
        let svg = format!(
            "<svg viewBox=\"0 0 {SIDE} {SIDE}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">",
            escape(label)
        );
        Self { ticks: String::new(), svg }
    }

    /// Draws a horizontal line, with a label at its left.
    fn tick(&mut self, y: f64, label: &str) {
        let _ = write!(self.ticks, "<span style=\"top:{:.2}%\">{label}</span>", 100.0 * y / SIDE);
        self.line("grid", y);
    }

    fn line(&mut self, class: &str, y: f64) {
        let _ = write!(self.svg, "<path class=\"{class}\" d=\"M0 {y:.1}H{SIDE}\"/>");
    }

    /// Returns the chart as HTML.
    fn close(self) -> String {
        format!(
            "<div class=\"chart\"><div class=\"ticks\" aria-hidden=\"true\">{}</div>{}</svg>\
             <div class=\"ends\"><span>first layer</span><span>embedding</span></div></div>",
            self.ticks, self.svg
        )
    }
}

/// Returns the height of a ratio from 1e-5 to 1, on a logarithmic scale.
fn noise_y(ratio: f64) -> f64 {
    SIDE * -ratio.clamp(1e-5, 1.0).log10() / 5.0
}

/// Draws the noise-to-signal ratio of layers on a logarithmic scale: isolated as points,
/// accumulated as a line.
pub(crate) fn noise(layers: &[&LayerReport]) -> String {
    let step = SIDE / layers.len().max(1) as f64;
    let middle = |layer: usize| (layer as f64 + 0.5) * step;
    let mut chart = Chart::new("noise-to-signal ratio of each layer");
    for power in 0..=5 {
        let percent = 100.0 * 10f64.powi(-power);
        chart.tick(noise_y(10f64.powi(-power)), &format!("{percent} %"));
    }
    let known = layers.iter().enumerate().filter_map(|(i, layer)| Some((i, layer.together?)));
    let line: Vec<String> =
        known.map(|(i, ratio)| format!("{:.1},{:.1}", middle(i), noise_y(ratio))).collect();
    let _ = write!(chart.svg, "<polyline class=\"together\" points=\"{}\"/>", line.join(" "));
    for (i, layer) in layers.iter().enumerate() {
        let ratios = [(layer.alone, "isolated"), (layer.together, "accumulated")];
        let told: Vec<String> = ratios
            .iter()
            .filter_map(|(ratio, what)| Some(format!("{what} {}", percent((*ratio)?))))
            .collect();
        if told.is_empty() {
            continue;
        }
        // The whole column is the layer's, so that its name is easily found.
        let _ = write!(
            chart.svg,
            "<g class=\"layer\"><title>{}: {}</title><rect class=\"column\" x=\"{:.1}\" width=\"{step:.1}\" height=\"{SIDE}\"/>",
            escape(&layer.name),
            told.join(", "),
            i as f64 * step
        );
        if let Some(alone) = layer.alone {
            let _ = write!(
                chart.svg,
                "<path class=\"alone\" d=\"M{:.1} {:.1}h.01\"/>",
                middle(i),
                noise_y(alone)
            );
        }
        let _ = write!(chart.svg, "</g>");
    }
    chart.close()
}

/// Draws the memory plan: the arena position of each tensor, from the first node to the last.
pub(crate) fn memory(plan: &MemoryPlan) -> String {
    let step = SIDE / plan.nodes.max(1) as f64;
    let from_left = |node: usize| node.min(plan.nodes) as f64 * step;
    let height = |bytes: usize| SIDE * bytes as f64 / plan.arena.max(1) as f64;
    let mut chart = Chart::new("memory plan");
    for part in 0..=4 {
        let at = plan.arena * part / 4;
        chart.tick(SIDE - height(at), &short(at));
    }
    for place in &plan.places {
        let left = from_left(*place.nodes.start());
        let width = (from_left(place.nodes.end() + 1) - left).max(1.0);
        let top = SIDE - height(place.bytes.end);
        let (class, what) = if place.scratch { ("scratch", "scratch of ") } else { ("map", "") };
        let title = format!("{what}{}: {}", place.name, bytes(place.bytes.len()));
        let tall = height(place.bytes.len()).max(2.5);
        let _ = write!(
            chart.svg,
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{tall:.1}\"><title>{}</title></rect>",
            escape(&title)
        );
    }
    chart.line("bound", SIDE - height(plan.least));
    chart.close()
}

fn short(bytes: usize) -> String {
    match bytes {
        0 => "0".to_string(),
        1..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        _ => format!("{:.2} MB", bytes as f64 / 1e6),
    }
}

/// Horizontal axis of a histogram.
struct ValueAxis {
    from: f64,
    to: f64,
}

impl ValueAxis {
    fn x(&self, value: f64) -> f64 {
        SIDE * (value - self.from) / (self.to - self.from).max(1e-12)
    }
}

/// Draws the histogram of a layer's activations and the range its quantized values cover.
pub(crate) fn curve(layer: &LayerReport) -> String {
    let [min, max] = [layer.seen.min, layer.seen.max].map(f64::from);
    let [first, last] = layer.covered.unwrap_or([layer.seen.min, layer.seen.max]).map(f64::from);
    let axis = ValueAxis { from: min.min(first), to: max.max(last) };
    let mut svg = format!(
        "<svg class=\"curve\" viewBox=\"0 0 {SIDE} {SIDE}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"histogram of {}\">",
        escape(&layer.name)
    );
    let left = axis.x(first);
    let right = axis.x(last);
    let _ = write!(
        svg,
        "<rect class=\"covered\" x=\"{left:.1}\" width=\"{:.1}\" height=\"{SIDE}\"><title>int8 covers {first:.2} to {last:.2}\
         </title></rect>",
        right - left
    );
    let part = (max - min) / layer.curve.0.len().max(1) as f64;
    for (i, &share) in layer.curve.0.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        // Logarithmic scale, so that a millionth of the values is still visible.
        let height = (SIDE * (1.0 + share.max(1e-6).log10() / 6.0)).max(10.0);
        let [low, high] = [min + i as f64 * part, min + (i + 1) as f64 * part];
        let [at, end] = [axis.x(low), axis.x(high)];
        let _ = write!(
            svg,
            "<rect class=\"count\" x=\"{at:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{low:.2} to {high:.2}: \
             {} of the values</title></rect>",
            SIDE - height,
            (end - at - 1.4).max(2.0),
            percent(share)
        );
    }
    for end in [left, right] {
        let _ = write!(svg, "<path class=\"end\" d=\"M{end:.1} 0V{SIDE}\"/>");
    }
    let _ = write!(
        svg,
        "<path class=\"axis\" d=\"M0 {SIDE}H{SIDE}\"/></svg><div class=\"ends\"><span>{:.2}</span><span>{:.2}</span></div>",
        axis.from, axis.to
    );
    svg
}
