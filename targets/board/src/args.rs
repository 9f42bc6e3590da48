//! Command line, parsed by hand: a parser library would be a third of the program.

#[cfg(feature = "device")]
mod run_options;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use offshoot::HeadKind;
#[cfg(feature = "device")]
use offshoot_service::Address;
#[cfg(feature = "device")]
pub use run_options::RunArgs;

/// Inserts `--help` text of a program that also runs as a device.
#[cfg(feature = "device")]
macro_rules! of_devices {
    ($text:literal) => {
        $text
    };
}

#[cfg(not(feature = "device"))]
macro_rules! of_devices {
    ($text:literal) => {
        ""
    };
}

/// Inserts `--help` text of a program that also tunes.
#[cfg(feature = "tune")]
macro_rules! of_tuning {
    ($text:literal) => {
        $text
    };
}

#[cfg(not(feature = "tune"))]
macro_rules! of_tuning {
    ($text:literal) => {
        ""
    };
}

/// Image formats that this program reads.
macro_rules! formats {
    () => {
        concat!("JPEG, ", $crate::args::of_devices!("PNG, "), "PNM or BMP")
    };
}

pub(crate) use formats;
pub(crate) use of_devices;

/// Text of `--help`.
pub const USAGE: &str = concat!(
    "\
Teach a frozen network new classes, on the board.

usage:
  offshoot-board info PACKAGE                     properties of the package and its input
  offshoot-board verify PACKAGE                   check its golden vectors; one line to compare
  offshoot-board teach PACKAGE HEAD LABEL FRAME...  train HEAD on frames of LABEL and save it
        [--head auto|ncm|softmax|ridge|slda|knn]  kind of a new head (auto)
  offshoot-board ask PACKAGE HEAD FRAME...        print file, label, confidence, margin
  offshoot-board time PACKAGE [RUNS]              print milliseconds per frame (20 runs)
",
    of_tuning!(
        "  offshoot-board finetune PACKAGE FOLDER TAIL     tune the network's last layer on FOLDER, which has
                                                  a folder of frames per class; exit 1: refused
        [--tail TAIL]                             teach, ask and verify on the tuned network
"
    ),
    of_devices!(
        "  offshoot-board doctor PACKAGE                   check the board, with a fix for each problem
  offshoot-board serve PACKAGE HEAD [ADDRESS]     HTTP for other programs: [ADDR:]PORT (8090) or
                                                  unix:PATH; GET /openapi.yaml is the contract
  offshoot-board run [PACKAGE]                    train with buttons, answer on a screen
        [--extractor sharp|small]                 sharp.offshoot or sprout.offshoot: beside this
                                                  program, here or in /usr/local/share/offshoot;
                                                  without it the one that fits the processor
        [--camera sim|DIR|FILE.mjpeg|DEVICE]      (/dev/video0) [--turn 0|90|180|270]
        [--camera -[:FORMAT:COLUMNSxROWS]]        frames from standard input: JPEG, or raw in yuyv,
                                                  nv12, i420, rgb, bgr or grey[,stride=BYTES]
        [--camera FILE.csv|-:csv|-:i16|-:f32]     samples, for a package that takes signals
        [--buttons keys|gpio:CHIP:LINE,LINE...[,pull=up|down|off]|none]
        [--screen terminal|ssd1306:BUS[,addr=0x3c]|fb:DEVICE|none|
                  st7789:BUS,dc=LINE[,rst=LINE][,bl=LINE][,chip=CHIP][,size=240x240]...]
        [--rotate 0|90|180|270] [--led gpio:CHIP:LINE[,active=low]|none]
        [--names A,B] [--threshold 0.6] [--threads 1] [--memory FILE] [--script FILE]
        [--start-anew]                            without samples; the old FILE gets another name
        [--fixed]                                 compare with the empty scene: a camera that stands
        [--web [ADDR:]PORT]                       web page; with a token unless local only
        [--api [ADDR:]PORT|unix:PATH]             answers and teaching for other programs
        [--mqtt HOST[:PORT][/NAME]]               answers to an MQTT broker
        [--tune idle|off]                         tune the network on the lessons while nothing is
                                                  pressed; off undoes it
        [--testui]                                test buttons, light and screen instead
  offshoot-board listen [PACKAGE]                 the same for sounds: hold a button and speak
        [--microphone -|sim|FILE.wav]             (-) arecord -q -t raw -f S16_LE -c 1 -r 16000 |
        [--background HEAD]                       other words and sounds, for the first start
        and run's options without --camera, --turn, --extractor and --tune; --threshold is chosen
        by the background. Only embeddings are kept, no sound
"
    ),
    "
FRAME is a ",
    formats!(),
    " file of any size. `--` before a name that begins with '-'.
exit: 0 done, 1 a golden vector differs or tuning is refused, 2 the command line or a file is wrong"
);

