//! Lessons of a device that points: by a button, or on a still frame.

use std::time::Instant;

use offshoot::{Error, Mark};

use super::{AIM, Done, Pointing, Shown, Still};
use crate::ports::Refused;
use crate::session::LINGER;
use crate::session::places::EMPTY;
use crate::session::record_file::MemoryError;

impl Pointing {
    /// Teaches the frame: that of a class lies in its middle, the empty scene has none.
    pub(super) fn teach_aimed(&mut self, place: usize) -> Result<(), Error> {
        if place == EMPTY {
            return self.teach_empty();
        }
        if self.settings.is_fixed && !self.head.has_reference() {
            let what = "a fixed camera is shown the empty scene first: hold 0";
            self.refuse(Refused::Other(what.to_string()));
            return Ok(());
        }
        let Some(class) = self.class_of(place) else { return Ok(()) };
        self.still = None;
        if self.learn(&[Mark::boxed(class, AIM)])? && self.keep() {
            self.outcome = Some(Ok(Done::Taught(self.settings.names[place].clone())));
            self.named = self.named.max(place + 1);
            (self.shown, self.left) = (Shown::Lesson(place), LINGER);
        }
        Ok(())
    }

    /// Teaches that there is nothing in the frame. Of a fixed camera the first one is what all others
    /// are compared with.
    fn teach_empty(&mut self) -> Result<(), Error> {
        self.still = None;
        let is_first =
            self.settings.is_fixed && self.head.lessons() == 0 && !self.head.has_reference();
        let is_learned = match is_first {
            true => self.compare_with()?,
            false => self.learn(&[])?,
        };
        if !is_learned || !self.keep() {
            return Ok(());
        }
        self.outcome = Some(Ok(Done::Taught(offshoot::NOTHING.to_string())));
        match is_first {
            true => self.say(format_args!("Everything is compared with this empty scene")),
            false => self.say(format_args!("Nothing to find in this picture")),
        }
        Ok(())
    }

    fn compare_with(&mut self) -> Result<bool, Error> {
        let Some(frame) = self.shot.frame() else { return Ok(false) };
        let cells = self.extractor.cells(&frame)?;
        self.head.set_reference(&cells)?;
        Ok(true)
    }

    /// Keeps the frame still, so that it is pointed at.
    pub(super) fn hold_still(&mut self) {
        if self.shot.frame().is_none() || self.is_gone {
            return self.refuse(Refused::NoFrame);
        }
        let touched = Instant::now();
        let fresh = || Still { marks: Vec::new(), is_learned: false, touched };
        self.still.get_or_insert_with(fresh).touched = touched;
    }

    /// Adds an object to the lesson of the still frame, which is learned anew.
    pub(super) fn point(&mut self, place: usize, shape: [f32; 4]) -> Result<(), Error> {
        self.hold_still();
        let Some(class) = self.class_of(place) else { return Ok(()) };
        let Some(still) = &mut self.still else { return Ok(()) };
        let [left, top, width, height] = shape;
        still.marks.push(match width > 0.0 && height > 0.0 {
            true => Mark::boxed(class, shape),
            false => Mark::point(class, [left, top]),
        });
        if self.learn_still()? {
            self.outcome = Some(Ok(Done::Taught(self.settings.names[place].clone())));
            self.named = self.named.max(place + 1);
        } else if let Some(still) = &mut self.still {
            still.marks.pop();
            self.learn_still()?;
        }
        Ok(())
    }

    /// Learns the marks of the still frame in place of those before; false if that was refused.
    fn learn_still(&mut self) -> Result<bool, Error> {
        let Some(mut still) = self.still.take() else { return Ok(false) };
        if std::mem::take(&mut still.is_learned) {
            self.head.undo();
        }
        still.is_learned = !still.marks.is_empty() && self.learn(&still.marks)?;
        if !still.is_learned {
            self.fit()?;
        }
        let is_kept = (still.is_learned || still.marks.is_empty()) && self.keep();
        // A lesson that could not be saved was undone.
        still.is_learned &= is_kept;
        self.still = Some(still);
        Ok(is_kept)
    }

    /// Takes back the last object of the still frame, or the last lesson.
    pub(super) fn undo(&mut self) -> Result<(), Error> {
        let last = self.still.as_mut().and_then(|still| still.marks.pop());
        if let Some(mark) = last {
            let name = self.head.class_name(mark.class).unwrap_or_default().to_string();
            if self.learn_still()? {
                self.outcome = Some(Ok(Done::Undone(name)));
            }
            return Ok(());
        }
        if !self.head.undo() {
            self.refuse(Refused::NothingToUndo);
            return Ok(());
        }
        self.fit()?;
        if self.keep() {
            self.say(format_args!("Forgot the last picture"));
            self.outcome = Some(Ok(Done::Undone("the last picture".to_string())));
        }
        Ok(())
    }

    /// Learns the frame with these objects and fits the head; false if it was refused.
    fn learn(&mut self, marks: &[Mark]) -> Result<bool, Error> {
        if !self.head.is_fitted() {
            // A lesson is asked before it is learned, also after a class was added or a lesson undone.
            self.fit()?;
        }
        let Some(frame) = self.shot.frame() else { return Ok(false) };
        let cells = self.extractor.cells(&frame)?;
        let taught = self.head.teach(&cells, marks);
        if let Err(error) = taught {
            self.refuse(Refused::Other(error.to_string()));
            return Ok(false);
        }
        self.fit()?;
        Ok(true)
    }

    /// Saves the head; a lesson that cannot be saved is undone.
    pub(super) fn keep(&mut self) -> bool {
        let Err(error) = self.save() else { return true };
        self.head.undo();
        // A head that was fitted before is so again.
        let _ = self.fit();
        self.refuse(Refused::Other(format!("not kept: {error}")));
        false
    }

    /// Writes the head to the memory, if there is one.
    pub(super) fn save(&mut self) -> Result<(), MemoryError> {
        self.memory.as_mut().map_or(Ok(()), |memory| memory.save(&self.head))
    }

    /// Returns the class of a place, and adds those up to it if necessary; `None` if it was refused.
    fn class_of(&mut self, place: usize) -> Option<u8> {
        let names = self.settings.names.iter().take(place + 1).skip(self.head.class_count());
        for name in names.cloned().collect::<Vec<_>>() {
            if let Err(error) = self.head.add_class(&name) {
                self.refuse(Refused::Other(error.to_string()));
                return None;
            }
        }
        u8::try_from(place).ok()
    }
}
