//! Charts of the report, as SVG with the colours of the page.

use std::fmt::Write;

use offshoot_convert::report::{LayerReport, MemoryPlan, bytes, percent};

const WIDTH: f64 = 1096.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;

/// Escapes text for HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn open(height: f64, label: &str) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">", escape(label))
}

/// Draws a horizontal line with a label at its left.
fn grid_line(svg: &mut String, y: f64, label: &str) {
    let right = WIDTH - RIGHT;
    let _ =
        write!(svg, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y}\" y2=\"{y}\"/>");
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{label}</text>",
        LEFT - 8.0,
        y + 4.0
    );
}

/// Labels the ends of the horizontal axis and closes the chart.
fn close(svg: &mut String, height: f64) {
    let below = height - 8.0;
    let _ = write!(svg, "<text x=\"{LEFT}\" y=\"{below}\">first layer</text>");
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{below}\" text-anchor=\"end\">embedding</text></svg>",
        WIDTH - RIGHT
    );
}

/// Axes of the noise chart.
struct NoiseAxes {
    /// Width of a layer.
    step: f64,
}

impl NoiseAxes {
    const HEIGHT: f64 = 286.0;
    const TOP: f64 = 14.0;
    const BOTTOM: f64 = 30.0;

    fn x(&self, layer: usize) -> f64 {
        LEFT + (layer as f64 + 0.5) * self.step
    }

    /// Returns the position of a ratio from 1e-5 to 1.
    fn y(&self, ratio: f64) -> f64 {
        let height = Self::HEIGHT - Self::TOP - Self::BOTTOM;
        Self::TOP + height * -ratio.clamp(1e-5, 1.0).log10() / 5.0
    }
}

/// Draws the noise-to-signal ratio of layers on a logarithmic scale: isolated as points,
/// accumulated as a line.
pub(crate) fn noise(layers: &[&LayerReport]) -> String {
    let axes = NoiseAxes { step: (WIDTH - LEFT - RIGHT) / layers.len().max(1) as f64 };
    let mut svg = open(NoiseAxes::HEIGHT, "noise-to-signal ratio of each layer");
    for power in 0..=5 {
        let percent = 100.0 * 10f64.powi(-power);
        grid_line(&mut svg, axes.y(10f64.powi(-power)), &format!("{percent} %"));
    }
    let known = layers.iter().enumerate().filter_map(|(i, layer)| Some((i, layer.together?)));
    let line: Vec<String> =
        known.map(|(i, ratio)| format!("{:.1},{:.1}", axes.x(i), axes.y(ratio))).collect();
    let _ = write!(svg, "<polyline class=\"together\" points=\"{}\"/>", line.join(" "));
    for (i, layer) in layers.iter().enumerate() {
        let Some(alone) = layer.alone else { continue };
        let together =
            layer.together.map_or(String::new(), |t| format!(", accumulated {}", percent(t)));
        let title = format!("{}: isolated {}{together}", layer.name, percent(alone));
        let radius = (0.32 * axes.step).clamp(2.0, 4.5);
        let _ = write!(
            svg,
            "<circle class=\"alone\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\"><title>{}</title></circle>",
            axes.x(i),
            axes.y(alone),
            escape(&title)
        );
    }
    close(&mut svg, NoiseAxes::HEIGHT);
    svg
}

/// Axes of the memory plan.
struct MemoryAxes {
    /// Number of bytes at the top.
    top: f64,
    nodes: usize,
    /// Width of a node.
    step: f64,
}

impl MemoryAxes {
    const HEIGHT: f64 = 320.0;
    const TOP: f64 = 20.0;
    const BOTTOM: f64 = 30.0;

    fn of(plan: &MemoryPlan) -> Self {
        Self {
            top: plan.arena.max(1) as f64,
            nodes: plan.nodes,
            step: (WIDTH - LEFT - RIGHT) / plan.nodes.max(1) as f64,
        }
    }

    fn x(&self, node: usize) -> f64 {
        LEFT + node.min(self.nodes) as f64 * self.step
    }

