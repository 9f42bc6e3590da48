//! Flags of the commands that are about a device.

use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::path::PathBuf;

use clap::Args;
use offshoot_device::{ButtonsPart, CameraPart, Eyes, LedPart, ScreenPart, Turn, web_address};

use super::RunArgs;

/// Which package, where none is named.
#[derive(Debug, Clone, Copy, Args)]
pub struct EyesArgs {
    /// The package of this program to take where none is named: `sharp` needs fewer lessons and knows better
    /// what it was not taught, `small` does a ninth of the work [default: sharp, but small on 32-bit ARM,
    /// Cortex-A53 and what has no kernels].
    #[arg(long, value_name = "sharp|small")]
    pub eyes: Option<Eyes>,
}

/// Arguments of `teach`.
///
/// Keys: 1 to 9 teach their class for as long as they are held, u takes the last lesson back, n puts
/// the next thing before the simulated camera, r reports, t shows where the time goes, s keeps the
/// screen, q ends.
#[derive(Debug, Args)]
pub struct TeachArgs {
    /// The package [default: one of those that are part of this program: see --eyes].
    #[arg(conflicts_with = "eyes")]
    pub package: Option<PathBuf>,
    /// Which one, where none is named.
    #[command(flatten)]
    pub eyes: EyesArgs,
    /// `sim`, a folder of pictures, a video FILE.mjpeg, or a device such as /dev/video0.
    #[arg(long, value_name = "sim|DIR|FILE.mjpeg|DEVICE", default_value = "sim")]
    pub camera: PathBuf,
    /// Press the buttons that this file says instead of those of the keyboard.
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Buttons, screen and light.
    #[command(flatten)]
    pub parts: PartsArgs,
    /// Go through the buttons, the light and the screen one by one instead of teaching.
    #[arg(long)]
    pub testui: bool,
    /// Serve a page to teach in a browser, beside the screen or instead of it (`--screen none`): for this
    /// machine only, unless an address such as 0.0.0.0:8080 says otherwise; then with a token, which is
    /// part of the URL that is printed. The environment's OFFSHOOT_TOKEN takes the place of a made-up one.
    #[arg(long, value_name = "[ADDR:]PORT", value_parser = web_address)]
    pub web: Option<SocketAddr>,
    /// Names of the classes, in the order of their keys.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub names: Vec<String>,
    /// Where lessons are kept, through power cuts as well.
    #[arg(long, value_name = "FILE", default_value = "offshoot-lessons.store")]
    pub memory: PathBuf,
    /// Begin with no lessons; the file that keeps them, if there is one, gets another name, which is printed.
    #[arg(long)]
    pub start_anew: bool,
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

/// What a device is made of besides its camera.
#[derive(Debug, Args)]
pub struct PartsArgs {
    /// How far the camera's picture is to be turned clockwise.
    #[arg(long, value_name = "0|90|180|270", default_value = "0")]
    pub turn: Turn,
    /// `keys`, `gpio:CHIP:LINE,LINE...[,pull=up|down|off]` with the lines of two buttons or more, or `none`
    /// [default: keys; none on a board].
    #[arg(long, value_name = "keys|gpio:CHIP:LINES|none")]
    pub buttons: Option<ButtonsPart>,
    /// `terminal`, `png:DIR` (what `snap` or the key s keeps, in three sizes), `ssd1306:BUS[,addr=0x3c]`,
    /// `st7789:BUS,dc=LINE[,rst=LINE][,bl=LINE][,chip=CHIP][,size=240x240][,offset=0+0][,hz=N][,mode=N]`,
    /// `fb:/dev/fb0`, or `none` [default: terminal; none on a board].
    #[arg(long, value_name = "terminal|png:DIR|ssd1306:BUS|st7789:BUS,dc=LINE|fb:DEVICE|none")]
    pub screen: Option<ScreenPart>,
    /// How far a panel is turned clockwise.
    #[arg(long, value_name = "0|90|180|270", default_value = "0")]
    pub rotate: Turn,
    /// A light that is on while something is recognized: `gpio:CHIP:LINE[,active=low]`, or `none`.
    #[arg(long, value_name = "gpio:CHIP:LINE|none", default_value = "none")]
    pub led: LedPart,
}

/// Arguments of `deploy`.
///
/// Prints, as a script for a shell, what copies the on-board program and a package to a board and makes
/// a systemd service of them; with --run it is done. Lessons lie in /var/lib/offshoot.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// The board, as ssh knows it, such as pi@raspberrypi.local.
    pub host: String,
    /// Which board it is: a file of targets/boards.
    #[arg(long, value_name = "NAME", default_value = "raspberry-pi-4")]
    pub board: String,
    /// Do it, with ssh and scp.
    #[arg(long)]
    pub run: bool,
    /// The on-board program [default: what `targets/build.sh --board NAME`, with or without --static, made last].
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
    /// The package [default: one of those that are part of this program: see --eyes].
    #[arg(long, value_name = "FILE", conflicts_with = "eyes")]
    pub package: Option<PathBuf>,
    /// The package of this program to take where none is named: `sharp` or `small` [default: what fits the
    /// board's processor].
    #[arg(long, value_name = "sharp|small")]
    pub eyes: Option<Eyes>,
    /// The camera of the board.
    #[arg(long, value_name = "DEVICE|sim|DIR|FILE.mjpeg", default_value = "/dev/video0")]
    pub camera: CameraPart,
    /// How far the camera's picture is to be turned clockwise.
    #[arg(long, value_name = "0|90|180|270", default_value = "0")]
    pub turn: Turn,
    /// `oled` or `tft`, wired as the board's page says, or a screen as `teach` takes it [default: oled; none
    /// with --web].
    #[arg(long, value_name = "oled|tft|SCREEN")]
    pub screen: Option<String>,
    /// How far the screen is turned clockwise.
    #[arg(long, value_name = "0|90|180|270", default_value = "0")]
    pub rotate: Turn,
    /// `gpio:CHIP:LINE,LINE...` or `none` [default: those of the board's page; none with --web].
    #[arg(long, value_name = "gpio:CHIP:LINES|none")]
    pub buttons: Option<ButtonsPart>,
    /// A light: `gpio:CHIP:LINE[,active=low]`, or `none`.
    #[arg(long, value_name = "gpio:CHIP:LINE|none", default_value = "none")]
    pub led: LedPart,
    /// Serve a page to teach in a browser, for other machines with a token that is made up on the board;
    /// the URL is printed. A port alone, or an address of the board itself, is for a tunnel by ssh.
    #[arg(long, value_name = "[ADDR:]PORT", num_args = 0..=1, default_missing_value = "0.0.0.0:8080",
          value_parser = web_address)]
    pub web: Option<SocketAddr>,
    /// Names of the classes, in the order of their buttons.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub names: Vec<String>,
    /// Threads that share the network.
    #[arg(long, value_name = "N", default_value = "4")]
    pub threads: NonZeroU8,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The package that is to run here [default: one of those that are part of this program: see --eyes].
    #[arg(conflicts_with = "eyes")]
    pub package: Option<PathBuf>,
    /// Which one, where none is named.
    #[command(flatten)]
    pub eyes: EyesArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

fn parse_share(text: &str) -> Result<f32, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "needs a number from 0 to 1".to_string())
}
