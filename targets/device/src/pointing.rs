//! Session of a device that points at objects: a package with cells, and a head of them.
//!
//! A button teaches the thing in the frame in the middle of the image. The page teaches on a still
//! frame: each tap or box adds an object to one lesson, which is learned anew at once, so that the
//! dots of what is found follow every tap.

pub(crate) mod cell_memory;
mod commands;
mod lessons;
pub(crate) mod pointers;
mod view;

use std::thread;
use std::time::{Duration, Instant};

use cell_memory::CellMemory;
use offshoot::{Detection, Error, Extractor, Mark, SpatialError, SpatialHead};

use crate::camera::frame_buffer::CapturedFrame;
use crate::ports::{Backlog, Change, FrameSource, Refused};
use crate::session::details::Times;
use crate::session::places::put_first;
use crate::session::run_loop::Step;
use crate::session::{Flow, LINGER, LONG, LOST, Ports, SessionError};
use crate::settings::Settings;

/// Left, top, width and height of the part of a frame that a button teaches as an object.
const AIM: [f32; 4] = [0.3, 0.3, 0.4, 0.4];

/// Number of objects that are shown.
const MOST_FOUND: usize = 32;

/// Time after which a still frame that nobody touches gives way to the camera.
const STILL: Duration = Duration::from_secs(60);

/// Time between two looks at the buttons while a frame is still.
const LOOK: Duration = Duration::from_millis(50);

/// Share of changed cells from which the camera is taken to have moved.
const MOVED: f32 = 0.5;

/// Frame on which objects are pointed at, and those that were.
#[derive(Debug)]
struct Still {
    marks: Vec<Mark>,
    /// True if the marks are the head's last lesson.
    is_learned: bool,
    touched: Instant,
}

/// Text on the screen in place of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Answer,
    Text,
    /// Class that was taught by a button.
    Lesson(usize),
}

/// Device that finds, points at and counts objects, and is taught them by points, boxes and buttons.
#[derive(Debug)]
pub struct Pointing {
    extractor: Extractor,
    head: SpatialHead,
    memory: Option<CellMemory>,
    settings: Settings,
    /// Number of classes with a name or objects.
    named: usize,
    shot: CapturedFrame,
    still: Option<Still>,
    found: Vec<Detection>,
    /// Share of the cells that differ from the empty scene, if the head compares.
    changed: Option<f32>,
    shown: Shown,
    /// Number of frames for which a text stays.
    left: u32,
    text: String,
    hint: String,
    chosen: Option<usize>,
    /// True if the screen asks whether to forget all.
    is_asked: bool,
    backlog: Backlog,
    is_gone: bool,
    /// True if something was pressed before this frame.
    is_pressed: bool,
    times: Times,
    shows_times: bool,
    outcome: Option<Result<Done, Refused>>,
}

/// Change by the last action.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Done {
    Taught(String),
    Undone(String),
    Removed(String),
}

impl Pointing {
    /// Creates a session with the content of `memory`, or with an empty head.
    ///
    /// # Errors
    ///
    /// [`SessionError`] if the package gives no cells, or there is too little memory for a head.
    pub fn new(
        extractor: Extractor,
        memory: Option<(CellMemory, Option<SpatialHead>)>,
        settings: Settings,
    ) -> Result<Self, SessionError> {
        let (memory, head) = memory.map_or((None, None), |(memory, head)| (Some(memory), head));
        let head = match head {
            Some(head) => head,
            None => SpatialHead::new(&extractor, cell_memory::LIMITS)?,
        };
        let has_lost = memory.as_ref().is_some_and(CellMemory::has_lost);
        let mut session = Self {
            extractor,
            head,
            memory,
            named: 0,
            settings,
            shot: CapturedFrame::default(),
            still: None,
            found: Vec::with_capacity(MOST_FOUND),
            changed: None,
            shown: Shown::Answer,
            left: 0,
            text: String::with_capacity(256),
            hint: String::with_capacity(128),
            chosen: None,
            is_asked: false,
            backlog: Backlog::default(),
            is_gone: false,
            is_pressed: false,
            times: Times::default(),
            shows_times: false,
            outcome: None,
        };
        session.named = session.complete_names();
        session.greet(has_lost);
        Ok(session)
    }

    /// Returns the head with all lessons so far.
    #[must_use]
    pub fn head(&self) -> &SpatialHead {
        &self.head
    }

    /// Returns the objects that were found in the last frame, those with the highest scores first.
    #[must_use]
    pub fn found(&self) -> &[Detection] {
        &self.found
    }

    /// Puts the names of the head first, and gives every button one; returns how many are the head's
    /// or the user's.
    fn complete_names(&mut self) -> usize {
        let count = self.head.class_count() as u8;
        let taught: Vec<String> = (0..count)
            .filter_map(|class| self.head.class_name(class).map(str::to_string))
            .collect();
        put_first(&mut self.settings.names, taught)
    }

