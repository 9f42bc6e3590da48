//! Embeddings of several parts: the pooled feature maps of several depths, joined, each in a scale
//! that gives it as much weight as the others.
//!
//! Features of early layers tell apart what the last layer, trained for other classes, does not
//! (Head2Toe, Evci et al. 2022). Parts differ in their variance by orders of magnitude, and one int8
//! scale would lose the small ones: so each is multiplied with a constant of the calibration set,
//! which the concatenation of int8 values applies at no cost.

use offshoot_core::Frame;
use offshoot_core::package::PartStarts;
use offshoot_core::preprocess::Preprocess;

use crate::calibrate::input::Input;
use crate::calibrate::{CalibrateError, ObservedNetwork};
use crate::import::{ImportError, Imported, Source};
use crate::ir::cut_points::{candidates, last_of_each_cost, last_of_each_shape};
use crate::ir::{LayerOp, Model};

use super::Options;
use super::options::PartsOption;

/// Max number of parts that are chosen automatically, beside the embedding of the cut.
const MOST: usize = 7;

/// Number of shapes below which a network's depths are told apart by cost: a transformer's feature
/// maps all have the same.
const FEW_SHAPES: usize = 3;

/// Least number of channels of a part that is chosen automatically.
const LEAST_CHANNELS: usize = 8;

/// Number of calibration images that the variance of a part is measured on.
const MEASURED: usize = 64;

/// Parts of an embedding.
#[derive(Debug, Clone, Default)]
pub(super) struct Joined {
    /// Number of values of each part; empty if the embedding is not divided.
    lengths: Vec<usize>,
    /// Factor of each part.
    factors: Vec<f32>,
    /// First value of each part, two bytes each.
    starts: Vec<u8>,
}

impl Joined {
    /// Measures the parts of a joined embedding, and writes their factors into the network.
    pub(super) fn balance(
        model: &mut Model,
        lengths: Vec<usize>,
        frames: &[Frame<'_>],
        preprocess: &Preprocess,
    ) -> Result<Self, CalibrateError> {
        let mut network = ObservedNetwork::new(model)?;
        let mut spreads = vec![Spread::default(); lengths.iter().sum()];
        let step = frames.len().div_ceil(MEASURED).max(1);
        for frame in frames.iter().step_by(step) {
            network.run(&Input::Image(*frame, preprocess), &mut |_, _| ())?;
            spreads.iter_mut().zip(network.embedding()).for_each(|(s, &x)| s.see(x));
        }
        let mut rest = &spreads[..];
        let mut variances = Vec::new();
        for &length in &lengths {
            let (part, behind) = rest.split_at(length);
            variances.push(part.iter().map(Spread::variance).sum::<f64>());
            rest = behind;
        }
        // The last part keeps its scale: it is the embedding of a network cut at one place.
        let last = variances.last().copied().unwrap_or_default();
        let factor = |&own: &f64| if own > 0.0 { (last / own).sqrt() as f32 } else { 0.0 };
        let mut factors: Vec<f32> = variances.iter().map(factor).collect();
        if let Some(factor) = factors.last_mut() {
            *factor = 1.0;
        }
        let output = model.output;
        model.layers[output].op = LayerOp::Join { factors: factors.clone() };
        let mut start = 0;
        let mut starts = Vec::new();
        for length in &lengths {
            starts.extend((start as u16).to_le_bytes());
            start += length;
        }
        Ok(Self { lengths, factors, starts })
    }

    /// Returns the first value of each part.
    pub(super) fn starts(&self) -> PartStarts<'_> {
        PartStarts::new(&self.starts).unwrap_or_default()
    }

    /// Scales the embedding of the source model's own values.
    pub(super) fn scale(&self, embedding: &mut [f32]) {
        let mut rest = embedding;
        for (&length, factor) in self.lengths.iter().zip(&self.factors) {
            let (part, behind) = rest.split_at_mut(length);
            part.iter_mut().for_each(|x| *x *= factor);
            rest = behind;
        }
    }
}

/// Mean and variance of one value.
#[derive(Debug, Clone, Copy, Default)]
struct Spread {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Spread {
    fn see(&mut self, x: f32) {
        self.count += 1.0;
        self.sum += f64::from(x);
        self.squares += f64::from(x) * f64::from(x);
    }

    fn variance(&self) -> f64 {
        (self.squares / self.count - (self.sum / self.count).powi(2)).max(0.0)
    }
}

/// Imports a model with the parts that the options ask for, in front of those of `imported`.
pub(super) fn import(
    source: &Source,
    imported: Imported,
    size: Option<(u32, u32)>,
    options: &Options,
) -> Result<Imported, ImportError> {
    let names = match &options.parts {
        PartsOption::None => return Ok(imported),
        PartsOption::Named(names) => names.clone(),
        PartsOption::Auto => choose(source, &imported),
    };
    if names.is_empty() {
        return Ok(imported);
    }
    let own = &imported.cut.tensors;
    let cuts: Vec<&str> = names.iter().chain(own).map(String::as_str).collect();
    let mut joined = source.import(&cuts, size, options.pool)?;
    joined.cut.why =
        format!("{}; parts of {} other depths come before it", imported.cut.why, names.len());
    joined.cut.unsure = imported.cut.unsure;
    joined.cut.asked = imported.cut.asked;
    joined.cut.has_classifier = imported.cut.has_classifier;
    Ok(joined)
}

/// Chooses parts: the last feature map of each shape before the embedding, at most [`MOST`], the
/// deepest ones; of a network whose feature maps all have one shape those at a quarter, half and
/// three quarters of its cost.
fn choose(source: &Source, imported: &Imported) -> Vec<String> {
    let all = candidates(&imported.model, |layer| source.tensor_of(layer));
    let values = imported.model.layers[imported.model.output].shape.elements();
    let mut maps: Vec<_> = all.into_iter().filter(|c| c.shape.h() * c.shape.w() > 1).collect();
    // The map whose mean is the embedding says nothing new.
    while maps.last().is_some_and(|map| map.shape.c() == values) {
        maps.pop();
    }
    let mut chosen = last_of_each_shape(&maps);
    if chosen.len() < FEW_SHAPES {
        let depths = last_of_each_cost(&maps);
        let total = depths.last().map_or(0, |last| last.macs);
        let quarter = |n: u64| depths.iter().find(|depth| 4 * depth.macs >= n * total).cloned();
        chosen = [1, 2, 3].into_iter().filter_map(quarter).collect();
        chosen.dedup();
    }
    chosen.retain(|map| map.shape.c() >= LEAST_CHANNELS);
    let skipped = chosen.len().saturating_sub(MOST);
    chosen.into_iter().skip(skipped).map(|map| map.name).collect()
}
