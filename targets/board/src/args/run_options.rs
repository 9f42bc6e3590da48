//! Options of `run`, the same as those of `offshoot teach`, and of `listen`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::path::PathBuf;
use std::str::FromStr;

use offshoot::Tuning;
use offshoot_device::{
    Address, Broker, BuiltIn, ButtonsPart, CameraPart, LedPart, MicrophonePart, ScreenPart, Tunes,
    Turn, web_address,
};

use super::{ArgError, text};

/// Default path of the durable memory.
const MEMORY: &str = "offshoot-lessons.store";
const SOUND_MEMORY: &str = "offshoot-sounds.store";

/// Default camera.
const CAMERA: &str = "/dev/video0";

/// Parts and settings of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct RunArgs {
    /// Package; one that comes with Offshoot if `None`.
    pub package: Option<PathBuf>,
    pub extractor: Option<BuiltIn>,
    pub memory: PathBuf,
    pub starts_anew: bool,
    /// True for a camera that stands still.
    pub is_fixed: bool,
    pub camera: CameraPart,
    /// Microphone of `listen`; `None` for `run`.
    pub microphone: Option<MicrophonePart>,
    /// Head with samples of background.
    pub background: Option<PathBuf>,
    pub turn: Turn,
    pub buttons: ButtonsPart,
    pub screen: ScreenPart,
    pub rotate: Turn,
    pub led: LedPart,
    pub names: Vec<String>,
    /// Threshold of recognition; the default if `None`.
    pub threshold: Option<f32>,
    pub threads: NonZeroU8,
    pub script: Option<PathBuf>,
    pub web: Option<SocketAddr>,
    pub api: Option<Address>,
    pub mqtt: Option<Broker>,
    pub testui: bool,
    pub tunes: Tunes,
}

impl RunArgs {
    /// Returns true if standard input is that of the camera or of the microphone.
    pub fn takes_input(&self) -> bool {
        match &self.microphone {
            Some(microphone) => *microphone == MicrophonePart::Pipe,
            None => self.camera.takes_input(),
        }
    }

    /// Returns true if camera or microphone are simulated.
    pub fn is_simulated(&self) -> bool {
        match &self.microphone {
            Some(microphone) => *microphone == MicrophonePart::Simulated,
            None => self.camera == CameraPart::Simulated,
        }
    }
}

/// Returns the options that are not given.
fn defaults(microphone: Option<MicrophonePart>) -> RunArgs {
    RunArgs {
        package: None,
        extractor: None,
        memory: if microphone.is_some() { SOUND_MEMORY } else { MEMORY }.into(),
        starts_anew: false,
        is_fixed: false,
        camera: CameraPart::Device(CAMERA.into()),
        microphone,
        background: None,
        turn: Turn::None,
        buttons: ButtonsPart::None,
        screen: ScreenPart::None,
        rotate: Turn::None,
        led: LedPart::None,
        names: Vec::new(),
        threshold: None,
        threads: NonZeroU8::MIN,
        script: None,
        web: None,
        api: None,
        mqtt: None,
        testui: false,
        tunes: Tunes::No,
    }
}

/// Parses the arguments behind `run` or, with the default microphone, `listen`; `None` if help is
/// requested.
pub fn read(
    args: impl Iterator<Item = OsString>,
    microphone: Option<MicrophonePart>,
) -> Result<Option<RunArgs>, ArgError> {
    let hears = microphone.is_some();
    let command = if hears { "listen" } else { "run" };
    let mut run = defaults(microphone);
    let mut args = args;
    let mut plain = Vec::new();
    while let Some(arg) = args.next() {
        let Some(option) = arg.to_str().filter(|arg| arg.len() > 1 && arg.starts_with('-')) else {
            plain.push(arg);
            continue;
        };
        match option {
            "-h" | "--help" => return Ok(None),
            "--testui" => run.testui = true,
            "--start-anew" => run.starts_anew = true,
            "--fixed" => run.is_fixed = true,
            "--" => plain.extend(args.by_ref()),
            _ => {
                let (name, value) = match option.split_once('=') {
                    Some((name, value)) => (name.to_string(), Some(OsString::from(value))),
                    None => (option.to_string(), None),
                };
                let known = OPTIONS.into_iter().chain(HEARS.iter().copied());
                let unfit = if hears { SEES } else { HEARS };
                let name = known.filter(|name| !unfit.contains(name)).find(|known| **known == name);
                let name = name.ok_or_else(|| ArgError::UnknownOption(text(arg.clone())))?;
                let value = value.or_else(|| args.next()).ok_or(ArgError::Alone(name))?;
                set(&mut run, name, value)?;
            }
        }
    }
    let mut plain = plain.into_iter();
    run.package = plain.next().map(PathBuf::from);
    if run.package.is_some() && run.extractor.is_some() {
        let what = "not allowed with a PACKAGE".to_string();
        return Err(ArgError::Value { option: "--extractor", what });
    }
    match plain.next() {
        None => Ok(Some(run)),
        Some(extra) => Err(ArgError::TooMany { command, extra: text(extra) }),
    }
}

