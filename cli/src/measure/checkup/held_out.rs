//! Accuracy of ridge regression on samples that it was not taught: exact leave-one-out.

use offshoot_core::head::{Head, HeadKind, Limits, PartErrors};
use offshoot_core::package::PackageId;
use offshoot_core::{Embedding, Parts};

use super::DepthValues;

/// Least standard deviation of a value, as a share of the greatest of its depth; as the converter's.
const FLAT: f64 = 1e-3;

/// Accuracy on held-out samples.
#[derive(Debug, Clone, Default)]
pub struct HeldOut {
    /// Name of the depth.
    pub name: String,
    /// Rows of its feature map.
    pub rows: usize,
    /// Number of values.
    pub len: usize,
    /// Number of samples that were held out, each once.
    pub asked: usize,
    /// Number that were classified right.
    pub right: usize,
    /// Bounds of the 95 % confidence interval of the accuracy.
    pub interval: [f32; 2],
    /// Comparison of the last part with all values, if there are parts and enough samples.
    pub errors: Option<PartErrors>,
    /// True if the head reads all values.
    pub reads_all: bool,
}

impl HeldOut {
    /// Returns the share of the held-out samples that were classified right.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.asked.max(1) as f64
    }
}

/// Comparison of the embedding with all depths joined.
#[derive(Debug, Clone)]
pub struct PartGate {
    /// Held-out errors; none with too few samples.
    pub errors: Option<PartErrors>,
    /// True if a head would read all depths.
    pub reads_all: bool,
    /// Accuracy of the head on all depths.
    pub all: HeldOut,
}

/// Teaches ridge regression all samples and holds each out.
///
/// # Errors
/// Fails if there are more classes or samples than a head holds.
pub fn ridge(
    values: &[f32],
    parts: Parts,
    labels: &[usize],
    classes: usize,
) -> Result<HeldOut, offshoot::Error> {
    let most = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let limits = Limits { classes: most(classes), samples: most(labels.len()) };
    let id = PackageId::new([0; 32]);
    let mut head = Head::boxed_for(HeadKind::Ridge, parts, id, limits)?;
    head.set_false_rejection_rate(0.0)?;
    let ids: Result<Vec<_>, _> =
        (0..classes).map(|class| head.add_class(&format!("class {class}"))).collect();
    let ids = ids?;
    for (row, &label) in values.chunks_exact(parts.dim()).zip(labels) {
        head.add_sample(ids[label], Embedding::Float(row))?;
    }
    head.fit()?;
    let report = head.report()?;
    Ok(HeldOut {
        len: parts.dim(),
        asked: report.asked(),
        right: report.right(),
        interval: [report.interval().low, report.interval().high],
        errors: head.part_errors()?,
        reads_all: head.reads_all()?,
        ..HeldOut::default()
    })
}

/// Compares the last depth, the embedding, with all depths joined as `convert --parts auto` would.
///
/// # Errors
/// Fails like [`ridge`].
pub fn gate(
    views: &[DepthValues],
    labels: &[usize],
    classes: usize,
) -> Result<PartGate, offshoot::Error> {
    let (values, parts) = joined(views);
    let HeldOut { errors, reads_all, .. } = ridge(&values, parts, labels, classes)?;
    let all = ridge(&values, Parts::single(parts.dim()), labels, classes)?;
    Ok(PartGate { errors, reads_all, all })
}

/// Joins the values of all depths, those before the last with its variance; channels are centred and
/// divided by the root of their deviation, as in the converter's `parts.rs`.
pub fn joined(views: &[DepthValues]) -> (Vec<f32>, Parts) {
    let Some((last, others)) = views.split_last() else { return (Vec::new(), Parts::single(1)) };
    let wanted: f64 = moments(last).iter().map(|(_, variance)| variance).sum();
    let scales: Vec<Vec<(f64, f64)>> = others.iter().map(|view| scales(view, wanted)).collect();
    let dim = views.iter().map(|view| view.len).sum();
    let rows = last.values.len() / last.len.max(1);
    let mut values = Vec::with_capacity(rows * dim);
    for row in 0..rows {
        for (view, scales) in others.iter().zip(&scales) {
            let own = &view.values[row * view.len..][..view.len];
            let balanced = own.iter().zip(scales);
            values.extend(balanced.map(|(&x, (mean, f))| ((f64::from(x) - mean) * f) as f32));
        }
        values.extend_from_slice(&last.values[row * last.len..][..last.len]);
    }
    (values, Parts::joined(dim, last.len).unwrap_or(Parts::single(dim)))
}

