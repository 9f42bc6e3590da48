//! Presses of a device that points.

use offshoot::NOTHING;
use offshoot_core::head::check_name;

use super::{Done, Pointing, Shown};
use crate::ports::{Action, Refused};
use crate::session::limits::MOST_CLASSES;
use crate::session::places::EMPTY;
use crate::session::{LINGER, LONG, Ports, SessionError};

/// Use of the next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Look,
    Learn(usize),
    End,
}

impl Pointing {
    /// Does what was pressed since the last frame, up to a lesson, which takes this one.
    pub(super) fn obey(&mut self, ports: &mut Ports<'_>) -> Result<Wish, SessionError> {
        while let Some(action) = ports.buttons.poll() {
            self.is_pressed = true;
            let is_asked = std::mem::take(&mut self.is_asked);
            match action {
                Action::Quit => return Ok(Wish::End),
                Action::Teach(place) if place < MOST_CLASSES => return Ok(Wish::Learn(place)),
                Action::Teach(_) => return Ok(Wish::Look),
                Action::TeachNothing => return Ok(Wish::Learn(EMPTY)),
                Action::TeachChosen => return Ok(Wish::Learn(*self.chosen.get_or_insert(0))),
                Action::TeachNamed(name) => match self.place_named(name) {
                    Ok(place) => return Ok(Wish::Learn(place)),
                    Err(refused) => self.refuse(refused),
                },
                Action::Point(place, shape) if place < MOST_CLASSES => self.point(place, shape)?,
                Action::Point(..) => {}
                Action::Still => self.hold_still(),
                Action::Live => self.still = None,
                Action::Undo | Action::Forget(_) => self.undo()?,
                Action::Remove(name) => self.remove(name)?,
                Action::Rename(place, name) => self.rename(place, name),
                Action::Choose => self.choose(),
                Action::Show(name) => {
                    self.still = None;
                    ports.source.show(name);
                }
                Action::Report => self.report(),
                Action::Say(text) => self.say(format_args!("{text}")),
                Action::Times => self.shows_times = !self.shows_times,
                Action::Snap(name) => ports.screen.keep(name)?,
                Action::AskForget => self.ask_forget(),
                Action::Confirm if !is_asked || self.left == 0 => {}
                Action::Confirm | Action::ForgetAll => self.forget_all()?,
            }
            self.pass_on(ports);
        }
        Ok(Wish::Look)
    }

    /// Chooses the next class: one that is taught, named, or the first new one.
    fn choose(&mut self) {
        let classes = (self.head.class_count() + 1).max(self.named).min(MOST_CLASSES);
        let place = (self.chosen.unwrap_or(0) + 1) % classes;
        self.chosen = Some(place);
        (self.shown, self.left) = (Shown::Lesson(place), LINGER);
    }

    /// Returns the place of a class, taught or named; a new one gets the first free place.
    fn place_named(&mut self, name: &str) -> Result<usize, Refused> {
        if name == NOTHING {
            return Ok(EMPTY);
        }
        check_name(name)?;
        let free = self.named.max(self.head.class_count());
        let names = &mut self.settings.names;
        match names.iter().position(|other| other == name) {
            Some(place) if place < free => return Ok(place),
            _ if free == MOST_CLASSES => return Err(Refused::Full),
            Some(place) => names.swap(free, place),
            None => names[free] = name.to_string(),
        }
        Ok(free)
    }

    /// Renames a class, taught or not; one that was taught is kept under its new name.
    fn rename(&mut self, place: usize, name: &str) {
        if place >= MOST_CLASSES {
            return;
        }
        if let Err(error) = check_name(name) {
            return self.say(format_args!("{error}"));
        }
        if name == NOTHING || self.settings.names.iter().any(|other| other == name) {
            return self.say(format_args!("{name} is taken already"));
        }
        if place < self.head.class_count() {
            let kept = self.rename_taught(place as u8, name);
            return kept.unwrap_or_else(|error| self.say(format_args!("not renamed: {error}")));
        }
        self.settings.names[place] = name.to_string();
        self.named = self.named.max(place + 1);
    }

    /// Renames a class of the head, in the memory, too: in both or in neither.
    fn rename_taught(&mut self, class: u8, name: &str) -> Result<(), String> {
        let old = self.head.class_name(class).unwrap_or_default().to_string();
        self.head.rename_class(class, name).map_err(|error| error.to_string())?;
        if let Err(error) = self.save() {
            let _ = self.head.rename_class(class, &old);
            return Err(error.to_string());
        }
        self.settings.names[usize::from(class)] = name.to_string();
        Ok(())
    }

    /// Removes a class: it is no longer found.
    fn remove(&mut self, name: &str) -> Result<(), SessionError> {
        let Some(class) = self.head.class_named(name) else {
            self.refuse(Refused::NoSuchClass(name.to_string()));
            return Ok(());
        };
        self.still = None;
        self.head.forget(class).map_err(offshoot::Error::from)?;
        self.fit()?;
        self.settings.names.remove(class.into());
        self.named = self.complete_names();
        self.chosen = None;
        if self.keep() {
            self.outcome = Some(Ok(Done::Removed(name.to_string())));
            self.say(format_args!("Forgot all of {name}"));
        }
        Ok(())
    }

    /// Shows what the lessons that were asked before they were learned let expect.
    fn report(&mut self) {
        let classes = 0..self.head.class_count() as u8;
        let lines: Vec<String> = classes
            .filter_map(|class| {
                let expected = self.head.expected(class)?;
                let name = self.head.class_name(class)?;
                let recall = 100.0 * expected.recall;
                let precision = 100.0 * expected.precision;
                Some(format!("{name}: finds {recall:.0} %, {precision:.0} % of dots right"))
            })
            .collect();
        match lines.is_empty() {
            true => self.say(format_args!("Three more pictures say how good it is")),
            false => self.say(format_args!("{}", lines.join("; "))),
        }
        self.left = LONG;
    }

    /// Asks before all lessons are forgotten.
    fn ask_forget(&mut self) {
        match self.head.lessons() {
            0 => self.say(format_args!("Nothing to forget")),
            lessons => {
                self.say(format_args!("Forget all {lessons} pictures? y: yes, else no"));
                (self.is_asked, self.left) = (true, LONG);
            }
        }
    }

    /// Forgets all lessons and classes; the file that has them gets another name.
    fn forget_all(&mut self) -> Result<(), SessionError> {
        let lessons = self.head.lessons();
        if lessons == 0 && !self.head.has_reference() {
            self.say(format_args!("Nothing to forget"));
            return Ok(());
        }
        let fresh = offshoot::SpatialHead::new(&self.extractor, super::cell_memory::LIMITS)?;
        let kept = match &mut self.memory {
            Some(memory) => match memory.start_over(&self.extractor, &fresh) {
                Ok(aside) => format!(", kept as {}", aside.display()),
                Err(error) => {
                    self.say(format_args!("not forgotten: {error}"));
                    return Ok(());
                }
            },
            None => String::new(),
        };
        self.head = fresh;
        self.still = None;
        self.found.clear();
        self.say(format_args!("Forgot all {lessons} pictures{kept}"));
        self.left = LONG;
        Ok(())
    }
}
