//! Report of a conversion, as a short table.

use std::fmt;
use std::ops::{Range as Span, RangeInclusive};
use std::time::Duration;

use offshoot_core::Shape;
use offshoot_core::package::Precision;
use offshoot_core::spatial::CellsLayout;

use crate::calibrate::histogram::Histogram;
use crate::calibrate::ranges::Range;
use crate::ir::pooling::Pool;
use crate::quantize::noise::decibels;
use crate::quantize::{Alternative, StepReport};

mod step_words;
pub mod verdict;

/// Result of a conversion.
#[derive(Debug, Clone)]
pub struct Report {
    /// Name of the tensor that became the embedding.
    pub cut: String,
    /// Reason of the cut.
    pub cut_why: String,
    /// Doubts about the cut, one sentence each.
    pub cut_unsure: Vec<String>,
    /// True if the user stated the cut.
    pub cut_asked: bool,
    /// Pooling of the feature maps; `None` if there were none.
    pub pool: Option<Pool>,
    /// Layout of the cells, if the package gives them instead of an embedding.
    pub cells: Option<CellsLayout>,
    /// Reason of the preprocessing.
    pub preprocess_why: String,
    /// Warning that the preprocessing, or the calibration set, may be wrong.
    pub preprocess_warning: Option<String>,
    /// Precision of the graph.
    pub precision: Precision,
    /// Number of nodes of the graph.
    pub nodes: usize,
    /// Number of multiply-adds of one run.
    pub macs: u64,
    /// Number of values of an embedding.
    pub dim: usize,
    /// First value of each of its parts; empty if it is not divided.
    pub parts: Vec<usize>,
    /// True if the embedding is scaled to L2 norm 1.
    pub unit_length: bool,
    /// Bytes of the arena; 0 if tract-core manages memory.
    pub arena: usize,
    /// Bytes of the largest set of feature maps alive at once, if every map existed as a whole.
    pub live_set: usize,
    /// Bytes of the package file.
    pub package: usize,
    /// Kind of the samples: images or texts.
    pub kind: &'static str,
    /// Number of samples in the calibration set.
    pub images: usize,
    /// Number of these samples on which the package was compared.
    pub compared: usize,
    /// Mean cosine similarity of the embedding to the source model's float one.
    pub cosine_mean: f64,
    /// Smallest cosine similarity.
    pub cosine_min: f64,
    /// True if there are several samples and all have the same float embedding.
    pub constant: bool,
    /// Largest relative difference of the embedding from the source model's.
    pub difference: f64,
    /// Noise-to-signal ratio of the embedding, of powers.
    pub noise: f64,
    /// Noise-to-signal ratio on the validation subset.
    pub judged: f64,
    /// Steps of the quantizer, in order.
    pub steps: Vec<StepReport>,
    /// Alternatives that were measured, if enabled.
    pub alternatives: Vec<Alternative>,
    /// Layers in order, without the input; empty for a float package.
    pub layers: Vec<LayerReport>,
    /// Memory plan of a run; `None` if tract-core manages memory.
    pub memory: Option<MemoryPlan>,
    /// Few-shot accuracy on a task, if it was measured.
    pub task: Option<Task>,
}

/// Few-shot accuracy, compared with the float network's.
#[derive(Debug, Clone)]
pub struct Task {
    /// Name of the labelled samples.
    pub data: String,
    /// Kind of the samples.
    pub kind: &'static str,
    /// Accuracy of the package, from 0 to 1.
    pub own: f64,
    /// Accuracy in float.
    pub float: f64,
    /// Loss in percentage points.
    pub drop: f64,
    /// Half width of the 95 % confidence interval of the loss, in percentage points.
    pub half: f64,
    /// Number of samples per class.
    pub shots: usize,
    /// Number of draws.
    pub draws: usize,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { data, kind, own, float, drop, half, shots, draws } = self;
        write!(f, "{own:.3} of {data}, {float:.3} in float: {drop:.2} points lost, +- {half:.2} ")?;
        write!(f, "({shots} {kind} a class, {draws} draws)")
    }
}

/// Memory plan: the place of each tensor in the arena, over time.
#[derive(Debug, Clone)]
pub struct MemoryPlan {
    /// Bytes of the arena.
    pub arena: usize,
    /// Most bytes alive at once; no placement takes less.
    pub least: usize,
    /// Bytes of the largest set of feature maps alive at once, if every map existed as a whole.
    pub bound: usize,
    /// Number of nodes of the graph.
    pub nodes: usize,
    /// Places of tensors and scratch memory.
    pub places: Vec<Place>,
}

/// Range of bytes of the arena during a range of nodes.
#[derive(Debug, Clone)]
pub struct Place {
    /// Name of the node that writes it.
    pub name: String,
    /// True for scratch memory, false for a tensor.
    pub scratch: bool,
    /// Range of bytes.
    pub bytes: Span<usize>,
    /// First and last node.
    pub nodes: RangeInclusive<usize>,
}

