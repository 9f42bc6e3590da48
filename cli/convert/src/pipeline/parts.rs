//! Embeddings of several parts: the pooled feature maps of several depths, joined, each with as much
//! weight as the others.
//!
//! Features of early layers tell apart what the last layer, trained for other classes, does not
//! (Head2Toe, Evci et al. 2022). Parts differ in their variance by orders of magnitude, and one int8
//! scale would lose the small ones. So each part is brought to the variance of the last one by
//! constants of the calibration set, a convolution of one weight per channel: its channels are
//! centred and divided by the root of their standard deviation, which makes those of small variance
//! heard, and limited to the reach of the last part, so that rare large values do not take its
//! resolution.

use offshoot_core::graph::Window;
use offshoot_core::package::PartStarts;

use crate::calibrate::input::Input;
use crate::calibrate::{CalibrateError, ObservedNetwork};
use crate::import::{Cut, Source};
use crate::ir::cut_points::{candidates, last_of_each_cost, last_of_each_shape};
use crate::ir::{Conv, LayerOp, Model};

use super::Options;
use super::options::PartsOption;

/// Max number of parts that are chosen automatically, beside the embedding of the cut.
const MOST: usize = 7;

/// Number of shapes below which a network's depths are told apart by cost: a transformer's feature
/// maps all have the same.
const FEW_SHAPES: usize = 3;

/// Least number of channels of a part that is chosen automatically.
const LEAST_CHANNELS: usize = 8;

/// Number of calibration samples that the variance of a part is measured on.
const MEASURED: usize = 64;

/// Least standard deviation of a channel, as a share of the greatest of its part.
const FLAT: f64 = 1e-3;

/// Parts of an embedding.
#[derive(Debug, Clone, Default)]
pub(super) struct Joined {
    /// Mean of each value of the parts before the last one; empty if the embedding is not divided.
    means: Vec<f32>,
    /// Factor of each value.
    factors: Vec<f32>,
    /// Limit of the absolute values of the parts before the last one.
    limit: f32,
    /// First value of each part, two bytes each.
    starts: Vec<u8>,
}

impl Joined {
    /// Measures the parts of a joined embedding, and balances them in the network.
    ///
    /// The last part stays as it is: it is the embedding of a network cut at one place.
    pub(super) fn balance(
        model: &mut Model,
        lengths: &[usize],
        inputs: &[Input<'_>],
    ) -> Result<Self, CalibrateError> {
        let spreads = spreads(model, lengths.iter().sum(), inputs)?;
        let Some((&last, others)) = lengths.split_last() else { return Ok(Self::default()) };
        let own = &spreads[spreads.len() - last..];
        let wanted = own.iter().map(Spread::variance).sum::<f64>();
        let least = own.iter().fold(f32::INFINITY, |least, spread| least.min(spread.least));
        let most = own.iter().fold(f32::NEG_INFINITY, |most, spread| most.max(spread.most));
        let mut joined = Self { limit: (most - least) / 2.0, ..Self::default() };
        let mut start = 0;
        for &length in others {
            let part = &spreads[start..start + length];
            joined.means.extend(part.iter().map(|spread| spread.mean() as f32));
            joined.factors.extend(factors(part, wanted));
            joined.starts.extend((start as u16).to_le_bytes());
            start += length;
        }
        joined.starts.extend((start as u16).to_le_bytes());
        joined.write(model, others);
        Ok(joined)
    }

    /// Inserts the convolutions of the parts before the last one.
    fn write(&self, model: &mut Model, others: &[usize]) {
        let Some(mut join) = model.layers.pop() else { return };
        let mut start = 0;
        for (input, &length) in join.inputs.iter_mut().zip(others) {
            let end = start + length;
            let factors = &self.factors[start..end];
            let bias = self.means[start..end].iter().zip(factors).map(|(mean, f)| -mean * f);
            let conv = LayerOp::Conv(Conv {
                window: Window::POINT,
                groups: length,
                weights: factors.to_vec(),
                bias: bias.collect(),
            });
            let shape = model.layers[*input].shape;
            *input = model.push("offshoot.balance", conv, vec![*input], shape);
            model.layers[*input].clamp = Some((-self.limit, self.limit));
            start = end;
        }
        model.output = model.layers.len();
        model.layers.push(join);
    }

    /// Returns the first value of each part.
    pub(super) fn starts(&self) -> PartStarts<'_> {
        PartStarts::new(&self.starts).unwrap_or_default()
    }

