//! Session of a device: for each frame capture, training or inference, and display.

mod by_name;
pub(crate) mod details;
mod forgetting;
mod hearing;
mod held_out;
mod hint;
pub(crate) mod limits;
mod maps;
pub(crate) mod persistence;
pub(crate) mod places;
mod record;
pub(crate) mod record_file;
pub(crate) mod run_loop;
pub(crate) mod smoothing;
mod tuning;
mod watching;
pub(crate) mod waterfall;

use std::fmt::Write;
use std::thread;
use std::time::Instant;

use by_name::Done;
use details::{Details, Times};
use hearing::Hearing;
use limits::{GOAL, MOST_CLASSES, PLACES, kind_for, limits};
use offshoot::{Answer, Error, Extractor, Head, NOTHING, WhenFull};
use offshoot_core::head::AskError;
use offshoot_core::statistics::Watch;
use offshoot_view::{Image, State};
use persistence::Memory;
use places::{EMPTY, lines, ordinary, placed, shown_at};
use record_file::MemoryError;
use smoothing::Smooth;
use tuning::{Kept, Tune};

use crate::camera::frame_buffer::CapturedFrame;
use crate::ports::{Action, Backlog, Buttons, FrameSource, Led, Refused, Screen, ScreenError};
use crate::settings::{Settings, Tunes};

/// Number of classes that are offered if none is named.
const FEWEST: usize = 2;

/// Number of frames for which a training sample or a message stays on the screen.
pub(crate) const LINGER: u32 = 4;

/// Message of a store that lost its newest record.
pub(crate) const LOST: &str = "the newest lesson is damaged and lost; those before it are here";

/// Message while a device that hears is taught its room.
const ROOM: &str = "Listening to the room: let it sound as usual";

/// Number of frames for which the screen shows a message about an invisible change.
pub(crate) const LONG: u32 = 5 * LINGER;

/// Ports of a session.
#[expect(missing_debug_implementations, reason = "ports are whatever the caller brings")]
pub struct Ports<'a> {
    /// Source of frames.
    pub source: &'a mut dyn FrameSource,
    /// Buttons that are polled.
    pub buttons: &'a mut dyn Buttons,
    /// Screen that shows the state.
    pub screen: &'a mut dyn Screen,
    /// Light for a recognized class.
    pub led: &'a mut dyn Led,
}

/// Error that ends a session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The extractor or the head failed.
    #[error(transparent)]
    Offshoot(#[from] Error),
    /// The durable memory failed before the first frame; later failures are shown on the screen.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The screen failed.
    #[error(transparent)]
    Screen(#[from] ScreenError),
}

/// Decision on the next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Continue with the next frame.
    Next,
    /// End at the request of the user.
    End,
}

/// Use of the next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Look,
    Learn(usize),
    End,
}

/// Content of the screen.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Live,
    /// Class that was taught last.
    Lesson(usize),
    /// Message in `Session::text`.
    Message,
    /// Result of the held-out samples, with the advice in `Session::text`.
    Report {
        right: u32,
        asked: u32,
    },
}

/// Device that learns: see the [crate](crate).
#[derive(Debug)]
pub struct Session {
    extractor: Extractor,
    head: Head,
    memory: Option<Memory>,
    /// Maps of the lessons, if the network may be tuned on them.
    tune: Option<Tune>,
    settings: Settings,
    /// Windows and takes of a package that takes sound.
    hearing: Option<Hearing>,
    /// Number of classes with a name or samples; the empty scene is not counted.
    named: usize,
    /// Index of the class of the last training sample, unless it was undone.
    newest: Option<usize>,
    shot: CapturedFrame,
    smooth: Smooth,
    /// Control chart of the frames since the head has changed.
    watch: Watch,
    /// Accuracy of each class in the last report, by index.
    shares: [f32; PLACES],
    mode: Mode,
    /// Number of frames that the mode lasts.
    left: u32,
    text: String,
    hint: String,
    /// Advice while the device knows one class: anything else is still taken for it, or for
    /// nothing.
    advice: String,
    /// Class that a button without a class of its own teaches; `None` before one was chosen.
    chosen: Option<usize>,
    /// Head before all was forgotten, until the next change.
    forgotten: Option<(Head, Option<Kept>)>,
    /// True if the screen asks whether to forget all.
    is_asked: bool,
    /// Presses that wait for a frame.
    backlog: Backlog,
    /// Number of frames of the source that came broken.
    broken: u64,
    /// True if the source is to be reopened.
    is_gone: bool,
    /// True if something was pressed before this frame.
    is_pressed: bool,
    shows_times: bool,
    times: Times,
    /// Outcome of the last action, until the buttons hear it.
    outcome: Option<Result<Done, Refused>>,
}

