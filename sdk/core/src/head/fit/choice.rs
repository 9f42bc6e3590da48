//! Choice between the last part of the embeddings and all their values.
//!
//! Both are fitted by ridge regression with the regularization of the least exact leave-one-out
//! error, and compared sample by sample. All values are read if their error is clearly lower
//! ([`CLEARLY_LESS`]), on more samples than chance explains ([`SIGNIFICANT`]), and classes have
//! enough samples ([`ENOUGH`]): the rule was chosen on nine data sets and checked on seven others
//! (`sdk/docs/parts.md`).

use super::Task;
use crate::head::storage::views::{Kept, View, Work};

/// Share of the error on the last part below which all values are read.
const CLEARLY_LESS: f32 = 0.95;

/// Least statistic of the paired t-test of the samples' errors.
const SIGNIFICANT: f32 = 2.0;

/// Least number of samples per class, in the mean.
const ENOUGH: usize = 4;

/// Held-out errors of ridge regression on the last part of the embeddings and on all values.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PartErrors {
    /// Mean squared leave-one-out error on the last part.
    pub last: f32,
    /// Mean squared leave-one-out error on all values.
    pub all: f32,
    /// Statistic of the paired t-test of the samples' errors; positive if all values are better.
    pub t: f32,
}

impl PartErrors {
    /// Returns true if all values are to be read.
    fn favour_all(&self) -> bool {
        self.all < CLEARLY_LESS * self.last && self.t > SIGNIFICANT
    }
}

/// Values of the embeddings that a fit reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub view: View,
    /// Errors by which it was chosen; `None` if there was no choice, or too few samples for one.
    pub errors: Option<PartErrors>,
}

impl Choice {
    /// Reads `view` without a choice.
    pub fn only(view: View) -> Self {
        Self { view, errors: None }
    }

    /// Chooses by the errors.
    pub fn of(errors: PartErrors) -> Self {
        let view = if errors.favour_all() { View::All } else { View::Last };
        Self { view, errors: Some(errors) }
    }
}

/// Returns true if there are enough samples to choose by.
pub(crate) fn is_possible(owners: &[u16], classes: usize) -> bool {
    let taught = (0..classes).filter(|&class| owners.contains(&(class as u16))).count();
    owners.len() >= ENOUGH * taught
}

/// Writes the squared errors of the held-out samples to the last column of the workspace.
pub(crate) fn write_errors(kept: Kept<'_>, work: Work<'_>) {
    let mut task = held_out(kept, work);
    let samples = task.owners.len();
    let (_, column) = core::mem::take(&mut task.work.columns).split_at_mut(3 * samples);
    for (sample, out) in column.iter_mut().enumerate() {
        *out = error(&task, sample);
    }
}

/// Compares the squared errors with those of the last part, which [`write_errors`] has written.
pub(crate) fn compare(kept: Kept<'_>, work: Work<'_>) -> PartErrors {
    let task = held_out(kept, work);
    let samples = task.owners.len();
    let column = &task.work.columns[3 * samples..];
    let mut last = 0.0;
    let mut gain = 0.0;
    let mut square = 0.0;
    for (sample, &before) in column.iter().enumerate() {
        let before = f64::from(before);
        let less = before - f64::from(error(&task, sample));
        last += before;
        gain += less;
        square += less * less;
    }
    let count = samples as f64;
    let variance = (square - gain * gain / count) / (count - 1.0).max(1.0);
    let t = if variance > 0.0 { gain / libm::sqrt(count * variance) } else { 0.0 };
    PartErrors { last: (last / count) as f32, all: ((last - gain) / count) as f32, t: t as f32 }
}

/// Fits ridge regression with the best regularization.
fn held_out<'a, 'w>(kept: Kept<'a>, work: Work<'w>) -> Task<'a, 'w> {
    let mut task = Task::new(kept, work);
    let recipe = task.least_squares();
    task.hold_out(&recipe);
    task
}

/// Squared error of a held-out sample, summed over the classes, times its importance.
fn error(task: &Task<'_, '_>, sample: usize) -> f32 {
    let samples = task.owners.len();
    let rows = task.work.held_out.chunks_exact(samples).enumerate();
    let mut sum = 0.0;
    // Scores of classes without samples are infinite.
    for (class, scores) in rows.filter(|(class, _)| task.work.counts[*class] > 0) {
        let target = if usize::from(task.owners[sample]) == class { 1.0 } else { 0.0 };
        sum += (target - scores[sample]) * (target - scores[sample]);
    }
    task.work.importance[sample] * sum
}