    fn y(&self, byte: usize) -> f64 {
        let height = Self::HEIGHT - Self::TOP - Self::BOTTOM;
        Self::HEIGHT - Self::BOTTOM - height * byte as f64 / self.top
    }
}

/// Draws the memory plan: the arena position of each tensor, from the first node to the last.
pub(crate) fn memory(plan: &MemoryPlan) -> String {
    let axes = MemoryAxes::of(plan);
    let mut svg = open(MemoryAxes::HEIGHT, "memory plan");
    for part in 0..=4 {
        let at = plan.arena * part / 4;
        grid_line(&mut svg, axes.y(at), &short(at));
    }
    for place in &plan.places {
        let from = axes.x(*place.nodes.start());
        let to = axes.x(place.nodes.end() + 1);
        let high = axes.y(place.bytes.end);
        let low = axes.y(place.bytes.start);
        let (class, what) = if place.scratch { ("scratch", "scratch of ") } else { ("map", "") };
        let title = format!("{what}{}: {}", place.name, bytes(place.bytes.len()));
        let width = (to - from).max(1.0);
        let height = (low - high).max(0.8);
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{high:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{}</title></rect>",
            escape(&title)
        );
    }
    let bound = axes.y(plan.least);
    let _ = write!(
        svg,
        "<line class=\"bound\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{bound}\" y2=\"{bound}\"/>",
        WIDTH - RIGHT
    );
    close(&mut svg, MemoryAxes::HEIGHT);
    svg
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
    width: f64,
}

impl ValueAxis {
    fn x(&self, value: f64) -> f64 {
        self.width * (value - self.from) / (self.to - self.from).max(1e-12)
    }
}

/// Draws the histogram of a layer's activations and the range its quantized values cover.
pub(crate) fn curve(layer: &LayerReport) -> String {
    const WIDE: f64 = 220.0;
    const HIGH: f64 = 88.0;
    const FLOOR: f64 = 70.0;
    let [min, max] = [layer.seen.min, layer.seen.max].map(f64::from);
    let [first, last] = layer.covered.unwrap_or([layer.seen.min, layer.seen.max]).map(f64::from);
    let from = min.min(first);
    let to = max.max(last);
    let axis = ValueAxis { from, to, width: WIDE };
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDE} {HIGH}\" role=\"img\" aria-label=\"histogram\">");
    let left = axis.x(first);
    let right = axis.x(last);
    let _ = write!(
        svg,
        "<rect class=\"covered\" x=\"{left:.1}\" y=\"0\" width=\"{:.1}\" height=\"{FLOOR}\"/>",
        right - left
    );
    let part = (max - min) / layer.curve.0.len().max(1) as f64;
    for (i, &share) in layer.curve.0.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        // Logarithmic scale, so that a millionth of the values is still visible.
        let height = FLOOR * (1.0 + share.max(1e-6).log10() / 6.0);
        let at = axis.x(min + i as f64 * part);
        let end = axis.x(min + (i + 1) as f64 * part);
        let _ = write!(
            svg,
            "<rect class=\"count\" x=\"{at:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            FLOOR - height,
            (end - at - 0.3).max(0.5),
            height.max(0.8)
        );
    }
    for end in [left, right] {
        let _ = write!(
            svg,
            "<line class=\"end\" x1=\"{end:.1}\" x2=\"{end:.1}\" y1=\"0\" y2=\"{FLOOR}\"/>"
        );
    }
    let _ =
        write!(svg, "<line class=\"axis\" x1=\"0\" x2=\"{WIDE}\" y1=\"{FLOOR}\" y2=\"{FLOOR}\"/>");
    let _ = write!(svg, "<text x=\"0\" y=\"{}\">{from:.2}</text>", HIGH - 4.0);
    let _ = write!(
        svg,
        "<text x=\"{WIDE}\" y=\"{}\" text-anchor=\"end\">{to:.2}</text></svg>",
        HIGH - 4.0
    );
    svg
}
