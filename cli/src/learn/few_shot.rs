//! Heads trained on extracted embeddings.

use offshoot::{Error, Extractor, Head, HeadKind, Limits};

use super::embeddings::Embeddings;

/// Makes a head for `classes` with the embeddings at `picks` as samples; it stores at most `room`
/// of them. The caller fits it, once its settings are made.
///
/// # Errors
/// Fails if there are more classes or samples than a head holds, or a class name is not allowed.
pub fn teach(
    kind: HeadKind,
    extractor: &Extractor,
    classes: &[String],
    embeddings: &Embeddings,
    picks: &[usize],
    room: usize,
) -> Result<Head, Error> {
    let limits = Limits {
        classes: u16::try_from(classes.len()).unwrap_or(u16::MAX),
        samples: u16::try_from(room.min(picks.len())).unwrap_or(u16::MAX),
    };
    let mut head = Head::new(kind, extractor, limits)?;
    let ids: Result<Vec<_>, _> = classes.iter().map(|name| head.add_class(name)).collect();
    let ids = ids?;
    for &i in picks {
        head.add_sample(ids[embeddings.labels[i]], embeddings.get(i))?;
    }
    Ok(head)
}

/// Returns the accuracy of the head on the embeddings at `picks`; `unknown` counts as wrong.
///
/// # Errors
/// Fails if the head has no samples.
pub fn accuracy(head: &Head, embeddings: &Embeddings, picks: &[usize]) -> Result<f64, Error> {
    let mut right = 0;
    for &i in picks {
        right += usize::from(predict(head, embeddings, i)? == Some(embeddings.labels[i]));
    }
    Ok(right as f64 / picks.len().max(1) as f64)
}

/// Returns the predicted class of the `i`-th embedding; `None` if it is unknown.
///
/// # Errors
/// Fails if the head has no samples.
pub fn predict(head: &Head, embeddings: &Embeddings, i: usize) -> Result<Option<usize>, Error> {
    Ok(head.classify(embeddings.get(i))?.known().map(|class| class.index()))
}

/// Settings of a few-shot experiment.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    /// Kind of head.
    pub kind: HeadKind,
    /// Number of training samples per class (shots).
    pub shots: usize,
    /// Number of draws of the training samples.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// Result of a few-shot experiment.
#[derive(Debug, Clone)]
pub struct FewShot {
    /// Accuracy of each draw, from 0 to 1.
    pub scores: Vec<f64>,
    /// Confusion matrix summed over all draws, row by row: a row per true class, a column per
    /// predicted class.
    pub confusion: Vec<u32>,
    /// Number of draws that predicted each class for a sample: a row per sample of `val`, or of
    /// `train` if that is empty, a column per predicted class.
    pub answers: Vec<u32>,
}

/// Trains and tests a head per draw: on all of `val`, or on the samples not drawn if `val` is
/// empty.
///
/// # Errors
/// Fails if there are more classes or samples than a head holds, or a class name is not allowed.
pub fn few_shot(
    protocol: &Protocol,
    extractor: &Extractor,
    classes: &[String],
    train: &Embeddings,
    val: &Embeddings,
) -> Result<FewShot, Error> {
    let mut scores = Vec::new();
    let mut confusion = vec![0; classes.len() * classes.len()];
    let all = if val.is_empty() { train.len() } else { val.len() };
    let mut answers = vec![0; all * classes.len()];
    for draw in 0..protocol.draws {
        let (picks, rest) = Draws::new(protocol.seed, draw as u64).split(
            &train.labels,
            classes.len(),
            protocol.shots,
        );
        let mut head = teach(protocol.kind, extractor, classes, train, &picks, picks.len())?;
        // No rejection: all test samples belong to a known class.
        head.set_false_rejection_rate(0.0)?;
        head.fit()?;
        let (tested, picks) =
            if val.is_empty() { (train, rest) } else { (val, (0..val.len()).collect::<Vec<_>>()) };
        let mut right = 0;
        for &i in &picks {
            let predicted = predict(&head, tested, i)?.unwrap_or_default();
            confusion[tested.labels[i] * classes.len() + predicted] += 1;
            answers[i * classes.len() + predicted] += 1;
            right += usize::from(predicted == tested.labels[i]);
        }
        scores.push(right as f64 / picks.len().max(1) as f64);
    }
    Ok(FewShot { scores, confusion, answers })
}

/// Seeded generator (SplitMix64), so that draws are the same on every machine.
#[derive(Debug, Clone)]
pub struct Draws(u64);

impl Draws {
    /// Creates the generator of one draw.
    pub fn new(seed: u64, draw: u64) -> Self {
        Self(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
                ^ draw.wrapping_add(1).wrapping_mul(0xd1b5_4a32_d192_ed03),
        )
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `limit`, which must not be 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Draws `shots` samples of each class at random; returns the indices drawn and the others.
    pub fn split(
        &mut self,
        labels: &[usize],
        classes: usize,
        shots: usize,
    ) -> (Vec<usize>, Vec<usize>) {
        let mut drawn = Vec::new();
        let mut rest = Vec::new();
        for class in 0..classes {
            let mut members: Vec<usize> =
                (0..labels.len()).filter(|&i| labels[i] == class).collect();
            for i in (1..members.len()).rev() {
                members.swap(i, (self.next() % (i as u64 + 1)) as usize);
            }
            let cut = shots.min(members.len());
            drawn.extend_from_slice(&members[..cut]);
            rest.extend_from_slice(&members[cut..]);
        }
        (drawn, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_take_the_same_number_of_every_class() {
        let labels = [0, 0, 0, 1, 1, 1, 1, 2, 2];
        let (drawn, rest) = Draws::new(0, 3).split(&labels, 3, 2);
        let count = |c: usize| drawn.iter().filter(|&&i| labels[i] == c).count();
        assert_eq!([count(0), count(1), count(2)], [2, 2, 2]);
        assert_eq!(rest.len(), 3);
        let mut all: Vec<_> = drawn.iter().chain(&rest).copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..9).collect::<Vec<_>>());
        assert_eq!(Draws::new(0, 3).split(&labels, 3, 2).0, drawn);
        assert_ne!(Draws::new(1, 3).split(&labels, 3, 2).0, drawn);
    }
}
