//! Parts of a device as text on the command line: `st7789:/dev/spidev0.0,dc=25,rst=24`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::buttons::debounce::BUTTONS;
use crate::camera::mjpeg;
use crate::camera::pipe::format::PipeFormat;
use crate::camera::sensor::{self, SampleForm};

/// Default chip of a panel's pins.
const CHIP: &str = "gpiochip0";

/// Default address of an SSD1306.
const ADDRESS: u8 = 0x3c;

/// Default clock of an ST7789's bus: most panels take more, long wires do not.
const HERTZ: u32 = 32_000_000;

/// Default columns and rows of an ST7789.
const SIZE: (u16, u16) = (240, 240);

/// Syntax error of a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PartSpecError(String);

impl PartSpecError {
    pub(super) fn new(what: &str) -> Self {
        Self(what.to_string())
    }
}

fn wrong<T>(what: impl Into<String>) -> Result<T, PartSpecError> {
    Err(PartSpecError(what.into()))
}

/// Source of frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraPart {
    /// Simulated camera.
    Simulated,
    /// Device such as `/dev/video0`.
    Device(PathBuf),
    /// File of JPEG images.
    Video(PathBuf),
    /// Folder of images.
    Folder(PathBuf),
    /// Frames of another program, on standard input.
    Pipe(PipeFormat),
    /// Table of a sensor's samples (.csv).
    Table(PathBuf),
    /// Samples of another program, on standard input.
    Samples(SampleForm),
}

/// Returns the form of samples that a part names, such as `-:csv`.
fn samples(path: &Path) -> Option<SampleForm> {
    let name = path.to_str()?.strip_prefix("-:")?;
    SampleForm::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, form)| form)
}

impl TryFrom<&Path> for CameraPart {
    type Error = PartSpecError;

    /// Takes a path, which need not be UTF-8, or a text that begins with `-`.
    fn try_from(path: &Path) -> Result<Self, PartSpecError> {
        let end = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        Ok(match path {
            _ if path.as_os_str().is_empty() => {
                return wrong("needs sim, a folder, FILE.mjpeg, a device or -");
            }
            _ if path.as_os_str().as_encoded_bytes().starts_with(b"-") => {
                if let Some(form) = samples(path) {
                    return Ok(Self::Samples(form));
                }
                let format = PipeFormat::parse(&path.to_string_lossy());
                Self::Pipe(format.map_err(PartSpecError)?)
            }
            _ if path == Path::new("sim") => Self::Simulated,
            _ if path.starts_with("/dev") => Self::Device(path.into()),
            _ if mjpeg::ENDS.contains(&end.as_str()) => Self::Video(path.into()),
            _ if end == sensor::END => Self::Table(path.into()),
            _ => Self::Folder(path.into()),
        })
    }
}

impl FromStr for CameraPart {
    type Err = PartSpecError;

    fn from_str(text: &str) -> Result<Self, PartSpecError> {
        Path::new(text).try_into()
    }
}

impl fmt::Display for CameraPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simulated => f.write_str("sim"),
            Self::Pipe(format) => format.fmt(f),
            Self::Samples(form) => form.fmt(f),
            Self::Device(path) | Self::Video(path) | Self::Folder(path) | Self::Table(path) => {
                path.display().fmt(f)
            }
        }
    }
}

/// Bias of a button's line while the button is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pull {
    /// Pull-up resistor in the processor; the button connects to ground.
    #[default]
    Up,
    /// Pull-down resistor in the processor; the button connects to the supply.
    Down,
    /// External pull-up resistor; the button connects to ground.
    Off,
}

/// Source of presses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ButtonsPart {
    /// Keyboard of this terminal.
    Keys,
    /// Lines of a GPIO chip, at least two.
    Gpio {
        /// Path, name in `/dev`, or label that its driver gives it.
        chip: String,
        /// Numbers of the lines on the chip, in the order of the buttons.
        lines: Vec<u32>,
        /// Bias of the lines.
        pull: Pull,
    },
    /// No buttons.
    None,
}