/// Default number of runs of `time`.
const RUNS: u32 = 20;

/// Default address of `serve`.
#[cfg(feature = "device")]
const ADDRESS: &str = "8090";

/// Max number of runs of `time`.
const MAX_RUNS: u32 = 100_000;

const COMMANDS: &[&str] = &[
    "info",
    "verify",
    "teach",
    "ask",
    "time",
    #[cfg(feature = "tune")]
    "finetune",
    #[cfg(feature = "device")]
    "doctor",
    #[cfg(feature = "device")]
    "serve",
    #[cfg(feature = "device")]
    "run",
    #[cfg(feature = "device")]
    "listen",
];

/// Command to run.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Help,
    Version,
    Info {
        package: PathBuf,
    },
    Verify {
        package: PathBuf,
        tail: Option<PathBuf>,
    },
    #[cfg(feature = "tune")]
    Finetune {
        package: PathBuf,
        folder: PathBuf,
        tail: PathBuf,
    },
    #[cfg(feature = "device")]
    Doctor {
        package: PathBuf,
    },
    Teach {
        package: PathBuf,
        head: PathBuf,
        kind: Option<HeadKind>,
        label: String,
        frames: Vec<PathBuf>,
        tail: Option<PathBuf>,
    },
    Ask {
        package: PathBuf,
        head: PathBuf,
        frames: Vec<PathBuf>,
        tail: Option<PathBuf>,
    },
    Time {
        package: PathBuf,
        runs: u32,
    },
    #[cfg(feature = "device")]
    Serve {
        package: PathBuf,
        head: PathBuf,
        address: Address,
    },
    #[cfg(feature = "device")]
    Run(Box<RunArgs>),
}

/// Error in the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgError {
    NoCommand,
    UnknownCommand(String),
    UnknownOption(String),
    /// Option that this command does not have.
    NotHere {
        option: &'static str,
        command: &'static str,
    },
    NoValue(&'static str),
    /// Option without the name of its file.
    #[cfg(feature = "tune")]
    NoFile(&'static str),
    Head(String),
    Missing {
        command: &'static str,
        what: &'static str,
    },
    TooMany {
        command: &'static str,
        extra: String,
    },
    Label(String),
    Runs(String),
    /// Option without its value.
    #[cfg(feature = "device")]
    Alone(&'static str),
    /// Value that an option does not accept.
    #[cfg(feature = "device")]
    Value {
        option: &'static str,
        what: String,
    },
}

impl fmt::Display for ArgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand => write!(f, "no command; there are {}", COMMANDS.join(", ")),
            Self::UnknownCommand(found) => {
                write!(f, "no command '{found}'; there are {}", COMMANDS.join(", "))
            }
            Self::UnknownOption(found) => {
                write!(f, "no option '{found}'; if it is a file, put '--' before it")
            }
            Self::NotHere { option, command } => write!(f, "'{command}' has no option {option}"),
            Self::NoValue(option) => {
                write!(f, "{option} needs a value: auto, ncm, softmax, ridge, slda or knn")
            }
            #[cfg(feature = "tune")]
            Self::NoFile(option) => write!(f, "{option} needs a file"),
            Self::Head(found) => {
                write!(f, "no head '{found}'; there are auto, ncm, softmax, ridge, slda and knn")
            }
            Self::Missing { command, what } => write!(f, "'{command}' needs {what}"),
            Self::TooMany { command, extra } => write!(f, "'{command}' has no use for '{extra}'"),
            Self::Label(found) => write!(f, "the label '{found}' is not UTF-8"),
            #[cfg(feature = "device")]
            Self::Alone(option) => write!(f, "{option} needs a value"),
            #[cfg(feature = "device")]
            Self::Value { option, what } => write!(f, "{option}: {what}"),
            Self::Runs(found) => write!(f, "'{found}' runs; allowed are 1 to {MAX_RUNS}"),
        }
    }
}

