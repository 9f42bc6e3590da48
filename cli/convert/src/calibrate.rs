//! Run of the float network on the calibration set, images or texts: ranges of the layers and
//! embeddings.

pub mod extents;
pub mod histogram;
pub mod input;
pub mod observer;
pub mod ranges;
pub mod reference;
pub mod tokenizer;

use input::Input;
use observer::{Observations, subset};
use offshoot_core::graph::TensorId;
use offshoot_core::tokens::TokensError;
use offshoot_tract::{Network, TractError, Values};
use thiserror::Error;

use crate::calibrate::extents::Extents;
use crate::emit::{self, EmitError};
use crate::ir::{ChannelSplit, LayerId, Model};
use crate::parallel;
use crate::parallel::SHARDS;
use crate::progress::{Observer, Stage};

/// Error of a calibration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CalibrateError {
    /// The float network cannot be written as a graph.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// The float network does not run.
    #[error(transparent)]
    Tract(#[from] TractError),
    /// The tokens do not fit the model.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// tract does not run the source model.
    #[error(
        "the model does not run: {}cannot be computed from its inputs; cut before it (--cut), or export the \
         model again",
        node.as_ref().map_or_else(|| "something in it ".to_string(), |name| format!("node `{name}` "))
    )]
    Reference {
        /// Name of the node, if tract names it.
        node: Option<String>,
        /// Message of tract, which uses its own internal names.
        reason: String,
    },
    /// A layer on which the embedding depends gives values that are not finite.
    #[error(
        "layer `{layer}` gives no finite number on the calibration set ({samples} of {of}); for images, the \
         preprocessing may be wrong (--preset), or weights are too large"
    )]
    NotFinite {
        /// Name of the first such layer.
        layer: String,
        /// Number of samples with a spoiled embedding.
        samples: usize,
        /// Number of all samples.
        of: usize,
    },
    /// The embedding is zero for all samples.
    #[error(
        "layer `{layer}` gives nothing but zeros on the whole calibration set, and so does the embedding; for \
         images, the preprocessing may be wrong (--preset), or weights are too small"
    )]
    Zero {
        /// Name of the first such layer.
        layer: String,
    },
}

/// Imported float network with an observer for every layer. A clone shares the weights.
#[derive(Debug, Clone)]
pub struct ObservedNetwork {
    network: Network,
    input: Vec<f32>,
    copies: Vec<Copies>,
    copied: Vec<f32>,
}

/// Layer with duplicated channels.
#[derive(Debug, Clone)]
struct Copies {
    layer: LayerId,
    channels: usize,
    splits: Vec<ChannelSplit>,
}

impl ObservedNetwork {
    /// Prepares the network.
    ///
    /// # Errors
    /// The network cannot be written as a graph or run.
    pub fn new(model: &Model) -> Result<Self, CalibrateError> {
        let emitted = emit::float(model)?;
        let graph = emitted.writer.graph(emitted.output).map_err(EmitError::from)?;
        // The input is observed as bytes, not here.
        let observed: Vec<TensorId> =
            emitted.tensors.iter().skip(1).map(|t| t.unwrap_or_default()).collect();
        let network = Network::observing(&graph, &observed)?;
        let input = vec![0.0; model.layers[0].shape.elements()];
        Ok(Self { network, input, copies: Vec::new(), copied: Vec::new() })
    }

    /// Returns the same network, observed as `model`, which has duplicated channels and otherwise
    /// computes the same.
    pub fn with_twins(&self, model: &Model) -> Self {
        let mut copies = Vec::new();
        for (layer, own) in model.layers.iter().enumerate().filter(|(_, l)| !l.splits.is_empty()) {
            copies.push(Copies { layer, channels: own.shape.c(), splits: own.splits.clone() });
        }
        Self { copies, ..self.clone() }
    }

    /// Runs one sample, an image or a text; each layer's values (rows, columns, channels) are
    /// passed to the observer `see` as soon as they are computed.
    ///
    /// # Errors
    /// Error of tract; ids without rows in the table.
    pub fn run(
        &mut self,
        sample: &Input<'_>,
        see: &mut dyn FnMut(LayerId, &[f32]),
    ) -> Result<(), CalibrateError> {
        let Self { network, input, copies, copied } = self;
        sample.floats_into(input)?;
        see(0, input);
        network.run_observed(Values::Floats(input), &mut |place, values| {
            // The whole network is in float.
            let Values::Floats(values) = values else { return };
            let layer = place + 1;
            let Some(own) = copies.iter().find(|c| c.layer == layer) else {
                return see(layer, values);
            };
            copied.clear();
            copied.extend(values);
            for pixel in copied.chunks_exact_mut(own.channels) {
                own.splits.iter().for_each(|t| pixel[t.above] = pixel[t.below]);
            }
            see(layer, copied);
        })?;
        Ok(())
    }

    /// Returns the embedding of the last run.
    pub fn embedding(&self) -> &[f32] {
        self.network.floats()
    }
}

/// Results of the float network on the calibration set.
#[derive(Debug, Clone)]
pub struct Floats {
    /// Float network.
    pub observed: ObservedNetwork,
    /// Extents of each layer's channels.
    pub extents: Vec<Extents>,
    /// Distribution of each layer's values on the calibration subset ([`subset`]).
    pub observations: Observations,
    /// Embedding of each sample.
    pub embeddings: Vec<Vec<f32>>,
}