impl Session {
    /// Creates a session with the content of `memory`, or with an empty head.
    ///
    /// # Errors
    ///
    /// [`SessionError`] if the head exceeds its limits.
    pub fn new(
        mut extractor: Extractor,
        memory: Option<(Memory, Option<Head>)>,
        mut settings: Settings,
    ) -> Result<Self, SessionError> {
        let (mut memory, head) = memory.map_or((None, None), |(memory, head)| (Some(memory), head));
        let hearing = Hearing::of(&extractor, head.as_ref(), settings.wake_threshold)?;
        let tune = Tune::of(&mut extractor, memory.as_mut(), head.as_ref(), settings.tunes)?;
        let mut head = match head {
            Some(head) => head,
            None => Head::new(kind_for(&extractor), &extractor, limits())?,
        };
        head.set_when_full(WhenFull::Herding);
        let named = places::complete_names(&mut settings.names, &head);
        let advice = format!("Show me something else, too: {}", settings.second);
        let has_lost = memory.as_ref().is_some_and(Memory::has_lost);
        let mut session = Self {
            extractor,
            head,
            memory,
            tune,
            settings,
            hearing,
            named,
            newest: None,
            shot: CapturedFrame::default(),
            smooth: Smooth::default(),
            watch: Watch::new(),
            shares: [0.0; PLACES],
            mode: Mode::Live,
            left: 0,
            text: String::with_capacity(256),
            hint: String::with_capacity(128),
            advice,
            chosen: None,
            forgotten: None,
            is_asked: false,
            backlog: Backlog::default(),
            broken: 0,
            is_gone: false,
            is_pressed: false,
            shows_times: false,
            times: Times::default(),
            outcome: None,
        };
        if session.settings.tunes == Tunes::Undone && session.tail().is_some() {
            session.untune()?;
            session.save()?;
        }
        session.greet(has_lost);
        Ok(session)
    }

    /// Returns true if the newest training sample was lost, until the next one is saved.
    fn has_lost(&self) -> bool {
        self.memory.as_ref().is_some_and(Memory::has_lost)
    }

    /// Returns the head with all training so far.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the head with all training, at the end.
    pub fn into_head(self) -> Head {
        self.head
    }

    /// Handles one frame.
    ///
    /// A camera that is gone and a training sample that cannot be saved are reported on the screen,
    /// and the session continues.
    ///
    /// # Errors
    ///
    /// [`SessionError`] if the screen is gone or the extractor fails.
    pub fn step(&mut self, ports: &mut Ports<'_>) -> Result<Flow, SessionError> {
        let lesson = match self.obey(ports)? {
            Wish::End => return Ok(Flow::End),
            Wish::Look => None,
            Wish::Learn(class) => Some(class),
        };
        self.backlog = ports.buttons.backlog();
        if self.hears() {
            return self.listen(lesson, ports);
        }
        let start = Instant::now();
        let is_seen = self.look(ports.source);
        self.broken = ports.source.broken_frames();
        self.times.camera = start.elapsed();
        if is_seen {
            self.think(lesson)?;
        }
        if lesson.is_some() {
            self.outcome.get_or_insert(Err(Refused::NoFrame));
            self.pass_on(ports.buttons);
        }
        let is_busy = lesson.is_some() || std::mem::take(&mut self.is_pressed);
        self.tune_between_frames(is_busy || !is_seen)?;
        ports.led.set(is_seen && self.recognized().is_some_and(|(place, _)| place != EMPTY));
        let start = Instant::now();
        self.draw(ports.screen)?;
        self.times.screen = start.elapsed();
        Ok(Flow::Next)
    }

