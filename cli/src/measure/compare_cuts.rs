//! Comparison of cut points: their cost and their few-shot accuracy.

use std::fmt;
use std::time::{Duration, Instant};

use offshoot::{Extractor, Options as RunOptions};
use offshoot_convert::import::Source;
use offshoot_convert::ir::cut_points::Candidate;
use offshoot_convert::pipeline::Converted;
use offshoot_convert::pipeline::job::ConvertJob;
use offshoot_convert::preprocess::preset::PreprocessOverrides;
use offshoot_convert::progress::Observer;
use offshoot_core::Shape;
use offshoot_core::package::Precision;
use offshoot_dataset::{Care, Dataset, Opener, Sample, by_file};

use super::timing::Percentiles;
use crate::error::CommandError;
use crate::learn::embeddings::{Embeddings, Reader};
use crate::learn::few_shot::{Protocol, few_shot};

/// Number of timed extractions per cut, in turns, so that other load on the machine affects all
/// cuts alike.
const ROUNDS: usize = 31;
/// Number of untimed extractions before, to warm up caches and pages.
const WARM_UP: usize = 2;
/// Largest difference of accuracies that count as equal: then the faster cut is better.
const SAME: f64 = 0.001;

/// Input and settings of a comparison.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// Model.
    pub source: &'a Source,
    /// Labelled samples to train and test on.
    pub data: &'a Dataset,
    /// Conversion job, without a cut.
    pub job: ConvertJob<'a>,
    /// Few-shot experiment.
    pub protocol: Protocol,
    /// Maximum number of cut points.
    pub most: usize,
    /// Execution options of packages.
    pub run: RunOptions,
}

/// Measured cut point.
#[derive(Debug, Clone)]
pub struct Row {
    /// Name of the tensor.
    pub cut: String,
    /// Shape of its feature map.
    pub map: Option<Shape>,
    /// True if it is the default cut of `convert`.
    pub automatic: bool,
    /// Number of dimensions of an embedding.
    pub dim: usize,
    /// Number of multiply-adds of an extraction.
    pub macs: u64,
    /// Size of the package in bytes.
    pub package: usize,
    /// Size of the arena in bytes; `None` if tract manages memory.
    pub arena: Option<usize>,
    /// Bytes of the arena and of the weights as packed for the kernels; `None` if tract manages
    /// memory.
    pub ram: Option<usize>,
    /// Time of whole extractions on this machine.
    pub time: Percentiles,
    /// Mean cosine similarity to the float embedding.
    pub cosine: f64,
    /// Accuracy of each draw, from 0 to 1; the draws are the same for all cuts.
    pub scores: Vec<f64>,
}

impl Row {
    /// Returns the median time of an extraction in milliseconds.
    pub fn ms(&self) -> f64 {
        offshoot_convert::report::ms(self.time.p50)
    }

    /// Returns the mean accuracy over the draws.
    pub fn accuracy(&self) -> f64 {
        self.scores.iter().sum::<f64>() / self.scores.len().max(1) as f64
    }

    /// Returns the half width of the 95 % confidence interval of the mean accuracy.
    pub fn half_width(&self) -> f64 {
        let mean = self.accuracy();
        let count = self.scores.len() as f64;
        let square: f64 = self.scores.iter().map(|s| (s - mean).powi(2)).sum();
        1.96 * (square / (count - 1.0).max(1.0) / count.max(1.0)).sqrt()
    }
}

/// Result of a comparison.
#[derive(Debug)]
pub struct Compared {
    /// Measured cuts, in the order of the network.
    pub rows: Vec<Row>,
    /// Doubts of `convert` about its default cut, a sentence each.
    pub unsure: Vec<String>,
    /// Cut points that do not convert, with the reason.
    pub failed: Vec<(String, String)>,
    /// True if the model takes text, which has no preprocessing.
    pub takes_text: bool,
    /// Preprocessing of images, the same for all cuts.
    pub overrides: PreprocessOverrides,
}

/// Budget of an extraction on the device.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Budget {
    /// Maximum time in milliseconds on this machine.
    pub ms: Option<f64>,
    /// Maximum memory in bytes.
    pub ram: Option<usize>,
}

impl Budget {
    fn holds(&self, row: &Row) -> bool {
        let ram = self.ram.is_none_or(|most| row.ram.is_some_and(|ram| ram <= most));
        ram && self.ms.is_none_or(|most| row.ms() <= most)
    }
}

/// Returns the index of the most accurate cut within the budget; of equally accurate cuts the
/// fastest.
pub fn choose(rows: &[Row], budget: &Budget) -> Option<usize> {
    let within: Vec<usize> = (0..rows.len()).filter(|&i| budget.holds(&rows[i])).collect();
    let best = within.iter().map(|&i| rows[i].accuracy()).max_by(f64::total_cmp)?;
    within
        .into_iter()
        .filter(|&i| rows[i].accuracy() >= best - SAME)
        .min_by(|&a, &b| rows[a].ms().total_cmp(&rows[b].ms()))
}

