//! Comparison of embeddings of the imported network with those of the network in the model file.

use super::backbone::Backbone;
use crate::calibrate::CalibrateError;

/// Largest relative error of the imported float network against tract's run of the model file.
pub(super) const IMPORT_TOLERANCE: f64 = 1e-4;
/// Number of samples on which the network in the file is run.
pub(super) const COMPARED: usize = 8;

/// Comparison of the imported float network with the network in the file.
pub(super) struct Compared {
    /// Embeddings of all samples; those of the network in the file for the samples on which it was
    /// run.
    pub(super) embeddings: Vec<Vec<f32>>,
    /// First sample on which the networks disagree.
    pub(super) odd: Option<Disagreement>,
}

/// Sample on which the networks disagree.
pub(super) struct Disagreement {
    /// Index of the sample.
    pub(super) sample: usize,
    /// Relative error of its embedding.
    pub(super) error: f64,
}

/// Runs the network in the file on some of the samples and compares the embeddings with `ours`.
pub(super) fn compare(
    backbone: &impl Backbone,
    ours: &[Vec<f32>],
) -> Result<Compared, CalibrateError> {
    let mut reference = backbone.reference()?;
    let mut embeddings = ours.to_vec();
    for (sample, embedding) in embeddings.iter_mut().enumerate().take(COMPARED) {
        *embedding = backbone.embedding(&mut reference, sample)?;
        let error = relative_error(&ours[sample], embedding);
        if error > IMPORT_TOLERANCE {
            let odd = Some(Disagreement { sample, error });
            return Ok(Compared { embeddings: ours.to_vec(), odd });
        }
    }
    Ok(Compared { embeddings, odd: None })
}

/// Returns the L2 norm of the difference, relative to that of `want`.
pub(super) fn relative_error(got: &[f32], want: &[f32]) -> f64 {
    let difference = norm(got.iter().zip(want).map(|(g, w)| f64::from(g - w)));
    let size = norm(want.iter().map(|&w| f64::from(w)));
    if got.len() != want.len() {
        f64::INFINITY
    } else if size == 0.0 {
        difference
    } else {
        difference / size
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|x| x * x).sum::<f64>().sqrt()
}
