//! Accuracy of heads, calibration of their confidence, and rejection of unknown classes.

use std::collections::BTreeMap;
use std::error::Error;

use offshoot_core::Similarity;
use offshoot_core::head::{Answer, Head, HeadKind, Limits, WhenFull};
use offshoot_core::package::PackageId;

use crate::data::Data;

/// Trains a head on the samples at `picks`.
pub fn teach(
    kind: HeadKind,
    data: &Data,
    picks: &[usize],
) -> Result<Head<Box<[u32]>>, Box<dyn Error>> {
    let samples = picks.len() * (1 + data.views.len());
    let limits = Limits { classes: data.classes as u16, samples: samples as u16 };
    let mut head = Head::boxed(kind, data.dim, PackageId::new([0; 32]), limits)?;
    let ids: Result<Vec<_>, _> =
        (0..data.classes).map(|c| head.add_class(&format!("{c}"))).collect();
    let ids = ids?;
    for &i in picks {
        head.add_sample(ids[data.labels[i]], data.taught(i))?;
        for view in data.views(i) {
            head.add_sample(ids[data.labels[i]], view)?;
        }
    }
    head.fit()?;
    Ok(head)
}

/// Cell of the table.
#[derive(Default)]
pub struct Cell {
    /// Accuracy, mean of the draws.
    pub accuracy: f64,
    /// Expected calibration error, ten bins.
    pub calibration_error: f64,
    /// Share of answers that are `unknown`, although all classes were taught.
    pub rejected: f64,
    /// Number of times that each kind was chosen.
    pub chosen: BTreeMap<&'static str, u64>,
}

/// Measures a kind of head with `shots` samples per class, over `draws` draws.
pub fn cell(kind: HeadKind, data: &Data, shots: usize, draws: u64) -> Result<Cell, Box<dyn Error>> {
    let mut score = Score::default();
    let mut cell = Cell::default();
    for draw in 0..draws {
        let (learn, test) = data.draw(shots, draw);
        let head = teach(kind, data, &learn)?;
        *cell.chosen.entry(head.chosen()?.kind.name()).or_insert(0) += 1;
        let before = (score.right, score.asked);
        ask(&head, data, &test, &mut score)?;
        let share = (score.right - before.0) as f64 / (score.asked - before.1) as f64;
        cell.accuracy += share / draws as f64;
    }
    let asked = score.asked as f64;
    cell.calibration_error = score.calibration_error();
    cell.rejected = score.unknown as f64 / asked;
    Ok(cell)
}

/// Trains a kind of head on all samples in random order, with `room` samples per class kept.
pub fn kept(
    kind: HeadKind,
    data: &Data,
    room: usize,
    when_full: WhenFull,
    draws: u64,
) -> Result<Cell, Box<dyn Error>> {
    let mut score = Score::default();
    let mut cell = Cell::default();
    for draw in 0..draws {
        let (learn, test) = data.draw(usize::MAX, draw);
        // The draw goes through one class after the other; people do not.
        let mut seen = vec![0; data.classes];
        let mut order = Vec::new();
        for &i in &learn {
            let count: &mut usize = &mut seen[data.labels[i]];
            order.push((*count, i));
            *count += 1;
        }
        order.sort_unstable();
        let limits = Limits { classes: data.classes as u16, samples: (room * data.classes) as u16 };
        let mut head = Head::boxed(kind, data.dim, PackageId::new([0; 32]), limits)?;
        head.set_when_full(when_full);
        let ids: Result<Vec<_>, _> =
            (0..data.classes).map(|c| head.add_class(&format!("{c}"))).collect();
        let ids = ids?;
        for (_, i) in order {
            head.add_sample(ids[data.labels[i]], data.taught(i))?;
        }
        head.fit()?;
        ask(&head, data, &test, &mut score)?;
    }
    cell.accuracy = score.right as f64 / score.asked as f64;
    cell.rejected = score.unknown as f64 / score.asked as f64;
    Ok(cell)
}

/// Totals of the answers.
#[derive(Default)]
pub struct Score {
    /// Number of correct answers.
    pub right: usize,
    /// Number of answers.
    pub asked: usize,
    unknown: usize,
    /// Sum of confidence and number of correct answers, for each tenth of confidence.
    bins: [(f64, f64); 10],
}

impl Score {
    /// Expected calibration error, ten bins.
    pub fn calibration_error(&self) -> f64 {
        self.bins.iter().map(|(c, r)| (c - r).abs()).sum::<f64>() / self.asked as f64
    }
}

