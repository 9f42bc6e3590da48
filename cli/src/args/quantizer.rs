//! Quantization options of `convert`.

use std::time::Duration;

use clap::Args;
use offshoot_convert::calibrate::ranges::Method;
use offshoot_convert::quantize::{KeepFloat, Rounding, Settings, Switch};

use super::values::{RangesArg, RoundingArg, SwitchArg, value};

/// Quantization options of `convert`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Quantization")]
pub struct QuantizerArgs {
    /// Range estimation of activations.
    #[arg(long, value_parser = value::<RangesArg, Method>(), default_value = "mse")]
    pub ranges: Method,
    /// Cross-layer equalization of channels, by activation ranges (Nagel et al. 2019, 4.1).
    #[arg(long, value_parser = value::<SwitchArg, Switch>(), default_value = "auto")]
    pub equalize: Switch,
    /// Empirical bias correction for the quantization error of channel means (Nagel et al. 2019).
    #[arg(long, value_parser = value::<SwitchArg, Switch>(), default_value = "auto")]
    pub correct_bias: Switch,
    /// Rounding of the weights.
    #[arg(long, value_parser = value::<RoundingArg, Rounding>(), default_value = "nearest")]
    pub rounding: Rounding,
    /// Layers kept in float: auto, the N worst, or by name; run on tract, so the package is mixed.
    /// In a network with layer norms or attention the engine runs those named.
    #[arg(long, value_name = "auto|N|NAME,...")]
    pub keep_float: Option<KeepFloat>,
    /// Quantize a file anew that is quantized already (QDQ, QOperator), from the floats that its
    /// codes stand for; otherwise its integers are taken as they are where int8 has them.
    #[arg(long)]
    pub requantize: bool,
    /// Time limit of a search for better ranges, in seconds; the result depends on the machine.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub search_seconds: Option<u32>,
}

impl QuantizerArgs {
    /// Returns the settings of the quantizer; `alternatives` also measures other settings.
    pub fn settings(&self, alternatives: bool) -> Settings {
        Settings {
            ranges: self.ranges,
            equalize: self.equalize,
            correct: self.correct_bias,
            rounding: self.rounding,
            keep: self.keep_float.clone().unwrap_or_default(),
            search: self.search_seconds.map(|s| Duration::from_secs(s.into())),
            alternatives,
        }
    }
}
