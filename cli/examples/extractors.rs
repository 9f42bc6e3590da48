//! Compares packages as backbones of a device that is taught: the rows of `models/README.md`.
//!
//! ```text
//! cargo run --release -p offshoot-cli --example extractors -- PHOTOGRAPHS PACKAGE...
//! ```
//!
//! PHOTOGRAPHS holds `animals4`, `hymenoptera` and `cifar10-mini`. All experiments are 5-shot.
//! Photographs: head `auto`, mean of 20 draws. Simulated: 60 views of each object and of the empty
//! table, no two from one place; all choices of classes, each with 5 draws; unknown by cosine
//! similarity to the nearest class mean.

use std::error::Error;
use std::path::{Path, PathBuf};

use offshoot::{Extractor, HeadKind, Image};
use offshoot_cli::learn::embeddings::Embeddings;
use offshoot_cli::learn::few_shot::{Draws, Protocol, few_shot};
use offshoot_dataset::Dataset;
use offshoot_simulator::{Camera, Object};

const SHOTS: usize = 5;
const VIEWS: u64 = 60;
const DRAWS: usize = 20;
/// Number of draws per choice of classes.
const REPEATS: u64 = 5;
const CAMERA: Camera = Camera::new(160, 120);
/// Seed of views that no test and no demo uses.
const SEED: u64 = 500_000;
/// Share of known samples that may be rejected as unknown.
const LOST: f64 = 0.1;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let photographs = arguments.next().ok_or("usage: extractors PHOTOGRAPHS PACKAGE...")?;
    for package in arguments {
        println!("{}", row(&photographs, &package)?);
    }
    Ok(())
}

/// Returns a row of the table, without the instruction counts of another program.
fn row(photographs: &Path, package: &Path) -> Result<String, Box<dyn Error>> {
    let mut extractor = Extractor::open(package)?;
    let mut cells = vec![
        package.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        std::fs::metadata(package)?.len().to_string(),
        (extractor.package().graph().macs() / 1_000_000).to_string(),
        extractor.memory().arena.to_string(),
    ];
    for name in ["animals4", "hymenoptera", "cifar10-mini"] {
        cells.push(format!("{:.3}", on_photographs(&mut extractor, &photographs.join(name))?));
    }
    let views = simulated(&mut extractor)?;
    cells.push(format!("{:.3}", named(&extractor, &views)?));
    for classes in [1, 2] {
        let Unknown { area, caught } = unknown(&views, classes);
        cells.push(format!("{area:.3}, {caught:.2}"));
    }
    Ok(format!("| {} |", cells.join(" | ")))
}

