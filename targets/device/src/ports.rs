//! What a session is connected to.

use std::io;
use std::path::PathBuf;

use crate::camera::frame_buffer::CapturedFrame;
use crate::camera::pixels::PixelError;
use crate::session::details::Details;

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// What the system reports, such as a camera that was unplugged.
    #[error("{what}: {source}")]
    Io {
        /// The camera or the file.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// A file is no picture.
    #[error(transparent)]
    Picture(#[from] offshoot::Error),
    /// A frame is not what the camera announced.
    #[error("{what}: {source}")]
    Pixels {
        /// The camera.
        what: String,
        /// The cause.
        source: PixelError,
    },
    /// A film or a folder has no picture that can be read.
    #[error("{what}: no picture in it can be read: {first}")]
    NoneReadable {
        /// The file or the folder.
        what: String,
        /// What is wrong with the first.
        first: String,
    },
    /// A folder holds no pictures.
    #[error("{}: no pictures (jpg, png, bmp, ppm) in this folder or one below it", .0.display())]
    Empty(PathBuf),
    /// A camera has no format that can be read.
    #[error("{what}: delivers {found}; YUYV, NV12, RGB24, grey and MJPEG can be read")]
    Format {
        /// The camera.
        what: String,
        /// Its formats.
        found: String,
    },
    /// The thread that reads a camera has ended by a fault in the program.
    #[error("the camera's reader has ended by a fault in the program; start it again")]
    Ended,
    /// No frame came in time.
    #[error("no frame for {0} seconds")]
    Silent(u64),
}

/// Where frames come from.
pub trait FrameSource {
    /// Waits for a frame and writes it into `shot`.
    ///
    /// # Errors
    /// A source that is gone or broken; [`FrameSource::reopen`] may mend it.
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError>;

    /// Starts anew, after an error.
    ///
    /// # Errors
    /// It is still gone.
    fn reopen(&mut self) -> Result<(), SourceError>;

    /// Puts something before a camera that is not real: what has this name, or the next thing.
    fn show(&mut self, _name: Option<&str>) {}
}

/// What a person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// This frame shows the class of that number, from 0.
    Teach(usize),
    /// This frame shows the class that is chosen.
    TeachChosen,
    /// This frame shows the empty scene.
    TeachNothing,
    /// Choose the next class.
    Choose,
    /// The last lesson was a mistake.
    Undo,
    /// The newest lesson of this class was a mistake.
    Forget(usize),
    /// A class has this name from now on; it need not have been taught.
    Rename(usize, &'a str),
    /// The simulated camera is to look at this, or at the next thing.
    Show(Option<&'a str>),
    /// What the head says about its own samples.
    Report,
    /// The screen is to say this for a moment.
    Say(&'static str),
    /// Where the time of a frame goes; again to hide it.
    Times,
    /// Keep what the screen shows, under this name.
    Snap(&'a str),
    /// The end.
    Quit,
}

/// Something to press, for a person who tests all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What to do, such as `press A`.
    pub order: String,
    /// What must come of it.
    pub action: Action<'static>,
}

impl Key {
    /// The keys of a keyboard that a test asks for, and of a script that takes its place.
    pub(crate) fn typed() -> Vec<Self> {
        let key = |order: &str, action| Self { order: order.to_string(), action };
        vec![key("press 1", Action::Teach(0)), key("press 2", Action::Teach(1)), key("press u", Action::Undo)]
    }
}

/// Buttons, keys, or a script that presses them.
pub trait Buttons {
    /// What was pressed since the last frame, one at a time; `None` when a frame is to be taken. A
    /// lesson takes a frame as well: after it, what is told is for the next one.
    fn poll(&mut self) -> Option<Action<'_>>;

    /// All there is to press; the first two also answer questions, with yes and no.
    fn keys(&self) -> Vec<Key> {
        Vec::new()
    }

    /// What can be pressed, in a few words for the foot of a screen.
    fn hint(&self) -> String {
        String::new()
    }
}

/// No buttons.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoButtons;

impl Buttons for NoButtons {
    fn poll(&mut self) -> Option<Action<'_>> {
        None
    }
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct ScreenError {
    /// The screen or the file.
    pub what: String,
    /// The cause.
    pub source: io::Error,
}

/// Something that shows a moment.
pub trait Screen {
    /// Shows it.
    ///
    /// # Errors
    /// A screen that is gone.
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError>;

    /// Shows what is behind the moment as well, if there is room for it; comes after `show`.
    fn explain(&mut self, _moment: &offshoot_view::Screen<'_>, _inside: &mut Details<'_>) {}

    /// Whether it goes on showing the last moment after the program has ended.
    fn stays(&self) -> bool {
        true
    }

    /// Keeps what it shows in a file, if it can.
    ///
    /// # Errors
    /// A file that cannot be written.
    fn keep(&mut self, _name: &str) -> Result<(), ScreenError> {
        Ok(())
    }
}

/// No screen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dark;

impl Screen for Dark {
    fn show(&mut self, _: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        Ok(())
    }
}

/// A light that is on while a class is recognized, and off otherwise.
pub trait Led {
    /// Turns it on or off.
    fn set(&mut self, on: bool);
}

/// No light.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLed;

impl Led for NoLed {
    fn set(&mut self, _: bool) {}
}
