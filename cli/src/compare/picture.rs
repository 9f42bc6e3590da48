//! Accuracy against time, drawn as SVG.

use std::fmt::Write;
use std::ops::Range;

use super::{Budget, Row, frontier};

/// The whole picture, and the part with the points.
const SIZE: (f64, f64) = (1120.0, 640.0);
const PLOT: (Range<f64>, Range<f64>) = (78.0..660.0, 92.0..556.0);
/// Where the list of cuts begins, its columns, and how long a name may be there.
const LIST: f64 = 692.0;
const COLUMNS: [(&str, f64); 5] =
    [("map", 118.0), ("accuracy", 196.0), ("ms", 256.0), ("package", 330.0), ("arena", 400.0)];
const NAME: usize = 58;

const STYLE: &str = "\
text{font-family:Inter,'Segoe UI','Helvetica Neue',Arial,sans-serif;fill:#1f2933}\
.title{font-size:20px;font-weight:600}.sub{font-size:13px;fill:#616e7c}\
.tick{font-size:12px;fill:#616e7c}.axis{font-size:13px;fill:#3e4c59}\
.grid{stroke:#e4e7eb;stroke-width:1}.bar{stroke:#9fb3c8;stroke-width:1.5}\
.front{fill:none;stroke:#0b7285;stroke-width:2;stroke-opacity:.45}\
.dot{fill:#829ab1}.on{fill:#0b7285}.best{fill:#d9480f}\
.num{font-size:11px;font-weight:600;fill:#fff;text-anchor:middle}\
.budget{stroke:#d9480f;stroke-width:1.5;stroke-dasharray:5 4}\
.head{font-size:11px;fill:#616e7c}.row{font-size:12px}.name{font-size:11px;fill:#616e7c}\
.end{text-anchor:end}.mid{text-anchor:middle}";

/// An axis: what it covers, the distance of its lines, and where it lies.
struct Axis {
    values: Range<f64>,
    step: f64,
    pixels: Range<f64>,
}