/// Returns the Pareto frontier of accuracy and time, fastest first.
pub fn frontier(rows: &[Row]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|&a, &b| rows[a].ms().total_cmp(&rows[b].ms()));
    let mut best = f64::NEG_INFINITY;
    order.retain(|&i| {
        let better = rows[i].accuracy() > best;
        best = best.max(rows[i].accuracy());
        better
    });
    order
}

/// Reduces the cut points to at most `most`, keeping the last; removes those closest in cost to the
/// next one first.
fn thin(mut places: Vec<Candidate>, most: usize) -> Vec<Candidate> {
    while places.len() > most.max(1) {
        let pairs = places.windows(2);
        let steps: Vec<f64> =
            pairs.map(|pair| pair[1].macs as f64 / pair[0].macs.max(1) as f64).collect();
        let least = (0..steps.len()).min_by(|&a, &b| steps[a].total_cmp(&steps[b]));
        places.remove(least.unwrap_or_default());
    }
    places
}

/// Step of a comparison, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Conversion at the default cut.
    Import,
    /// Conversion at the other cuts.
    Convert,
    /// Embedding of the training samples.
    Learn,
    /// Embedding of the test samples.
    Test,
    /// Timing.
    Time,
    /// Few-shot experiment.
    Teach,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Import => "import",
            Self::Convert => "convert",
            Self::Learn => "learn",
            Self::Test => "test",
            Self::Time => "time",
            Self::Teach => "teach",
        })
    }
}

/// Cut point with its package.
struct Converts {
    automatic: bool,
    map: Option<Shape>,
    converted: Converted,
}

impl Comparison<'_> {
    /// Converts, trains and times each cut; the observer is called when a step begins and as it goes on.
    ///
    /// # Errors
    /// Fails if the model does not convert at all, or images cannot be read or are too few.
    pub fn run(&self, observer: &mut dyn Observer<Step>) -> Result<Compared, CommandError> {
        observer.progress(Step::Import, 0.0);
        let automatic = self.job.convert(self.source, &mut ())?;
        let package = Extractor::from_bytes(automatic.bytes.clone())?;
        // The preprocessing is the same for all cuts.
        let job = self.job.clone().as_in(&automatic);
        let overrides = automatic.overrides.clone();
        let own = &automatic.report.cut;
        let unsure = automatic.report.cut_unsure.clone();
        let (some, all) = job.places(self.source, own)?;
        // A cut at an operation that only changes the layout equals one at the layer before.
        let dim = automatic.report.dim;
        let is_text = package.token_limit().is_some();
        let last =
            all.last().filter(|c| c.shape.elements() == dim || is_text && c.shape.c() == dim);
        let known = all.iter().find(|c| c.name == *own).or(last).cloned();
        let own = known.as_ref().map(|c| &c.name);
        let others = some.into_iter().filter(|c| own != Some(&c.name)).collect();
        let places = thin(others, self.most.saturating_sub(1));

        let mut found = Vec::new();
        let mut failed = Vec::new();
        let total = places.len() as f32;
        for (i, place) in places.into_iter().enumerate() {
            observer.progress(Step::Convert, i as f32 / total);
            match job.clone().cut_at(&place.name).convert(self.source, &mut ()) {
                Ok(converted) => {
                    found.push(Converts { automatic: false, map: Some(place.shape), converted })
                }
                Err(error) => failed.push((place.name, error.to_string())),
            }
        }
        found.push(Converts { automatic: true, map: known.map(|c| c.shape), converted: automatic });
        // In the order of the network: the default cut need not be the last.
        found.sort_by_key(|place| place.converted.report.macs);
        let rows = self.measure(found, observer)?;
        Ok(Compared { rows, unsure, failed, takes_text: is_text, overrides })
    }

    fn measure(
        &self,
        found: Vec<Converts>,
        observer: &mut dyn Observer<Step>,
    ) -> Result<Vec<Row>, CommandError> {
        let mut extractors = Vec::new();
        for place in &found {
            let bytes = place.converted.bytes.clone();
            extractors.push(Extractor::from_bytes_with(bytes, &self.run)?);
        }
        let care = self.data.left_out.care();
        let train = embed(&mut extractors, &self.data.train, care, Step::Learn, observer)?;
        let val = embed(&mut extractors, &self.data.val, care, Step::Test, observer)?;
        let times = self.time(&mut extractors, observer)?;
        let mut rows = Vec::new();
        for (i, (place, extractor)) in found.into_iter().zip(&extractors).enumerate() {
            observer.progress(Step::Teach, i as f32 / extractors.len() as f32);
            let taught =
                few_shot(&self.protocol, extractor, &self.data.classes, &train[i], &val[i])?;
            let report = place.converted.report;
            let memory = extractor.memory();
            let int8 = report.precision == Precision::Int8;
            rows.push(Row {
                automatic: place.automatic,
                cut: report.cut,
                map: place.map,
                dim: report.dim,
                macs: report.macs,
                package: report.package,
                arena: int8.then_some(memory.arena),
                ram: int8.then_some(memory.arena + memory.packed),
                time: times[i],
                cosine: report.cosine_mean,
                scores: taught.scores,
            });
        }
        Ok(rows)
    }

    fn time(
        &self,
        extractors: &mut [Extractor],
        observer: &mut dyn Observer<Step>,
    ) -> Result<Vec<Percentiles>, CommandError> {
        let mut opener = Opener::new(self.data.left_out.care());
        let input = Reader::of(&extractors[0])?.read(&self.data.train[0], &mut opener)?;
        let mut times: Vec<Vec<Duration>> = vec![Vec::new(); extractors.len()];
        for round in 0..WARM_UP + ROUNDS {
            observer.progress(Step::Time, round as f32 / (WARM_UP + ROUNDS) as f32);
            for (extractor, times) in extractors.iter_mut().zip(&mut times) {
                let start = Instant::now();
                input.embed(extractor)?;
                if round >= WARM_UP {
                    times.push(start.elapsed());
                }
            }
        }
        Ok(times.iter().map(|times| Percentiles::of(times)).collect())
    }
}

