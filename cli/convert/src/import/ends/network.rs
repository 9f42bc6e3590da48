//! Kind of network that a model is believed to be, by the structure of its ends.

use super::{Ends, HIDDEN, Head, IMAGENET, Tail, kinds};

/// Kind of network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkKind {
    /// One class of several.
    Classifier,
    /// Any number of classes.
    Multilabel,
    /// Vector whose distances mean something, by metric learning.
    MetricLearning,
    /// Boxes with classes.
    Detector,
    /// Value for each pixel: a mask, a depth.
    Segmentation,
    /// Text.
    Language,
    /// Sound: a spectrogram, or samples of a microphone.
    Audio,
    /// Features alone, of a network without its head.
    Features,
}

impl NetworkKind {
    /// Returns the name for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classifier => "classifier",
            Self::Multilabel => "multilabel classifier",
            Self::MetricLearning => "metric learning",
            Self::Detector => "detector",
            Self::Segmentation => "segmentation",
            Self::Language => "language",
            Self::Audio => "audio",
            Self::Features => "features",
        }
    }
}

/// Sureness of a [`Belief`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sure {
    /// Other kinds have the same structure.
    Guess,
    /// Most networks of the structure are of the kind.
    Likely,
    /// No other kind has the structure.
    Certain,
}

impl Sure {
    /// Returns the name for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guess => "a guess",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// Kind that a network is believed to be, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belief {
    /// Kind.
    pub kind: NetworkKind,
    /// Sureness.
    pub sure: Sure,
    /// Reason in one sentence.
    pub why: String,
}

impl Belief {
    pub(in crate::import) fn new(kind: NetworkKind, sure: Sure, why: impl Into<String>) -> Self {
        Self { kind, sure, why: why.into() }
    }
}

/// Structure of a model that ends in feature maps, or in what is computed from several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Structure {
    /// Scores and boxes at several scales, or chosen from them.
    Detector,
    /// Feature map that was enlarged.
    Mask,
    /// Feature maps without a head.
    Backbone,
}

