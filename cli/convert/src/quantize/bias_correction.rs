//! Empirical bias correction: the quantization error of the channels' means, layer after layer.
//!
//! Follows Nagel et al. 2019, 4.2 and appendix D: the error of the layers before is measured and
//! corrected before the next layer is measured.

use offshoot_core::Quant;
use offshoot_core::graph::{Graph, TensorId};
use offshoot_engine::{Buffer, Isa, Plan, Slot, Step};
use offshoot_tract::TractError;

use super::evaluate::memory;
use super::scheme::Scheme;
use super::{Calibration, GraphVariant, QuantConfig, QuantizerError, scheme};
use crate::calibrate::CalibrateError;
use crate::emit::{self, EmitError};
use crate::ir::{LayerId, Model};
use crate::parallel;
use crate::parallel::SHARDS;

impl Calibration<'_> {
    /// Returns each layer's int8 mean per channel, measured with the layers before it corrected;
    /// `None` if a layer is not run in int8.
    pub(super) fn coded_means(
        &self,
        variant: &GraphVariant,
        config: &QuantConfig,
    ) -> Result<Option<Vec<Vec<f64>>>, QuantizerError> {
        let plain = QuantConfig { coded_means: None, ..config.clone() };
        let scheme = self.scheme(variant, &plain);
        if scheme.in_codes.contains(&false) {
            return Ok(None);
        }
        let mut shelf = Shelf::new(&variant.model, self.inputs(&variant.model, scheme.quants[0]));
        let mut means = scheme.coded_means.clone();
        means[0] = shelf.means(0, &scheme);
        let scheme = Scheme { coded_means: means.clone(), ..scheme };
        emit::int8_watched(&variant.model, scheme, |scheme, id, writer, tensor| {
            let graph = writer.graph(tensor).map_err(EmitError::from)?;
            shelf.run(&graph, id, tensor).map_err(CalibrateError::from)?;
            means[id] = shelf.means(id, scheme);
            scheme.coded_means[id].clone_from(&means[id]);
            Ok::<(), QuantizerError>(())
        })?;
        Ok(Some(means))
    }

    /// Returns the calibration subset as int8 inputs of a model with this quantization.
    fn inputs(&self, model: &Model, quant: Quant) -> Vec<Vec<i8>> {
        let values = model.layers[0].shape.elements();
        let table = scheme::input_table(model, self.preprocess);
        let mut inputs = vec![vec![0; values]; self.subset.len()];
        for (input, codes) in self.subset.iter().zip(&mut inputs) {
            input.codes_into(&table, quant, codes);
        }
        inputs
    }
}

/// Outputs of layers for each image, kept while a later layer reads them.
struct Shelf<'m> {
    model: &'m Model,
    codes: Vec<Vec<Vec<i8>>>,
    last_reader: Vec<LayerId>,
}

/// Layer that is run on one image after another.
#[derive(Clone)]
struct Bench<'p> {
    graph: &'p Graph<'p>,
    /// Tensors that the layer reads.
    inputs: &'p [TensorId],
    /// Values of these tensors, for each image.
    sources: &'p [&'p [Vec<i8>]],
    plan: &'p Plan<Vec<Step>>,
    slots: &'p [Slot],
    packed: &'p Buffer,
    arena: Buffer,
    results: Vec<Vec<i8>>,
}

impl Bench<'_> {
    fn run(&mut self, image: usize) -> Result<(), TractError> {
        for (&input, codes) in self.inputs.iter().zip(self.sources) {
            if let Some(value) = Plan::<Vec<Step>>::value(self.graph, self.slots, input) {
                self.arena[value.range()].copy_from_slice(&codes[image]);
            }
        }
        self.plan.run(self.graph.weights(), self.packed, &mut self.arena)?;
        self.results.push(self.arena[self.plan.output().range()].to_vec());
        Ok(())
    }
}

impl<'m> Shelf<'m> {
    fn new(model: &'m Model, inputs: Vec<Vec<i8>>) -> Self {
        let mut last_reader = vec![0; model.layers.len()];
        for (id, layer) in model.layers.iter().enumerate() {
            layer.inputs.iter().for_each(|&i| last_reader[i] = id);
        }
        let mut codes = vec![Vec::new(); model.layers.len()];
        codes[0] = inputs;
        Self { model, codes, last_reader }
    }

    /// Runs a layer, the last of the graph, and frees outputs that no later layer reads.
    fn run(&mut self, graph: &Graph<'_>, id: LayerId, tensor: TensorId) -> Result<(), TractError> {
        let sources = &self.model.layers[id].inputs;
        let at = usize::from(tensor) - 1;
        let inputs: Vec<TensorId> =
            graph.nodes().nth(at).map_or(Vec::new(), |(_, n)| n.inputs.iter().collect());
        let (plan, slots) = Plan::build(graph, Isa::best(), at..at + 1, &inputs, &[tensor])?;
        let (packed, arena) = memory(&plan, graph.weights())?;
        let images = self.codes[0].len().max(self.codes[sources[0]].len());
        let sources: Vec<&[Vec<i8>]> = sources.iter().map(|&id| &self.codes[id][..]).collect();
        let bench = Bench {
            graph,
            inputs: &inputs,
            sources: &sources,
            plan: &plan,
            slots: &slots,
            packed: &packed,
            arena,
            results: Vec::new(),
        };
        let shards = parallel::over(vec![bench; SHARDS], images, Bench::run)?;
        let results = shards.into_iter().map(|bench| bench.results).collect();
        self.codes[id] = parallel::in_order(results, images);
        let sources = &self.model.layers[id].inputs;
        for &source in sources {
            if self.last_reader[source] == id {
                self.codes[source].clear();
            }
        }
        Ok(())
    }

    fn means(&self, id: LayerId, scheme: &Scheme) -> Vec<f64> {
        let channels = self.model.layers[id].shape.c();
        let quant = scheme.quants[id];
        let mut sums = vec![0i64; channels];
        let mut pixels = 0;
        for codes in &self.codes[id] {
            let mut own = vec![0i32; channels];
            for pixel in codes.chunks_exact(channels) {
                own.iter_mut().zip(pixel).for_each(|(sum, &code)| *sum += i32::from(code));
            }
            sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += i64::from(own));
            pixels += (codes.len() / channels) as u32;
        }
        let scale = f64::from(quant.scale.get());
        let zero = f64::from(quant.zero_point);
        sums.into_iter().map(|sum| scale * (sum as f64 / f64::from(pixels.max(1)) - zero)).collect()
    }
}
