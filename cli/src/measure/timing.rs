//! Timing of extraction: in total, by layer, and beside tract's float network.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use offshoot::{Error, Extractor, Image, Signal, Stage};
use offshoot_convert::calibrate::cosine;
use offshoot_convert::calibrate::reference::{Prepared, Reference, text_embedding};
use offshoot_convert::catch_panic::quietly;
use offshoot_convert::emit;
use offshoot_convert::import::{Imported, Source};
use offshoot_convert::ir::pooling;
use offshoot_convert::ir::pooling::Pool;
use offshoot_convert::pipeline::ConvertError;
use offshoot_core::graph::Graph;
use offshoot_core::package::Package;

use super::cycle_counter::Cycles;
use crate::error::CommandError;
use crate::learn::embeddings::Input;

/// Duration of a measurement if no number of runs is given.
pub const LONG_ENOUGH: Duration = Duration::from_secs(2);
/// Minimum number of runs of such a measurement.
pub const LEAST_RUNS: usize = 10;
/// Warm-up extractions before the measurement, including the first one: pages, caches, branch
/// predictors.
const WARM_UP: usize = 3;

/// Distribution of the times of several runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    /// Number of runs.
    pub runs: usize,
    /// Fastest run.
    pub min: Duration,
    /// Median.
    pub p50: Duration,
    /// 90th percentile.
    pub p90: Duration,
    /// 99th percentile.
    pub p99: Duration,
}

impl Percentiles {
    /// Computes percentiles by nearest rank: every value is one that was measured.
    ///
    /// # Panics
    /// Panics if `runs` is empty.
    pub fn of(runs: &[Duration]) -> Self {
        let mut sorted = runs.to_vec();
        sorted.sort_unstable();
        Self {
            runs: sorted.len(),
            min: sorted[0],
            p50: nearest_rank(&sorted, 50),
            p90: nearest_rank(&sorted, 90),
            p99: nearest_rank(&sorted, 99),
        }
    }
}

/// Timed layer: nodes of the graph that are executed together, or the preprocessing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layer {
    /// Range of node ids; empty for the preprocessing.
    pub nodes: Range<usize>,
    /// Names of the operations.
    pub operation: String,
    /// Name of the last node.
    pub name: String,
    /// Number of multiply-adds.
    pub macs: u64,
    /// Median time.
    pub time: Duration,
    /// Median cycles of the calling thread, if they can be counted.
    pub cycles: Option<u64>,
    /// Share of the sum of all layers' medians, from 0 to 1.
    pub share: f64,
}

/// Result of a measurement.
#[derive(Debug, Clone)]
pub struct Times {
    /// Time of the first extraction after opening the package.
    pub first: Duration,
    /// Time of the network in the first extraction.
    pub first_network: Duration,
    /// Times of whole extractions, from frame or tokens to embedding.
    pub extraction: Percentiles,
    /// Times of the network alone.
    pub network: Percentiles,
    /// Layers in the order of execution.
    pub layers: Vec<Layer>,
    /// Times of the float network alone, if there is one to compare with.
    pub float: Option<Percentiles>,
    /// Reason why cycles could not be counted.
    pub no_cycles: Option<String>,
}

/// Float network of the same cut on tract, with its input.
#[derive(Debug)]
pub struct Float {
    network: Reference,
    input: Prepared,
    /// Embedding of the input by the float network.
    pub embedding: Vec<f32>,
}

