//! What a conversion has to say, as a short table.

use std::fmt;
use std::time::Duration;

use offshoot_core::Shape;
use offshoot_core::package::Precision;

use crate::embedding::Pool;

use crate::quantize::Range;

/// The outcome of a conversion.
#[derive(Debug, Clone)]
pub struct Report {
    /// The tensor that became the embedding.
    pub cut: String,
    /// How it was chosen.
    pub cut_why: String,
    /// How maps were pooled, if there were any.
    pub pool: Option<Pool>,
    /// How the preprocessing was chosen.
    pub preprocess_why: String,
    /// Why the preprocessing may be the wrong one.
    pub preprocess_warning: Option<String>,
    /// What the graph's numbers are.
    pub precision: Precision,
    /// Nodes of the graph.
    pub layers: usize,
    /// Multiply-adds of one run.
    pub macs: u64,
    /// Values of an embedding.
    pub dim: usize,
    /// Bytes of the arena; 0 where tract-core manages memory.
    pub arena: usize,
    /// Bytes of the largest set of maps alive at once, if every map existed as a whole.
    pub live_set: usize,
    /// Bytes of the package file.
    pub package: usize,
    /// Pictures calibrated on.
    pub pictures: usize,
    /// Mean cosine of the embedding to the source model's float one.
    pub cosine_mean: f64,
    /// Worst of these.
    pub cosine_min: f64,
    /// Largest relative difference of the embedding from the source model's.
    pub difference: f64,
    /// Layers by their cosine to float, worst first; empty for float and mixed packages.
    pub worst: Vec<LayerReport>,
}

/// One layer of the report.
#[derive(Debug, Clone)]
pub struct LayerReport {
    /// The node's name in the source model.
    pub name: String,
    /// Shape of its result.
    pub shape: Shape,
    /// Cosine of its codes to its floats.
    pub cosine: f64,
    /// Values it took on the calibration pictures.
    pub range: Range,
}

/// Layers shown by `Display`.
const SHOWN: usize = 3;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  cut            {} ({})", self.cut, self.cut_why)?;
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
        writeln!(f, "  layers         {}", self.layers)?;
        writeln!(f, "  MACs           {}", millions(self.macs))?;
        writeln!(f, "  embedding      {} values", self.dim)?;
        if self.arena > 0 {
            let (arena, bound) = (bytes(self.arena), bytes(self.live_set));
            writeln!(f, "  arena          {arena} (largest live set {bound})")?;
        }
        writeln!(f, "  package        {}", bytes(self.package))?;
        let (mean, min, n) = (self.cosine_mean, self.cosine_min, self.pictures);
        write!(
            f,
            "  cosine         {mean:.4} mean, {min:.4} worst, to float on the {n} calibration pictures"
        )?;
        if self.precision == Precision::Float {
            write!(f, "\n  difference     {:.1e} of the float embedding's length, worst", self.difference)?;
        }
        for (i, layer) in self.worst.iter().take(SHOWN).enumerate() {
            let head = if i == 0 { "worst layers" } else { "" };
            let LayerReport { name, shape, cosine, range } = layer;
            write!(f, "\n  {head:<13}  {cosine:.4}  {name}  {shape}  [{:.2}, {:.2}]", range.min, range.max)?;
        }
        Ok(())
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