/// Light for a recognized class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedPart {
    /// Line of a GPIO chip.
    Gpio {
        /// Path, name in `/dev`, or label of the chip, like for buttons.
        chip: String,
        /// Number of the line on the chip.
        line: u32,
        /// True if the light is on when the line is low.
        active_low: bool,
    },
    /// No light.
    None,
}

/// ST7789 panel and its wires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct St7789 {
    /// Bus, such as `/dev/spidev0.0`.
    pub bus: PathBuf,
    /// Clock of the bus in hertz.
    pub hertz: u32,
    /// Mode of the bus; panels without a chip select need 3.
    pub mode: u8,
    /// Chip of its pins.
    pub chip: String,
    /// Line that selects data or commands.
    pub dc: u32,
    /// Line of the reset, if it has one.
    pub rst: Option<u32>,
    /// Line of the back light, if it is not wired to the supply.
    pub bl: Option<u32>,
    /// Columns and rows.
    pub size: (u16, u16),
    /// First column and row in the controller's memory.
    pub offset: (u16, u16),
}

/// Screen of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScreenPart {
    /// Terminal of this program.
    Terminal,
    /// PNG files in a folder.
    Png(PathBuf),
    /// SSD1306 panel over I2C.
    Ssd1306 {
        /// Bus, such as `/dev/i2c-1`.
        bus: PathBuf,
        /// Address on the bus.
        address: u8,
    },
    /// ST7789 panel over SPI.
    St7789(St7789),
    /// Framebuffer, such as `/dev/fb0`.
    Framebuffer(PathBuf),
    /// No screen.
    None,
}

/// Options `NAME=VALUE` after a part, each at most once.
struct Options<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Options<'a> {
    /// Splits a part into the words before the first option, and the options.
    fn split(text: &'a str) -> Result<(Vec<&'a str>, Self), PartSpecError> {
        let mut words = text.split(',').peekable();
        let mut plain = Vec::new();
        while let Some(word) = words.next_if(|word| !word.contains('=')) {
            plain.push(word);
        }
        let mut options: Vec<(&str, &str)> = Vec::new();
        for word in words {
            let Some(option) = word.split_once('=') else {
                return wrong(format!("`{word}` stands behind an option; options come last"));
            };
            if options.iter().any(|(name, _)| *name == option.0) {
                return wrong(format!("`{}` is said twice", option.0));
            }
            options.push(option);
        }
        Ok((plain, Self(options)))
    }

    fn take<T>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Option<T>,
        needs: &str,
    ) -> Result<Option<T>, PartSpecError> {
        let Some(at) = self.0.iter().position(|(found, _)| *found == name) else { return Ok(None) };
        let (_, value) = self.0.remove(at);
        match read(value) {
            Some(value) => Ok(Some(value)),
            None => wrong(format!("{name}={value}: needs {needs}")),
        }
    }

    /// Fails for an option that the part does not have.
    fn end(self, known: &str) -> Result<(), PartSpecError> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => wrong(format!("no option `{name}`; there are {known}")),
        }
    }
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn pair(text: &str, between: char) -> Option<(u16, u16)> {
    let (first, second) = text.split_once(between)?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

fn pull(text: &str) -> Option<Pull> {
    match text {
        "up" => Some(Pull::Up),
        "down" => Some(Pull::Down),
        "off" => Some(Pull::Off),
        _ => None,
    }
}

fn is_low(level: &str) -> Option<bool> {
    match level {
        "high" => Some(false),
        "low" => Some(true),
        _ => None,
    }
}

fn address(text: &str) -> Option<u8> {
    let address = u8::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    address.filter(|address| (0x08..0x78).contains(address))
}

fn clock(text: &str) -> Option<u32> {
    number(text).filter(|hertz| (100_000..=125_000_000).contains(hertz))
}

/// Parses chip and lines of `gpio:CHIP:LINE,LINE`, and the options behind them.
fn gpio(text: &str) -> Result<Option<(String, Vec<u32>, Options<'_>)>, PartSpecError> {
    let Some(rest) = text.strip_prefix("gpio:") else { return Ok(None) };
    let Some((chip, rest)) = rest.rsplit_once(':').filter(|(chip, _)| !chip.is_empty()) else {
        return wrong("needs gpio:CHIP:LINE, such as gpio:gpiochip0:17,27");
    };
    let (words, options) = Options::split(rest)?;
    let mut lines = Vec::new();
    for word in words {
        let Some(line) = number(word) else {
            return wrong(format!("`{word}` is no number of a line"));
        };
        if lines.contains(&line) {
            return wrong(format!("line {line} is said twice"));
        }
        lines.push(line);
    }
    Ok(Some((chip.to_string(), lines, options)))
}

impl FromStr for ButtonsPart {
    type Err = PartSpecError;

    fn from_str(text: &str) -> Result<Self, PartSpecError> {
        match text {
            "keys" => return Ok(Self::Keys),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let Some((chip, lines, mut options)) = gpio(text)? else {
            return wrong("needs keys, gpio:CHIP:LINE,LINE... or none");
        };
        if !BUTTONS.contains(&lines.len()) {
            return wrong(format!(
                "{} buttons; there are {} to {}",
                lines.len(),
                BUTTONS.start(),
                BUTTONS.end()
            ));
        }
        let pull = options.take("pull", pull, "up, down or off")?.unwrap_or_default();
        options.end("pull")?;
        Ok(Self::Gpio { chip, lines, pull })
    }
}

impl fmt::Display for ButtonsPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Gpio { chip, lines, pull } = self else {
            return f.write_str(if *self == Self::Keys { "keys" } else { "none" });
        };
        let lines: Vec<String> = lines.iter().map(u32::to_string).collect();
        write!(f, "gpio:{chip}:{}", lines.join(","))?;
        match pull {
            Pull::Up => Ok(()),
            Pull::Down => f.write_str(",pull=down"),
            Pull::Off => f.write_str(",pull=off"),
        }
    }
}

