//! Lessons that are taken back, one or all; and those that a session goes on with.

use std::fmt::Write;

use offshoot::{Head, WhenFull};
use offshoot_core::statistics::Watch;

use super::by_name::Done;
use super::places::{EMPTY, class_at, ordinary, place_of};
use super::tuning::emptied_like;
use super::{LINGER, LONG, LOST, Mode, Session};
use crate::ports::Refused;

impl Session {
    /// Says which training samples the session goes on with, and whether the newest was lost.
    pub(super) fn greet(&mut self, has_lost: bool) {
        let mut text = String::new();
        if has_lost {
            text.push_str(LOST);
        }
        let taught = ordinary(&self.head).map(|(id, _)| id).chain(class_at(&self.head, EMPTY));
        let taught = taught.filter(|id| self.head.shown_of(*id) > 0);
        for (number, id) in taught.enumerate() {
            let before = match (number, has_lost) {
                (0, false) => "goes on with",
                (0, true) => "; goes on with",
                _ => ",",
            };
            let name = self.head.class_name(id).unwrap_or_default();
            let written = write!(text, "{before} {name} {}", self.head.shown_of(id));
            debug_assert!(written.is_ok(), "strings take everything");
        }
        if !text.is_empty() {
            self.say(format_args!("{text}"));
            self.left = LONG;
        }
    }

    /// Undoes the last training sample, or the last one of a class.
    pub(super) fn undo(&mut self, of: Option<usize>) {
        if of.is_none() && self.forgotten.is_some() {
            return self.take_back();
        }
        let undone = match of {
            Some(class) if self.newest != of => {
                let wanted = class_at(&self.head, class);
                let samples = self.head.samples().enumerate();
                let of_class = samples.filter(|(_, (id, _))| Some(*id) == wanted);
                let last = of_class.last().map(|(at, _)| at);
                last.map(|sample| self.remove_lesson(sample)).transpose()
            }
            _ => self.undo_newest(),
        };
        let class = match undone {
            Ok(Some(class)) => class,
            Ok(None) => return self.refuse(Refused::NothingToUndo),
            Err(error) => return self.refuse(Refused::Other(error.to_string())),
        };
        self.forgotten = None;
        if of.is_none() || self.newest == of {
            self.newest = None;
        }
        self.smooth.reset();
        self.watch = Watch::new();
        if let Err(error) = self.save() {
            return self.refuse(Refused::Other(format!("undone, but not kept: {error}")));
        }
        let place = place_of(&self.head, class);
        self.outcome = Some(Ok(Done::Undone(place)));
        let name = &self.settings.names[place];
        super::say(&mut self.text, format_args!("Forgot the last {name}"));
        (self.mode, self.left) = (Mode::Message, LINGER);
    }

    /// Asks before all training samples are forgotten.
    pub(super) fn ask_forget(&mut self) {
        match self.lessons() {
            0 => self.say(format_args!("Nothing to forget")),
            lessons => {
                self.say(format_args!("Forget all {lessons} lessons? y: yes, else no"));
                (self.is_asked, self.left) = (true, LONG);
            }
        }
    }

    /// Forgets all training samples and classes. The file that has them gets another name; until
    /// the next change they are taken back like one.
    pub(super) fn forget_all(&mut self) {
        let lessons = self.lessons();
        if lessons == 0 {
            return self.say(format_args!("Nothing to forget"));
        }
        let fresh = match self.emptied() {
            Ok(fresh) => fresh,
            Err(error) => return self.say(format_args!("not forgotten: {error}")),
        };
        let kept = match &mut self.memory {
            Some(memory) => match memory.start_over(&self.extractor, &fresh) {
                Ok(aside) => format!(", kept as {}", aside.display()),
                Err(error) => return self.say(format_args!("not forgotten: {error}")),
            },
            None => String::new(),
        };
        let before = std::mem::replace(&mut self.head, fresh);
        match self.forget_maps() {
            Ok(maps) => self.forgotten = Some((before, maps)),
            Err(error) => return self.say(format_args!("forgotten, and no longer tuned: {error}")),
        }
        self.newest = None;
        self.smooth.reset();
        self.watch = Watch::new();
        self.say(format_args!("Forgot all {lessons} lessons; undo takes that back{kept}"));
        self.left = LONG;
    }

    /// Takes back that all was forgotten.
    fn take_back(&mut self) {
        let Some((before, maps)) = self.forgotten.take() else { return };
        let fresh = std::mem::replace(&mut self.head, before);
        let restored = maps.map_or(Ok(()), |maps| self.restore_maps(maps));
        let kept = restored.map_err(|error| error.to_string());
        let kept = kept.and_then(|()| self.save().map_err(|error| error.to_string()));
        if let Err(error) = kept {
            let before = std::mem::replace(&mut self.head, fresh);
            self.forgotten = self.forget_maps().ok().map(|maps| (before, maps));
            return self.refuse(Refused::Other(format!("not taken back: {error}")));
        }
        self.outcome = Some(Ok(Done::Restored));
        self.smooth.reset();
        self.watch = Watch::new();
        let lessons = self.lessons();
        self.say(format_args!("All {lessons} lessons are back"));
    }

    fn lessons(&self) -> u32 {
        self.head.classes().map(|(id, _)| self.head.shown_of(id)).sum()
    }

    /// Returns a head of the same kind and settings without classes, or why there is none.
    fn emptied(&self) -> Result<Head, String> {
        let head = match self.tail().is_some() {
            // Bound to the network as it is.
            true => emptied_like(&self.head, self.extractor.package().manifest().id),
            false => Head::from_bytes(&self.head.to_bytes(), &self.extractor),
        };
        let mut head = head.map_err(|error| error.to_string())?;
        // Those behind a class that is removed move up.
        while let Some(first) = head.class_at(0) {
            head.remove_class(first).map_err(|error| error.to_string())?;
        }
        head.set_when_full(WhenFull::Herding);
        Ok(head)
    }
}
