//! Results of the quantizer's steps, as values; the report makes sentences of them.

use std::time::Duration;

use crate::calibrate::ranges::Method;

/// Result of a step of the quantizer. Gains are differences of the embedding's signal-to-noise
/// ratio.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StepReport {
    /// The file is quantized already, and its integers were taken as they are where int8 has them.
    Taken {
        /// Number of layers.
        layers: usize,
        /// Layers that were quantized anew.
        anew: Vec<Anew>,
    },
    /// The file is quantized already, and all was quantized anew, as asked.
    Requantized,
    /// Channels were duplicated into constant ones.
    ChannelSplit {
        /// Number of duplicated channels.
        channels: usize,
        /// Gain in dB.
        gain_db: f64,
    },
    /// Linear layers were given scales computed in the run.
    Dynamic {
        /// Number of such layers.
        layers: usize,
        /// Number of convolutions in int8 with ranges of the calibration set.
        coded: usize,
    },
    /// Channels were equalized.
    Equalization {
        /// Number of equalized feature maps.
        maps: usize,
    },
    /// Ranges were chosen.
    Ranges {
        /// Method of the choice.
        method: Method,
        /// True if biases are corrected by measured means, false if by the weights' rounding.
        measured_means: bool,
    },
    /// Better ranges were searched.
    Search {
        /// Number of evaluated candidates.
        candidates: usize,
        /// Time spent.
        time: Duration,
        /// Gain in dB.
        gain_db: f64,
        /// Number of changed range limits.
        limits: usize,
    },
    /// Layers were kept in float.
    KeptFloat {
        /// Names of the layers.
        layers: Vec<String>,
        /// Gain in dB.
        gain_db: f64,
    },
    /// Layers were kept in floats of a fixed order, which the engine runs.
    KeptOrdered {
        /// Names of the layers.
        layers: Vec<String>,
        /// Gain in dB.
        gain_db: f64,
    },
    /// No layer was kept in float: the gain would be too small.
    KeptNone {
        /// Largest gain in dB.
        gain_db: f64,
    },
    /// Adaptive rounding was measured.
    AdaptiveRounding {
        /// True if the weights were rounded by it.
        kept: bool,
        /// Gain in dB.
        gain_db: f64,
    },
    /// Adaptive rounding was skipped: the weights lie on the grid that they were trained on.
    OnGrid,
}

/// Layer of a quantized file that was quantized anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anew {
    /// Name of the layer.
    pub layer: String,
    /// Reason.
    pub why: String,
}

/// Alternative way to quantize, with its result.
#[derive(Debug, Clone)]
pub struct Alternative {
    /// Changed setting.
    pub change: Change,
    /// Noise-to-signal ratio of the embedding.
    pub noise: f64,
}

/// Change of one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Choice of ranges by another method.
    Ranges(Method),
    /// Equalization of channels, enabled or disabled.
    Equalization(bool),
    /// Adaptive rounding of weights.
    AdaptiveRounding,
    /// Worst layers kept in float.
    KeepFloat {
        /// Number of layers.
        count: usize,
        /// Name of the worst layer.
        worst: String,
    },
}