    /// Balances the embedding of the source model's own values.
    pub(super) fn scale(&self, embedding: &mut [f32]) {
        let last = self.starts().iter().last().unwrap_or_default();
        let others = &mut embedding[..last];
        for ((x, mean), factor) in others.iter_mut().zip(&self.means).zip(&self.factors) {
            *x = ((*x - mean) * factor).clamp(-self.limit, self.limit);
        }
    }
}

/// Returns the factors of a part's channels, for a sum of their variances: each is divided by the
/// root of its standard deviation, that of channels that hardly vary as if they did a little.
fn factors(part: &[Spread], wanted: f64) -> Vec<f32> {
    let deviations: Vec<f64> = part.iter().map(|spread| spread.variance().sqrt()).collect();
    let least = FLAT * deviations.iter().copied().fold(0.0, f64::max);
    let raw: Vec<f64> = deviations.iter().map(|own| 1.0 / own.max(least).sqrt()).collect();
    let variance: f64 = deviations.iter().zip(&raw).map(|(own, raw)| (own * raw).powi(2)).sum();
    if variance.is_normal() {
        let factor = (wanted / variance).sqrt();
        raw.into_iter().map(|raw| (raw * factor) as f32).collect()
    } else {
        vec![0.0; part.len()]
    }
}

/// Runs a network and returns mean and variance of each value of its embedding.
fn spreads(
    model: &Model,
    values: usize,
    inputs: &[Input<'_>],
) -> Result<Vec<Spread>, CalibrateError> {
    let mut network = ObservedNetwork::new(model)?;
    let mut spreads = vec![Spread::EMPTY; values];
    let step = inputs.len().div_ceil(MEASURED).max(1);
    for input in inputs.iter().step_by(step) {
        network.run(input, &mut |_, _| ())?;
        spreads.iter_mut().zip(network.embedding()).for_each(|(spread, &x)| spread.see(x));
    }
    Ok(spreads)
}

/// Distribution of one value.
#[derive(Debug, Clone, Copy)]
struct Spread {
    count: f64,
    sum: f64,
    squares: f64,
    least: f32,
    most: f32,
}

impl Spread {
    const EMPTY: Self =
        Self { count: 0.0, sum: 0.0, squares: 0.0, least: f32::INFINITY, most: f32::NEG_INFINITY };

    fn see(&mut self, x: f32) {
        self.count += 1.0;
        self.sum += f64::from(x);
        self.squares += f64::from(x) * f64::from(x);
        self.least = self.least.min(x);
        self.most = self.most.max(x);
    }

    fn mean(&self) -> f64 {
        self.sum / self.count
    }

    fn variance(&self) -> f64 {
        (self.squares / self.count - self.mean().powi(2)).max(0.0)
    }
}

/// Returns the tensors of the parts that the options ask for; none if the embedding is that of the
/// cut alone. The model is that of the cut, not yet folded.
pub(super) fn names(source: &Source, model: &Model, options: &Options) -> Vec<String> {
    match &options.parts {
        PartsOption::None => Vec::new(),
        PartsOption::Named(names) => names.clone(),
        PartsOption::Auto => choose(source, model),
    }
}

/// Returns the tensors of the parts, then those of the cut alone.
pub(super) fn cuts<'a>(parts: &'a [String], alone: &'a Cut) -> Vec<&'a str> {
    parts.iter().chain(&alone.tensors).map(String::as_str).collect()
}

/// Chooses parts: the last feature map of each shape before the embedding, at most [`MOST`], the
/// deepest ones; of a network whose feature maps all have one shape those at a quarter, half and
/// three quarters of its cost.
fn choose(source: &Source, model: &Model) -> Vec<String> {
    let maps: Vec<_> = candidates(model, |layer| source.tensor_of(layer))
        .into_iter()
        .filter(|c| c.shape.h() * c.shape.w() > 1)
        .collect();
    // The map whose mean is the embedding says nothing new.
    let values = model.layers[model.output].shape.elements();
    let new = maps.iter().rposition(|map| map.shape.c() != values).map_or(0, |last| last + 1);
    let mut chosen = last_of_each_shape(&maps[..new]);
    if chosen.len() < FEW_SHAPES {
        let mut depths = last_of_each_cost(&maps);
        let total = depths.pop().map_or(0, |last| last.macs);
        let quarter = |n: u64| depths.iter().find(|depth| 4 * depth.macs >= n * total).cloned();
        chosen = [1, 2, 3].into_iter().filter_map(quarter).collect();
        chosen.dedup();
    }
    chosen.retain(|map| map.shape.c() >= LEAST_CHANNELS);
    let skipped = chosen.len().saturating_sub(MOST);
    chosen.into_iter().skip(skipped).map(|map| map.name).collect()
}
