//! Screen of a device that points.

use std::fmt::Write;

use offshoot::{Detection, Mark};
use offshoot_view::{ClassLine, Image, Objects, Pointed, State};

use super::pointers::Pointers;
use super::{AIM, MOST_FOUND, MOVED, Pointing, Shown};
use crate::ports::{Screen, ScreenError};
use crate::session::details::Times;
use crate::session::limits::{GOAL, MOST_CLASSES};

/// Number of classes that are offered if none is named.
const FEWEST: usize = 2;

impl Pointing {
    pub(super) fn draw(&mut self, screen: &mut dyn Screen) -> Result<(), ScreenError> {
        self.write_hint();
        let names = &self.settings.names;
        let mut lines = [ClassLine { name: "", samples: 0, probability: 0.0 }; MOST_CLASSES];
        let count = self.head.class_count().min(MOST_CLASSES);
        for (class, (line, name)) in (0..count as u8).zip(lines.iter_mut().zip(names)) {
            let own = self.found.iter().filter(|found| found.class == class);
            // A score is no probability, and may be above 1.
            let probability = own.map(|found| found.score).fold(0.0, f32::max).min(1.0);
            *line = ClassLine { name, samples: self.head.objects_of(class), probability };
        }
        let lines = &lines[..count];
        let marks = self.still.as_ref().map_or(&[][..], |still| &still.marks);
        let mut pointed = [NOWHERE; MOST_FOUND + offshoot::MAX_MARKS];
        let taught = marks.iter().map(|mark| taught(names, mark));
        let found = self.found.iter().map(|found| seen(names, found));
        let mut shown = 0;
        for (slot, one) in pointed.iter_mut().zip(found.chain(taught)) {
            *slot = one;
            shown += 1;
        }
        let state = match self.shown {
            Shown::Text if self.is_gone => State::Error(&self.text),
            Shown::Text if self.left > 0 => State::Message(&self.text),
            Shown::Lesson(place) if self.left > 0 => {
                let count = self.head.objects_of(place as u8);
                State::Teaching { class: &names[place], count, goal: GOAL }
            }
            _ => self.answer(),
        };
        let aim = self.still.is_none().then_some(AIM);
        let moment = offshoot_view::Screen {
            title: "Offshoot",
            image: Image::new(self.shot.width(), self.shot.height(), self.shot.rgb())
                .filter(|_| !self.is_gone),
            objects: Some(Objects { pointed: &pointed[..shown], aim }),
            state,
            classes: lines,
            threshold: None,
            advice: "",
            hint: &self.hint,
        };
        screen.show(&moment)?;
        let details = Pointers {
            head: &self.head,
            names: &names[..self.named.max(FEWEST)],
            times: self.times,
            has_lost: self.memory.as_ref().is_some_and(super::CellMemory::has_lost),
            is_still: self.still.is_some(),
        };
        screen.point(&moment, &details);
        Ok(())
    }

    /// Returns the class with the most objects, and their number.
    fn answer(&self) -> State<'_> {
        let names = &self.settings.names;
        if self.head.lessons() == 0 {
            let place = self.chosen.unwrap_or(0);
            return State::Welcome { class: &names[place], button: &self.settings.first };
        }
        let classes = 0..self.head.class_count().min(MOST_CLASSES) as u8;
        let of = |class: u8| self.found.iter().filter(move |found| found.class == class);
        // The first of equals.
        let most = classes.rev().max_by_key(|class| of(*class).count());
        match most.map(|class| (class, of(class).count())) {
            None | Some((_, 0)) => State::Nothing,
            Some((class, count)) => State::Found {
                class: &names[usize::from(class)],
                count: count as u32,
                confidence: of(class).map(|found| found.score).fold(0.0, f32::max),
            },
        }
    }

    /// Writes the next step for the user.
    fn write_hint(&mut self) {
        self.hint.clear();
        let hint = &mut self.hint;
        let written = match &self.still {
            _ if self.backlog.lessons > 0 => write!(hint, "{} more wait", self.backlog.lessons),
            _ if self.shows_times => {
                let Times { camera, extractor, head, .. } = self.times;
                let [camera, extractor, head] =
                    [camera, extractor, head].map(|time| time.as_secs_f64() * 1e3);
                write!(hint, "cam {camera:.0} eyes {extractor:.1} head {head:.1} ms")
            }
            Some(still) if still.marks.is_empty() => {
                hint.write_str("tap each object, or drag a box around it")
            }
            Some(still) => write!(hint, "{} in this picture: all of them?", still.marks.len()),
            None if self.changed.is_some_and(|share| share > MOVED) => {
                hint.write_str("much has changed: was the camera moved?")
            }
            None if self.head.lessons() == 0 => hint.write_str("hold it into the frame"),
            None => hint.write_str(&self.settings.hint),
        };
        debug_assert!(written.is_ok(), "strings take everything");
    }
}

/// Place without an object.
const NOWHERE: Pointed<'static> =
    Pointed { name: "", centre: [0.0; 2], size: None, is_taught: false };

fn name(names: &[String], class: u8) -> &str {
    names.get(usize::from(class)).map_or("", String::as_str)
}

fn taught<'a>(names: &'a [String], mark: &Mark) -> Pointed<'a> {
    let Mark { class, centre, size } = *mark;
    Pointed { name: name(names, class), centre, size, is_taught: true }
}

fn seen<'a>(names: &'a [String], found: &Detection) -> Pointed<'a> {
    let Detection { class, centre, size, .. } = *found;
    Pointed { name: name(names, class), centre, size, is_taught: false }
}