impl FromStr for LedPart {
    type Err = PartSpecError;

    fn from_str(text: &str) -> Result<Self, PartSpecError> {
        if text == "none" {
            return Ok(Self::None);
        }
        let Some((chip, lines, mut options)) = gpio(text)? else {
            return wrong("needs gpio:CHIP:LINE or none");
        };
        let &[line] = lines.as_slice() else { return wrong("a light has one line") };
        let active_low = options.take("active", is_low, "high or low")?.unwrap_or_default();
        options.end("active")?;
        Ok(Self::Gpio { chip, line, active_low })
    }
}

impl fmt::Display for LedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gpio { chip, line, active_low } => {
                write!(f, "gpio:{chip}:{line}{}", if *active_low { ",active=low" } else { "" })
            }
        }
    }
}

impl FromStr for ScreenPart {
    type Err = PartSpecError;

    fn from_str(text: &str) -> Result<Self, PartSpecError> {
        match text {
            "terminal" => return Ok(Self::Terminal),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let Some((kind, rest)) = text.split_once(':').filter(|(_, rest)| !rest.is_empty()) else {
            return wrong(
                "needs terminal, png:DIR, ssd1306:/dev/i2c-1, st7789:/dev/spidev0.0,dc=25, fb:/dev/fb0 or none",
            );
        };
        match kind {
            "png" => Ok(Self::Png(rest.into())),
            "fb" => Ok(Self::Framebuffer(rest.into())),
            "ssd1306" => ssd1306(rest),
            "st7789" => st7789(rest).map(Self::St7789),
            _ => wrong(format!(
                "no screen `{kind}`; there are terminal, png, ssd1306, st7789, fb and none"
            )),
        }
    }
}

/// Returns the only word before the options: the bus.
fn bus(words: &[&str]) -> Result<PathBuf, PartSpecError> {
    match words {
        [bus] if !bus.is_empty() => Ok(bus.into()),
        _ => wrong("needs one device, then options with commas between"),
    }
}

fn ssd1306(text: &str) -> Result<ScreenPart, PartSpecError> {
    let (words, mut options) = Options::split(text)?;
    let bus = bus(&words)?;
    let address = options.take("addr", address, "an address from 0x08 to 0x77")?;
    let address = address.unwrap_or(ADDRESS);
    options.end("addr")?;
    Ok(ScreenPart::Ssd1306 { bus, address })
}

fn st7789(text: &str) -> Result<St7789, PartSpecError> {
    let (words, mut options) = Options::split(text)?;
    let bus = bus(&words)?;
    let line = "the number of a line";
    let Some(dc) = options.take("dc", number, line)? else {
        return wrong("needs dc=LINE, the pin that tells data from commands");
    };
    let rst = options.take("rst", number, line)?;
    let bl = options.take("bl", number, line)?;
    let chip = options.take("chip", |chip| Some(chip.to_string()), "a chip")?;
    let size = options.take("size", |size| pair(size, 'x'), "COLUMNSxROWS, such as 240x240")?;
    let offset = options.take("offset", |offset| pair(offset, '+'), "COLUMN+ROW, such as 0+80")?;
    let hertz = options.take("hz", clock, "100000 to 125000000")?;
    let mode = options.take("mode", |text| number(text).filter(|mode| *mode < 4), "0 to 3")?;
    options.end("dc, rst, bl, chip, size, offset, hz and mode")?;
    let chip = chip.unwrap_or_else(|| CHIP.to_string());
    let size = size.unwrap_or(SIZE);
    let offset = offset.unwrap_or_default();
    Ok(St7789 {
        bus,
        hertz: hertz.unwrap_or(HERTZ),
        mode: mode.unwrap_or(0),
        chip,
        dc,
        rst,
        bl,
        size,
        offset,
    })
}

impl fmt::Display for ScreenPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal => f.write_str("terminal"),
            Self::None => f.write_str("none"),
            Self::Png(folder) => write!(f, "png:{}", folder.display()),
            Self::Framebuffer(path) => write!(f, "fb:{}", path.display()),
            Self::Ssd1306 { bus, address: ADDRESS } => write!(f, "ssd1306:{}", bus.display()),
            Self::Ssd1306 { bus, address } => {
                write!(f, "ssd1306:{},addr={address:#04x}", bus.display())
            }
            Self::St7789(panel) => panel.fmt(f),
        }
    }
}