/// State of one shard of a calibration. Shards are merged in a fixed order, so that the results do
/// not depend on the number of threads.
#[derive(Clone)]
struct Shard {
    observed: ObservedNetwork,
    extents: Vec<Extents>,
    observations: Observations,
    /// Embedding of each sample of the shard, in order.
    embeddings: Vec<Vec<f32>>,
}

impl Shard {
    fn new(model: &Model, observed: &ObservedNetwork) -> Self {
        Self {
            observed: observed.clone(),
            extents: model.layers.iter().map(|l| Extents::new(l.shape.c())).collect(),
            observations: Observations::new(model),
            embeddings: Vec::new(),
        }
    }

    /// Runs a sample; `place` is its index in the calibration subset, if it is part of it.
    fn run(&mut self, input: &Input<'_>, place: Option<usize>) -> Result<(), CalibrateError> {
        let Self { observed, extents, observations, embeddings } = self;
        observed.run(input, &mut |layer, values| {
            extents[layer].see(values);
            if let Some(place) = place {
                observations.see(layer, place, values);
            }
        })?;
        embeddings.push(observed.embedding().to_vec());
        Ok(())
    }

    /// Adds the extents and observations of another shard.
    fn merge(&mut self, other: &Self) {
        self.extents.iter_mut().zip(&other.extents).for_each(|(own, more)| own.merge(more));
        self.observations.merge(&other.observations);
    }
}

impl Floats {
    /// Runs all samples; the finished share is passed to the observer.
    ///
    /// # Errors
    /// Error of tract, or a layer without finite values.
    pub fn measure(
        model: &Model,
        inputs: &[Input<'_>],
        observer: &mut dyn Observer,
    ) -> Result<Self, CalibrateError> {
        let observed = ObservedNetwork::new(model)?;
        let subset: Vec<usize> = subset(inputs.len()).collect();
        let shards = vec![Shard::new(model, &observed); SHARDS];
        let shards = parallel::over_observed(
            shards,
            inputs.len(),
            |shard, i| shard.run(&inputs[i], subset.binary_search(&i).ok()),
            Stage::Calibrate,
            observer,
        )?;
        let mut whole = Shard::new(model, &observed);
        shards.iter().for_each(|shard| whole.merge(shard));
        let embeddings = shards.into_iter().map(|shard| shard.embeddings).collect();
        let measured = Self {
            observed,
            extents: whole.extents,
            observations: whole.observations,
            embeddings: parallel::in_order(embeddings, inputs.len()),
        };
        measured.check(model, inputs)?;
        Ok(measured)
    }

    /// Checks that embeddings are finite, and not too small to be compared.
    fn check(&self, model: &Model, inputs: &[Input<'_>]) -> Result<(), CalibrateError> {
        let of = inputs.len();
        let odd: Vec<usize> =
            (0..of).filter(|&i| !length(&self.embeddings[i]).is_finite()).collect();
        if let Some(&first) = odd.first() {
            let mut layers = Vec::new();
            self.observed.clone().run(&inputs[first], &mut |layer, values| {
                layers.extend((!length(values).is_finite()).then_some(layer));
            })?;
            // A product of finite embeddings may still overflow.
            let layer = layers.into_iter().min().unwrap_or(model.output);
            let layer = model.layers[layer].name.clone();
            return Err(CalibrateError::NotFinite { layer, samples: odd.len(), of });
        }
        if let Some(layer) = self.extents.iter().position(Extents::is_empty) {
            let layer = model.layers[layer].name.clone();
            return Err(CalibrateError::NotFinite { layer, samples: of, of });
        }
        if of > 0 && self.embeddings.iter().all(|embedding| length(embedding) < SMALLEST) {
            let mut layers = self.extents.iter().enumerate().skip(1);
            let small = layers.find(|(_, own)| own.reach().all(|reach| reach < SMALLEST));
            let layer = small.map_or(model.output, |(layer, _)| layer);
            return Err(CalibrateError::Zero { layer: model.layers[layer].name.clone() });
        }
        Ok(())
    }

    /// Returns the same results for `model`, the same network with duplicated channels.
    pub fn with_twins(&self, model: &Model) -> Self {
        let mut extents = self.extents.clone();
        let mut observations = self.observations.clone();
        for (id, layer) in model.layers.iter().enumerate() {
            extents[id].copy(&layer.splits);
            observations.copy(id, &layer.splits);
        }
        let observed = self.observed.with_twins(model);
        let embeddings = self.embeddings.clone();
        Self { observed, extents, observations, embeddings }
    }
}

/// Smallest L2 norm of an embedding; squares of smaller ones are no normal numbers.
const SMALLEST: f32 = 1e-18;

/// Returns the L2 norm of a vector in single precision, as a head computes it.
fn length(values: &[f32]) -> f32 {
    values.iter().map(|v| v * v).sum::<f32>().sqrt()
}

/// Returns the cosine similarity of two vectors; 1 for two zero vectors, 0 if only one is zero.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let aa = dot(a, a);
    let bb = dot(b, b);
    if aa == 0.0 || bb == 0.0 {
        if aa == bb { 1.0 } else { 0.0 }
    } else {
        dot(a, b) / (aa * bb).sqrt()
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}