    fn greet(&mut self, has_lost: bool) {
        let taught: Vec<String> = (0..self.head.class_count() as u8)
            .filter(|class| self.head.objects_of(*class) > 0)
            .map(|class| {
                let name = self.head.class_name(class).unwrap_or_default();
                format!("{name} {}", self.head.objects_of(class))
            })
            .collect();
        let goes_on = match taught.is_empty() {
            true => String::new(),
            false => format!("goes on with {}", taught.join(", ")),
        };
        let text = match (has_lost, goes_on.is_empty()) {
            (false, true) => return,
            (false, false) => goes_on,
            (true, true) => LOST.to_string(),
            (true, false) => format!("{LOST}; {goes_on}"),
        };
        self.say(format_args!("{text}"));
        self.left = LONG;
    }

    fn say(&mut self, what: std::fmt::Arguments<'_>) {
        self.is_asked = false;
        crate::session::say(&mut self.text, what);
        (self.shown, self.left) = (Shown::Text, LINGER);
    }

    /// Shows why an action had no effect, and keeps that for the buttons.
    fn refuse(&mut self, why: Refused) {
        self.say(format_args!("{why}"));
        self.outcome = Some(Err(why));
    }

    /// Passes the outcome of the last action on to the buttons, if it has one.
    fn pass_on(&mut self, ports: &mut Ports<'_>) {
        let Some(outcome) = self.outcome.take() else { return };
        ports.buttons.done(outcome.as_ref().map(|done| match done {
            Done::Taught(name) => Change::Taught(name),
            Done::Undone(name) => Change::Undone(name),
            Done::Removed(name) => Change::Removed(name),
        }));
    }

    /// Takes a frame; without one, the screen shows the reason.
    fn look(&mut self, source: &mut dyn FrameSource) -> bool {
        if self.is_gone {
            thread::sleep(self.settings.patience);
        }
        let reopened = if self.is_gone { source.reopen() } else { Ok(()) };
        let looked = reopened.and_then(|()| source.next(&mut self.shot));
        if let Err(error) = looked {
            self.is_gone = true;
            self.found.clear();
            self.say(format_args!("{error}"));
            return false;
        }
        if std::mem::take(&mut self.is_gone) {
            self.left = 0;
        }
        true
    }

    /// Finds objects in the frame.
    fn find(&mut self) -> Result<(), Error> {
        self.found.clear();
        let Some(frame) = self.shot.frame() else { return Ok(()) };
        let start = Instant::now();
        let cells = self.extractor.cells(&frame)?;
        self.times.extractor = start.elapsed();
        let start = Instant::now();
        self.changed = self.head.changed(&cells)?;
        if self.head.is_fitted() {
            let found = self.head.find(&cells)?;
            self.found.extend_from_slice(&found[..found.len().min(MOST_FOUND)]);
        }
        self.times.head = start.elapsed();
        Ok(())
    }

    /// Fits the head; one that has learned too little finds nothing.
    fn fit(&mut self) -> Result<(), Error> {
        match self.head.fit() {
            Ok(()) | Err(SpatialError::NothingLearned) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends a still frame after a while, and waits a little while there is one.
    fn rest(&mut self) {
        let Some(still) = &self.still else { return };
        if still.touched.elapsed() > STILL {
            self.still = None;
        } else {
            thread::sleep(LOOK.min(self.settings.patience));
        }
    }
}

impl Step for Pointing {
    fn step(&mut self, ports: &mut Ports<'_>) -> Result<Flow, SessionError> {
        let lesson = match self.obey(ports)? {
            commands::Wish::End => return Ok(Flow::End),
            commands::Wish::Look => None,
            commands::Wish::Learn(place) => Some(place),
        };
        self.backlog = ports.buttons.backlog();
        self.rest();
        let start = Instant::now();
        let is_seen = self.still.is_some() || self.look(ports.source);
        self.times.camera = start.elapsed();
        if is_seen {
            if let Some(place) = lesson {
                self.teach_aimed(place)?;
            }
            // A still frame that nobody has touched has the same objects.
            if std::mem::take(&mut self.is_pressed) || self.still.is_none() {
                self.find()?;
            }
            self.left = self.left.saturating_sub(1);
        }
        if lesson.is_some() {
            self.outcome.get_or_insert(Err(Refused::NoFrame));
            self.pass_on(ports);
        }
        ports.led.set(is_seen && !self.found.is_empty());
        let start = Instant::now();
        self.draw(ports.screen)?;
        self.times.screen = start.elapsed();
        Ok(Flow::Next)
    }
}