impl Float {
    /// Opens the model that a package was made from, with an input.
    ///
    /// # Errors
    /// Fails if it is another model, or inference fails.
    pub fn open(path: &Path, package: &Package<'_>, input: &Input) -> Result<Self, CommandError> {
        let mut source = Source::open(path)?;
        if let Input::Signal(samples, channels) = input {
            let places = samples.len() / channels;
            source.take_signals(&[places, *channels], Some(places))?;
        }
        let manifest = package.manifest();
        if source.sha256 != manifest.source_sha256 {
            let what =
                format!("not the model `{}` that the package was made from", manifest.source);
            return Err(CommandError::Compare { path: path.to_path_buf(), what });
        }
        let float = quietly(|| match input {
            Input::Image(image) => Self::of_image(&source, package, image),
            Input::Tokens(ids) => Self::of_text(&source, package, ids),
            // A clip is several windows; `bench` times one, as a picture.
            Input::Sound(_) => Ok(None),
            Input::Signal(samples, channels) => {
                Self::of_signal(&source, package, samples, *channels)
            }
        });
        let float = float.unwrap_or_else(|panic| Err(source.analyse(panic).into()))?;
        float.ok_or_else(|| CommandError::Compare {
            path: path.to_path_buf(),
            what: format!("cut `{}` of the package not found", manifest.cut),
        })
    }

    /// Opens the float network for an image; `None` if the cut is not found.
    fn of_image(
        source: &Source,
        package: &Package<'_>,
        image: &Image,
    ) -> Result<Option<Self>, ConvertError> {
        let p = &package.manifest().preprocess;
        let size = Some((p.width.into(), p.height.into()));
        let found = import(source, package.manifest().cut, size)?;
        let Some(imported) = found else { return Ok(None) };
        let outer = imported.front.outer(p);
        let input = Prepared::image(&image.frame(), &outer, imported.input)?;
        let mut network = Reference::new(imported.reference)?;
        let embedding = pooling::of_source(&network.run(&input)?, &imported.outputs, imported.pool);
        Ok(Some(Self { network, input, embedding }))
    }

    fn of_signal(
        source: &Source,
        package: &Package<'_>,
        samples: &[f32],
        channels: usize,
    ) -> Result<Option<Self>, ConvertError> {
        let Some(sensor) = package.sensor() else { return Ok(None) };
        let found = import(source, package.manifest().cut, None)?;
        let Some(imported) = found else { return Ok(None) };
        let Some(order) = &imported.signal else { return Ok(None) };
        let shape = package.graph().tensor(Graph::INPUT).shape;
        let mut values = vec![0.0; shape.elements()];
        sensor.normalize_into(&Signal::float(channels, samples)?, shape, &mut values)?;
        let input = Prepared::signal(&values, channels, order)?;
        let mut network = Reference::new(imported.reference)?;
        let embedding = pooling::of_source(&network.run(&input)?, &imported.outputs, imported.pool);
        Ok(Some(Self { network, input, embedding }))
    }

    fn of_text(
        source: &Source,
        package: &Package<'_>,
        ids: &[u32],
    ) -> Result<Option<Self>, ConvertError> {
        let Some(text) = package.text() else { return Ok(None) };
        let places = package.graph().tensor(Graph::INPUT).shape.w();
        let cut = package.manifest().cut;
        let stated = source.metadata("offshoot.cut");
        let mut found = source.import_text(stated.as_slice(), Some(places))?;
        if emit::shorten(&found.cut.name) != cut {
            let cuts: Vec<&str> = cut.split(',').collect();
            if !cuts.iter().all(|cut| source.has_tensor(cut)) {
                return Ok(None);
            }
            found = source.import_text(&cuts, Some(places))?;
        }
        let input = Prepared::text(ids, text.tokens.pad, &found)?;
        let mut network = Reference::new(found.reference.clone())?;
        let embedding =
            text_embedding(network.run(&input)?, &found, text.tokens.pooling, ids.len());
        Ok(Some(Self { network, input, embedding }))
    }

    fn time(&mut self) -> Result<Duration, CommandError> {
        let start = Instant::now();
        let values = self.network.run(&self.input).map_err(ConvertError::from)?;
        let time = start.elapsed();
        drop(values);
        Ok(time)
    }
}

