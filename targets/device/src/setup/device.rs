//! Assembled device: its parts are opened, and a session runs on them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use offshoot::{Extractor, Head, SpatialHead};

use super::microphone_part::MicrophonePart;
use super::open_parts::PartError;
use super::part_spec::{CameraPart, LedPart};
use crate::camera::pixels::Turn;
use crate::camera::simulated::Simulated;
use crate::diagnostics::test_ui::{TestPorts, Tested, test_ui};
use crate::microphone::rehearsed::Rehearsed;
use crate::names::{NamesError, check_names};
use crate::pointing::Pointing;
use crate::pointing::cell_memory::CellMemory;
use crate::ports::{Action, Buttons, Led, Screen, ScreenError, SourceError};
use crate::session::limits::{kind_for, limits};
use crate::session::persistence::Memory;
use crate::session::record_file::MemoryError;
use crate::session::run_loop::{Step, run, show_end};
use crate::session::{LOST, Ports, Session, SessionError};
use crate::settings::{Settings, Tunes};

/// Polling interval of buttons during a test.
const LOOK: Duration = Duration::from_millis(20);

/// Description of the keys with the simulated camera.
const SIMULATED: &str = "1-9 teach u undo n next";

/// Reason why a device cannot start or continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The camera failed.
    #[error("{0}; `doctor` looks at cameras and permissions")]
    Camera(#[from] SourceError),
    /// The package takes another kind of input than the device has.
    #[error("this package takes {takes}: {next}")]
    OtherSense {
        /// Input of the package.
        takes: &'static str,
        /// Advice to the user.
        next: &'static str,
    },
    /// A head of background cannot be read or merged.
    #[error("{path}: {source}", path = .path.display())]
    Background {
        /// File of the head.
        path: PathBuf,
        /// The cause.
        source: offshoot::MergeError,
    },
    /// The extractor or a head failed.
    #[error(transparent)]
    Offshoot(#[from] offshoot::Error),
    /// Buttons, screen or light failed.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The durable memory failed.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The page failed.
    #[cfg(feature = "web")]
    #[error(transparent)]
    Web(#[from] crate::WebError),
    /// The names of classes are not valid.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// The session failed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The screen failed in a test of the parts.
    #[error(transparent)]
    Screen(#[from] ScreenError),
}

/// Durable memory, and the head that it holds, if it has one.
pub type Remembered = (Memory, Option<Head>);

/// Device except for its buttons and its screen, which are passed separately.
#[derive(Debug, Clone)]
pub struct Bench {
    /// Camera of the device.
    pub camera: CameraPart,
    /// Microphone in place of the camera, for a package that takes sound.
    pub microphone: Option<MicrophonePart>,
    /// Head with samples of background, for a device that hears and was taught nothing yet.
    pub background: Option<PathBuf>,
    /// Rotation of its frames.
    pub turn: Turn,
    /// Light of the device.
    pub led: LedPart,
    /// Path of the durable memory.
    pub memory: PathBuf,
    /// True to start without training samples; an existing file is kept under another name.
    pub starts_anew: bool,
    /// Time between frames of a source that is not a real camera.
    pub pause: Duration,
    /// Names and threshold; hints follow from the buttons.
    pub settings: Settings,
}

impl Bench {
    /// Opens the durable memory, and reports to `say` a file that was renamed and samples that were
    /// lost.
    ///
    /// # Errors
    ///
    /// [`DeviceError`] if names are not valid, or the file cannot be opened, is in use, or holds a
    /// head of another package.
    pub fn remember(
        &self,
        extractor: &Extractor,
        say: &mut dyn FnMut(&str),
    ) -> Result<Remembered, DeviceError> {
        // Checked before a file is created.
        check_names(&self.settings.names)?;
        self.set_aside(say)?;
        let path = &self.memory;
        let (memory, head) = match self.settings.tunes {
            Tunes::Idle(_) => Memory::open_for_tuning(path, extractor, limits())?,
            Tunes::No | Tunes::Undone => Memory::open(path, extractor, limits())?,
        };
        if memory.has_lost() {
            say(&format!("{}: {LOST}", path.display()));
        }
        let head = match (head, &self.background) {
            (None, Some(path)) => Some(background(path, extractor)?),
            (head, _) => head,
        };
        Ok((memory, head))
    }

    /// Renames the file of the memory if the device begins anew.
    fn set_aside(&self, say: &mut dyn FnMut(&str)) -> Result<(), DeviceError> {
        let path = &self.memory;
        let aside = if self.starts_anew { Memory::set_aside(path)? } else { None };
        if let Some(aside) = aside {
            say(&format!("{}: kept as {}", path.display(), aside.display()));
        }
        Ok(())
    }

    /// Opens the camera, or the microphone of a package that takes sound.
    fn open_source(
        &self,
        extractor: &Extractor,
    ) -> Result<Box<dyn crate::FrameSource>, DeviceError> {
        match (&self.microphone, extractor.sound()) {
            (Some(microphone), Some(sound)) => {
                Ok(microphone.open(sound.rate, !self.pause.is_zero())?)
            }
            (Some(_), None) => Err(DeviceError::OtherSense {
                takes: "no sound",
                next: "name one that does, such as speech.offshoot, or use `run`",
            }),
            (None, Some(_)) => {
                Err(DeviceError::OtherSense { takes: "sound", next: "use `listen`" })
            }
            (None, None) => Ok(self.camera.open_for(extractor, self.turn, self.pause)?),
        }
    }

    /// Runs a session until the user ends it; returns it, with the trained head. An error that stops it
    /// before is the last text on the screen.
    ///
    /// # Errors
    ///
    /// [`DeviceError`] if a part does not exist or fails.
    pub fn teach(
        &self,
        extractor: Extractor,
        remembered: Remembered,
        buttons: &mut dyn Buttons,
        screen: &mut dyn Screen,
    ) -> Result<Session, DeviceError> {
        let begin = |extractor, settings| Session::new(extractor, Some(remembered), settings);
        self.run(extractor, begin, buttons, screen)
    }

    /// Opens the durable memory of a package with cells, like [`Bench::remember`].
    ///
    /// # Errors
    ///
    /// Those of [`Bench::remember`]; a head of background, and tuning, which such a package has not.
    pub fn remember_cells(
        &self,
        extractor: &Extractor,
        say: &mut dyn FnMut(&str),
    ) -> Result<(CellMemory, Option<SpatialHead>), DeviceError> {
        check_names(&self.settings.names)?;
        if matches!(self.settings.tunes, Tunes::Idle(_)) {
            let next = "leave --tune out";
            return Err(DeviceError::OtherSense { takes: "cells, which are not tuned", next });
        }
        self.set_aside(say)?;
        let path = &self.memory;
        let (memory, head) = CellMemory::open(path, extractor)?;
        if memory.has_lost() {
            say(&format!("{}: {LOST}", path.display()));
        }
        Ok((memory, head))
    }

    /// Runs a session of a package with cells until the user ends it, like [`Bench::teach`].
    ///
    /// # Errors
    ///
    /// [`DeviceError`] if a part does not exist or fails.
    pub fn point(
        &self,
        extractor: Extractor,
        remembered: (CellMemory, Option<SpatialHead>),
        buttons: &mut dyn Buttons,
        screen: &mut dyn Screen,
    ) -> Result<Pointing, DeviceError> {
        let begin = |extractor, settings| Pointing::new(extractor, Some(remembered), settings);
        self.run(extractor, begin, buttons, screen)
    }

    /// Opens the parts, begins a session and runs it; an error is the last text on the screen.
    fn run<S: Step>(
        &self,
        extractor: Extractor,
        begin: impl FnOnce(Extractor, Settings) -> Result<S, SessionError>,
        buttons: &mut dyn Buttons,
        screen: &mut dyn Screen,
    ) -> Result<S, DeviceError> {
        let opened = self.open_source(&extractor).and_then(|source| {
            let session = begin(extractor, self.settings_for(buttons))?;
            Ok((session, source, self.led.open()?))
        });
        let (mut session, mut source, mut led) = match opened {
            Ok(parts) => parts,
            Err(error) => {
                show_end(screen, &error.to_string());
                return Err(error);
            }
        };
        run(&mut session, &mut Ports { source: &mut *source, buttons, screen, led: &mut *led })?;
        Ok(session)
    }

    /// Returns the settings with the words for these buttons.
    fn settings_for(&self, buttons: &dyn Buttons) -> Settings {
        let mut settings = self.settings.clone();
        if let Some(key) = buttons.keys().first() {
            settings.first = key.order.trim_start_matches("press ").to_string();
        }
        if let Some(key) = buttons.keys().get(1) {
            let name = key.order.trim_start_matches("press ");
            settings.second = match key.action {
                Action::Choose => format!("tap {name}, then hold {}", settings.first),
                _ => format!("hold {name}"),
            };
        }
        let is_simulated = match &self.microphone {
            Some(microphone) => *microphone == MicrophonePart::Simulated,
            None => self.camera == CameraPart::Simulated,
        };
        let hint = buttons.hint();
        if is_simulated && settings.names.is_empty() {
            match self.microphone {
                Some(_) => settings.names.extend(Rehearsed::names().map(str::to_string)),
                None => settings.names.extend(Simulated::names().map(str::to_string)),
            }
        }
        let has_keys = settings.first == "1";
        if is_simulated && has_keys {
            settings.hint = SIMULATED.to_string();
        } else if !hint.is_empty() {
            settings.hint = hint;
        }
        settings
    }

    /// Tests buttons, light and screen with the user who wired them; without a pause there is no
    /// time to press anything.
    ///
    /// # Errors
    ///
    /// [`DeviceError`] if there is no light, or a screen fails.
    pub fn test(
        &self,
        buttons: &mut dyn Buttons,
        screen: &mut dyn Screen,
    ) -> Result<Vec<Tested>, DeviceError> {
        let mut led = self.led.open()?;
        let led = (self.led != LedPart::None).then_some(&mut *led as &mut dyn Led);
        Ok(test_ui(&mut TestPorts { buttons, screen, led, pause: self.pause.min(LOOK) })?)
    }
}

/// Returns a head that was taught the background in a file and nothing else.
fn background(path: &Path, extractor: &Extractor) -> Result<Head, DeviceError> {
    let taught = Head::load(path, extractor)?;
    let mut head = Head::new(kind_for(extractor), extractor, limits())?;
    let merged = head.merge(&taught);
    merged.map_err(|source| DeviceError::Background { path: path.to_path_buf(), source })?;
    Ok(head)
}
