//! Choice of the values that a head reads of an embedding of several parts.

use crate::head::error::AskError;
use crate::head::fit::choice::{self, Choice};
use crate::head::linalg::gram;
use crate::head::storage::Memory;
use crate::head::storage::views::View;
use crate::head::{Head, PartErrors};

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
        let [narrow, wide] = *views else { return Choice::only(views[0]) };
        if !choice::is_possible(&self.kept().owners[..self.samples], self.classes) {
            return Choice::only(narrow);
        }
        let (kept, work) = self.view(narrow);
        choice::write_errors(kept, work);
        let (kept, work) = self.view(wide);
        Choice::of(choice::compare(kept, work))
    }

    /// Returns true if the answers depend on all values of an embedding, not on its last part
    /// alone.
    ///
    /// An embedding that is not divided ([`Parts`](crate::head::Parts)) is read as a whole. For one of
    /// several parts, all values are read if ridge regression on them has a mean squared
    /// leave-one-out error at least 5 % below that on the last part, significantly (paired t-test,
    /// `t > 2`), with at least four samples per class in the mean. Nearest mean and k-NN always read
    /// the last part.
    ///
    /// # Errors
    ///
    /// [`AskError::NothingTaught`] without samples, [`AskError::NotFitted`] before [`Head::fit`].
    pub fn reads_all(&self) -> Result<bool, AskError> {
        let view = self.fitted()?.choice.view;
        Ok(self.layout.dim_of(view) == self.layout.dim)
    }

    /// Returns the errors by which the parts were chosen; `None` if there was no choice, or too few
    /// samples for one.
    ///
    /// # Errors
    ///
    /// Those of [`Head::reads_all`].
    pub fn part_errors(&self) -> Result<Option<PartErrors>, AskError> {
        Ok(self.fitted()?.choice.errors)
    }
}
