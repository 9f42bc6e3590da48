//! Verdict on an int8 package compared with its float network: by the noise over all samples, and
//! by the mean and the smallest cosine similarity.
//!
//! Noise summed over all samples is dominated by samples with large embeddings; the loss of a small
//! one does not show. A head compares directions, so the mean cosine similarity counts each sample
//! alike, and the smallest one shows a single bad sample, which the mean may hide.

use offshoot_core::package::Precision;

use super::{Report, percent};
use crate::import::FEW;
use crate::quantize::noise::decibels;

/// Similarity of an int8 embedding to float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Different from float: a head would not have the network's features.
    Unusable,
    /// Large loss.
    Poor,
    /// Some loss.
    Usable,
    /// No relevant loss.
    Good,
}

/// Lower bounds of a grade.
struct Bounds {
    grade: Grade,
    /// Signal-to-noise ratio over all samples, in dB.
    signal: f64,
    /// Mean cosine similarity.
    mean: f64,
    /// Smallest cosine similarity.
    worst: f64,
}

/// Bounds of the grades. 20 and 14 dB are cosines of 0.995 and 0.981 if all samples are alike; the
/// means allow for some samples with small embeddings, the smallest values for one in 64.
const GRADES: [Bounds; 3] = [
    Bounds { grade: Grade::Good, signal: 20.0, mean: 0.99, worst: 0.95 },
    Bounds { grade: Grade::Usable, signal: 14.0, mean: 0.97, worst: 0.85 },
    Bounds { grade: Grade::Poor, signal: f64::NEG_INFINITY, mean: 0.9, worst: f64::NEG_INFINITY },
];

/// Cosine of two samples' embeddings above which they differ by rounding only.
pub(crate) const SAME: f64 = 1.0 - 1e-9;

impl Report {
    /// Returns the grade of an int8 package; a float one equals the model.
    pub fn grade(&self) -> Grade {
        if self.precision == Precision::Float {
            return Grade::Good;
        }
        let signal = decibels(self.noise);
        let grade = GRADES.iter().find(|bounds| {
            signal >= bounds.signal
                && self.cosine_mean >= bounds.mean
                && self.cosine_min >= bounds.worst
        });
        let grade = grade.map_or(Grade::Unusable, |bounds| bounds.grade);
        if self.constant { grade.min(Grade::Poor) } else { grade }
    }

    /// Returns the verdict as one sentence.
    pub fn verdict(&self) -> String {
        if self.dim < FEW && !self.cut_asked {
            return format!(
                "Doubtful: an embedding of {} values distinguishes little, however close it is to float (cosine {:.4}); \
                 state the tensor of the features by --cut.",
                self.dim, self.cosine_mean
            );
        }
        if self.precision == Precision::Float {
            return format!("Kept in float: within {:.1e} of the model.", self.difference);
        }
        let grade = self.grade();
        let signal = decibels(self.noise);
        let how = match grade {
            _ if self.constant => "Poor; all samples have the same embedding",
            Grade::Good => "Good",
            Grade::Usable => "Usable; some layers lose much",
            Grade::Poor => "Poor: look at the worst layers",
            Grade::Unusable => "Not usable: try --precision f32, or --keep-float auto",
        };
        let hidden = GRADES[0].signal <= signal && grade < Grade::Good && !self.constant;
        let odd = if hidden {
            let mean = self.cosine_mean;
            let worst = self.cosine_min;
            let kind = self.kind;
            format!(
                "; but for single {kind} the cosine is {mean:.3} in the mean, {worst:.3} in the worst"
            )
        } else {
            String::new()
        };
        let worst = self.worst().first().map_or(String::new(), |layer| {
            format!(
                "; the worst layer is {}, {} alone",
                layer.name,
                percent(layer.alone.unwrap_or_default())
            )
        });
        let task = self.task.as_ref().map_or(String::new(), |t| {
            format!(
                " Few-shot accuracy {:.1} % against {:.1} % in float.",
                100.0 * t.own,
                100.0 * t.float
            )
        });
        let noise = percent(self.noise);
        format!("{how}: {noise} noise in the embedding ({signal:.1} dB){odd}{worst}.{task}")
    }
}