/// Returns mean and factor of each channel, for a sum of their variances.
fn scales(view: &DepthValues, wanted: f64) -> Vec<(f64, f64)> {
    let moments = moments(view);
    let most = moments.iter().map(|(_, variance)| variance.sqrt()).fold(0.0, f64::max);
    let raw: Vec<f64> = moments
        .iter()
        .map(|(_, variance)| 1.0 / variance.sqrt().max(FLAT * most).max(f64::MIN_POSITIVE).sqrt())
        .collect();
    let sum: f64 = moments.iter().zip(&raw).map(|((_, variance), raw)| variance * raw * raw).sum();
    let factor = if sum.is_normal() { (wanted / sum).sqrt() } else { 0.0 };
    moments.iter().zip(raw).map(|((mean, _), raw)| (*mean, raw * factor)).collect()
}

/// Returns mean and variance of each value.
fn moments(view: &DepthValues) -> Vec<(f64, f64)> {
    let mut sums = vec![(0.0, 0.0); view.len];
    for row in view.values.chunks_exact(view.len) {
        for ((sum, square), &x) in sums.iter_mut().zip(row) {
            *sum += f64::from(x);
            *square += f64::from(x) * f64::from(x);
        }
    }
    let count = (view.values.len() / view.len.max(1)).max(1) as f64;
    let of = |(sum, square): (f64, f64)| {
        let mean = sum / count;
        (mean, (square / count - mean * mean).max(0.0))
    };
    sums.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::few_shot::Draws;

    /// Two classes that only the first depth tells apart, beside a last one of noise.
    pub(crate) fn views(gap: f32) -> (Vec<DepthValues>, Vec<usize>) {
        let mut draws = Draws::new(1, 1);
        let mut noise = || draws.below(2001) as f32 / 1000.0 - 1.0;
        let labels: Vec<usize> = (0..40).map(|i| i % 2).collect();
        let first = labels
            .iter()
            .flat_map(|&label| [gap * label as f32 + noise(), noise(), noise(), 0.0])
            .collect();
        let last = labels.iter().flat_map(|_| [9.0 * noise(), 9.0 * noise()]).collect();
        let views = vec![
            DepthValues { len: 4, values: first, ..DepthValues::default() },
            DepthValues { len: 2, values: last, ..DepthValues::default() },
        ];
        (views, labels)
    }

    #[test]
    fn depths_that_tell_classes_apart_are_joined() {
        let (apart, labels) = views(4.0);
        let found = gate(&apart, &labels, 2).unwrap();
        assert!(found.reads_all && found.all.accuracy() > 0.95, "{found:?}");
        let (alike, labels) = views(0.0);
        assert!(!gate(&alike, &labels, 2).unwrap().reads_all);
        let single = ridge(&apart[0].values, Parts::single(4), &labels, 2).unwrap();
        // A head sees directions only, and half of the samples lie around nothing.
        assert!(single.accuracy() > 0.7 && single.asked == 40, "{single:?}");
    }

    #[test]
    fn joined_depths_have_the_variance_of_the_last_and_flat_values_are_heard_as_nothing() {
        let (views, _) = views(1.0);
        let (values, parts) = joined(&views);
        assert_eq!((parts.dim(), parts.last()), (6, 2));
        let whole = DepthValues { len: 6, values, ..DepthValues::default() };
        let variances: Vec<f64> = moments(&whole).into_iter().map(|(_, v)| v).collect();
        let [first, last] = [&variances[..4], &variances[4..]].map(|part| part.iter().sum::<f64>());
        assert!((first / last - 1.0).abs() < 1e-3, "{first} {last}");
        assert_eq!(variances[3], 0.0);
    }
}
