//! Ports of a session: camera, buttons, screen and light.

use std::io;
use std::path::{Path, PathBuf};

use offshoot::ClassError;

use crate::camera::frame_buffer::CapturedFrame;
use crate::camera::pixels::PixelError;
use crate::pointing::pointers::Pointers;
use crate::session::details::Details;
use crate::session::limits::MOST_CLASSES;

/// Reason why there is no frame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The operating system reports an error, for example for an unplugged camera.
    #[error("{what}: {source}")]
    Io {
        /// Camera or file.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// A file is not an image.
    #[error(transparent)]
    Image(#[from] offshoot::Error),
    /// A frame does not have the announced format.
    #[error("{what}: {source}")]
    Pixels {
        /// Name of the camera.
        what: String,
        /// The cause.
        source: PixelError,
    },
    /// A video or a folder has no readable image.
    #[error("{what}: no image in it can be read: {first}")]
    NoneReadable {
        /// File or folder.
        what: String,
        /// Error of the first image.
        first: String,
    },
    /// A folder has no images.
    #[error("{}: no images (jpg, png, bmp, ppm) in this folder or one below it", .0.display())]
    Empty(PathBuf),
    /// A camera has no readable format.
    #[error("{what}: delivers {found}; YUYV, NV12, RGB24, grey and MJPEG can be read")]
    Format {
        /// Name of the camera.
        what: String,
        /// Formats of the camera.
        found: String,
    },
    /// The program that writes frames to standard input has ended; they come no more.
    #[error(
        "the camera's stream ended ({frames} frames, {broken} broken); lessons are kept: start both programs again"
    )]
    StreamEnded {
        /// Number of frames that came whole.
        frames: u64,
        /// Number of frames that did not.
        broken: u64,
    },
    /// Standard input ended before its first frame.
    #[error("the camera's stream ended before its first frame: does its program run alone?")]
    NoStream,
    /// Raw frames are of another size than was said: the stream ended inside one.
    #[error("the camera's stream ended inside a frame: is it {0}, also in width and height?")]
    OtherSize(String),
    /// Standard input is not what `--camera -` reads.
    #[error(
        "no JPEG images on standard input: rpicam-vid wants --codec mjpeg; raw frames are said by --camera -:i420:640x480"
    )]
    NoImages,
    /// The package takes another kind of input than the camera gives.
    #[error("{what}: the package takes {takes}: {next}")]
    OtherKind {
        /// Name of the camera.
        what: String,
        /// Input that the package takes.
        takes: &'static str,
        /// Advice to the user.
        next: &'static str,
    },
    /// A sensor has other channels than the package.
    #[error("{what}: {found} columns, the package takes {need} channels")]
    OtherChannels {
        /// Name of the sensor.
        what: String,
        /// Number of columns that are no times.
        found: usize,
        /// Number of channels of the package.
        need: usize,
    },
    /// A sensor ended before a window was complete.
    #[error("{what}: fewer rows of numbers than a window of the package has")]
    NoWindow {
        /// Name of the sensor.
        what: String,
    },
    /// Standard input is a terminal, which has no samples.
    #[error(
        "--camera -:csv reads the samples of another program: ./sensor | offshoot-board run --camera -:csv"
    )]
    NoSamples,
    /// Standard input is a terminal, which has no frames.
    #[error(
        "--camera - reads frames from another program: rpicam-vid -t 0 -n --codec mjpeg -o - | offshoot-board run --camera -"
    )]
    NoPipe,
    /// A sound is not one that can be heard.
    #[error("{what}: {why}")]
    Sound {
        /// File or stream.
        what: String,
        /// Description of the error.
        why: String,
    },
    /// A sound has another sampling rate than the package takes.
    #[error(
        "{what}: {found} Hz, this package takes {wanted} Hz; a file is converted by ffmpeg -i FILE -ar {wanted} NEW.wav"
    )]
    Rate {
        /// File or stream.
        what: String,
        /// Rate in Hz.
        found: u32,
        /// Rate of the package in Hz.
        wanted: u32,
    },
    /// The program that writes samples to standard input has ended; they come no more.
    #[error(
        "the microphone's stream ended after {seconds} seconds; lessons are kept: start both programs again"
    )]
    SoundEnded {
        /// Length of what was heard.
        seconds: u64,
    },
    /// Standard input ended before its first sample.
    #[error("the microphone's stream ended before its first sample: does its program run alone?")]
    NoSound,
    /// Standard input is a terminal, which has no samples.
    #[error(
        "--microphone - reads samples from another program: arecord -q -t raw -f S16_LE -c 1 -r {0} | offshoot-board listen --microphone -"
    )]
    NoSoundPipe(u32),
    /// The thread that reads a camera has panicked.
    #[error("the camera's reader has ended by a fault in the program; start it again")]
    Ended,
    /// No frame arrived within the time limit.
    #[error("no frame for {0} seconds")]
    Silent(u64),
}