/// Report of one layer.
#[derive(Debug, Clone)]
pub struct LayerReport {
    /// Name of the node in the source model.
    pub name: String,
    /// Operation in the package.
    pub op: &'static str,
    /// Shape of its result.
    pub shape: Shape,
    /// Number of multiply-adds.
    pub macs: u64,
    /// Bytes of its constants.
    pub weights: usize,
    /// True if the layer is run in int8.
    pub in_codes: bool,
    /// True if its channels were equalized.
    pub equalized: bool,
    /// True if it only moves values.
    pub keeps_values: bool,
    /// Isolated noise-to-signal ratio, with the float network's values as inputs.
    pub alone: Option<f64>,
    /// Accumulated noise-to-signal ratio, after all layers before it in the package; `None` if no
    /// layer reads it in int8.
    pub together: Option<f64>,
    /// Cosine similarity of its dequantized values to the float ones.
    pub cosine: f64,
    /// Range of its values on the calibration set, after equalization.
    pub seen: Range,
    /// Values of the first and last int8 value, if it is quantized.
    pub covered: Option<[f32; 2]>,
    /// Histogram of its values.
    pub curve: Curve,
}

/// Histogram of values, in equal parts of their range.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve(pub Vec<f64>);

/// Number of parts of a curve.
const PARTS: usize = 96;

impl Curve {
    /// Returns the share of the values in each part.
    pub fn of(histogram: &Histogram, range: Range) -> Self {
        let mut parts = vec![0.0; PARTS];
        let width = (range.max - range.min) / PARTS as f32;
        for (v, n) in histogram.points() {
            parts[(((v - range.min) / width) as usize).min(PARTS - 1)] += n;
        }
        let all: f64 = parts.iter().sum();
        Self(parts.into_iter().map(|n| n / all.max(1.0)).collect())
    }
}

impl LayerReport {
    /// Returns the treatment of the layer, each item after a comma.
    pub fn treatment(&self) -> String {
        let mut done = Vec::new();
        if !self.in_codes {
            done.push("in float".to_string());
        }
        if self.equalized {
            done.push("equalized".to_string());
        }
        let whole = self.seen.max.max(0.0) - self.seen.min.min(0.0);
        let covered = self.covered.map_or(whole, |[lo, hi]| hi - lo);
        if self.in_codes && covered < 0.99 * whole && !self.keeps_values {
            done.push(format!("range cut by {:.0} %", 100.0 * (1.0 - covered / whole)));
        }
        done.iter().map(|d| format!(", {d}")).collect()
    }
}

/// Suggestion to the user.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// Description.
    pub what: String,
    /// Options of `convert` that select it.
    pub options: String,
    /// Gain in dB, if it was measured.
    pub gain: Option<f64>,
}

impl Fix {
    fn untried(what: String, options: &str) -> Self {
        Self { what, options: options.to_string(), gain: None }
    }
}

impl Report {
    /// Returns suggestions: measured ones, the best first, then further ones.
    pub fn fixes(&self) -> Vec<Fix> {
        let mut measured: Vec<&Alternative> = self.alternatives.iter().collect();
        measured.sort_by(|a, b| a.noise.total_cmp(&b.noise));
        let mut fixes = Vec::new();
        for alternative in measured {
            let gain = decibels(alternative.noise) - decibels(self.judged);
            fixes.push(Fix {
                what: format!("{}, {gain:+.1} dB", alternative.change),
                options: alternative.change.options(),
                gain: Some(gain),
            });
        }
        // A search needs int8 layers with a range of their own.
        if !self.layers.is_empty() && self.precision != Precision::Dynamic {
            fixes.push(Fix::untried("search for a minute".to_string(), "--search-seconds 60"));
        }
        if self.task.is_none() && self.precision != Precision::Float {
            let what = format!("evaluate it on labelled {} of your own", self.kind);
            fixes.push(Fix::untried(what, "--eval DATA --max-drop 0.5"));
        }
        fixes
    }

    /// Returns the layers with a known isolated noise, the largest first.
    pub fn worst(&self) -> Vec<&LayerReport> {
        let mut worst: Vec<_> =
            self.layers.iter().filter(|l| l.alone.is_some() && !l.keeps_values).collect();
        worst.sort_by(|a, b| b.alone.unwrap_or_default().total_cmp(&a.alone.unwrap_or_default()));
        worst
    }
}

/// Grid and maps of cells, as lines of a report.
#[derive(Debug)]
pub struct CellsTable<'a>(pub &'a CellsLayout);

impl fmt::Display for CellsTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.0;
        let [height, width] = cells.grid();
        let neighbours = cells.neighbours().name();
        let values = cells.values();
        writeln!(
            f,
            "  cells          {height}x{width} of {values} values (neighbourhoods {neighbours})"
        )?;
        for map in cells.maps() {
            let [down, across] = map.offset.map(|halves| f64::from(halves) / 2.0);
            writeln!(
                f,
                "                 map {}x{}x{}, stride {}x{}, first middle {down} down, {across} across",
                map.height, map.width, map.channels, map.stride[0], map.stride[1]
            )?;
        }
        Ok(())
    }
}