impl fmt::Display for St7789 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "st7789:{},dc={}", self.bus.display(), self.dc)?;
        if let Some(line) = self.rst {
            write!(f, ",rst={line}")?;
        }
        if let Some(line) = self.bl {
            write!(f, ",bl={line}")?;
        }
        if self.hertz != HERTZ {
            write!(f, ",hz={}", self.hertz)?;
        }
        if self.mode != 0 {
            write!(f, ",mode={}", self.mode)?;
        }
        if self.chip != CHIP {
            write!(f, ",chip={}", self.chip)?;
        }
        if self.size != SIZE {
            write!(f, ",size={}x{}", self.size.0, self.size.1)?;
        }
        if self.offset != (0, 0) {
            write!(f, ",offset={}+{}", self.offset.0, self.offset.1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses a text, writes it in its shortest form, and parses that again to the same value.
    fn back<T>(text: &str) -> String
    where
        T: FromStr<Err = PartSpecError> + fmt::Display + PartialEq + fmt::Debug,
    {
        let part: T = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        let written = part.to_string();
        assert_eq!(written.parse::<T>().as_ref(), Ok(&part));
        written
    }

    #[test]
    fn parts_are_read_and_written() {
        for text in
            ["keys", "none", "gpio:gpiochip0:17,27", "gpio:/dev/gpiochip4:5,6,13,19,pull=down"]
        {
            assert_eq!(back::<ButtonsPart>(text), text);
        }
        assert_eq!(back::<ButtonsPart>("gpio:2200000.gpio:1,2,pull=up"), "gpio:2200000.gpio:1,2");
        for text in ["none", "gpio:gpiochip0:22", "gpio:pinctrl-rp1:22,active=low"] {
            assert_eq!(back::<LedPart>(text), text);
        }
        for text in [
            "terminal",
            "none",
            "png:some,folder",
            "fb:/dev/fb0",
            "ssd1306:/dev/i2c-1",
            "ssd1306:/dev/i2c-7,addr=0x3d",
            "st7789:/dev/spidev0.0,dc=25",
            "st7789:/dev/spidev1.0,dc=1,rst=2,bl=3,hz=40000000,mode=3,chip=x,size=240x320,offset=0+80",
        ] {
            assert_eq!(back::<ScreenPart>(text), text);
        }
        let short = back::<ScreenPart>(
            "st7789:/dev/spidev0.0,size=240x240,chip=gpiochip0,mode=0,rst=24,dc=25",
        );
        assert_eq!(short, "st7789:/dev/spidev0.0,dc=25,rst=24");
        for (text, part) in [
            ("sim", CameraPart::Simulated),
            ("/dev/video0", CameraPart::Device("/dev/video0".into())),
            ("film.MJPEG", CameraPart::Video("film.MJPEG".into())),
            ("pictures", CameraPart::Folder("pictures".into())),
            ("-", CameraPart::Pipe(PipeFormat::Mjpeg)),
            ("./-", CameraPart::Folder("./-".into())),
        ] {
            assert_eq!((text.parse(), back::<CameraPart>(text)), (Ok(part), text.to_string()));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        fn told<T: FromStr<Err = PartSpecError> + fmt::Debug>(text: &str) -> String {
            text.parse::<T>().unwrap_err().to_string()
        }
        for (text, what) in [
            ("gpio:17,27", "needs gpio:CHIP:LINE"),
            ("keyboard", "needs keys, gpio:CHIP:LINE,LINE... or none"),
            ("gpio:gpiochip0:17", "1 buttons; there are 2 to 10"),
            ("gpio:gpiochip0:17,x", "`x` is no number of a line"),
            ("gpio:gpiochip0:17,17", "line 17 is said twice"),
            ("gpio:gpiochip0:17,27,pull=left", "pull=left: needs up, down or off"),
            ("gpio:gpiochip0:17,27,pull=up,22", "`22` stands behind an option"),
            ("gpio:gpiochip0:17,27,drive=1", "no option `drive`; there are pull"),
        ] {
            assert!(told::<ButtonsPart>(text).starts_with(what), "{}", told::<ButtonsPart>(text));
        }
        for (text, what) in
            [("gpio:c:1,2", "a light has one line"), ("on", "needs gpio:CHIP:LINE or none")]
        {
            assert_eq!(told::<LedPart>(text), what);
        }
        for (text, what) in [
            ("tv", "needs terminal, png:DIR"),
            ("tv:1", "no screen `tv`"),
            ("png:", "needs terminal"),
            ("ssd1306:/dev/i2c-1,addr=3c", "addr=3c: needs an address"),
            ("ssd1306:/dev/i2c-1,1", "needs one device"),
            ("st7789:/dev/spidev0.0,rst=24", "needs dc=LINE"),
            ("st7789:/dev/spidev0.0,dc=25,dc=24", "`dc` is said twice"),
            ("st7789:/dev/spidev0.0,dc=25,size=240", "size=240: needs COLUMNSxROWS"),
            ("st7789:/dev/spidev0.0,dc=25,hz=1", "hz=1: needs 100000"),
            ("st7789:/dev/spidev0.0,dc=25,mode=4", "mode=4: needs 0 to 3"),
        ] {
            assert!(told::<ScreenPart>(text).starts_with(what), "{}", told::<ScreenPart>(text));
        }
        assert!(told::<CameraPart>("").starts_with("needs sim"));
        for text in ["-:", "-x", "--", "-:yuyv:3x3x3"] {
            assert!(told::<CameraPart>(text).starts_with("needs -, or -:FORMAT"), "{text}");
        }
    }
}