impl SourceError {
    /// Returns an error of the operating system.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { what: path.display().to_string(), source }
    }
}

/// Source of frames.
pub trait FrameSource {
    /// Waits for a frame and writes it into `shot`.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the source is gone or broken; [`FrameSource::reopen`] may recover it.
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError>;

    /// Reopens the source after an error.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if it is still gone.
    fn reopen(&mut self) -> Result<(), SourceError>;

    /// Places an object before a simulated camera: the one with this name, or the next one.
    fn show(&mut self, _name: Option<&str>) {}

    /// Number of frames that came broken and were passed over.
    fn broken_frames(&self) -> u64 {
        0
    }
}

/// Action that the user requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action<'a> {
    /// Teach this frame as the class with that number, from 0.
    Teach(usize),
    /// Teach this frame as the chosen class.
    TeachChosen,
    /// Teach this frame as the empty scene.
    TeachNothing,
    /// Teach this frame as the class of that name; a new one takes a free place.
    TeachNamed(&'a str),
    /// Teach an object of the class with that number in the frame that is still, or is so from now
    /// on: left, top, width and height as shares of its sides; without width or height a point.
    Point(usize, [f32; 4]),
    /// Keep the frame still, so that objects are pointed at.
    Still,
    /// Go on with the camera after a still frame.
    Live,
    /// Choose the next class.
    Choose,
    /// Undo the last training sample.
    Undo,
    /// Remove the newest training sample of this class.
    Forget(usize),
    /// Remove the class of that name with its training samples.
    Remove(&'a str),
    /// Rename a class, taught or not.
    Rename(usize, &'a str),
    /// Show this object, or the next one, to the simulated camera.
    Show(Option<&'a str>),
    /// Show the evaluation of the head on its own held-out samples.
    Report,
    /// Show this text for some frames.
    Say(&'static str),
    /// Show the time per stage of a frame, or hide it.
    Times,
    /// Save the screen under this name.
    Snap(&'a str),
    /// Ask before all training samples are forgotten; any action but [`Action::Confirm`] is a no.
    AskForget,
    /// Say yes to the question on the screen, if there is one.
    Confirm,
    /// Forget all training samples without a question; the file with them is kept.
    ForgetAll,
    /// Quit.
    Quit,
}

impl Action<'_> {
    /// Returns true if it takes the next frame as a training sample.
    pub fn is_lesson(&self) -> bool {
        matches!(self, Self::Teach(_) | Self::TeachChosen | Self::TeachNothing)
    }
}

/// Presses that have not had their frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Number of training samples that wait.
    pub lessons: usize,
    /// Number of presses that do not count, because too many wait.
    pub left_out: usize,
}

/// Change of the head by an action, with the name of the class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// A training sample was added.
    Taught(&'a str),
    /// A training sample was taken back.
    Undone(&'a str),
    /// A class was removed with its training samples.
    Removed(&'a str),
    /// All training samples that were forgotten are back.
    Restored,
}

/// Reason why an action had no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is no training sample, or none of that class.
    #[error("Nothing to undo")]
    NothingToUndo,
    /// No class of that name was taught.
    #[error("no class `{0}` was taught")]
    NoSuchClass(String),
    /// A new class has no place.
    #[error("all {MOST_CLASSES} classes are taken; remove one first")]
    Full,
    /// There was no frame to teach.
    #[error("the camera gives no frame; try again later")]
    NoFrame,
    /// The package names whole images.
    #[error("this package names the whole picture; one made by `convert --cells` points")]
    NoCells,
    /// A take has nothing to hear.
    #[error("Nothing stood out: speak louder, or nearer to the microphone")]
    Quiet,
    /// The name is not valid.
    #[error(transparent)]
    Name(#[from] ClassError),
    /// The training samples could not be saved, or the sample not be added.
    #[error("{0}")]
    Other(String),
}

/// Key of a test that goes through all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Instruction, such as `press A`.
    pub order: String,
    /// Expected action.
    pub action: Action<'static>,
}

impl Key {
    /// Returns the keys of a keyboard that a test asks for, and of a script that replaces it.
    pub(crate) fn typed() -> Vec<Self> {
        vec![
            Self { order: "press 1".to_string(), action: Action::Teach(0) },
            Self { order: "press 2".to_string(), action: Action::Teach(1) },
            Self { order: "press u".to_string(), action: Action::Undo },
        ]
    }
}

/// Buttons, keys, or a script that presses them.
pub trait Buttons {
    /// Returns the next press since the last frame; `None` when a frame is to be taken. A training
    /// sample takes a frame as well: later presses are for the next one.
    fn poll(&mut self) -> Option<Action<'_>>;

    /// Returns the presses that wait behind a training sample.
    fn backlog(&self) -> Backlog {
        Backlog::default()
    }

    /// Hears the outcome of an action that teaches, takes back or removes; the last one of `poll` or
    /// another one's.
    fn done(&mut self, _outcome: Result<Change<'_>, &Refused>) {}

    /// Returns true while the button of the last lesson is down, and drops the lessons that were
    /// pressed since: for lessons that take time.
    fn is_held(&mut self) -> bool {
        false
    }

    /// Returns all keys; the first two also answer questions, with yes and no.
    fn keys(&self) -> Vec<Key> {
        Vec::new()
    }

    /// Returns a short description of the keys for the foot of a screen.
    fn hint(&self) -> String {
        String::new()
    }
}

/// Absence of buttons.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoButtons;

impl Buttons for NoButtons {
    fn poll(&mut self) -> Option<Action<'_>> {
        None
    }
}

/// Error of a screen.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct ScreenError {
    /// Screen or file.
    pub what: String,
    /// The cause.
    pub source: io::Error,
}

impl ScreenError {
    /// Returns the error of a file.
    pub(crate) fn of_file(path: &Path, source: io::Error) -> Self {
        Self { what: path.display().to_string(), source }
    }
}

/// Screen that shows the state of a session.
pub trait Screen {
    /// Shows the state.
    ///
    /// # Errors
    ///
    /// [`ScreenError`] if the screen is gone.
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError>;

    /// Shows further details of the state, if there is room for them; called after `show`.
    fn explain(&mut self, _moment: &offshoot_view::Screen<'_>, _inside: &mut Details<'_>) {}

    /// Shows further details of a device that points, if there is room for them; called after `show`.
    fn point(&mut self, _moment: &offshoot_view::Screen<'_>, _inside: &Pointers<'_>) {}

    /// Returns true if the last state stays visible after the program has ended.
    fn stays(&self) -> bool {
        true
    }

    /// Saves its content to a file, if it can.
    ///
    /// # Errors
    ///
    /// [`ScreenError`] if the file cannot be written.
    fn keep(&mut self, _name: &str) -> Result<(), ScreenError> {
        Ok(())
    }
}

/// Absence of a screen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dark;

impl Screen for Dark {
    fn show(&mut self, _: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        Ok(())
    }
}

/// Light that is on while a class is recognized, and off otherwise.
pub trait Led {
    /// Turns it on or off.
    fn set(&mut self, on: bool);
}

/// Absence of a light.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLed;

impl Led for NoLed {
    fn set(&mut self, _: bool) {}
}
