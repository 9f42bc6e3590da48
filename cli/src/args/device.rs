//! Arguments of the commands for devices.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use offshoot::{HeadKind, Tuning};
use offshoot_device::{
    Broker, BuiltIn, ButtonsPart, CameraPart, LedPart, PartSpecError, ScreenPart, Tunes, Turn,
    web_address,
};
use offshoot_service::Address;

use super::RunArgs;

/// Built-in package.
#[derive(Debug, Clone, Copy, Args)]
pub struct BuiltInArgs {
    /// Built-in package to use if none is given: `sharp` needs fewer training samples and rejects
    /// unknown objects better, `small` does a ninth of the work [default: sharp, but small on
    /// 32-bit ARM, Cortex-A53 and processors without kernels].
    #[arg(long, alias = "eyes", value_name = "sharp|small")]
    pub extractor: Option<BuiltIn>,
}

/// Arguments of `teach`.
///
/// Keys: 1 to 9 teach their class while held, u undoes the last training sample, n shows the next
/// object to the simulated camera, r prints the report, f forgets all training samples after a y, t
/// shows the time per stage, s saves the screen, q quits.
#[derive(Debug, Args)]
pub struct TeachArgs {
    /// Package to run [default: a built-in one, see --extractor].
    #[arg(conflicts_with = "extractor")]
    pub package: Option<PathBuf>,
    /// Built-in package to use.
    #[command(flatten)]
    pub extractor: BuiltInArgs,
    /// Camera: `sim`, a folder of images, a video FILE.mjpeg, a device such as /dev/video0, or `-`
    /// for frames that another program writes to standard input: JPEG images, or raw ones in
    /// `-:FORMAT:COLUMNSxROWS[,stride=BYTES]` with yuyv, nv12, i420, rgb, bgr or grey. Keys are
    /// then those of the terminal. For a package that takes signals a table FILE.csv, or `-:csv`,
    /// `-:i16` or `-:f32` for samples on standard input.
    #[arg(long, value_name = "sim|DIR|FILE.mjpeg|FILE.csv|DEVICE|-[:FORMAT]",
          default_value = "sim", allow_hyphen_values = true,
          value_parser = OsStringValueParser::new().try_map(parse_camera))]
    pub camera: CameraPart,
    /// Script of button presses, instead of the keyboard.
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Buttons, screen and LED.
    #[command(flatten)]
    pub parts: PartsArgs,
    /// Test buttons, LED and screen one by one instead of teaching.
    #[arg(long)]
    pub testui: bool,
    /// Web page to teach in a browser, beside the screen or instead of it (`--screen none`):
    /// served on this machine only, unless an address such as 0.0.0.0:8080 is given; then a token
    /// is required, which is part of the URL printed (OFFSHOOT_TOKEN in the environment sets it).
    #[arg(long, value_name = "[ADDR:]PORT", value_parser = web_address)]
    pub web: Option<SocketAddr>,
    /// Address of answers and teaching for other programs: a port of this machine, an address with
    /// a token, or unix:PATH. GET /openapi.yaml is the contract.
    #[arg(long, value_name = "[ADDR:]PORT|unix:PATH", value_parser = Address::parse)]
    pub api: Option<Address>,
    /// MQTT broker that gets each new answer, and the name of this device there, that of the machine
    /// unless given. Home Assistant finds it by itself. OFFSHOOT_MQTT_USER and
    /// OFFSHOOT_MQTT_PASSWORD in the environment log in.
    #[arg(long, value_name = "HOST[:PORT][/NAME]")]
    pub mqtt: Option<Broker>,
    /// Names of the classes, in the order of their keys.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub names: Vec<String>,
    /// File that stores the training samples, safe against power loss.
    #[arg(long, value_name = "FILE", default_value = "offshoot-lessons.store")]
    pub memory: PathBuf,
    /// Start without training samples; an existing --memory file is renamed, and its new name
    /// printed.
    #[arg(long)]
    pub start_anew: bool,
    /// Compare every frame with the first empty scene (hold 0), for a camera that stands still and a
    /// package with cells.
    #[arg(long)]
    pub fixed: bool,
    /// Head file to write at exit, for `predict` and other commands; beside it the tail that the
    /// network was tuned with, if it was.
    #[arg(long, value_name = "HEAD")]
    pub export: Option<PathBuf>,
    /// Tuning of the network's last layer on the training samples while nothing is pressed.
    #[arg(long, value_enum)]
    pub tune: Option<TuneArg>,
    /// Minimum mean probability over frames to report a class, from 0 to 1.
    #[arg(long, value_name = "P", default_value_t = 0.6, value_parser = parse_share)]
    pub threshold: f32,
    /// Execution options.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Tuning of the network on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TuneArg {
    /// Between frames, kept if samples that were held out say so.
    Idle,
    /// Not; what was tuned before is undone.
    Off,
}

impl From<TuneArg> for Tunes {
    fn from(arg: TuneArg) -> Self {
        match arg {
            TuneArg::Idle => Self::Idle(Tuning::default()),
            TuneArg::Off => Self::Undone,
        }
    }
}

