//! Flags of the commands that are about a device.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::RunArgs;

/// Arguments of `teach`.
///
/// Keys: 1 to 9 teach their class for as long as they are held, u takes the last lesson back, n puts
/// the next thing before the simulated camera, r reports, t shows where the time goes, s keeps the
/// screen, q ends.
#[derive(Debug, Args)]
pub struct TeachArgs {
    /// The package [default: sprout, which is part of this program].
    pub package: Option<PathBuf>,
    /// `sim`, a folder of pictures, or a device such as /dev/video0.
    #[arg(long, value_name = "sim|DIR|DEVICE", default_value = "sim")]
    pub camera: PathBuf,
    /// How far the camera's picture is to be turned clockwise.
    #[arg(long, value_enum, default_value_t = TurnArg::None)]
    pub turn: TurnArg,
    /// Press the buttons that this file says instead of those of the keyboard.
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// `terminal`, `png:DIR` (what `snap` or the key s keeps, in three sizes), or `none`.
    #[arg(long, value_name = "terminal|png:DIR|none", default_value = "terminal", value_parser = parse_screen)]
    pub screen: ScreenArg,
    /// Serve a page to teach in a browser, beside the screen or instead of it (`--screen none`): for this
    /// machine only, unless an address such as 0.0.0.0:8080 says otherwise; then with a token, which is
    /// part of the URL that is printed. The environment's OFFSHOOT_TOKEN takes the place of a made-up one.
    #[arg(long, value_name = "[ADDR:]PORT", value_parser = parse_address)]
    pub web: Option<SocketAddr>,
    /// Names of the classes, in the order of their keys.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub names: Vec<String>,
    /// Where lessons are kept, through power cuts as well.
    #[arg(long, value_name = "FILE", default_value = "offshoot-lessons.store")]
    pub memory: PathBuf,
    /// Write the head that was taught to this file at the end, for `predict` and others.
    #[arg(long, value_name = "HEAD")]
    pub export: Option<PathBuf>,
    /// Mean probability over frames from which something is recognized.
    #[arg(long, value_name = "P", default_value_t = 0.6, value_parser = parse_share)]
    pub threshold: f32,
    /// How the package is run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Turns of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TurnArg {
    /// As it comes.
    #[value(name = "0")]
    None,
    /// 90 degrees clockwise.
    #[value(name = "90")]
    Right,
    /// Upside down.
    #[value(name = "180")]
    Half,
    /// 270 degrees clockwise.
    #[value(name = "270")]
    Left,
}

/// Where a screen is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScreenArg {
    /// In this terminal.
    Terminal,
    /// In a folder.
    Png(PathBuf),
    /// Nowhere.
    None,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The package that is to run here [default: sprout, which is part of this program].
    pub package: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

fn parse_screen(text: &str) -> Result<ScreenArg, String> {
    match text.split_once(':') {
        None if text == "terminal" => Ok(ScreenArg::Terminal),
        None if text == "none" => Ok(ScreenArg::None),
        Some(("png", folder)) if !folder.is_empty() => Ok(ScreenArg::Png(folder.into())),
        _ => Err("needs terminal, png:DIR or none".to_string()),
    }
}

/// A port alone, also with a colon before it, is one of this machine only.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').or(text.strip_prefix("localhost:")).unwrap_or(text).parse();
    match port {
        Ok(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => text.parse().map_err(|_| "needs a port, or an address such as 0.0.0.0:8080".to_string()),
    }
}

fn parse_share(text: &str) -> Result<f32, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "needs a number from 0 to 1".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_of_this_machine() {
        let parsed = |text| parse_address(text).map(|address| address.to_string());
        for text in ["8080", ":8080", "localhost:8080", "127.0.0.1:8080"] {
            assert_eq!(parsed(text).as_deref(), Ok("127.0.0.1:8080"));
        }
        assert_eq!(parsed("0.0.0.0:80").as_deref(), Ok("0.0.0.0:80"));
        assert_eq!(parsed("[::1]:0").as_deref(), Ok("[::1]:0"));
        for text in ["", ":", "pi:80", "65536", "1.2.3.4"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