/// Number of layers shown by `Display`.
const SHOWN: usize = 5;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  cut            {} ({})", self.cut, self.cut_why)?;
        for unsure in &self.cut_unsure {
            writeln!(f, "  unsure         {unsure}")?;
        }
        self.write_input(f)?;
        self.write_graph(f)?;
        self.write_quality(f)?;
        self.write_worst(f)
    }
}

impl Report {
    /// Writes pooling and preprocessing.
    fn write_input(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(pool) = self.pool {
            let how = match pool {
                Pool::Max => "largest value",
                Pool::Gem => "generalized mean",
                _ => "mean",
            };
            writeln!(f, "                 a map; each channel's {how} is the embedding")?;
        }
        writeln!(f, "  preprocessing  {}", self.preprocess_why)?;
        if let Some(warning) = &self.preprocess_warning {
            writeln!(f, "  warning        {warning}")?;
        }
        Ok(())
    }

    /// Writes precision and sizes.
    fn write_graph(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  precision      {}", self.precision.name())?;
        writeln!(f, "  layers         {}", self.nodes)?;
        writeln!(f, "  MACs           {}", millions(self.macs))?;
        let unit = if self.unit_length { ", brought to length 1" } else { "" };
        match &self.cells {
            None => writeln!(f, "  embedding      {} values{unit}", self.dim)?,
            Some(cells) => write!(f, "{}", CellsTable(cells))?,
        }
        if let Some(last) = self.parts.last() {
            let count = self.parts.len();
            let last = self.dim - last;
            writeln!(
                f,
                "  parts          {count}; the last, of {last} values, is the embedding alone"
            )?;
        }
        if self.arena > 0 {
            let arena = bytes(self.arena);
            let bound = bytes(self.live_set);
            writeln!(f, "  arena          {arena} (largest live set {bound})")?;
        }
        writeln!(f, "  package        {}", bytes(self.package))
    }

    /// Writes similarity to float, accuracy, steps of the quantizer and verdict.
    fn write_quality(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = self.cosine_mean;
        let min = self.cosine_min;
        let n = self.compared;
        write!(
            f,
            "  cosine         {mean:.4} mean, {min:.4} worst, to float on {n} of the {} calibration {}",
            self.images, self.kind
        )?;
        if self.precision == Precision::Float {
            write!(
                f,
                "\n  difference     {:.1e} of the float embedding's length, worst",
                self.difference
            )?;
        }
        if let Some(task) = &self.task {
            write!(f, "\n  task           {task}")?;
        }
        for line in &self.steps {
            write!(f, "\n  quantizer      {line}")?;
        }
        if self.precision != Precision::Float {
            write!(f, "\n  verdict        {}", self.verdict())?;
        }
        Ok(())
    }

    /// Writes the layers with most noise.
    fn write_worst(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, layer) in self.worst().into_iter().take(SHOWN).enumerate() {
            let head = if i == 0 { "worst layers" } else { "" };
            let noise = layer.alone.unwrap_or_default();
            write!(
                f,
                "\n  {head:<13}  {} {:>7}  {}  {}",
                bar(noise),
                percent(noise),
                layer.name,
                layer.shape
            )?;
        }
        Ok(())
    }
}

/// Width of the widest bar, and the noise that fills it.
const BAR: usize = 20;
const FULL: f64 = 0.04;

/// Returns the noise-to-signal ratio, as amplitudes, as a bar; a fifth fills it.
fn bar(noise: f64) -> String {
    let filled = ((noise / FULL).sqrt() * BAR as f64).round().clamp(0.0, BAR as f64) as usize;
    format!("{}{}", "#".repeat(filled), ".".repeat(BAR - filled))
}

/// Formats a share in percent, to about two digits.
pub fn percent(share: f64) -> String {
    match 100.0 * share {
        p if p >= 10.0 => format!("{p:.0} %"),
        p if p >= 1.0 => format!("{p:.1} %"),
        p if p >= 0.1 => format!("{p:.2} %"),
        p => format!("{p:.3} %"),
    }
}

/// Formats a number of bytes, exact, with a rounded value beside it.
pub fn bytes(n: usize) -> String {
    match n {
        0..10_000 => format!("{n} bytes"),
        10_000..1_000_000 => format!("{n} bytes ({:.0} kB)", n as f64 / 1e3),
        _ => format!("{n} bytes ({:.2} MB)", n as f64 / 1e6),
    }
}

/// Returns the time in milliseconds.
pub fn ms(time: Duration) -> f64 {
    1e3 * time.as_secs_f64()
}

/// Formats multiply-adds in millions.
pub fn millions(n: u64) -> String {
    format!("{:.1} M", n as f64 / 1e6)
}