/// Arguments of `serve`.
///
/// POST /classify, /embed, /teach/CLASS, /undo; DELETE /classes/CLASS; GET /report, /moment,
/// /events; GET and PUT /head; GET /openapi.yaml is the contract. An image is a body, such as
/// `curl --data-binary @mug.jpg`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Package to run [default: a built-in one, see --extractor].
    #[arg(conflicts_with = "extractor")]
    pub package: Option<PathBuf>,
    /// Built-in package to use.
    #[command(flatten)]
    pub extractor: BuiltInArgs,
    /// Head file: loaded if it exists, saved after every change [default: the head is not saved].
    #[arg(long, value_name = "HEAD")]
    pub head: Option<PathBuf>,
    /// Address: a port of this machine, an address such as 0.0.0.0:8090 with a token, which is part
    /// of the URL printed (OFFSHOOT_TOKEN in the environment sets it), or unix:PATH.
    #[arg(long, value_name = "[ADDR:]PORT|unix:PATH", default_value = "8090",
          value_parser = Address::parse)]
    pub listen: Address,
    /// Kind of a new head.
    #[arg(long, default_value_t = HeadKind::Auto)]
    pub kind: HeadKind,
    /// Execution options.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Parts of a device besides its camera.
#[derive(Debug, Args)]
#[command(next_help_heading = "Parts")]
pub struct PartsArgs {
    /// Rotation of the camera image, clockwise in degrees.
    #[arg(long, value_name = "0|90|180|270", default_value = "0")]
    pub turn: Turn,
    /// Buttons: `keys`, `gpio:CHIP:LINE,LINE...[,pull=up|down|off]` with the lines of two buttons
    /// or more, or `none` [default: keys; none on a board].
    #[arg(long, value_name = "keys|gpio:CHIP:LINES|none")]
    pub buttons: Option<ButtonsPart>,
    /// Screen: `terminal`, `png:DIR` (saves on `snap` or key s, in three sizes),
    /// `ssd1306:BUS[,addr=0x3c]`,
    /// `st7789:BUS,dc=LINE[,rst=LINE][,bl=LINE][,chip=CHIP][,size=240x240][,offset=0+0][,hz=N][,
    /// mode=N]`, `fb:/dev/fb0`, or `none` [default: terminal; none on a board].
    #[arg(long, value_name = "terminal|png:DIR|ssd1306:BUS|st7789:BUS,dc=LINE|fb:DEVICE|none")]
    pub screen: Option<ScreenPart>,
    /// Rotation of the panel, clockwise in degrees.
    #[arg(long, value_name = "0|90|180|270", default_value = "0")]
    pub rotate: Turn,
    /// LED that is on while a class is recognized: `gpio:CHIP:LINE[,active=low]`, or `none`.
    #[arg(long, value_name = "gpio:CHIP:LINE|none", default_value = "none")]
    pub led: LedPart,
}

/// Arguments of `deploy`.
///
/// Prints a shell script that copies the on-board program and a package to a board and installs a
/// systemd service; with --run it is executed. Training samples are stored in /var/lib/offshoot.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// Host name of the board for ssh, such as pi@raspberrypi.local.
    pub host: String,
    /// Board description: a file of targets/boards.
    #[arg(long, value_name = "NAME", default_value = "raspberry-pi-4")]
    pub board: String,
    /// Execute the steps, with ssh and scp.
    #[arg(long)]
    pub run: bool,
    /// On-board program [default: latest output of `targets/build.sh --board NAME`, with or
    /// without --static].
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
    /// Package to deploy [default: a built-in one, see --extractor].
    #[arg(long, value_name = "FILE", conflicts_with = "extractor")]
    pub package: Option<PathBuf>,
    /// Built-in package to use if none is given: `sharp` or `small` [default: chosen by the
    /// board's processor].
    #[arg(long, alias = "eyes", value_name = "sharp|small")]
    pub extractor: Option<BuiltIn>,
    /// Camera of the board.
    #[arg(
        long,
        value_name = "DEVICE|sim|DIR|FILE.mjpeg",
        default_value = "/dev/video0",
        allow_hyphen_values = true
    )]
    pub camera: CameraPart,
    /// Rotation of the camera image, clockwise in degrees.
    #[arg(long, value_name = "0|90|180|270", default_value = "0")]
    pub turn: Turn,
    /// Screen: `oled` or `tft`, wired as on the board's page, or a screen as in `teach` [default:
    /// oled; none with --web].
    #[arg(long, value_name = "oled|tft|SCREEN")]
    pub screen: Option<String>,
    /// Rotation of the screen, clockwise in degrees.
    #[arg(long, value_name = "0|90|180|270", default_value = "0")]
    pub rotate: Turn,
    /// Buttons: `gpio:CHIP:LINE,LINE...` or `none` [default: those of the board's page; none with
    /// --web].
    #[arg(long, value_name = "gpio:CHIP:LINES|none")]
    pub buttons: Option<ButtonsPart>,
    /// LED: `gpio:CHIP:LINE[,active=low]`, or `none`.
    #[arg(long, value_name = "gpio:CHIP:LINE|none", default_value = "none")]
    pub led: LedPart,
    /// Web page to teach in a browser, for other machines with a token generated on the board; the
    /// URL is printed. A port alone, or an address of the board itself, is for an ssh tunnel.
    #[arg(long, value_name = "[ADDR:]PORT", num_args = 0..=1, default_missing_value = "0.0.0.0:8080",
          value_parser = web_address)]
    pub web: Option<SocketAddr>,
    /// Names of the classes, in the order of their buttons.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub names: Vec<String>,
    /// Number of threads for the network.
    #[arg(long, value_name = "N", default_value = "4")]
    pub threads: NonZeroU8,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Package to check this machine for [default: a built-in one, see --extractor].
    #[arg(conflicts_with = "extractor")]
    pub package: Option<PathBuf>,
    /// Built-in package to use.
    #[command(flatten)]
    pub extractor: BuiltInArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A path need not be UTF-8.
fn parse_camera(text: OsString) -> Result<CameraPart, PartSpecError> {
    Path::new(&text).try_into()
}

fn parse_share(text: &str) -> Result<f32, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "needs a number from 0 to 1".to_string())
}