/// Options and positional arguments.
#[derive(Default)]
struct Parts {
    rest: Vec<OsString>,
    kind: Option<HeadKind>,
    tail: Option<PathBuf>,
    help: bool,
    version: bool,
}

/// Parses the arguments behind the program's name.
pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Command, ArgError> {
    #[cfg_attr(not(feature = "device"), allow(unused_mut))]
    let mut args = args.into_iter().peekable();
    #[cfg(feature = "device")]
    if let Some(first) = args.next_if(|first| first == "run" || first == "listen") {
        let hears = first == "listen";
        let run = run_options::read(args, hears.then_some(offshoot_device::MicrophonePart::Pipe))?;
        return Ok(run.map_or(Command::Help, |run| Command::Run(Box::new(run))));
    }
    let Parts { rest, kind, tail, help, version } = split(args)?;
    let mut rest = Rest { command: "", items: rest.into_iter() };
    let name = rest.items.next().map(text);
    if help || name.as_deref() == Some("help") {
        return Ok(Command::Help);
    }
    if version {
        return Ok(Command::Version);
    }
    let name = name.ok_or(ArgError::NoCommand)?;
    rest.command = *COMMANDS.iter().find(|c| **c == name).ok_or(ArgError::UnknownCommand(name))?;
    if kind.is_some() && rest.command != "teach" {
        return Err(ArgError::NotHere { option: "--head", command: rest.command });
    }
    if tail.is_some() && !["teach", "ask", "verify"].contains(&rest.command) {
        return Err(ArgError::NotHere { option: "--tail", command: rest.command });
    }
    let package = rest.path("a PACKAGE")?;
    let command = match rest.command {
        "info" => Command::Info { package },
        "verify" => Command::Verify { package, tail },
        #[cfg(feature = "tune")]
        "finetune" => {
            let folder = rest.path("a FOLDER")?;
            Command::Finetune { package, folder, tail: rest.path("a TAIL")? }
        }
        #[cfg(feature = "device")]
        "doctor" => Command::Doctor { package },
        #[cfg(feature = "device")]
        "serve" => {
            let head = rest.path("a HEAD")?;
            Command::Serve { package, head, address: rest.address()? }
        }
        "time" => Command::Time { package, runs: rest.runs()? },
        "ask" => {
            let head = rest.path("a HEAD")?;
            Command::Ask { package, head, frames: rest.frames()?, tail }
        }
        _ => {
            let head = rest.path("a HEAD")?;
            let label = rest.label()?;
            Command::Teach { package, head, kind, label, frames: rest.frames()?, tail }
        }
    };
    match rest.items.next() {
        None => Ok(command),
        Some(extra) => Err(ArgError::TooMany { command: rest.command, extra: text(extra) }),
    }
}