/// Finds the cut of a package in its model; a package stores only the end of a long name.
fn import(
    source: &Source,
    cut: &str,
    size: Option<(u32, u32)>,
) -> Result<Option<Imported>, ConvertError> {
    let stated: Vec<&str> = source.metadata("offshoot.cut").into_iter().collect();
    let found = source.import(&stated, size, Pool::Avg)?;
    if emit::shorten(&found.cut.name) == cut {
        return Ok(Some(found));
    }
    if cut.len() == offshoot_core::limits::NAME {
        return Ok(None);
    }
    Ok(Some(source.import(&cut.split(',').collect::<Vec<_>>(), size, Pool::Avg)?))
}

/// Returns the value that `percent` of the sorted values do not exceed.
fn nearest_rank(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(percent * sorted.len()).div_ceil(100).max(1) - 1]
}

/// Returns the count of a counter; 0 if there is none.
fn count(cycles: &mut Option<Cycles>) -> u64 {
    // A counter that could be opened can be read.
    cycles.as_mut().and_then(|cycles| cycles.count().ok()).unwrap_or(0)
}

/// Measures one whole extraction.
fn time_of(extractor: &mut Extractor, input: &Input) -> Result<Duration, Error> {
    let start = Instant::now();
    input.embed(extractor).map(|_| start.elapsed())
}

/// Returns true if no more extractions are needed.
fn is_enough(runs: Option<usize>, done: usize, start: Instant) -> bool {
    match runs {
        Some(runs) => done >= runs,
        None => done >= LEAST_RUNS && start.elapsed() >= LONG_ENOUGH,
    }
}

/// Measures `runs` extractions, or as many as fit in [`LONG_ENOUGH`].
///
/// Each round is one whole extraction, one that is observed layer by layer, and one run of `float`,
/// so that other load on the machine affects all three alike.
///
/// # Errors
/// Fails if inference fails.
pub fn measure(
    extractor: &mut Extractor,
    input: &Input,
    mut float: Option<&mut Float>,
    runs: Option<usize>,
) -> Result<Times, CommandError> {
    let mut start_up = Profile::default();
    start_up.run(extractor, input)?;
    for _ in 1..WARM_UP {
        time_of(extractor, input)?;
        if let Some(float) = float.as_deref_mut() {
            float.time()?;
        }
    }
    let mut extraction = Vec::new();
    let mut floats = Vec::new();
    let (cycles, no_cycles) = match Cycles::open() {
        Ok(cycles) => (Some(cycles), None),
        Err(reason) => (None, Some(reason)),
    };
    let mut profile = Profile { cycles, ..Profile::default() };
    let start = Instant::now();
    while !is_enough(runs, extraction.len(), start) {
        extraction.push(time_of(extractor, input)?);
        profile.run(extractor, input)?;
        if let Some(float) = float.as_deref_mut() {
            floats.push(float.time()?);
        }
    }
    Ok(Times {
        first: start_up.latest.iter().map(|(_, spent)| spent.time).sum(),
        first_network: start_up.network[0],
        extraction: Percentiles::of(&extraction),
        network: Percentiles::of(&profile.network),
        layers: profile.layers(&extractor.package()),
        float: float.map(|_| Percentiles::of(&floats)),
        no_cycles,
    })
}

/// Time and cycles of a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Spent {
    time: Duration,
    cycles: u64,
}

/// Times and cycles of each stage in each run.
#[derive(Debug, Default)]
struct Profile {
    stages: Vec<(Stage, Vec<Spent>)>,
    network: Vec<Duration>,
    /// Stages of the latest run.
    latest: Vec<(Stage, Spent)>,
    cycles: Option<Cycles>,
}