fn on_photographs(extractor: &mut Extractor, folder: &Path) -> Result<f64, Box<dyn Error>> {
    let mut data = Dataset::open(folder)?;
    let train = Embeddings::extract(extractor, &mut data.train, &mut data.left_out, || ())?;
    let val = Embeddings::extract(extractor, &mut data.val, &mut data.left_out, || ())?;
    let protocol = Protocol { kind: HeadKind::Auto, shots: SHOTS, draws: DRAWS, seed: 1 };
    let scores = few_shot(&protocol, extractor, &data.classes, &train, &val)?.scores;
    Ok(mean(&scores))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Embeds views of every object, one label each, and of the empty table, which has the last label.
fn simulated(extractor: &mut Extractor) -> Result<Embeddings, Box<dyn Error>> {
    let mut all = Embeddings { dim: extractor.embedding_dim(), ..Embeddings::default() };
    for (label, subject) in Object::ALL.into_iter().map(Some).chain([None]).enumerate() {
        for view in 0..VIEWS {
            let seen = CAMERA.look(subject, SEED + 1_000 * label as u64 + view);
            let image = Image::from_rgb(seen.width, seen.height, seen.rgb).expect("a full frame");
            all.values.extend(extractor.embed(&image.frame())?.iter());
            all.labels.push(label);
        }
    }
    Ok(all)
}

/// Returns all choices of `count` objects, in order.
fn choices(count: usize) -> Vec<Vec<usize>> {
    let most = Object::ALL.len();
    (0_u32..1 << most)
        .filter(|set| set.count_ones() as usize == count)
        .map(|set| (0..most).filter(|object| set >> object & 1 == 1).collect())
        .collect()
}

/// Returns the accuracy on unseen views of a head trained on three objects.
fn named(extractor: &Extractor, views: &Embeddings) -> Result<f64, Box<dyn Error>> {
    let mut shares = Vec::new();
    for (number, objects) in choices(3).into_iter().enumerate() {
        let mut part = Embeddings { dim: views.dim, ..Embeddings::default() };
        for (class, object) in objects.iter().enumerate() {
            for i in (0..views.len()).filter(|i| views.labels[*i] == *object) {
                part.values.extend(views.get(i).iter());
                part.labels.push(class);
            }
        }
        let names: Vec<String> =
            objects.iter().map(|object| Object::ALL[*object].name().to_string()).collect();
        let draws = REPEATS as usize;
        let protocol = Protocol { kind: HeadKind::Auto, shots: SHOTS, draws, seed: number as u64 };
        shares
            .extend(few_shot(&protocol, extractor, &names, &part, &Embeddings::default())?.scores);
    }
    Ok(mean(&shares))
}

/// Rejection quality of a similarity score on unknown objects.
struct Unknown {
    /// Area under the ROC curve: unknown samples rejected against known samples lost.
    area: f64,
    /// Share of unknown samples rejected if [`LOST`] of the known ones are.
    caught: f64,
}

fn unknown(views: &Embeddings, classes: usize) -> Unknown {
    let mut areas = Vec::new();
    let mut caught = Vec::new();
    let mut unit = views.clone();
    unit.to_unit_length();
    for (number, objects) in choices(classes).into_iter().enumerate() {
        for repeat in 0..REPEATS {
            let labels: Vec<usize> = views
                .labels
                .iter()
                .map(|label| objects.iter().position(|object| object == label).unwrap_or(classes))
                .collect();
            let mut draws = Draws::new(1_000 + number as u64, repeat);
            let (drawn, rest) = draws.split(&labels, classes, SHOTS);
            let means = class_means(&unit, &labels, &drawn, classes);
            let mut known: Vec<f64> =
                rest.into_iter().map(|i| similarity(&unit, i, &means)).collect();
            let others = (0..views.len()).filter(|i| labels[*i] == classes);
            let others: Vec<f64> = others.map(|i| similarity(&unit, i, &means)).collect();
            known.sort_by(f64::total_cmp);
            let threshold = known[(LOST * known.len() as f64) as usize];
            caught.push(
                others.iter().filter(|s| **s < threshold).count() as f64 / others.len() as f64,
            );
            areas.push(mean(&others.iter().map(|s| above(&known, *s)).collect::<Vec<_>>()));
        }
    }
    Unknown { area: mean(&areas), caught: mean(&caught) }
}

/// Returns the class means of the drawn samples, at L2 norm 1.
fn class_means(
    unit: &Embeddings,
    labels: &[usize],
    drawn: &[usize],
    classes: usize,
) -> Vec<Vec<f64>> {
    let mut means = vec![vec![0.0; unit.dim]; classes];
    for &i in drawn {
        means[labels[i]]
            .iter_mut()
            .zip(unit.get(i).iter())
            .for_each(|(sum, x)| *sum += f64::from(x));
    }
    for mean in &mut means {
        let length = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
        mean.iter_mut().for_each(|x| *x /= length);
    }
    means
}

/// Returns the cosine of an embedding to the nearest mean.
fn similarity(unit: &Embeddings, i: usize, means: &[Vec<f64>]) -> f64 {
    means.iter().map(|mean| dot(unit, i, mean)).fold(f64::MIN, f64::max)
}

fn dot(unit: &Embeddings, i: usize, mean: &[f64]) -> f64 {
    unit.get(i).iter().zip(mean).map(|(x, m)| f64::from(x) * m).sum()
}

/// Returns the share of sorted values above `value`; equal ones count half.
fn above(sorted: &[f64], value: f64) -> f64 {
    let below = sorted.partition_point(|v| *v < value);
    let up_to = sorted.partition_point(|v| *v <= value);
    (sorted.len() as f64 - (below + up_to) as f64 / 2.0) / sorted.len() as f64
}