fn split(mut args: impl Iterator<Item = OsString>) -> Result<Parts, ArgError> {
    let mut parts = Parts::default();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--") => {
                parts.rest.extend(args);
                break;
            }
            Some("--head") => {
                parts.kind = Some(kind(args.next().ok_or(ArgError::NoValue("--head"))?)?)
            }
            #[cfg(feature = "tune")]
            Some("--tail") => {
                parts.tail = Some(args.next().ok_or(ArgError::NoFile("--tail"))?.into());
            }
            #[cfg(feature = "tune")]
            Some(option) if option.starts_with("--tail=") => {
                parts.tail = Some(option["--tail=".len()..].into());
            }
            Some("-h" | "--help") => parts.help = true,
            Some("-V" | "--version") => parts.version = true,
            Some(option) if option.starts_with("--head=") => {
                parts.kind = Some(kind(option["--head=".len()..].into())?);
            }
            _ if arg.as_encoded_bytes().starts_with(b"-") && arg.len() > 1 => {
                return Err(ArgError::UnknownOption(text(arg)));
            }
            _ => parts.rest.push(arg),
        }
    }
    Ok(parts)
}

fn kind(value: OsString) -> Result<HeadKind, ArgError> {
    let value = text(value);
    value.parse().map_err(|_| ArgError::Head(value))
}

fn text(arg: OsString) -> String {
    arg.to_string_lossy().into_owned()
}

/// Positional arguments, in order.
struct Rest {
    command: &'static str,
    items: std::vec::IntoIter<OsString>,
}

impl Rest {
    fn next(&mut self, what: &'static str) -> Result<OsString, ArgError> {
        self.items.next().ok_or(ArgError::Missing { command: self.command, what })
    }

    fn path(&mut self, what: &'static str) -> Result<PathBuf, ArgError> {
        self.next(what).map(PathBuf::from)
    }

    fn label(&mut self) -> Result<String, ArgError> {
        self.next("a LABEL")?.into_string().map_err(|label| ArgError::Label(text(label)))
    }

    fn frames(&mut self) -> Result<Vec<PathBuf>, ArgError> {
        let first = self.path("a FRAME or more")?;
        Ok(std::iter::once(first).chain(self.items.by_ref().map(PathBuf::from)).collect())
    }

    #[cfg(feature = "device")]
    fn address(&mut self) -> Result<Address, ArgError> {
        let found = self.items.next().map_or(ADDRESS.to_string(), text);
        let parsed = Address::parse(&found);
        parsed.map_err(|needs| ArgError::Value { option: "ADDRESS", what: needs.to_string() })
    }