impl Axis {
    /// With round ends around `values`, and about `most` lines.
    fn around(values: Range<f64>, bounds: Range<f64>, most: f64, pixels: Range<f64>) -> Self {
        let rough = (values.end - values.start).max(1e-6) / most;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0].into_iter().map(|m| m * power).find(|s| *s >= rough);
        let step = step.unwrap_or(10.0 * power);
        let start = ((values.start / step).floor() * step).max(bounds.start);
        let end = ((values.end / step).ceil() * step).min(bounds.end);
        Self { values: start..end, step, pixels }
    }

    fn at(&self, value: f64) -> f64 {
        let Range { start, end } = self.values;
        let share = ((value - start) / (end - start).max(1e-9)).clamp(0.0, 1.0);
        self.pixels.start + share * (self.pixels.end - self.pixels.start)
    }

    fn lines(&self) -> impl Iterator<Item = f64> + '_ {
        let count = ((self.values.end - self.values.start) / self.step).round() as usize;
        (0..=count).map(|i| self.values.start + i as f64 * self.step)
    }

    fn label(&self, value: f64) -> String {
        let digits = (-self.step.log10().floor()).max(0.0) as usize;
        format!("{value:.digits$}")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The end of a name, which tells it from the others.
fn end_of(name: &str, most: usize) -> String {
    let length = name.chars().count();
    if length <= most {
        return name.to_string();
    }
    format!("...{}", name.chars().skip(length + 3 - most).collect::<String>())
}

/// A drawing under construction.
struct Drawing(String);

impl Drawing {
    fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        // Writing to a string does not fail.
        let text = escaped(text);
        let _ = writeln!(self.0, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
    }

    fn line(&mut self, class: &str, x: [f64; 2], y: [f64; 2]) {
        let ([x1, x2], [y1, y2]) = (x, y);
        let _ = writeln!(
            self.0,
            "<line class=\"{class}\" x1=\"{x1:.1}\" x2=\"{x2:.1}\" y1=\"{y1:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    /// A point with its number, if it has one; `title` is shown where the pointer rests.
    fn dot(&mut self, class: &str, at: (f64, f64), radius: f64, number: Option<usize>, title: &str) {
        let (x, y) = at;
        let _ = write!(
            self.0,
            "<g><title>{}</title><circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" \
             stroke=\"#fff\" stroke-width=\"1.5\"/>",
            escaped(title)
        );
        if let Some(number) = number {
            self.text("num", x, y + 4.0, &number.to_string());
        }
        self.0 += "</g>\n";
    }
}

/// All rows as points with their numbers, and beside them the list. `chosen` is marked.
pub fn svg(title: &str, below: &str, rows: &[Row], chosen: Option<usize>, budget: &Budget) -> String {
    let [fastest, slowest] = [f64::min, f64::max].map(|f| rows.iter().map(Row::ms).reduce(f).unwrap_or(1.0));
    // From 0 on where that leaves room enough between the points.
    let from = if fastest > slowest / 3.0 { fastest - 0.1 * (slowest - fastest) } else { 0.0 };
    let low = rows.iter().map(|r| r.accuracy() - r.half_width()).fold(1.0, f64::min);
    let high = rows.iter().map(|r| r.accuracy() + r.half_width()).fold(0.0, f64::max);
    let (across, down) = PLOT;
    let x = Axis::around(from..slowest + 0.04 * (slowest - from), 0.0..f64::INFINITY, 7.0, across);
    let y = Axis::around(100.0 * low..100.0 * high, 0.0..100.0, 7.0, down.end..down.start);
    let (width, height) = SIZE;
    let mut drawing = Drawing(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\">\n<style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    ));
    drawing.text("title", 28.0, 40.0, title);
    drawing.text("sub", 28.0, 62.0, below);
    axes(&mut drawing, &x, &y, budget);
    points(&mut drawing, &x, &y, rows, chosen);
    list(&mut drawing, rows, chosen);
    legend(&mut drawing);
    drawing.0 + "</svg>\n"
}

fn axes(drawing: &mut Drawing, x: &Axis, y: &Axis, budget: &Budget) {
    let (left, right) = (x.pixels.start, x.pixels.end);
    let (top, bottom) = (y.pixels.end, y.pixels.start);
    for value in y.lines() {
        let at = y.at(value);
        drawing.line("grid", [left, right], [at; 2]);
        drawing.text("tick end", left - 10.0, at + 4.0, &y.label(value));
    }
    for value in x.lines() {
        let at = x.at(value);
        drawing.line("grid", [at; 2], [top, bottom]);
        drawing.text("tick mid", at, bottom + 20.0, &x.label(value));
    }
    let what = "milliseconds for one picture, on this machine";
    drawing.text("axis mid", (left + right) / 2.0, bottom + 46.0, what);
    let _ = write!(drawing.0, "<g transform=\"translate(26 {:.1}) rotate(-90)\">", (top + bottom) / 2.0);
    drawing.text("axis mid", 0.0, 0.0, "accuracy, % of pictures");
    drawing.0 += "</g>\n";
    if let Some(ms) = budget.ms.filter(|ms| *ms <= x.values.end) {
        let at = x.at(ms);
        drawing.line("budget", [at; 2], [top, bottom]);
        drawing.text("tick mid", at, top - 8.0, &format!("budget {ms} ms"));
    }
}

fn class_of(i: usize, front: &[usize], chosen: Option<usize>) -> &'static str {
    match (chosen == Some(i), front.contains(&i)) {
        (true, _) => "best",
        (false, true) => "on",
        _ => "off",
    }
}

fn points(drawing: &mut Drawing, x: &Axis, y: &Axis, rows: &[Row], chosen: Option<usize>) {
    let front = frontier(rows);
    let at = |row: &Row| (x.at(row.ms()), y.at(100.0 * row.accuracy()));
    let path: Vec<String> =
        front.iter().map(|&i| at(&rows[i])).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(drawing.0, "<polyline class=\"front\" points=\"{}\"/>", path.join(" "));
    for row in rows {
        let half = row.half_width();
        let ends = [row.accuracy() - half, row.accuracy() + half].map(|a| y.at(100.0 * a));
        drawing.line("bar", [x.at(row.ms()); 2], ends);
    }
    // What counts most lies on top.
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&i| (chosen == Some(i), front.contains(&i)));
    for i in order {
        drawing.dot(class_of(i, &front, chosen), at(&rows[i]), 10.0, Some(i + 1), &rows[i].cut);
    }
}

fn list(drawing: &mut Drawing, rows: &[Row], chosen: Option<usize>) {
    let front = frontier(rows);
    for (name, at) in COLUMNS {
        drawing.text("head end", LIST + at, 98.0, name);
    }
    let kilo = |n: usize| match n {
        0..1_000_000 => format!("{} kB", n / 1000),
        _ => format!("{:.2} MB", n as f64 / 1e6),
    };
    // Below a certain height there is no room for the names.
    let height = (500.0 / rows.len().max(1) as f64).min(40.0);
    for (i, row) in rows.iter().enumerate() {
        let at = 122.0 + height * i as f64;
        drawing.dot(class_of(i, &front, chosen), (LIST + 9.0, at - 4.0), 9.0, Some(i + 1), &row.cut);
        let cells = [
            row.map.map_or(String::new(), |m| m.to_string()),
            format!("{:.1} %", 100.0 * row.accuracy()),
            format!("{:.2}", row.ms()),
            kilo(row.package),
            row.arena.map_or("-".to_string(), kilo),
        ];
        for (cell, (_, column)) in cells.iter().zip(COLUMNS) {
            drawing.text("row end", LIST + column, at, cell);
        }
        if height >= 30.0 {
            let own = if row.automatic { "  (convert's own)" } else { "" };
            let name = end_of(&row.cut, NAME - own.len());
            drawing.text("name", LIST + 26.0, at + 15.0, &format!("{name}{own}"));
        }
    }
}

fn legend(drawing: &mut Drawing) {
    let kinds = [("best", "chosen"), ("on", "none is both faster and more accurate"), ("off", "others")];
    let mut at = PLOT.0.start;
    for (class, text) in kinds {
        drawing.dot(class, (at + 5.0, 622.0), 5.5, None, text);
        drawing.text("sub", at + 16.0, 626.0, text);
        at += 44.0 + 6.6 * text.len() as f64;
    }
    drawing.text("sub", at, 626.0, "bars: 95 % of such means");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_ends() {
        let axis = |from, to| Axis::around(from..to, 0.0..100.0, 7.0, 0.0..100.0);
        let ends = |a: &Axis| (a.values.start, a.values.end, a.step);
        assert_eq!(ends(&axis(0.0, 6.3)), (0.0, 7.0, 1.0));
        assert_eq!(ends(&axis(81.3, 99.0)), (80.0, 100.0, 5.0));
        assert_eq!(axis(0.0, 6.3).lines().count(), 8);
        assert_eq!(axis(0.0, 0.3).label(0.05), "0.05");
        assert!((axis(0.0, 6.3).at(3.5) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn long_names_keep_their_end_and_marks_are_escaped() {
        assert_eq!(end_of("short", 44), "short");
        let long = format!("{}{}", "a".repeat(50), "/Relu_output_0");
        let end = end_of(&long, 44);
        assert!(end.starts_with("...aa") && end.ends_with("/Relu_output_0"));
        assert_eq!(end.len(), 44);
        assert_eq!(escaped("a<b>&\"c"), "a&lt;b&gt;&amp;&quot;c");
    }
}