/// Adds a head's answers to the images at `test`.
pub fn ask(
    head: &Head<Box<[u32]>>,
    data: &Data,
    test: &[usize],
    score: &mut Score,
) -> Result<(), Box<dyn Error>> {
    let mut probabilities = vec![0.0; data.classes];
    for &i in test {
        let answer = head.probabilities(data.get(i), &mut probabilities)?;
        let best = (0..data.classes)
            .fold(0, |b, c| if probabilities[c] > probabilities[b] { c } else { b });
        let right = best == data.labels[i];
        // All test samples are known; the probability of the unknown is measured by `unknown`.
        let confidence =
            f64::from(probabilities[best] / probabilities.iter().sum::<f32>().max(1e-30));
        let bin = &mut score.bins[((confidence * 10.0) as usize).min(9)];
        *bin = (bin.0 + confidence, bin.1 + f64::from(u8::from(right)));
        score.right += usize::from(right);
        score.asked += 1;
        score.unknown += usize::from(matches!(answer, Answer::Unknown { .. }));
    }
    Ok(())
}

/// Scores that separate the known from the unknown: the similarity of the head, and alternatives.
pub const SCORES: [&str; 5] =
    ["similarity", "softmax", "neighbour 1", "neighbour 5", "neighbour 10"];

/// Rejection results with half of the classes taught from 20 samples each, tested on all classes.
#[derive(Default)]
pub struct Strangers {
    /// Areas under the ROC curve, by [`SCORES`].
    pub areas: [f64; SCORES.len()],
    /// False-rejection rate: share of the known that was called unknown.
    pub rejected: f64,
    /// Share of the unknown classes that was called unknown.
    pub caught: f64,
}

/// Measures rejection with half of the classes taught from 20 samples each, tested on all classes.
pub fn strangers(data: &Data, draws: u64) -> Result<Strangers, Box<dyn Error>> {
    let mut all = Strangers::default();
    for draw in 0..draws {
        let (learn, test) = data.draw(20, draw);
        let known: Vec<bool> = (0..data.classes)
            .map(|class| (class + draw as usize) % data.classes < data.classes / 2)
            .collect();
        let learn: Vec<usize> = learn.into_iter().filter(|&i| known[data.labels[i]]).collect();
        let head = teach(HeadKind::Auto, data, &learn)?;
        let plain = teach(HeadKind::Softmax, data, &learn)?;
        let mut scores: [Vec<(f64, bool)>; SCORES.len()] = Default::default();
        let mut unknown = [0.0; 2];
        let mut count = [0.0; 2];
        let mut p = vec![0.0; data.classes];
        for &i in &test {
            let is_known = known[data.labels[i]];
            let answer = head.classify(data.get(i))?;
            unknown[usize::from(is_known)] += f64::from(u8::from(answer.known().is_none()));
            count[usize::from(is_known)] += 1.0;
            plain.probabilities(data.get(i), &mut p)?;
            // Distances of neighbours by angle.
            let near = learn.iter().filter_map(|&j| data.get(j).cosine(&data.get(i)));
            let mut near: Vec<f32> = near.map(Similarity::get).collect();
            near.sort_by(|a, b| b.total_cmp(a));
            let [first, fifth, tenth] = [1, 5, 10].map(|k| near[(k - 1).min(near.len() - 1)]);
            let similarity = head.similarity(data.get(i))?.0.get();
            let softmax = p.iter().copied().fold(0.0, f32::max);
            let row = [similarity, softmax, first, fifth, tenth];
            scores
                .iter_mut()
                .zip(row)
                .for_each(|(scores, score)| scores.push((score.into(), is_known)));
        }
        for (sum, scores) in all.areas.iter_mut().zip(&mut scores) {
            *sum += area(scores) / draws as f64;
        }
        all.rejected += unknown[1] / count[1] / draws as f64;
        all.caught += unknown[0] / count[0] / draws as f64;
    }
    Ok(all)
}

/// Area under the ROC curve: how often a known sample scores higher than an unknown one.
fn area(scores: &mut [(f64, bool)]) -> f64 {
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut unknown = 0.0;
    let mut pairs = 0.0;
    let mut known = 0.0;
    for &(_, is_known) in &*scores {
        if is_known {
            known += 1.0;
            pairs += unknown;
        } else {
            unknown += 1.0;
        }
    }
    pairs / (known * unknown)
}
