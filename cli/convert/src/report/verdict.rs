//! What an int8 package is worth beside its float network, in one word: by all pictures together, by the mean of
//! them, and by the worst.
//!
//! Noise in the sum over all pictures is that of the loud ones: what becomes of a quiet picture does not show in
//! it. A head compares directions, so each picture counts by its cosine, and one that is far off in the worst of
//! them is no accident that a mean may hide.

use offshoot_core::package::Precision;

use super::{Report, percent};
use crate::import::FEW;
use crate::quantize::noise::decibels;

/// How near an int8 embedding is to float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Another embedding than float: what is written would not know what the network knows.
    Unusable,
    /// Much is lost.
    Poor,
    /// Something is lost.
    Usable,
    /// As good as float.
    Good,
}

/// What a grade asks for.
struct Bounds {
    grade: Grade,
    /// Signal to noise over all samples, in decibels.
    signal: f64,
    /// Mean cosine.
    mean: f64,
    /// Worst cosine.
    worst: f64,
}

/// 20 and 14 dB are cosines of 0.995 and 0.981 where all samples are alike; the means allow for some that are
/// quiet, the worst for one of 64 that is.
const GRADES: [Bounds; 3] = [
    Bounds { grade: Grade::Good, signal: 20.0, mean: 0.99, worst: 0.95 },
    Bounds { grade: Grade::Usable, signal: 14.0, mean: 0.97, worst: 0.85 },
    Bounds { grade: Grade::Poor, signal: f64::NEG_INFINITY, mean: 0.9, worst: f64::NEG_INFINITY },
];

/// Cosine of two samples' embeddings from which they are told apart by rounding alone.
pub(crate) const SAME: f64 = 1.0 - 1e-9;

impl Report {
    /// What an int8 package is worth; a float one is as the model.
    pub fn grade(&self) -> Grade {
        if self.precision == Precision::Float {
            return Grade::Good;
        }
        let signal = decibels(self.noise);
        let holds =
            |b: &&Bounds| signal >= b.signal && self.cosine_mean >= b.mean && self.cosine_min >= b.worst;
        let grade = GRADES.iter().find(holds).map_or(Grade::Unusable, |bounds| bounds.grade);
        if self.constant { grade.min(Grade::Poor) } else { grade }
    }

    /// One sentence.
    pub fn verdict(&self) -> String {
        if self.dim < FEW && !self.cut_asked {
            return format!(
                "Doubtful: an embedding of {} values tells little apart, however near it is to float (cosine {:.4}); \
                 say by --cut where the features are.",
                self.dim, self.cosine_mean
            );
        }
        if self.precision == Precision::Float {
            return format!("Kept in float: within {:.1e} of the model.", self.difference);
        }
        let (grade, signal) = (self.grade(), decibels(self.noise));
        let how = match grade {
            _ if self.constant => "Poor; all samples have the same embedding",
            Grade::Good => "Good",
            Grade::Usable => "Usable; some layers lose much",
            Grade::Poor => "Poor: look at the worst layers",
            Grade::Unusable => "Not usable: try --precision f32, or --keep-float auto",
        };
        let hidden = GRADES[0].signal <= signal && grade < Grade::Good && !self.constant;
        let odd = if hidden {
            let (mean, worst, kind) = (self.cosine_mean, self.cosine_min, self.kind);
            format!("; but of single {kind} the cosine is {mean:.3} in the mean, {worst:.3} in the worst")
        } else {
            String::new()
        };
        let worst = self.worst().first().map_or(String::new(), |layer| {
            format!("; the worst layer is {}, {} alone", layer.name, percent(layer.alone.unwrap_or_default()))
        });
        let task = self.task.as_ref().map_or(String::new(), |t| {
            format!(" Few-shot accuracy {:.1} % against {:.1} % in float.", 100.0 * t.own, 100.0 * t.float)
        });
        let noise = percent(self.noise);
        format!("{how}: {noise} noise in the embedding ({signal:.1} dB){odd}{worst}.{task}")
    }
}
