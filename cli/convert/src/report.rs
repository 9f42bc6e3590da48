//! What a conversion has to say, as a short table.

use std::fmt;
use std::ops::{Range as Span, RangeInclusive};
use std::time::Duration;

use offshoot_core::Shape;
use offshoot_core::package::Precision;

use crate::calibrate::histogram::Histogram;
use crate::calibrate::ranges::Range;
use crate::ir::pooling::Pool;
use crate::quantize::Alternative;
use crate::quantize::noise::decibels;

pub mod verdict;

/// The outcome of a conversion.
#[derive(Debug, Clone)]
pub struct Report {
    /// The tensor that became the embedding.
    pub cut: String,
    /// How it was chosen.
    pub cut_why: String,
    /// What may be wrong about it, a sentence each.
    pub cut_unsure: Vec<String>,
    /// Whether the user said it.
    pub cut_asked: bool,
    /// How maps were pooled, if there were any.
    pub pool: Option<Pool>,
    /// How the preprocessing was chosen.
    pub preprocess_why: String,
    /// Why the preprocessing, or the pictures, may be the wrong ones.
    pub preprocess_warning: Option<String>,
    /// What the graph's numbers are.
    pub precision: Precision,
    /// Nodes of the graph.
    pub nodes: usize,
    /// Multiply-adds of one run.
    pub macs: u64,
    /// Values of an embedding.
    pub dim: usize,
    /// Whether it is brought to length 1.
    pub unit_length: bool,
    /// Bytes of the arena; 0 where tract-core manages memory.
    pub arena: usize,
    /// Bytes of the largest set of maps alive at once, if every map existed as a whole.
    pub live_set: usize,
    /// Bytes of the package file.
    pub package: usize,
    /// What the samples are: pictures or texts.
    pub kind: &'static str,
    /// Samples calibrated on.
    pub pictures: usize,
    /// Samples of these that the package was compared on.
    pub compared: usize,
    /// Mean cosine of the embedding to the source model's float one.
    pub cosine_mean: f64,
    /// Worst of these.
    pub cosine_min: f64,
    /// Whether all samples, of which there are several, have the same float embedding.
    pub constant: bool,
    /// Largest relative difference of the embedding from the source model's.
    pub difference: f64,
    /// Noise by signal of the embedding, both as powers.
    pub noise: f64,
    /// The same on the samples that alternatives were judged by.
    pub judged: f64,
    /// What the quantizer did, a line each.
    pub done: Vec<String>,
    /// What else was measured, if that was asked for.
    pub alternatives: Vec<Alternative>,
    /// The layers in their order, but for the input; none of a float package.
    pub layers: Vec<LayerReport>,
    /// Where tensors lie while the package runs; nothing where tract-core manages memory.
    pub memory: Option<MemoryPlan>,
    /// Accuracy on a task, if that was asked for.
    pub task: Option<Task>,
}

/// Accuracy of a few samples a class, beside that of the float network.
#[derive(Debug, Clone)]
pub struct Task {
    /// The labelled samples.
    pub data: String,
    /// What they are.
    pub kind: &'static str,
    /// Share that is right.
    pub own: f64,
    /// The same in float.
    pub float: f64,
    /// Points of a hundred that are lost.
    pub drop: f64,
    /// 95 % of such means are within this many points.
    pub half: f64,
    /// Samples a class, and draws of them.
    pub lessons: [usize; 2],
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { data, kind, own, float, drop, half, lessons: [shots, draws] } = self;
        write!(f, "{own:.3} of {data}, {float:.3} in float: {drop:.2} points lost, +- {half:.2} ")?;
        write!(f, "({shots} {kind} a class, {draws} draws)")
    }
}

/// When and where tensors lie in the arena.
#[derive(Debug, Clone)]
pub struct MemoryPlan {
    /// Bytes of the arena.
    pub arena: usize,
    /// Most bytes that are alive together: no placement of them takes less.
    pub least: usize,
    /// Bytes of the largest set of maps alive at once, if every one existed as a whole.
    pub bound: usize,
    /// Nodes of the graph.
    pub nodes: usize,
    /// What lies there.
    pub places: Vec<Place>,
}

/// Some bytes of the arena for some time.
#[derive(Debug, Clone)]
pub struct Place {
    /// The node that makes it.
    pub name: String,
    /// Whether it is scratch, not a tensor.
    pub scratch: bool,
    /// Where.
    pub bytes: Span<usize>,
    /// When: first and last node.
    pub nodes: RangeInclusive<usize>,
}

/// One layer of the report.
#[derive(Debug, Clone)]
pub struct LayerReport {
    /// The node's name in the source model.
    pub name: String,
    /// The package's operation.
    pub op: &'static str,
    /// Shape of its result.
    pub shape: Shape,
    /// Multiply-adds.
    pub macs: u64,
    /// Bytes of its constants.
    pub weights: usize,
    /// Whether it is run in codes.
    pub in_codes: bool,
    /// Whether its channels were given like ranges.
    pub equalized: bool,
    /// Whether it only moves values.
    pub keeps_values: bool,
    /// Noise by signal with the float network's values as its inputs.
    pub alone: Option<f64>,
    /// Noise by signal with all before it as in the package; nothing of what nobody reads in codes.
    pub together: Option<f64>,
    /// Cosine of its codes to its floats.
    pub cosine: f64,
    /// Values it took on the calibration pictures, equalized if it is.
    pub seen: Range,
    /// From the first to the last code, if it has codes.
    pub covered: Option<[f32; 2]>,
    /// How often each value was there.
    pub curve: Curve,
}