impl<'g> Ends<'g> {
    /// Returns the structure of a model without vectors at its end: several scales of convolutions
    /// without an activation are a detector, enlargements alone are none.
    pub(super) fn structure(&self, tails: &[Tail<'g>]) -> Structure {
        let is_bare = tails.iter().all(|tail| !tail.activated && !tail.normed);
        if tails.iter().any(|tail| self.chooses(tail)) || is_bare && self.head_scales(tails) > 1 {
            return Structure::Detector;
        }
        let is_enlarged = tails.iter().any(|tail| self.is_enlarged(tail));
        if is_enlarged && (tails.len() == 1 || is_bare) {
            return Structure::Mask;
        }
        Structure::Backbone
    }

    /// Returns the number of resolutions of the layers that the outputs begin at.
    pub(super) fn head_scales(&self, tails: &[Tail<'g>]) -> usize {
        let begins = tails.iter().flat_map(|tail| &tail.begins);
        let layers = begins.filter(|tensor| {
            let giver = self.flow.giver(tensor);
            giver.is_some_and(|at| kinds::has_weights(&self.flow.node(at).op_type))
        });
        let mut scales: Vec<&[usize]> = layers
            .filter_map(|tensor| self.shapes.get(tensor))
            .filter(|shape| shape.len() == 4)
            .map(|shape| &shape[2..])
            .collect();
        scales.sort_unstable();
        scales.dedup();
        scales.len()
    }

    /// Returns the belief for an output that is scaled to L2 norm 1.
    pub(super) fn of_unit() -> Belief {
        Belief::new(NetworkKind::MetricLearning, Sure::Certain, "its output has L2 norm 1")
    }

    /// Returns the belief for outputs after the last layer of features.
    pub(super) fn of_features(tail: &Tail<'g>) -> Belief {
        match tail.normed {
            true => {
                let why = "batch normalization follows its last layer";
                Belief::new(NetworkKind::MetricLearning, Sure::Likely, why)
            }
            false => Belief::new(
                NetworkKind::Features,
                Sure::Likely,
                "an activation follows its last layer",
            ),
        }
    }

    /// Returns the belief for classifiers of a vector.
    pub(super) fn of_heads(&self, found: &[(&Tail<'g>, Vec<Head<'g>>)]) -> Belief {
        let classes: Vec<usize> =
            found.iter().flat_map(|(_, heads)| heads).filter_map(|head| head.classes).collect();
        let most = classes.iter().copied().max().unwrap_or_default();
        let last = found.iter().find_map(|(tail, _)| self.squash(tail));
        match last {
            Some("Softmax" | "LogSoftmax" | "Hardmax") => {
                let why = format!("probabilities of {most} classes add up to 1");
                Belief::new(NetworkKind::Classifier, Sure::Certain, why)
            }
            Some("Sigmoid" | "HardSigmoid") if most > 1 => {
                let why = format!("each of {most} values has a probability of its own");
                Belief::new(NetworkKind::Multilabel, Sure::Certain, why)
            }
            _ if classes.iter().any(|n| IMAGENET.contains(n)) => {
                let why = format!("its last layer has {most} values, the classes of ImageNet");
                Belief::new(NetworkKind::Classifier, Sure::Likely, why)
            }
            _ if most >= HIDDEN && most.is_power_of_two() => {
                let why = format!("its last layer has {most} values: classes, or features");
                Belief::new(NetworkKind::Classifier, Sure::Guess, why)
            }
            _ => {
                let why = format!("a last layer of {most} values reads a vector");
                Belief::new(NetworkKind::Classifier, Sure::Likely, why)
            }
        }
    }

    /// Returns the operation that makes probabilities of a tail's scores, the nearest to the output.
    fn squash(&self, tail: &Tail<'g>) -> Option<&'g str> {
        if !tail.squashed {
            return None;
        }
        let mut at = self.flow.giver(tail.output)?;
        loop {
            let op = self.flow.node(at).op_type.as_str();
            if matches!(op, "Softmax" | "LogSoftmax" | "Hardmax" | "Sigmoid" | "HardSigmoid") {
                return Some(op);
            }
            at = self.flow.giver(self.flow.data_input(at)?)?;
        }
    }

    /// Returns the belief for a model whose output is one vector without a classifier.
    pub(super) fn of_vector(&self, output: &str) -> Belief {
        let length = self.length(output).unwrap_or_default();
        Belief::new(
            NetworkKind::Features,
            Sure::Likely,
            format!("its output is a vector of {length} values that no layer of its own gives"),
        )
    }

    /// Returns the belief for a model that ends in feature maps.
    pub(super) fn of_structure(&self, structure: Structure, tails: &[Tail<'g>]) -> Belief {
        let scales = self.head_scales(tails);
        let chooses = tails.iter().any(|tail| self.chooses(tail));
        match structure {
            Structure::Detector if chooses => {
                let why = "results are chosen among places or boxes";
                Belief::new(NetworkKind::Detector, Sure::Certain, why)
            }
            Structure::Detector => {
                let why = format!("convolutions at {scales} scales give its outputs");
                Belief::new(NetworkKind::Detector, Sure::Likely, why)
            }
            Structure::Mask => {
                let why = "its output is an enlarged feature map";
                Belief::new(NetworkKind::Segmentation, Sure::Likely, why)
            }
            Structure::Backbone => match self.heads_of_places(tails) {
                true => Belief::new(
                    NetworkKind::Segmentation,
                    Sure::Guess,
                    "it classifies each place of a feature map",
                ),
                false => {
                    let why = match tails.len() {
                        1 => "its output is a feature map".to_string(),
                        count => format!("its outputs are {count} feature maps"),
                    };
                    Belief::new(NetworkKind::Features, Sure::Likely, why)
                }
            },
        }
    }

    fn heads_of_places(&self, tails: &[Tail<'g>]) -> bool {
        tails.iter().any(|tail| tail.squashed && self.heads(tail).is_some())
    }
}