    fn runs(&mut self) -> Result<u32, ArgError> {
        let Some(runs) = self.items.next().map(text) else { return Ok(RUNS) };
        match runs.parse() {
            Ok(runs @ 1..=MAX_RUNS) => Ok(runs),
            _ => Err(ArgError::Runs(runs)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: &str) -> Result<Command, ArgError> {
        read(line.split_whitespace().map(OsString::from))
    }

    fn refused(text: &str) -> String {
        line(text).unwrap_err().to_string()
    }

    #[test]
    fn commands_are_read() {
        let package = PathBuf::from("p");
        let frames = vec![PathBuf::from("1.jpg"), PathBuf::from("2.jpg")];
        let head = PathBuf::from("h");
        let p = package.clone();
        let h = head.clone();
        let f = frames.clone();
        let teach = |kind| Command::Teach {
            package: p.clone(),
            head: h.clone(),
            kind,
            label: "mug".into(),
            frames: f.clone(),
            tail: None,
        };
        let cases = [
            ("info p", Command::Info { package: package.clone() }),
            ("verify p", Command::Verify { package: package.clone(), tail: None }),
            #[cfg(feature = "tune")]
            (
                "verify p --tail=t",
                Command::Verify { package: package.clone(), tail: Some("t".into()) },
            ),
            #[cfg(feature = "tune")]
            (
                "finetune p f t",
                Command::Finetune {
                    package: package.clone(),
                    folder: "f".into(),
                    tail: "t".into(),
                },
            ),
            #[cfg(feature = "device")]
            ("doctor p", Command::Doctor { package: package.clone() }),
            #[cfg(feature = "device")]
            (
                "serve p h unix:/run/a",
                Command::Serve {
                    package: package.clone(),
                    head: head.clone(),
                    address: Address::Unix("/run/a".into()),
                },
            ),
            ("time p", Command::Time { package: package.clone(), runs: RUNS }),
            ("time p 3", Command::Time { package: package.clone(), runs: 3 }),
            ("teach p h mug 1.jpg 2.jpg", teach(None)),
            ("teach p h mug 1.jpg --head nearest-mean 2.jpg", teach(Some(HeadKind::NearestMean))),
            ("--head=softmax teach p h mug 1.jpg 2.jpg", teach(Some(HeadKind::Softmax))),
            ("ask p h 1.jpg 2.jpg", Command::Ask { package, head, frames, tail: None }),
            ("ask p -h", Command::Help),
            ("help me", Command::Help),
            ("--version", Command::Version),
        ];
        for (text, want) in cases {
            assert_eq!(line(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn names_may_begin_with_a_dash() {
        let dashed = Command::Info { package: "--head".into() };
        assert_eq!(line("info -- --head"), Ok(dashed));
        assert_eq!(line("info -"), Ok(Command::Info { package: "-".into() }));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            #[cfg(feature = "device")]
            (
                "",
                "no command; there are info, verify, teach, ask, time, finetune, doctor, serve, run, listen",
            ),
            #[cfg(not(feature = "device"))]
            ("--", "no command; there are info, verify, teach, ask, time"),
            #[cfg(feature = "device")]
            (
                "inof p",
                "no command 'inof'; there are info, verify, teach, ask, time, finetune, doctor, serve, run, listen",
            ),
            #[cfg(feature = "tune")]
            ("time p --tail t", "'time' has no option --tail"),
            #[cfg(feature = "tune")]
            ("verify p --tail", "--tail needs a file"),
            #[cfg(feature = "tune")]
            ("finetune p f", "'finetune' needs a TAIL"),
            ("info", "'info' needs a PACKAGE"),
            #[cfg(feature = "device")]
            (
                "serve p h pi",
                "ADDRESS: needs a port, an address such as 0.0.0.0:8080, or unix:PATH",
            ),
            ("verify p q", "'verify' has no use for 'q'"),
            ("teach p", "'teach' needs a HEAD"),
            ("teach p h", "'teach' needs a LABEL"),
            ("teach p h mug", "'teach' needs a FRAME or more"),
            ("ask p h", "'ask' needs a FRAME or more"),
            ("ask p h f --head softmax", "'ask' has no option --head"),
            (
                "teach p h mug f --head",
                "--head needs a value: auto, ncm, softmax, ridge, slda or knn",
            ),
            (
                "teach p h mug f --head svm",
                "no head 'svm'; there are auto, ncm, softmax, ridge, slda and knn",
            ),
            ("info p --quiet", "no option '--quiet'; if it is a file, put '--' before it"),
            ("time p 0", "'0' runs; allowed are 1 to 100000"),
            ("time p 100001", "'100001' runs; allowed are 1 to 100000"),
            ("time p many", "'many' runs; allowed are 1 to 100000"),
            ("time p 3 4", "'time' has no use for '4'"),
        ];
        for (text, want) in cases {
            assert_eq!(refused(text), want, "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn files_need_not_be_utf8_but_labels_must() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(vec![b'f', 0xff]);
        let args = |at: usize| {
            let mut args = ["teach", "p", "h", "mug", "f"].map(OsString::from);
            args[at] = odd.clone();
            read(args)
        };
        assert!(
            matches!(args(4), Ok(Command::Teach { frames, .. }) if frames == [PathBuf::from(&odd)])
        );
        assert!(matches!(args(3), Err(ArgError::Label(_))));
    }

    #[test]
    fn usage_names_every_command_within_a_terminal() {
        assert!(
            COMMANDS.iter().all(|command| USAGE.contains(&format!("offshoot-board {command} ")))
        );
        assert!(USAGE.lines().all(|line| line.len() <= 100));
        assert_eq!(USAGE.contains("PNG"), cfg!(feature = "device"));
    }
}
