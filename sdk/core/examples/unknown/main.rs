//! Measures the rejection of unknown classes, on embeddings written by `offshoot embed`: one class,
//! or half of the classes, is taught and samples of all of them are classified.
//!
//! ```text
//! cargo run --release -p offshoot-core --features alloc --example unknown -- [--draws N] [--csv OUT] DATA.npz...
//! ```
//!
//! Each row has: the area under the ROC curve (AUROC); the share of the unknown that is rejected at
//! false-rejection rates of 1, 3, 5, 10 and 20 % (the bound set by the test samples themselves);
//! then the rates at the head's own bound, and the calibration error of its confidence. Mean of the
//! draws, and the half width of its 95 % interval.

#[path = "../few_shot/data.rs"]
#[allow(dead_code)] // Views and int8 values are used by the other example only.
mod data;

use std::error::Error;
use std::fmt::Write;

use offshoot_core::head::{Answer, Head, HeadKind, Limits};
use offshoot_core::package::PackageId;

use data::Data;

const SHOTS: [usize; 5] = [2, 5, 10, 20, 100];

/// False-rejection rates.
const LOST: [f64; 5] = [0.01, 0.03, 0.05, 0.10, 0.20];

/// Number of columns of a row.
const COLUMNS: usize = LOST.len() + 4;

fn main() -> Result<(), Box<dyn Error>> {
    let mut draws = 60;
    let mut csv = None;
    let mut files = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--draws" => draws = arguments.next().ok_or("--draws needs a number")?.parse()?,
            "--csv" => csv = arguments.next(),
            _ => files.push(argument),
        }
    }
    let mut rows = String::from("data,taught,shots,what,mean,half_interval\n");
    for file in &files {
        let data = data::read(file)?;
        let mut taught = vec![1, data.classes / 2];
        taught.dedup();
        for (taught, shots) in taught.iter().flat_map(|&taught| SHOTS.map(|shots| (taught, shots)))
        {
            if data.has(shots) {
                row(&data, taught, shots, draws, &mut rows)?;
            }
        }
    }
    match csv {
        Some(path) => std::fs::write(path, rows)?,
        None => print!("{rows}"),
    }
    Ok(())
}

fn row(
    data: &Data,
    taught: usize,
    shots: usize,
    draws: u64,
    rows: &mut String,
) -> Result<(), Box<dyn Error>> {
    let measured: Result<Vec<_>, _> =
        (0..draws).map(|draw| one(data, taught, shots, draw)).collect();
    let measured = measured?;
    let names = LOST.map(|lost| format!("caught at {:.0} %", 100.0 * lost));
    let names = ["area"].into_iter().chain(names.iter().map(String::as_str));
    let names = names.chain(["lost", "caught", "calibration error"]);
    for (column, what) in names.enumerate() {
        let n = measured.len() as f64;
        let mean = measured.iter().map(|row| row[column]).sum::<f64>() / n;
        let square = measured.iter().map(|row| (row[column] - mean).powi(2)).sum::<f64>()
            / (n - 1.0).max(1.0);
        let half = 1.96 * (square / n).sqrt();
        writeln!(rows, "{},{taught},{shots},{what},{mean:.4},{half:.4}", data.name)?;
        eprint!("{what} {mean:.3}  ");
    }
    eprintln!("({}, {taught} classes of {shots})", data.name);
    Ok(())
}

/// Similarity of a test sample above its own bound, and the answer of the head.
struct Score {
    similarity: f64,
    is_unknown: bool,
}

fn share(scores: &[Score], is_counted: impl Fn(&Score) -> bool) -> f64 {
    scores.iter().filter(|score| is_counted(score)).count() as f64 / scores.len() as f64
}

/// Sums over the answers of similar confidence.
#[derive(Clone, Copy, Default)]
struct Bin {
    confidence: f64,
    right: f64,
}

impl Bin {
    /// Returns the confidence beyond the right answers.
    fn excess(self) -> f64 {
        self.confidence - self.right
    }
}

/// Measures one draw: area, shares rejected, and rates and calibration error of the head itself.
fn one(
    data: &Data,
    taught: usize,
    shots: usize,
    draw: u64,
) -> Result<[f64; COLUMNS], Box<dyn Error>> {
    let (learn, test) = data.draw(shots, draw);
    // Index of the class of each sample among those of the head, if it is below `taught`.
    let places: Vec<usize> =
        data.labels.iter().map(|class| (class + draw as usize * taught) % data.classes).collect();
    let limits = Limits { classes: taught as u16, samples: (taught * shots) as u16 };
    let mut head = Head::boxed(HeadKind::Auto, data.dim, PackageId::new([0; 32]), limits)?;
    let ids: Result<Vec<_>, _> = (0..taught).map(|c| head.add_class(&format!("{c}"))).collect();
    let ids = ids?;
    for &i in learn.iter().filter(|&&i| places[i] < taught) {
        head.add_sample(ids[places[i]], data.get(i))?;
    }
    head.fit()?;
    let mut known = Vec::new();
    let mut others = Vec::new();
    let mut bins = [[Bin::default(); 10]; 2];
    let mut p = vec![0.0; taught];
    for &i in &test {
        let answer = head.probabilities(data.get(i), &mut p)?;
        let is_unknown = matches!(answer, Answer::Unknown { .. });
        let (similarity, least) = head.similarity(data.get(i))?;
        let score = f64::from(similarity.get()) - least.map_or(0.0, |least| f64::from(least.get()));
        let best = (0..taught).fold(0, |best, c| if p[c] > p[best] { c } else { best });
        let is_known = places[i] < taught;
        let is_right = is_known && best == places[i];
        let confidence = f64::from(p[best]);
        let bin = &mut bins[usize::from(is_known)][((confidence * 10.0) as usize).min(9)];
        bin.confidence += confidence;
        bin.right += f64::from(u8::from(is_right));
        let scores = if is_known { &mut known } else { &mut others };
        scores.push(Score { similarity: score, is_unknown });
    }
    known.sort_by(|a, b| a.similarity.total_cmp(&b.similarity));
    let mut out = [0.0; COLUMNS];
    let above = others.iter().map(|other| share(&known, |one| one.similarity > other.similarity));
    out[0] = above.sum::<f64>() / others.len() as f64;
    for (out, lost) in out[1..].iter_mut().zip(LOST) {
        let bound = known[(lost * known.len() as f64) as usize].similarity;
        *out = share(&others, |other| other.similarity < bound);
    }
    out[1 + LOST.len()] = share(&known, |one| one.is_unknown);
    out[2 + LOST.len()] = share(&others, |other| other.is_unknown);
    // Known and unknown samples have equal total weights.
    let weights = [0.5 / others.len() as f64, 0.5 / known.len() as f64];
    out[3 + LOST.len()] = (0..10)
        .map(|bin| {
            let sets = bins.iter().zip(weights);
            sets.map(|(set, weight)| weight * set[bin].excess()).sum::<f64>().abs()
        })
        .sum();
    Ok(out)
}
