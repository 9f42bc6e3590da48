//! The quantizer: from a float network and calibration pictures to a graph in codes, judged by how
//! near its embeddings are to those in float.

use std::time::Duration;

use offshoot_core::Frame;
use offshoot_core::graph::Graph;
use offshoot_core::preprocess::Preprocess;
use thiserror::Error;

use crate::calibrate::{CalibrateError, Floats};
use crate::emit::{self, EmitError, Emitted};
use crate::equalize::{self, Factors};
use crate::ir::{Expr, LayerId, Model};
use crate::lanes::{self, LANES};
use crate::quality::{Noise, Subject};
use crate::quantize::{self, Scheme};
use crate::ranges::{Method, Range, Statistics};
use crate::trial::Trial;

mod alternatives;
mod keep;
mod means;
mod search;

pub use alternatives::Alternative;
pub use keep::KeepFloat;

/// What the user wants of the quantizer.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How ranges are chosen.
    pub ranges: Method,
    /// Whether channels are left as they are.
    pub unequalized: bool,
    /// Whether biases are left as they are.
    pub uncorrected: bool,
    /// What is kept in float.
    pub keep: KeepFloat,
    /// How long to look for better.
    pub search: Option<Duration>,
    /// Whether other ways are measured beside, for the report.
    pub alternatives: bool,
}

/// Why a network was not quantized.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QuantizerError {
    /// A network does not run on the sample pictures.
    #[error(transparent)]
    Calibrate(#[from] CalibrateError),
    /// A network cannot be written as a graph.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// There is nothing of this name to keep.
    #[error("--keep-float {name}: there is no such layer{nearest}")]
    NoLayer {
        /// What was asked for.
        name: String,
        /// What may have been meant.
        nearest: String,
    },
}

/// A network in codes, and how it came to them.
#[derive(Debug)]
pub struct Quantized {
    /// The graph.
    pub emitted: Emitted,
    /// The network as it was quantized: equalized.
    pub model: Model,
    /// What its layers' channels were multiplied by.
    pub factors: Factors,
    /// What the integers follow from.
    pub scheme: Scheme,
    /// What its layers' values were.
    pub statistics: Vec<Statistics>,
    /// Noise by signal of the embedding, on pictures that were not studied where there are enough.
    pub noise: f64,
    /// What else was measured.
    pub alternatives: Vec<Alternative>,
    /// What was done, a line each.
    pub done: Vec<String>,
}

/// Pictures whose values are counted; more do not change a range.
const STUDIED: usize = 48;
/// Pictures that candidates are judged by.
const JUDGED: usize = 32;

/// What candidates are made from.
struct Workshop<'a> {
    floats: &'a Floats,
    preprocess: &'a Preprocess,
    studied: Vec<Frame<'a>>,
    judged: Vec<(Frame<'a>, &'a [f32])>,
}

/// A network ready to be given ranges.
struct Variant {
    model: Model,
    factors: Factors,
    statistics: Vec<Statistics>,
    means: Vec<Vec<f64>>,
}

/// One way to quantize a variant.
#[derive(Debug, Clone)]
struct Candidate {
    method: Method,
    ranges: Vec<Range>,
    /// Means of the codes, if biases are corrected by them.
    coded_means: Option<Vec<Vec<f64>>>,
    /// Layers kept in float.
    floats: Vec<LayerId>,
    /// Noise by signal of the embedding, as it was judged.
    noise: f64,
}