/// Embeds each sample with all extractors, decoding it once: they differ only in their cut.
fn embed(
    extractors: &mut [Extractor],
    samples: &[Sample],
    care: Care,
    step: Step,
    observer: &mut dyn Observer<Step>,
) -> Result<Vec<Embeddings>, CommandError> {
    let labels: Vec<usize> = samples.iter().map(|sample| sample.class).collect();
    let mut all = Vec::new();
    for extractor in &*extractors {
        let dim = extractor.embedding_dim();
        let values = vec![0.0; samples.len() * dim];
        all.push(Embeddings { dim, values, labels: labels.clone() });
    }
    let reader = Reader::of(&extractors[0])?;
    let mut opener = Opener::new(care);
    for (done, i) in by_file(samples).into_iter().enumerate() {
        observer.progress(step, done as f32 / samples.len() as f32);
        let input = reader.read(&samples[i], &mut opener)?;
        for (extractor, embeddings) in extractors.iter_mut().zip(&mut all) {
            let row = &mut embeddings.values[i * embeddings.dim..][..embeddings.dim];
            row.iter_mut().zip(input.embed(extractor)?.iter()).for_each(|(to, value)| *to = value);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cut: &str, ms: u64, ram: Option<usize>, scores: &[f64]) -> Row {
        let time = Percentiles::of(&[Duration::from_millis(ms)]);
        let cut = cut.to_string();
        let scores = scores.to_vec();
        let shape = Shape::new(7, 7, 32);
        Row {
            cut,
            map: shape,
            automatic: false,
            dim: 32,
            macs: 1,
            package: 1,
            arena: ram,
            ram,
            time,
            cosine: 1.0,
            scores,
        }
    }

    fn rows() -> [Row; 4] {
        [
            row("fast", 1, Some(100), &[0.7, 0.72]),
            row("same", 2, Some(500), &[0.9, 0.8999]),
            row("best", 3, Some(400), &[0.9, 0.9]),
            row("float", 4, None, &[0.95, 0.95]),
        ]
    }

    #[test]
    fn the_best_within_the_budget_is_chosen() {
        let chosen = |ms, ram| choose(&rows(), &Budget { ms, ram }).map(|i| rows()[i].cut.clone());
        assert_eq!(chosen(None, None).as_deref(), Some("float"));
        assert_eq!(chosen(Some(3.5), None).as_deref(), Some("same"), "as accurate, and faster");
        // Memory of the float package is unknown.
        assert_eq!(chosen(None, Some(1000)).as_deref(), Some("same"));
        assert_eq!(chosen(None, Some(450)).as_deref(), Some("best"));
        assert_eq!(chosen(Some(1.0), Some(100)).as_deref(), Some("fast"));
        assert_eq!(chosen(Some(0.5), None), None);
    }

    #[test]
    fn what_is_slower_and_no_better_is_not_on_the_frontier() {
        let mut rows = rows().to_vec();
        rows.push(row("worse", 3, None, &[0.5]));
        let names: Vec<&str> = frontier(&rows).into_iter().map(|i| &*rows[i].cut).collect();
        assert_eq!(names, ["fast", "same", "best", "float"]);
    }

    #[test]
    fn places_that_cost_alike_are_thinned() {
        let place = |macs: u64| Candidate {
            name: macs.to_string(),
            shape: Shape::new(1, 1, 8).unwrap(),
            macs,
            bytes: 0,
        };
        let left = thin([1, 2, 10, 11, 40, 41].map(place).to_vec(), 4);
        assert_eq!(left.iter().map(|c| c.macs).collect::<Vec<_>>(), [1, 2, 11, 41]);
        assert_eq!(thin([1, 2].map(place).to_vec(), 0).len(), 1);
    }
}
