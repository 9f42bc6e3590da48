//! Classes by their names, for programs that have no buttons.

use offshoot_core::head::check_name;
use offshoot_core::statistics::Watch;

use super::places::{EMPTY, class_at, ordinary};
use super::{LINGER, MOST_CLASSES, Mode, NOTHING, Session, say};
use crate::ports::{Buttons, Change, Refused};

/// Change by the last action, with the index of the class, or the name that it had.
#[derive(Debug)]
pub(super) enum Done {
    Taught(usize),
    Undone(usize),
    Removed(String),
    Restored,
}

impl Session {
    /// Renames a class; refuses a name that another one has.
    pub(super) fn rename(&mut self, class: usize, name: &str) {
        let Some(old) = self.settings.names.get(class).filter(|_| class != EMPTY).cloned() else {
            return;
        };
        if let Err(error) = check_name(name) {
            return self.say(format_args!("{error}"));
        }
        if let Some(other) =
            self.settings.names.iter().position(|n| n == name).filter(|at| *at != class)
        {
            return match other {
                EMPTY => self.say(format_args!("{NOTHING} is the name of the empty scene")),
                _ => self.say(format_args!("{name} is class {} already", other + 1)),
            };
        }
        if let Some(id) = class_at(&self.head, class) {
            let renamed = self.head.rename_class(id, name).map_err(|error| error.to_string());
            let kept = renamed.and_then(|()| self.save().map_err(|error| error.to_string()));
            if let Err(error) = kept {
                // Valid, because it was the name before.
                let _ = self.head.rename_class(id, &old);
                return self.say(format_args!("not renamed: {error}"));
            }
        }
        self.settings.names[class] = name.to_string();
        // Its names would be the old ones.
        self.forgotten = None;
        self.named = self.named.max(class + 1);
    }

    /// Passes the outcome of the last action on to the buttons, if it has one.
    pub(super) fn pass_on(&mut self, buttons: &mut dyn Buttons) {
        let Some(outcome) = self.outcome.take() else { return };
        let names = &self.settings.names;
        buttons.done(outcome.as_ref().map(|done| match done {
            Done::Taught(place) => Change::Taught(&names[*place]),
            Done::Undone(place) => Change::Undone(&names[*place]),
            Done::Removed(name) => Change::Removed(name),
            Done::Restored => Change::Restored,
        }));
    }

    /// Shows why an action had no effect, and keeps that for the buttons.
    pub(super) fn refuse(&mut self, why: Refused) {
        self.say(format_args!("{why}"));
        self.outcome = Some(Err(why));
    }

    /// Returns the place of a class, taught or named; a new one gets the first free place.
    pub(super) fn place_named(&mut self, name: &str) -> Result<usize, Refused> {
        if name == NOTHING {
            return Ok(EMPTY);
        }
        check_name(name)?;
        // A class whose first sample could not be saved has a place, too.
        let free = self.named.max(ordinary(&self.head).count());
        let places = &mut self.settings.names[..MOST_CLASSES];
        match places.iter().position(|other| other == name) {
            Some(place) if place < free => return Ok(place),
            _ if free == MOST_CLASSES => return Err(Refused::Full),
            // The name that a place without one has, such as `thing 3`.
            Some(place) => places.swap(free, place),
            None => places[free] = name.to_string(),
        }
        Ok(free)
    }

    /// Removes a class with its training samples.
    pub(super) fn remove(&mut self, name: &str) {
        let Some(place) = self.settings.names.iter().position(|other| other == name) else {
            return self.refuse(Refused::NoSuchClass(name.to_string()));
        };
        let Some(id) = class_at(&self.head, place) else {
            return self.refuse(Refused::NoSuchClass(name.to_string()));
        };
        if let Err(error) = self.remove_lessons(id) {
            return self.refuse(Refused::Other(error.to_string()));
        }
        self.forget_place(place);
        self.forgotten = None;
        self.smooth.reset();
        self.watch = Watch::new();
        if let Err(error) = self.save() {
            return self.refuse(Refused::Other(format!("removed, but not kept: {error}")));
        }
        self.outcome = Some(Ok(Done::Removed(name.to_string())));
        say(&mut self.text, format_args!("Forgot all of {name}"));
        (self.mode, self.left) = (Mode::Message, LINGER);
    }

    /// Moves the names behind a removed class down by one.
    fn forget_place(&mut self, place: usize) {
        self.newest = None;
        if place == EMPTY {
            return;
        }
        let names = &mut self.settings.names;
        names.remove(place);
        let mut fresh = (1..).map(|number| format!("thing {number}"));
        let fresh = fresh.find(|name| !names.contains(name)).expect("one of ten is free");
        names.insert(EMPTY - 1, fresh);
        self.named -= usize::from(place < self.named);
        self.chosen = match self.chosen {
            Some(chosen) if chosen == place => None,
            Some(chosen) if chosen > place => Some(chosen - 1),
            other => other,
        };
        self.mode = Mode::Live;
    }
}