    /// Does what was pressed since the last frame, up to a training sample, which takes this one.
    fn obey(&mut self, ports: &mut Ports<'_>) -> Result<Wish, SessionError> {
        while let Some(action) = ports.buttons.poll() {
            self.is_pressed = true;
            let is_asked = std::mem::take(&mut self.is_asked);
            match action {
                Action::Quit => return Ok(Wish::End),
                Action::Teach(class) if class < MOST_CLASSES => return Ok(Wish::Learn(class)),
                Action::Teach(_) => return Ok(Wish::Look),
                Action::TeachNothing => return Ok(Wish::Learn(EMPTY)),
                Action::TeachChosen => {
                    return Ok(Wish::Learn(*self.chosen.get_or_insert(0)));
                }
                Action::TeachNamed(name) => match self.place_named(name) {
                    Ok(place) => return Ok(Wish::Learn(place)),
                    Err(refused) => self.refuse(refused),
                },
                Action::Remove(name) => self.remove(name),
                Action::Choose => self.choose(),
                Action::Point(..) | Action::Still | Action::Live => self.refuse(Refused::NoCells),
                Action::Undo => self.undo(None),
                Action::Forget(class) => self.undo(Some(class)),
                Action::Rename(class, name) => self.rename(class, name),
                Action::Show(name) => {
                    ports.source.show(name);
                    // The scene may have changed: old probabilities are stale.
                    self.smooth.reset();
                }
                Action::Report => self.report(),
                Action::Say(text) => self.say(format_args!("{text}")),
                Action::Times => self.shows_times = !self.shows_times,
                Action::Snap(name) => ports.screen.keep(name)?,
                Action::AskForget => self.ask_forget(),
                Action::Confirm if !is_asked || self.left == 0 => {}
                Action::Confirm | Action::ForgetAll => self.forget_all(),
            }
            self.pass_on(ports.buttons);
        }
        Ok(Wish::Look)
    }

    /// Returns true if one class is taught, and no other begun.
    fn knows_one(&self) -> bool {
        let mut shown =
            ordinary(&self.head).map(|(id, _)| self.head.shown_of(id)).filter(|shown| *shown > 0);
        shown.next().is_some_and(|shown| shown >= GOAL) && shown.next().is_none()
    }

    /// Takes a frame; without one, the screen shows the reason.
    fn look(&mut self, source: &mut dyn FrameSource) -> bool {
        if self.is_gone {
            thread::sleep(self.settings.patience);
        }
        let reopened = if self.is_gone { source.reopen() } else { Ok(()) };
        match reopened.and_then(|()| source.next(&mut self.shot)) {
            Ok(()) => {
                if std::mem::take(&mut self.is_gone) {
                    self.left = 0;
                }
                true
            }
            Err(error) => {
                self.is_gone = true;
                self.smooth.reset();
                self.say(format_args!("{error}"));
                false
            }
        }
    }

    /// Trains on the frame, or classifies it.
    fn think(&mut self, lesson: Option<usize>) -> Result<(), SessionError> {
        let Some(frame) = self.shot.frame() else { return Ok(()) };
        let start = Instant::now();
        let signal = self.shot.signal();
        let embedding = match &signal {
            Some(signal) => self.extractor.embed_signal(signal)?,
            None => self.extractor.embed(&frame)?,
        };
        self.times.extractor = start.elapsed();
        let start = Instant::now();
        match lesson {
            Some(class) => {
                let taught = places::teach(&mut self.head, &self.settings.names, class, embedding);
                self.keep(class, taught);
            }
            None => {
                let mut room = [0.0; PLACES];
                let seen = &mut room[..self.head.class_count()];
                match self.head.fit().and_then(|_| self.head.probabilities(embedding, seen)) {
                    Ok(Answer::Unknown { .. }) => self.smooth.push(&[]),
                    Ok(_) => self.smooth.push(&placed(&self.head, seen)),
                    Err(AskError::NothingTaught) => self.smooth.reset(),
                    Err(error) => return Err(Error::from(error).into()),
                }
                let similarity = self.head.similarity(embedding).ok();
                let similarity = similarity.map(|(nearest, _)| nearest.get());
                if signal.is_none() {
                    watching::see(&mut self.watch, &self.shot, similarity);
                }
                self.left = self.left.saturating_sub(1);
            }
        }
        self.times.head = start.elapsed();
        Ok(())
    }

