//! A device put together: its parts are opened, and a session runs on them.

use std::path::PathBuf;
use std::time::Duration;

use offshoot::{Extractor, Head};

use super::open_parts::PartError;
use super::part_spec::{CameraPart, LedPart};
use crate::camera::pixels::Turn;
use crate::camera::simulated::Simulated;
use crate::diagnostics::test_ui::{TestPorts, Tested, test_ui};
use crate::names::{NamesError, check_names};
use crate::ports::{Action, Buttons, Led, Screen, ScreenError, SourceError};
use crate::session::limits::limits;
use crate::session::persistence::{Memory, MemoryError};
use crate::session::run_loop::{run, show_end};
use crate::session::{LOST, Ports, Session, SessionError};
use crate::settings::Settings;

/// How often buttons are looked at while they are tested.
const LOOK: Duration = Duration::from_millis(20);

/// What can be pressed before the simulated camera.
const SIMULATED: &str = "1-9 teach u undo n next";

/// Why a device cannot begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The camera.
    #[error("{0}; `doctor` looks at cameras and permissions")]
    Camera(#[from] SourceError),
    /// Buttons, screen or light.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The durable memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The page.
    #[cfg(feature = "web")]
    #[error(transparent)]
    Web(#[from] crate::WebError),
    /// Names of classes that cannot be.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// Everything after that.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The screen, in a test of the parts.
    #[error(transparent)]
    Screen(#[from] ScreenError),
}

/// What keeps the lessons, and the head that it kept, if it has one.
pub type Remembered = (Memory, Option<Head>);

/// A device but for its buttons and its screen, which come from elsewhere.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The camera.
    pub camera: CameraPart,
    /// How far its picture is to be turned.
    pub turn: Turn,
    /// The light.
    pub led: LedPart,
    /// Where lessons are kept.
    pub memory: PathBuf,
    /// To begin with none; the file that is there is kept under another name.
    pub starts_anew: bool,
    /// How often something looks that is no real camera.
    pub pause: Duration,
    /// Names and threshold; hints follow from the buttons.
    pub settings: Settings,
}

impl Bench {
    /// Opens what keeps the lessons, and says what a person should know of it: what was put aside, what is lost.
    ///
    /// # Errors
    /// Names that classes cannot have; a file that cannot be opened, is in use, or holds a head of another package.
    pub fn remember(&self, eyes: &Extractor, say: &mut dyn FnMut(&str)) -> Result<Remembered, DeviceError> {
        // Before there is a file.
        check_names(&self.settings.names)?;
        let path = &self.memory;
        let aside = if self.starts_anew { Memory::set_aside(path)? } else { None };
        if let Some(aside) = aside {
            say(&format!("{}: kept as {}", path.display(), aside.display()));
        }
        let (memory, head) = Memory::open(path, eyes, limits())?;
        if memory.has_lost() {
            say(&format!("{}: {LOST}", path.display()));
        }
        Ok((memory, head))
    }

    /// Teaches until somebody wants the end; the head as it was taught. What stops it before is
    /// the last thing that the screen shows.
    ///
    /// # Errors
    /// A part that is not there or fails.
    pub fn teach(
        &self,
        eyes: Extractor,
        remembered: Remembered,
        buttons: &mut dyn Buttons,
        screen: &mut dyn Screen,
    ) -> Result<Head, DeviceError> {
        let session = self.begin(eyes, remembered, buttons);
        let (mut session, mut source, mut led) = match session {
            Ok(parts) => parts,
            Err(error) => {
                show_end(screen, &error.to_string());
                return Err(error);
            }
        };
        run(&mut session, &mut Ports { source: &mut *source, buttons, screen, led: &mut *led })?;
        Ok(session.into_head())
    }

    #[expect(clippy::type_complexity, reason = "a session and what it borrows")]
    fn begin(
        &self,
        eyes: Extractor,
        remembered: Remembered,
        buttons: &dyn Buttons,
    ) -> Result<(Session, Box<dyn crate::FrameSource>, Box<dyn Led>), DeviceError> {
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
        let (is_simulated, hint) = (self.camera == CameraPart::Simulated, buttons.hint());
        if is_simulated && settings.names.is_empty() {
            settings.names.extend(Simulated::names().map(str::to_string));
        }
        let has_keys = settings.first == "1";
        if is_simulated && has_keys {
            settings.hint = SIMULATED.to_string();
        } else if !hint.is_empty() {
            settings.hint = hint;
        }
        let source = self.camera.open(self.turn, self.pause)?;
        let session = Session::new(eyes, Some(remembered), settings)?;
        Ok((session, source, self.led.open()?))
    }

    /// Goes through buttons, light and screen with the person who wired them, with no time to press
    /// anything if there is no pause.
    ///
    /// # Errors
    /// A light that is not there, a screen that fails.
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