/// Options that `listen` does not have, and those that `run` does not have.
const SEES: &[&str] = &["--extractor", "--eyes", "--camera", "--turn", "--tune"];
const HEARS: &[&str] = &["--microphone", "--background"];

const OPTIONS: [&str; 17] = [
    "--extractor",
    "--eyes",
    "--memory",
    "--camera",
    "--turn",
    "--buttons",
    "--screen",
    "--rotate",
    "--led",
    "--names",
    "--threshold",
    "--threads",
    "--script",
    "--web",
    "--api",
    "--mqtt",
    "--tune",
];

fn set(run: &mut RunArgs, name: &'static str, value: OsString) -> Result<(), ArgError> {
    match name {
        "--memory" => run.memory = value.into(),
        // Its name in 0.1.0.
        "--extractor" | "--eyes" => run.extractor = Some(parsed(name, value)?),
        "--script" => run.script = Some(value.into()),
        "--camera" => {
            let camera = CameraPart::try_from(PathBuf::from(value).as_path());
            run.camera = camera
                .map_err(|error| ArgError::Value { option: name, what: error.to_string() })?;
        }
        "--microphone" => {
            let microphone = MicrophonePart::try_from(PathBuf::from(value).as_path());
            let microphone = microphone
                .map_err(|error| ArgError::Value { option: name, what: error.to_string() })?;
            run.microphone = Some(microphone);
        }
        "--background" => run.background = Some(value.into()),
        "--turn" => run.turn = parsed(name, value)?,
        "--buttons" => run.buttons = parsed(name, value)?,
        "--screen" => run.screen = parsed(name, value)?,
        "--rotate" => run.rotate = parsed(name, value)?,
        "--led" => run.led = parsed(name, value)?,
        "--threads" => run.threads = parsed(name, value)?,
        "--web" => {
            let address = web_address(&text(value));
            let address =
                address.map_err(|what| ArgError::Value { option: name, what: what.to_string() })?;
            run.web = Some(address);
        }
        "--api" => {
            let address = Address::parse(&text(value));
            let address =
                address.map_err(|what| ArgError::Value { option: name, what: what.to_string() })?;
            run.api = Some(address);
        }
        "--mqtt" => run.mqtt = Some(parsed(name, value)?),
        "--tune" => run.tunes = tunes(&text(value))?,
        "--names" => run.names = text(value).split(',').map(str::to_string).collect(),
        // The only option left.
        _ => {
            let share: f32 = parsed(name, value)?;
            if !(0.0..=1.0).contains(&share) {
                return Err(ArgError::Value {
                    option: name,
                    what: "needs a number from 0 to 1".to_string(),
                });
            }
            run.threshold = Some(share);
        }
    }
    Ok(())
}

fn tunes(value: &str) -> Result<Tunes, ArgError> {
    match value {
        "idle" => Ok(Tunes::Idle(Tuning::default())),
        "off" => Ok(Tunes::Undone),
        _ => Err(ArgError::Value { option: "--tune", what: "needs idle or off".to_string() }),
    }
}