    /// Saves a training sample, which counts from then on; one that cannot be saved is undone.
    fn keep(&mut self, class: usize, taught: Result<(), Error>) {
        if let Err(error) = taught {
            return self.refuse(Refused::Other(error.to_string()));
        }
        self.follow_lesson();
        if let Err(error) = self.save() {
            self.undo_unsaved();
            return self.refuse(Refused::Other(format!("not kept: {error}")));
        }
        self.outcome = Some(Ok(Done::Taught(class)));
        self.smooth.reset();
        self.watch = Watch::new();
        self.forgotten = None;
        self.newest = Some(class);
        if class != EMPTY {
            self.named = self.named.max(class + 1);
        }
        (self.mode, self.left) = (Mode::Lesson(class), LINGER);
    }

    /// Chooses the next class: one that is taught, named, or the first new one.
    fn choose(&mut self) {
        let classes = (ordinary(&self.head).count() + 1).max(self.named).min(MOST_CLASSES);
        let class = (self.chosen.unwrap_or(0) + 1) % classes;
        self.chosen = Some(class);
        (self.mode, self.left) = (Mode::Lesson(class), LINGER);
    }

    fn say(&mut self, what: std::fmt::Arguments<'_>) {
        self.is_asked = false;
        say(&mut self.text, what);
        (self.mode, self.left) = (Mode::Message, LINGER);
    }

    /// Returns the recognized class: its index and its mean probability.
    fn recognized(&self) -> Option<(usize, f32)> {
        let (class, mean) = self.smooth.best();
        if self.hears() {
            let is_room = self.smooth.is_started() && class == EMPTY;
            return self.heard().or_else(|| is_room.then_some((class, mean)));
        }
        (mean >= self.settings.threshold).then_some((class, mean))
    }

    /// Returns true if a class other than the empty scene has samples.
    fn is_taught(&self) -> bool {
        ordinary(&self.head).any(|(id, _)| self.head.samples_of(id) > 0)
    }

    fn draw(&mut self, screen: &mut dyn Screen) -> Result<(), SessionError> {
        self.write_hint();
        let mode = if self.left == 0 && !self.is_gone { Mode::Live } else { self.mode };
        let names = &self.settings.names;
        let shown =
            if let Mode::Report { .. } = mode { &self.shares[..] } else { self.smooth.values() };
        let (lines, classes) = lines(&self.head, names, shown);
        let state = match (mode, self.recognized()) {
            (Mode::Message, _) if self.is_gone => State::Error(&self.text),
            (Mode::Message, _) => State::Message(&self.text),
            (Mode::Report { right, asked }, _) => {
                State::Report { right, asked, advice: &self.text }
            }
            (Mode::Lesson(class), _) => {
                let count = shown_at(&self.head, class);
                State::Teaching { class: &names[class], count, goal: GOAL }
            }
            (Mode::Live, _) if self.room_left() > 0 => State::Message(ROOM),
            (Mode::Live, Some((EMPTY, _))) if !self.hears() || self.is_taught() => State::Nothing,
            (Mode::Live, _) if !self.is_taught() => State::Welcome {
                class: &names[self.chosen.unwrap_or(0)],
                button: &self.settings.first,
            },
            (Mode::Live, Some((class, confidence))) => {
                State::Answer { class: &names[class], confidence }
            }
            (Mode::Live, None) => State::Unknown,
        };
        let moment = offshoot_view::Screen {
            title: "Offshoot",
            image: Image::new(self.shot.width(), self.shot.height(), self.shot.rgb())
                .filter(|_| !self.is_gone)
                .map(|image| if self.hears() { image.on_small_panels() } else { image }),
            objects: None,
            state,
            classes: &lines[..classes],
            threshold: Some(self.settings.threshold),
            advice: if self.knows_one() { &self.advice } else { "" },
            hint: &self.hint,
        };
        screen.show(&moment)?;
        let fault = self.fault();
        screen.explain(
            &moment,
            &mut Details {
                extractor: &self.extractor,
                head: &mut self.head,
                names: &names[..self.named.max(FEWEST)],
                best: self.smooth.is_started().then(|| self.smooth.best()),
                times: self.times,
                has_lost: self.memory.as_ref().is_some_and(Memory::has_lost),
                tuning: self.tune.as_ref().and_then(Tune::progress),
                is_tuned: self.tune.as_ref().is_some_and(|tune| tune.tail.is_some()),
                fault,
            },
        );
        Ok(())
    }
}

pub(crate) fn say(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.clear();
    let written = text.write_fmt(what);
    debug_assert!(written.is_ok(), "strings take everything");
}
