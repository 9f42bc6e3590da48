//! Frozen network, all parts of its embedding, and a tuned tail: the same draws, side by side.

use offshoot::{Error, Extractor, HeadKind, Maps, TunedTail, Tuning, Verdict};

use super::embeddings::Embeddings;
use super::few_shot::{Draws, Protocol, accuracy, teach};

/// Accuracies of one way to use a network, a draw each.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Accuracy of each draw, from 0 to 1.
    pub scores: Vec<f64>,
}

impl Row {
    /// Returns the mean, and the half width of its 95 % confidence interval over the draws.
    pub fn mean(&self) -> (f64, f64) {
        interval(&self.scores)
    }

    /// Returns the mean gain over another row on the same draws, and the half width of its 95 %
    /// confidence interval.
    pub fn gain(&self, over: &Self) -> (f64, f64) {
        let gains: Vec<f64> = self.scores.iter().zip(&over.scores).map(|(a, b)| a - b).collect();
        interval(&gains)
    }
}

fn interval(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, 1.96 * (squares / (count - 1.0).max(1.0) / count).sqrt())
}

/// Samples of one draw: those learned, and those tested.
#[derive(Debug, Clone)]
pub struct Draw {
    picks: Vec<usize>,
    tests: Vec<usize>,
}

/// Returns the draws of an experiment, as [`few_shot`](super::few_shot::few_shot) makes them; `tests`
/// is the number of samples of a separate test set, 0 without one.
pub fn draws(protocol: &Protocol, labels: &[usize], classes: usize, tests: usize) -> Vec<Draw> {
    let split = |draw: usize| {
        let mut source = Draws::new(protocol.seed, draw as u64);
        let (picks, rest) = source.split(labels, classes, protocol.shots);
        Draw { picks, tests: if tests == 0 { rest } else { (0..tests).collect() } }
    };
    (0..protocol.draws).map(split).collect()
}

/// Tests a head on embeddings, a draw at a time. Nothing is rejected as unknown.
///
/// # Errors
/// Fails if there are more classes or samples than a head holds.
pub fn measure(
    kind: HeadKind,
    extractor: &Extractor,
    classes: &[String],
    [train, tested]: [&Embeddings; 2],
    draws: &[Draw],
) -> Result<Row, Error> {
    let mut row = Row::default();
    for Draw { picks, tests } in draws {
        let mut head = teach(kind, extractor, classes, train, picks, picks.len())?;
        head.set_false_rejection_rate(0.0)?;
        head.fit()?;
        row.scores.push(accuracy(&head, tested, tests)?);
    }
    Ok(row)
}

/// Tunes the network's tail on the samples of each draw, and tests a head on it; a tail that the
/// held-out samples refuse is not used. Returns the accuracies, and the number of tails kept.
///
/// `train` and `tested` are maps ([`Embeddings::extract_maps`]); `frozen` are the accuracies without
/// a tail. `step` is called after each draw.
///
/// # Errors
/// Fails like [`measure`], and for a network without a tail that can be tuned.
pub fn tuned(
    kind: HeadKind,
    extractor: &mut Extractor,
    classes: &[String],
    [train, tested]: [&Embeddings; 2],
    draws: &[Draw],
    frozen: &Row,
    mut step: impl FnMut(),
) -> Result<(Row, usize), Error> {
    let mut row = Row::default();
    let mut kept = 0;
    for (draw, before) in draws.iter().zip(&frozen.scores) {
        let most = u16::try_from(classes.len()).unwrap_or(u16::MAX);
        let mut maps = Maps::new(extractor, most)?;
        for &pick in &draw.picks {
            maps.add(train.labels[pick], &codes(train, pick))?;
        }
        let result = maps.finetune(extractor, &Tuning::default(), |_| {})?;
        let tail = result.tail.filter(|_| matches!(result.verdict, Verdict::Keep(_)));
        row.scores.push(match tail {
            Some(tail) => {
                kept += 1;
                with_tail(kind, extractor, classes, [train, tested], draw, &tail)?
            }
            None => *before,
        });
        step();
    }
    Ok((row, kept))
}

/// Tests a head on the embeddings of a tuned tail; the extractor keeps maps without it afterwards.
fn with_tail(
    kind: HeadKind,
    extractor: &mut Extractor,
    classes: &[String],
    [train, tested]: [&Embeddings; 2],
    Draw { picks, tests }: &Draw,
    tail: &TunedTail,
) -> Result<f64, Error> {
    extractor.set_tail(Some(tail))?;
    let learned = embedded(extractor, train, picks)?;
    let asked = embedded(extractor, tested, tests)?;
    let all: Vec<usize> = (0..learned.len()).collect();
    let mut head = teach(kind, extractor, classes, &learned, &all, all.len())?;
    head.set_false_rejection_rate(0.0)?;
    head.fit()?;
    let places: Vec<usize> = (0..asked.len()).collect();
    let score = accuracy(&head, &asked, &places);
    extractor.set_tail(None)?;
    extractor.keep_maps()?;
    score
}

/// Embeddings of the maps at `picks`.
fn embedded(
    extractor: &mut Extractor,
    maps: &Embeddings,
    picks: &[usize],
) -> Result<Embeddings, Error> {
    let mut all = Embeddings { dim: extractor.embedding_dim(), ..Embeddings::default() };
    for &pick in picks {
        all.values.extend(extractor.embed_map(&codes(maps, pick))?.iter());
        all.labels.push(maps.labels[pick]);
    }
    Ok(all)
}

/// Returns a map's int8 values, which are kept as numbers.
fn codes(maps: &Embeddings, index: usize) -> Vec<i8> {
    maps.get(index).iter().map(|code| code as i8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_are_of_the_same_draws() {
        let row = |scores: &[f64]| Row { scores: scores.to_vec() };
        let frozen = row(&[0.5, 0.7, 0.9]);
        let other = row(&[0.6, 0.8, 1.0]);
        let (mean, half) = other.gain(&frozen);
        assert!((mean - 0.1).abs() < 1e-12 && half < 1e-12, "{mean} {half}");
        assert!(frozen.mean().1 > 0.2);
    }

    #[test]
    fn a_test_set_is_tested_as_a_whole() {
        let labels = [0, 0, 0, 1, 1, 1];
        let protocol = Protocol { kind: HeadKind::Auto, shots: 2, draws: 3, seed: 0 };
        let rest = draws(&protocol, &labels, 2, 0);
        assert!(rest.iter().all(|draw| draw.picks.len() == 4 && draw.tests.len() == 2));
        let whole = draws(&protocol, &labels, 2, 7);
        assert!(whole.iter().all(|draw| draw.tests == [0, 1, 2, 3, 4, 5, 6]));
        assert_eq!(whole[1].picks, rest[1].picks);
    }
}