fn parsed<T: FromStr<Err: ToString>>(option: &'static str, value: OsString) -> Result<T, ArgError> {
    text(value).parse().map_err(|error: T::Err| ArgError::Value { option, what: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: &str) -> Result<Option<RunArgs>, ArgError> {
        read(line.split_whitespace().map(OsString::from), None)
    }

    #[test]
    fn parts_are_read() {
        let run = line(
            "p --camera=/dev/video2 --turn 180 --buttons gpio:gpiochip0:17,27 --rotate=90 --names a,b \
             --screen st7789:/dev/spidev0.0,dc=25 --led gpio:gpiochip0:22 --threshold 0.7 --threads 4 --web :80 \
             --api unix:/run/api --mqtt pi:1884/hall",
        );
        let run = run.unwrap().unwrap();
        assert_eq!(
            (run.package, run.camera),
            (Some("p".into()), CameraPart::Device("/dev/video2".into()))
        );
        assert_eq!((run.turn, run.rotate, run.threads.get()), (Turn::Half, Turn::Right, 4));
        assert_eq!(run.screen.to_string(), "st7789:/dev/spidev0.0,dc=25");
        assert_eq!(run.buttons.to_string(), "gpio:gpiochip0:17,27");
        assert_eq!(
            (run.led.to_string(), run.names),
            ("gpio:gpiochip0:22".into(), vec!["a".into(), "b".into()])
        );
        assert_eq!(run.api, Some(Address::Unix("/run/api".into())));
        assert_eq!(run.mqtt.map(|broker| broker.to_string()).as_deref(), Some("pi:1884/hall"));
        assert_eq!(run.web.map(|web| web.to_string()).as_deref(), Some("127.0.0.1:80"));
        let bare = line("p").unwrap().unwrap();
        assert_eq!(
            (bare.screen, bare.buttons, bare.testui),
            (ScreenPart::None, ButtonsPart::None, false)
        );
        assert!(line("--testui").unwrap().unwrap().testui);
        let tuning = line("p --tune idle").unwrap().unwrap();
        assert_eq!(tuning.tunes, Tunes::Idle(Tuning::default()));
        assert_eq!(line("p --tune=off").unwrap().unwrap().tunes, Tunes::Undone);
        let small = line("--extractor small --start-anew").unwrap().unwrap();
        assert_eq!(
            (small.package, small.extractor, small.starts_anew),
            (None, Some(BuiltIn::Small), true)
        );
        for text in ["--camera -", "--camera=-", "p --camera -:mjpeg"] {
            assert_eq!(line(text).unwrap().unwrap().camera.to_string(), "-", "{text}");
        }
        let raw = line("--camera -:i420:780x360,stride=832 p").unwrap().unwrap();
        assert_eq!(raw.camera.to_string(), "-:i420:780x360,stride=832");
        assert_eq!(line("p -h"), Ok(None));
    }

    fn heard(line: &str) -> Result<Option<RunArgs>, ArgError> {
        read(line.split_whitespace().map(OsString::from), Some(MicrophonePart::Pipe))
    }

    #[test]
    fn listen_has_a_microphone_in_place_of_the_camera() {
        let bare = heard("p").unwrap().unwrap();
        assert_eq!((bare.microphone.clone(), bare.threshold), (Some(MicrophonePart::Pipe), None));
        assert!(bare.takes_input() && !bare.is_simulated());
        assert_eq!(bare.memory, PathBuf::from(SOUND_MEMORY));
        let sim = heard("--microphone sim --threshold 0.8 --background b.head --screen none");
        let sim = sim.unwrap().unwrap();
        assert!(sim.is_simulated() && !sim.takes_input());
        assert_eq!((sim.threshold, sim.background), (Some(0.8), Some("b.head".into())));
        for (text, message) in [
            ("p --camera sim", "no option '--camera'; if it is a file, put '--' before it"),
            ("p q", "'listen' has no use for 'q'"),
        ] {
            assert_eq!(heard(text).unwrap_err().to_string(), message, "{text}");
        }
        let told = heard("--microphone alsa:default").unwrap_err().to_string();
        assert!(told.contains("arecord"), "{told}");
        assert!(line("p --microphone sim").is_err(), "`run` has none");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, message) in [
            ("p --extractor sharp", "--extractor: not allowed with a PACKAGE"),
            ("--extractor big", "--extractor: needs sharp or small"),
            ("p q", "'run' has no use for 'q'"),
            ("p --screen", "--screen needs a value"),
            ("p --turn 45", "--turn: needs 0, 90, 180 or 270"),
            ("p --threshold 2", "--threshold: needs a number from 0 to 1"),
            (
                "--camera -:i420:641x480",
                "--camera: an image of 641x480; sides are 1 to 12288, even for YUYV, NV12 and I420, with at most 16777216 pixels",
            ),
            ("p --tune on", "--tune: needs idle or off"),
            ("p --threads 0", "--threads: number would be zero for non-zero type"),
            ("p --web pi", "--web: needs a port, or an address such as 0.0.0.0:8080"),
            ("p --api pi", "--api: needs a port, an address such as 0.0.0.0:8080, or unix:PATH"),
            (
                "p --mqtt pi/a+b",
                "--mqtt: needs HOST[:PORT][/NAME], such as homeassistant.local/kitchen; a NAME has 1 to 32 letters, digits, - and _",
            ),
            ("p --tv x", "no option '--tv'; if it is a file, put '--' before it"),
            ("p --led gpio:1", "--led: needs gpio:CHIP:LINE, such as gpio:gpiochip0:17,27"),
        ] {
            assert_eq!(line(text).unwrap_err().to_string(), message, "{text}");
        }
    }
}
