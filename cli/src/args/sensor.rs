//! Options of networks for signals.

use clap::Args;
use offshoot_convert::import::Source;
use offshoot_convert::pipeline::SensorOptions;

/// List of numbers on the command line, one for each channel or one for all.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers(pub Vec<f32>);

impl Numbers {
    /// Returns the numbers of three channels.
    pub fn triple(&self) -> Option<[f32; 3]> {
        match self.0[..] {
            [one] => Some([one; 3]),
            [a, b, c] => Some([a, b, c]),
            _ => None,
        }
    }
}

/// Options of a network for signals.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signals")]
pub struct SensorArgs {
    /// Sampling rate of the calibration set in Hz, stated in the package.
    #[arg(long, value_name = "HZ", value_parser = parse_positive)]
    pub rate: Option<f32>,
    /// Value of one step of a 16-bit sample, in the units of the training data, such as 0.000061 for an
    /// accelerometer of 2 g [default: 1].
    #[arg(long, value_name = "VALUE", value_parser = parse_positive)]
    pub unit: Option<f32>,
    /// Steps of time per window, if the model leaves its length open.
    #[arg(long, value_name = "PLACES", value_parser = clap::value_parser!(u16).range(1..))]
    pub window: Option<u16>,
    /// Steps of time from one window of a stream to the next [default: a quarter of a window].
    #[arg(long, value_name = "PLACES", value_parser = clap::value_parser!(u32).range(1..))]
    pub step: Option<u32>,
}

impl SensorArgs {
    /// Returns the options that were given, with their values.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, String)> {
        let options = [
            ("--rate", self.rate.map(|value| value.to_string())),
            ("--unit", self.unit.map(|value| value.to_string())),
            ("--window", self.window.map(|value| value.to_string())),
            ("--step", self.step.map(|value| value.to_string())),
        ];
        options.into_iter().filter_map(|(option, value)| Some((option, value?)))
    }

    /// Returns the description of the sensor: as given, else as the model states it.
    pub fn options(
        &self,
        mean: Option<&Numbers>,
        std: Option<&Numbers>,
        source: &Source,
    ) -> SensorOptions {
        let stated = |key| source.metadata(key).and_then(|text| parse_numbers(text).ok());
        let list = |given: Option<&Numbers>, key| {
            given.cloned().or_else(|| stated(key)).map(|numbers| numbers.0).unwrap_or_default()
        };
        let number =
            |given: Option<f32>, key| given.or_else(|| parse_positive(source.metadata(key)?).ok());
        SensorOptions {
            rate: number(self.rate, "offshoot.rate").unwrap_or(0.0),
            unit: number(self.unit, "offshoot.unit").unwrap_or(1.0),
            step: self.step,
            mean: list(mean, "offshoot.mean"),
            std: list(std, "offshoot.std"),
        }
    }
}

fn parse_positive(text: &str) -> Result<f32, String> {
    let value = text.parse().ok().filter(|value: &f32| value.is_normal() && *value > 0.0);
    value.ok_or_else(|| "positive number required".to_string())
}

/// Parses numbers separated by commas.
///
/// # Errors
/// Something else than finite numbers.
pub fn parse_numbers(text: &str) -> Result<Numbers, String> {
    let number = |t: &str| t.trim().parse().ok().filter(|value: &f32| value.is_finite());
    let values: Option<Vec<f32>> = text.split(',').map(number).collect();
    values.map(Numbers).ok_or_else(|| {
        "numbers separated by commas required, one for each channel or one for all, such as 123.7,116.3,103.5"
            .to_string()
    })
}
