//! How `convert` quantizes.

use std::time::Duration;

use clap::Args;
use offshoot_convert::calibrate::ranges::Method;
use offshoot_convert::quantize::{KeepFloat, Rounding, Settings, Switch};

use super::values::{RangesArg, RoundingArg, SwitchArg, value};

/// Arguments of `convert` about codes.
#[derive(Debug, Args)]
pub struct QuantizerArgs {
    /// How the ranges of layers are chosen.
    #[arg(long, value_parser = value::<RangesArg, Method>(), default_value = "mse")]
    pub ranges: Method,
    /// Whether the channels of a map are given like ranges, where the network stays the same by it.
    #[arg(long, value_parser = value::<SwitchArg, Switch>(), default_value = "auto")]
    pub equalize: Switch,
    /// Whether what codes add to the means of channels is measured and taken off the biases.
    #[arg(long, value_parser = value::<SwitchArg, Switch>(), default_value = "auto")]
    pub correct_bias: Switch,
    /// How weights become whole numbers.
    #[arg(long, value_parser = value::<RoundingArg, Rounding>(), default_value = "nearest")]
    pub rounding: Rounding,
    /// Layers kept in float: auto, the N worst, or by name; tract runs them, so the package is mixed.
    #[arg(long, value_name = "auto|N|NAME,...")]
    pub keep_float: Option<KeepFloat>,
    /// Spend this long on finding better ranges; how far that gets depends on the machine.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub search_seconds: Option<u32>,
}

impl QuantizerArgs {
    /// What was asked for; `alternatives` to measure other ways beside.
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
