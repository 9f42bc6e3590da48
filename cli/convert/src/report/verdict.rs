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

    /// Returns what the signal-to-quantization-noise ratio means for a head, in plain sentences.
    pub fn meaning(&self) -> String {
        if self.precision == Precision::Float {
            return "The package computes in float, so that heads answer as with the model."
                .to_string();
        }
        let signal = decibels(self.noise);
        let length = percent(self.noise.sqrt());
        let kind = self.kind;
        let said = format!(
            "Int8 moves an embedding by {length} of its length (root mean square over {} {kind}); as a \
             signal-to-quantization-noise ratio (SQNR) that is {signal:.1} dB.",
            self.compared
        );
        let so = match self.grade() {
            _ if self.constant => {
                "All embeddings are the same, so that a head cannot tell anything apart."
            }
            Grade::Good => {
                "A head taught on the package can be expected to answer as one taught on the float network, but for \
                 samples that lie between two classes."
            }
            Grade::Usable => {
                "Some answers of a head will differ from those with the float network. Measure how many on your data."
            }
            Grade::Poor => {
                "Many answers of a head may differ from those with the float network. Measure how many on your data, or \
                 try what is below."
            }
            Grade::Unusable => {
                "Embeddings have little of what the float network saw, and a head has little to learn from."
            }
        };
        let measured = match &self.task {
            Some(task) if task.drop.abs() <= task.half => format!(
                " Measured on the {} of {}: {:.1} % right in int8, {:.1} % in float, which is the same within the error of {} draws.",
                task.kind,
                task.data,
                100.0 * task.own,
                100.0 * task.float,
                task.draws
            ),
            Some(task) => format!(
                " Measured on the {} of {}: {:.1} % right in int8, {:.1} % in float.",
                task.kind,
                task.data,
                100.0 * task.own,
                100.0 * task.float
            ),
            None => String::new(),
        };
        format!("{said} {so}{measured}")
    }
}