/// Quantizes a network.
///
/// # Errors
/// See [`QuantizerError`].
pub fn quantize(
    model: &Model,
    floats: &Floats,
    settings: &Settings,
    preprocess: &Preprocess,
    frames: &[Frame<'_>],
    progress: &mut dyn FnMut(&str, f32),
) -> Result<Quantized, QuantizerError> {
    let workshop = Workshop::new(floats, preprocess, frames);
    let mut variant = workshop.variant(model, !settings.unequalized, &mut |share| progress("study", share))?;
    progress("quantize", 0.0);
    let mut best = workshop.corrected(&variant, settings, settings.ranges)?;
    let searched = match settings.search {
        Some(time) => Some(workshop.search(model, settings, &mut variant, &mut best, time, progress)?),
        None => None,
    };
    let kept = workshop.keep(&settings.keep, &variant, &mut best, &mut |share| progress("keep", share))?;
    let alternatives = match settings.alternatives {
        true => workshop.alternatives(model, settings, &variant, &best)?,
        false => Vec::new(),
    };
    let done = [variant.told(), best.told()].into_iter().chain([searched, kept]).flatten().collect();
    let scheme = workshop.scheme(&variant, &best);
    let emitted = emit::int8(&variant.model, &scheme)?;
    let Variant { model, factors, statistics, .. } = variant;
    let noise = best.noise;
    Ok(Quantized { emitted, model, factors, scheme, statistics, noise, alternatives, done })
}

impl<'a> Workshop<'a> {
    fn new(floats: &'a Floats, preprocess: &'a Preprocess, frames: &[Frame<'a>]) -> Self {
        // Where there are enough, what is judged by was not studied.
        let spread = |most: usize, from: usize| {
            let step = (frames.len() / most).max(1);
            (from.min(step - 1)..frames.len()).step_by(step).take(most)
        };
        let studied = spread(STUDIED, 0).map(|i| frames[i]).collect();
        let judged = spread(JUDGED, 1).map(|i| (frames[i], &*floats.embeddings[i])).collect();
        Self { floats, preprocess, studied, judged }
    }

    /// The network as it is, or equalized, with what its values are.
    fn variant(
        &self,
        model: &Model,
        equalized: bool,
        told: &mut dyn FnMut(f32),
    ) -> Result<Variant, CalibrateError> {
        let mut model = model.clone();
        let none = vec![None; model.layers.len()];
        let factors =
            if equalized { equalize::equalize(&mut model, &self.floats.extents) } else { none };
        let (study, studied) = (Study::new(&model), &self.studied);
        let states = (0..LANES.min(self.studied.len()))
            .map(|_| (self.floats.watched.clone(), study.clone(), Vec::new()))
            .collect();
        let lanes = lanes::over(
            states,
            self.studied.len(),
            |(watched, study, scaled), i| -> Result<(), CalibrateError> {
                watched.run(&studied[i])?;
                for (layer, factors) in factors.iter().enumerate() {
                    let clamp = model.layers[layer].clamp;
                    study.see(layer, i, scale(watched.values(layer), factors.as_deref(), clamp, scaled));
                }
                Ok(())
            },
            told,
        )?;
        let mut whole = study;
        lanes.iter().for_each(|(_, lane, _)| whole.merge(lane));
        let means = whole.sums.means();
        let mut statistics = whole.statistics;
        for ((own, extents), factors) in statistics.iter_mut().zip(&self.floats.extents).zip(&factors) {
            own.range = whole_range(extents, factors.as_deref());
        }
        for (own, layer) in statistics.iter_mut().zip(&model.layers) {
            if let Some((lo, hi)) = layer.clamp {
                own.range = Range { min: own.range.min.max(lo), max: own.range.max.min(hi) };
            }
        }
        Ok(Variant { model, factors, statistics, means })
    }

    /// Ranges by one method for all layers, judged.
    fn candidate(&self, variant: &Variant, method: Method) -> Result<Candidate, QuantizerError> {
        let read = quantize::only_function_read(&variant.model);
        let choose = |(s, read): (&Statistics, Option<&Expr>)| s.chosen(method, read.unwrap_or(&Expr::Input));
        let mut ranges: Vec<Range> = variant.statistics.iter().zip(read).map(choose).collect();
        // The largest values of the embedding tell pictures apart most.
        ranges[variant.model.output] = variant.statistics[variant.model.output].range;
        let mut candidate =
            Candidate { method, ranges, coded_means: None, floats: Vec::new(), noise: f64::INFINITY };
        candidate.noise = self.judge(variant, &candidate)?;
        Ok(candidate)
    }

    fn scheme(&self, variant: &Variant, candidate: &Candidate) -> Scheme {
        let means = variant.means.clone();
        let mut read = means.clone();
        read[0] = quantize::coded_input_means(self.preprocess, &means[0]);
        Scheme {
            in_codes: quantize::in_codes(&variant.model, &candidate.floats),
            quants: quantize::quants(&variant.model, &candidate.ranges, self.preprocess),
            coded_means: candidate.coded_means.clone().unwrap_or(read),
            means,
        }
    }

    /// Noise by signal of the embedding.
    fn judge(&self, variant: &Variant, candidate: &Candidate) -> Result<f64, QuantizerError> {
        let emitted = emit::int8(&variant.model, &self.scheme(variant, candidate))?;
        let graph = emitted.writer.graph(emitted.output).map_err(EmitError::from)?;
        let trial = Trial::new(graph, self.preprocess, &[]).map_err(CalibrateError::from)?;
        let states = (0..LANES.min(self.judged.len())).map(|_| (trial.clone(), Noise::default())).collect();
        let judged = &self.judged;
        let work = |(trial, noise): &mut (Trial<'_>, Noise), i: usize| -> Result<(), CalibrateError> {
            let (frame, wanted) = &judged[i];
            trial.run(frame)?;
            noise.see(trial.embedding().into_iter(), wanted);
            Ok(())
        };
        let lanes = lanes::over(states, self.judged.len(), work, &mut |_| ())?;
        let mut noise = Noise::default();
        lanes.iter().for_each(|(_, lane)| noise.merge(lane));
        Ok(noise.ratio().unwrap_or_default())
    }

    /// Takes what codes add to the means of channels off the biases, if that makes the embedding better.
    fn correct(&self, variant: &Variant, best: &mut Candidate) -> Result<(), QuantizerError> {
        let Some(means) = self.coded_means(variant, best)? else { return Ok(()) };
        let mut corrected = Candidate { coded_means: Some(means), ..best.clone() };
        corrected.noise = self.judge(variant, &corrected)?;
        if corrected.noise < best.noise {
            *best = corrected;
        }
        Ok(())
    }
}

impl Candidate {
    fn told(&self) -> Option<String> {
        let corrected = if self.coded_means.is_some() { "biases corrected by measured means" } else { "biases corrected by the weights' rounding" };
        Some(format!("ranges by {}, {corrected}", self.method.name()))
    }
}

impl Variant {
    fn told(&self) -> Option<String> {
        let layers = self.factors.iter().flatten().count();
        (layers > 0).then(|| format!("channels of {layers} maps equalized"))
    }

    fn subject<'s, 'g>(
        &'s self,
        emitted: &'s Emitted,
        graph: Graph<'g>,
        preprocess: &'s Preprocess,
    ) -> Subject<'s, 'g> {
        Subject { model: &self.model, factors: &self.factors, graph, tensors: &emitted.tensors, preprocess }
    }
}

/// Values with their channels multiplied, up to the layer's limit.
fn scale<'v>(
    values: &'v [f32],
    factors: Option<&[f32]>,
    clamp: Option<(f32, f32)>,
    scaled: &'v mut Vec<f32>,
) -> &'v [f32] {
    let Some(factors) = factors else { return values };
    let limit = clamp.map_or(f32::INFINITY, |(_, hi)| hi);
    scaled.clear();
    for pixel in values.chunks_exact(factors.len()) {
        scaled.extend(pixel.iter().zip(factors).map(|(v, f)| (v * f).min(limit)));
    }
    scaled
}