impl Profile {
    fn run(&mut self, extractor: &mut Extractor, input: &Input) -> Result<(), Error> {
        let latest = &mut self.latest;
        let cycles = &mut self.cycles;
        latest.clear();
        let mut counted = count(cycles);
        let mut last = Instant::now();
        input.embed_with_observer(extractor, |stage| {
            let time = last.elapsed();
            let all = count(cycles);
            let spent = Spent { time, cycles: all - counted };
            match latest.last_mut() {
                // A concatenation is reported once per operand.
                Some((same, sum)) if *same == stage => {
                    *sum = Spent { time: sum.time + spent.time, cycles: sum.cycles + spent.cycles };
                }
                _ => latest.push((stage, spent)),
            }
            (counted, last) = (all, Instant::now());
        })?;
        if self.stages.is_empty() {
            self.stages =
                self.latest.iter().map(|(stage, _)| (stage.clone(), Vec::new())).collect();
        }
        for ((_, all), (_, spent)) in self.stages.iter_mut().zip(&self.latest) {
            all.push(*spent);
        }
        let of_network = self.latest.iter().filter(|(stage, _)| *stage != Stage::Preprocess);
        self.network.push(of_network.map(|(_, spent)| spent.time).sum());
        Ok(())
    }

    fn layers(&self, package: &Package<'_>) -> Vec<Layer> {
        let mut layers: Vec<Layer> = self
            .stages
            .iter()
            .map(|(stage, spent)| {
                let times: Vec<Duration> = spent.iter().map(|spent| spent.time).collect();
                let mut cycles: Vec<u64> = spent.iter().map(|spent| spent.cycles).collect();
                cycles.sort_unstable();
                let layer = match stage {
                    Stage::Preprocess => {
                        Layer { operation: "preprocessing".to_string(), ..Layer::default() }
                    }
                    Stage::Nodes(nodes) => layer(package, nodes.clone()),
                    other => Layer { operation: format!("{other:?}"), ..Layer::default() },
                };
                let counted = self.cycles.as_ref().map(|_| cycles[(cycles.len() - 1) / 2]);
                Layer { time: Percentiles::of(&times).p50, cycles: counted, ..layer }
            })
            .collect();
        let sum: Duration = layers.iter().map(|l| l.time).sum();
        for layer in &mut layers {
            layer.share = layer.time.as_secs_f64() / sum.as_secs_f64().max(f64::MIN_POSITIVE);
        }
        layers
    }
}

fn layer(package: &Package<'_>, nodes: Range<usize>) -> Layer {
    let graph = package.graph();
    let mut operation = String::new();
    let mut name = String::new();
    let mut macs = 0;
    for (id, node) in graph.nodes().skip(nodes.start).take(nodes.len()) {
        if !operation.is_empty() {
            operation.push_str(" > ");
        }
        operation.push_str(node.op.name());
        name = node.name.to_string();
        macs += graph.node_macs(id, &node);
    }
    // More than three nodes are executed together only on tract-core, which runs all of them.
    if nodes.len() > 3 {
        operation = "network on tract-core".to_string();
    }
    Layer { nodes, operation, name, macs, ..Layer::default() }
}

/// Returns the cosine similarity of an extractor's embedding of an input to the float network's; of
/// several parts that of the last, which alone has the network's own scale.
///
/// # Errors
/// Fails if inference fails.
pub fn agreement(extractor: &mut Extractor, input: &Input, float: &Float) -> Result<f64, Error> {
    let last = extractor.parts().last();
    let embedding: Vec<f32> = input.embed(extractor)?.last(last).iter().collect();
    let before = float.embedding.len().saturating_sub(last);
    Ok(cosine(&embedding, &float.embedding[before..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_runs_that_were_measured() {
        let of = |micros: &[u64]| {
            let runs: Vec<Duration> = micros.iter().map(|&m| Duration::from_micros(m)).collect();
            let p = Percentiles::of(&runs);
            [p.min, p.p50, p.p90, p.p99].map(|d| d.as_micros())
        };
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(of(&hundred), [1, 50, 90, 99]);
        assert_eq!(of(&[7]), [7; 4]);
        assert_eq!(of(&[3, 1, 2, 4]), [1, 2, 4, 4]);
        let thousand: Vec<u64> = (1..=1000).collect();
        assert_eq!(of(&thousand), [1, 500, 900, 990]);
    }
}
