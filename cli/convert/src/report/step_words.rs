//! Sentences on the quantizer's steps and on alternatives to them.

use std::fmt;

use crate::quantize::{Anew, Change, StepReport};

impl fmt::Display for StepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { layers, anew } => taken(f, *layers, anew),
            Self::Requantized => f.write_str(
                "quantized already in the file: its weights were recovered and quantized anew (--requantize)",
            ),
            Self::ChannelSplit { channels, gain_db } => write!(
                f,
                "{channels} channels duplicated into constant channels (outlier channel splitting) ({gain_db:+.1} dB)"
            ),
            Self::Dynamic { layers, coded } => {
                let convolutions = match coded {
                    0 => String::new(),
                    _ => format!(", {coded} convolutions in int8 with ranges"),
                };
                write!(
                    f,
                    "{layers} linear layers in int8 with a scale per position computed in the run{convolutions}; the rest in floats of a fixed order"
                )
            }
            Self::Equalization { maps } => write!(f, "channels of {maps} feature maps equalized"),
            Self::Ranges { method, measured_means } => {
                let by = if *measured_means { "measured means" } else { "the weights' rounding" };
                write!(f, "ranges by {}, biases corrected by {by}", method.name())
            }
            Self::Search { candidates, time, gain_db, limits } => write!(
                f,
                "searched: {candidates} candidates in {:.0} s, {gain_db:+.2} dB, {limits} range limits changed",
                time.as_secs_f32()
            ),
            Self::KeptFloat { layers, gain_db } => {
                write!(
                    f,
                    "kept in float: {} ({gain_db:+.2} dB; tract runs them)",
                    layers.join(", ")
                )
            }
            Self::KeptOrdered { layers, gain_db } => {
                write!(f, "kept in float: {} ({gain_db:+.2} dB)", layers.join(", "))
            }
            Self::KeptNone { gain_db } => {
                write!(f, "no layer kept in float: at most {gain_db:.2} dB would be gained")
            }
            Self::AdaptiveRounding { kept: true, gain_db } => {
                write!(f, "weights rounded for their inputs ({gain_db:+.2} dB)")
            }
            Self::AdaptiveRounding { kept: false, gain_db } => write!(
                f,
                "weights rounded to nearest: rounding for their inputs gains {gain_db:.2} dB"
            ),
            Self::OnGrid => f.write_str("weights lie on their grid: nothing to round"),
        }
    }
}

/// Number of layers that are shown with the reason that they were quantized anew.
const SHOWN: usize = 4;

fn taken(f: &mut fmt::Formatter<'_>, layers: usize, anew: &[Anew]) -> fmt::Result {
    let own = layers - anew.len();
    write!(f, "quantized already in the file: {own} of {layers} layers taken as they are")?;
    let shown = &anew[..anew.len().min(SHOWN)];
    for (at, Anew { layer, why }) in shown.iter().enumerate() {
        write!(f, "{} {layer}", if at == 0 { "; anew:" } else { "," })?;
        if shown.get(at + 1).is_none_or(|next| next.why != *why) {
            write!(f, " ({why})")?;
        }
    }
    match anew.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ranges(method) => write!(f, "ranges by {}", method.name()),
            Self::Equalization(true) => f.write_str("channels equalized"),
            Self::Equalization(false) => f.write_str("channels not equalized"),
            Self::AdaptiveRounding => f.write_str("weights rounded for their inputs"),
            Self::KeepFloat { count: 1, worst } => write!(f, "{worst} in float"),
            Self::KeepFloat { count, .. } => write!(f, "the {count} worst layers in float"),
        }
    }
}

impl Change {
    /// Returns the options of `convert` that select it.
    pub fn options(&self) -> String {
        match self {
            Self::Ranges(method) => format!("--ranges {}", method.name()),
            Self::Equalization(true) => "--equalize on".to_string(),
            Self::Equalization(false) => "--equalize off".to_string(),
            Self::AdaptiveRounding => "--rounding adaptive".to_string(),
            Self::KeepFloat { count, .. } => format!("--keep-float {count}"),
        }
    }
}