/// From the smallest to the largest value, with channels multiplied.
fn whole_range(extents: &equalize::Extents, factors: Option<&[f32]>) -> Range {
    let mut range = Range::EMPTY;
    for (c, (&min, &max)) in extents.min.iter().zip(&extents.max).enumerate() {
        let factor = factors.map_or(1.0, |f| f[c]);
        range.see(&[min * factor, max * factor]);
    }
    range
}

/// Sums of each layer's channels.
#[derive(Debug, Clone)]
struct Sums {
    sums: Vec<Vec<f64>>,
    counts: Vec<u64>,
}

impl Sums {
    fn new(model: &Model) -> Self {
        let sums = model.layers.iter().map(|l| vec![0.0; l.shape.c()]).collect();
        Self { sums, counts: vec![0; model.layers.len()] }
    }

    /// Takes in a layer's values for one picture: rows, columns, channels.
    fn see(&mut self, layer: LayerId, values: &[f32]) {
        let mut sums = vec![0f32; self.sums[layer].len()];
        for pixel in values.chunks_exact(sums.len()) {
            let finite = |v: f32| if v.is_finite() { v } else { 0.0 };
            sums.iter_mut().zip(pixel).for_each(|(sum, &v)| *sum += finite(v));
            self.counts[layer] += 1;
        }
        self.sums[layer].iter_mut().zip(sums).for_each(|(all, sum)| *all += f64::from(sum));
    }

    fn merge(&mut self, other: &Self) {
        for (own, more) in self.sums.iter_mut().flatten().zip(other.sums.iter().flatten()) {
            *own += more;
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(own, more)| *own += more);
    }

    fn means(&self) -> Vec<Vec<f64>> {
        let mean = |(sums, &n): (&Vec<f64>, &u64)| sums.iter().map(|s| s / n.max(1) as f64).collect();
        self.sums.iter().zip(&self.counts).map(mean).collect()
    }
}

/// Values of one picture's map that are counted at most: more pictures say more than more pixels.
const COUNTED: usize = 1 << 17;

/// What all layers' values are.
#[derive(Debug, Clone)]
struct Study {
    statistics: Vec<Statistics>,
    sums: Sums,
}

impl Study {
    fn new(model: &Model) -> Self {
        Self { statistics: vec![Statistics::new(); model.layers.len()], sums: Sums::new(model) }
    }

    /// Takes in a layer's values for the `picture`-th picture: rows, columns, channels.
    fn see(&mut self, layer: LayerId, picture: usize, values: &[f32]) {
        self.sums.see(layer, values);
        let step = values.len().div_ceil(COUNTED);
        let counted = &mut self.statistics[layer].histogram;
        if step == 1 {
            return counted.see(values);
        }
        let pixels = values.chunks_exact(self.sums.sums[layer].len());
        pixels.skip(picture % step).step_by(step).for_each(|pixel| counted.see(pixel));
    }

    fn merge(&mut self, other: &Self) {
        self.statistics.iter_mut().zip(&other.statistics).for_each(|(own, more)| own.merge(more));
        self.sums.merge(&other.sums);
    }
}
