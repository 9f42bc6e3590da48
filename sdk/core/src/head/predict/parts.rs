//! Choice of the values that a head reads of an embedding of several parts.

use crate::head::error::AskError;
use crate::head::fit::Choice;
use crate::head::linalg::gram;
use crate::head::storage::Memory;
use crate::head::storage::views::View;
use crate::head::{Head, fit};

/// Embeddings of several parts.
impl<M: Memory> Head<M> {
    /// Brings the Gram matrix of a view up to date.
    fn extend(&mut self, view: View) {
        let from = self.gram_rows[view as usize];
        let samples = self.samples;
        let (kept, work) = self.view(view);
        // With more samples than dimensions there are no products of samples (`primal`).
        let among_samples = samples <= kept.dim();
        if among_samples {
            gram::extend(&kept, work.gram, from, samples);
        }
        self.gram_rows[view as usize] = if among_samples { samples } else { 0 };
    }

    /// Chooses what to read by the errors on held-out samples, if there is a choice.
    pub(super) fn choose(&mut self) -> Choice {
        let views = self.layout.views();
        views.iter().for_each(|&view| self.extend(view));
        let [narrow, wide] = *views else { return Choice { view: views[0], errors: None } };
        let mut error = |view| {
            let (kept, work) = self.view(view);
            fit::least_error(kept, work)
        };
        Choice::of([error(narrow), error(wide)])
    }

    /// Returns true if the answers depend on all values of an embedding, not on its last part
    /// alone.
    ///
    /// An embedding that is not divided ([`Parts`](crate::head::Parts)) is read as a whole. For one of
    /// several parts, all values are taken if ridge regression on them has a mean squared
    /// leave-one-out error at least 5 % below that on the last part; nearest mean and k-NN always
    /// take the last part.
    ///
    /// # Errors
    ///
    /// [`AskError::NothingTaught`] without samples, [`AskError::NotFitted`] before [`Head::fit`].
    pub fn reads_all(&self) -> Result<bool, AskError> {
        let view = self.fitted()?.choice.view;
        Ok(self.layout.dim_of(view) == self.layout.dim)
    }

    /// Returns the mean squared leave-one-out errors by which the parts were chosen: on the last
    /// part, and on all values. `None` if there was no choice.
    ///
    /// # Errors
    ///
    /// Those of [`Head::reads_all`].
    pub fn part_errors(&self) -> Result<Option<[f32; 2]>, AskError> {
        Ok(self.fitted()?.choice.errors)
    }
}