/// How often values were there, in equal parts of their range.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve(pub Vec<f64>);

/// Parts of a curve.
const PARTS: usize = 96;

impl Curve {
    /// Shares of the values.
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
    /// What was done about it, to stand behind a comma.
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

/// Something to try.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// In words.
    pub what: String,
    /// The options of `convert` that do it.
    pub options: String,
    /// Decibels gained, if that was measured.
    pub gain: Option<f64>,
}

impl Report {
    /// What to try: what was measured, best first, and what goes on from there.
    pub fn fixes(&self) -> Vec<Fix> {
        let mut measured: Vec<&Alternative> = self.alternatives.iter().collect();
        measured.sort_by(|a, b| a.noise.total_cmp(&b.noise));
        let fix = |a: &Alternative| {
            let gain = decibels(a.noise) - decibels(self.judged);
            Fix { what: format!("{}, {gain:+.1} dB", a.what), options: a.options.clone(), gain: Some(gain) }
        };
        let untried = |what: &str, options: &str| Fix {
            what: what.to_string(),
            options: options.to_string(),
            gain: None,
        };
        let mut fixes: Vec<_> = measured.into_iter().map(fix).collect();
        // Only what has layers in codes of its own choice can be searched.
        if !self.layers.is_empty() {
            fixes.push(untried("search for a minute", "--search-seconds 60"));
        }
        if self.task.is_none() && self.precision != Precision::Float {
            let what = format!("judge it by labelled {} of your own", self.kind);
            fixes.push(untried(&what, "--eval DATA --max-drop 0.5"));
        }
        fixes
    }

    /// Layers whose own noise is known, those with the most first.
    pub fn worst(&self) -> Vec<&LayerReport> {
        let mut worst: Vec<_> = self.layers.iter().filter(|l| l.alone.is_some() && !l.keeps_values).collect();
        worst.sort_by(|a, b| b.alone.unwrap_or_default().total_cmp(&a.alone.unwrap_or_default()));
        worst
    }
}

/// Layers shown by `Display`.
const SHOWN: usize = 5;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  cut            {} ({})", self.cut, self.cut_why)?;
        for unsure in &self.cut_unsure {
            writeln!(f, "  unsure         {unsure}")?;
        }
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
        writeln!(f, "  precision      {}", self.precision.name())?;
        writeln!(f, "  layers         {}", self.nodes)?;
        writeln!(f, "  MACs           {}", millions(self.macs))?;
        let unit = if self.unit_length { ", brought to length 1" } else { "" };
        writeln!(f, "  embedding      {} values{unit}", self.dim)?;
        if self.arena > 0 {
            let (arena, bound) = (bytes(self.arena), bytes(self.live_set));
            writeln!(f, "  arena          {arena} (largest live set {bound})")?;
        }
        writeln!(f, "  package        {}", bytes(self.package))?;
        let (mean, min, n) = (self.cosine_mean, self.cosine_min, self.compared);
        write!(
            f,
            "  cosine         {mean:.4} mean, {min:.4} worst, to float on {n} of the {} calibration {}",
            self.pictures, self.kind
        )?;
        if self.precision == Precision::Float {
            write!(f, "\n  difference     {:.1e} of the float embedding's length, worst", self.difference)?;
        }
        if let Some(task) = &self.task {
            write!(f, "\n  task           {task}")?;
        }
        for line in &self.done {
            write!(f, "\n  quantizer      {line}")?;
        }
        if self.precision != Precision::Float {
            write!(f, "\n  verdict        {}", self.verdict())?;
        }
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

/// Widest bar, and the noise that fills it.
const BAR: usize = 20;
const FULL: f64 = 0.04;

/// Noise by signal in amplitudes as a bar; a fifth fills it.
fn bar(noise: f64) -> String {
    let filled = ((noise / FULL).sqrt() * BAR as f64).round().clamp(0.0, BAR as f64) as usize;
    format!("{}{}", "#".repeat(filled), ".".repeat(BAR - filled))
}

/// A share in percent, to two digits or so.
pub fn percent(share: f64) -> String {
    match 100.0 * share {
        p if p >= 10.0 => format!("{p:.0} %"),
        p if p >= 1.0 => format!("{p:.1} %"),
        p if p >= 0.1 => format!("{p:.2} %"),
        p => format!("{p:.3} %"),
    }
}

/// A number of bytes, exact, with a rounded reading beside it.
pub fn bytes(n: usize) -> String {
    match n {
        0..10_000 => format!("{n} bytes"),
        10_000..1_000_000 => format!("{n} bytes ({:.0} kB)", n as f64 / 1e3),
        _ => format!("{n} bytes ({:.2} MB)", n as f64 / 1e6),
    }
}

/// Milliseconds.
pub fn ms(time: Duration) -> f64 {
    1e3 * time.as_secs_f64()
}

/// Multiply-adds in millions.
pub fn millions(n: u64) -> String {
    format!("{:.1} M", n as f64 / 1e6)
}
