//! The description of one moment, and what both layouts derive from it.

use embedded_graphics::prelude::PixelColor;

use crate::ink::Theme;
use crate::picture::Picture;
use crate::short::Short;

/// Everything on the screen at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Screen<'a> {
    /// Name of the device or of the application.
    pub title: &'a str,
    /// What the camera sees; left out on small panels.
    pub picture: Option<Picture<'a>>,
    /// What the device is doing.
    pub state: State<'a>,
    /// The classes it knows, in a fixed order. If they do not all fit, those around the
    /// highlighted one are shown.
    pub classes: &'a [ClassLine<'a>],
    /// Probability from which something is recognized, marked on the bars; in `0..=1`.
    pub threshold: Option<f32>,
    /// What it asks for, below the classes; empty if nothing.
    pub advice: &'a str,
    /// What the user can do next; one line at the bottom.
    pub hint: &'a str,
}

/// What the device is doing.
#[derive(Clone, Copy, Debug)]
pub enum State<'a> {
    /// It was taught nothing yet and says how that is done.
    Welcome {
        /// Name of the first class.
        class: &'a str,
        /// The button or key that teaches it.
        button: &'a str,
    },
    /// It collects pictures of a class.
    Teaching {
        /// Name of the class.
        class: &'a str,
        /// Pictures taken so far.
        count: u32,
        /// Pictures wanted.
        goal: u32,
    },
    /// It recognises a class.
    Answer {
        /// Name of the class.
        class: &'a str,
        /// Probability in `0..=1`; NaN counts as zero, and what lies outside is clamped.
        confidence: f32,
    },
    /// It sees nothing it was taught.
    Unknown,
    /// It sees the empty scene, which it was taught.
    Nothing,
    /// It says what its own samples say when held out; the probability of a class is the share of
    /// its own that were right.
    Report {
        /// Samples that were answered rightly.
        right: u32,
        /// Samples that were asked about.
        asked: u32,
        /// What would help, in one or two sentences; empty if nothing would.
        advice: &'a str,
    },
    /// It has something else to say, in one or two lines.
    Message(&'a str),
    /// It cannot go on.
    Error(&'a str),
}

/// A class and its bar.
#[derive(Clone, Copy, Debug)]
pub struct ClassLine<'a> {
    /// Name of the class.
    pub name: &'a str,
    /// Pictures it was taught with.
    pub samples: u32,
    /// Probability in `0..=1`; NaN counts as zero, and what lies outside is clamped.
    pub probability: f32,
}

impl Screen<'_> {
    /// Returns the index of the class to highlight: the one being taught, or the likeliest.
    pub(crate) fn highlighted(&self) -> Option<usize> {
        match self.state {
            State::Teaching { class, .. } => self.classes.iter().position(|line| line.name == class),
            State::Answer { .. } | State::Nothing => self.likeliest(),
            _ => None,
        }
    }

    /// Returns the largest probability, from 0 to 1.
    pub(crate) fn largest(&self) -> f32 {
        self.likeliest().map_or(0.0, |index| share(self.classes[index].probability))
    }

    /// Returns where bars are marked: not while their length counts pictures.
    pub(crate) fn mark(&self) -> Option<f32> {
        let live = matches!(self.state, State::Answer { .. } | State::Unknown | State::Nothing);
        self.threshold.filter(|_| live).map(share)
    }

    /// Returns the first class with the largest probability above zero.
    fn likeliest(&self) -> Option<usize> {
        let mut best = (None, 0.0);
        for (index, line) in self.classes.iter().enumerate() {
            let share = share(line.probability);
            if share > best.1 {
                best = (Some(index), share);
            }
        }
        best.0
    }

    /// Returns the classes that fit into this many rows, with their indices, around the
    /// highlighted one.
    pub(crate) fn window(&self, rows: usize) -> impl Iterator<Item = (usize, &ClassLine<'_>)> {
        let last = self.highlighted().unwrap_or(0);
        let first = (last + 1).saturating_sub(rows);
        self.classes.iter().enumerate().skip(first).take(rows)
    }

    /// Returns how full the bar of a class is, and the number beside it.
    pub(crate) fn bar(&self, line: &ClassLine<'_>) -> (f32, Short) {
        if let State::Teaching { goal, .. } = self.state {
            (portion(line.samples, goal), Short::number(line.samples))
        } else {
            let share = share(line.probability);
            (share, Short::percent(share))
        }
    }
}

impl<'a> State<'a> {
    /// Returns the large label.
    pub(crate) fn label(&self) -> &'a str {
        match *self {
            State::Welcome { .. } => "Teach me",
            State::Report { .. } => "right",
            State::Teaching { class, .. } | State::Answer { class, .. } => class,
            State::Unknown => "?",
            State::Nothing => "nothing",
            State::Message(text) | State::Error(text) => text,
        }
    }

    /// Returns the number beside the label and how far the bar below it reaches.
    pub(crate) fn measure(&self) -> Option<(Short, f32)> {
        match *self {
            State::Teaching { count, goal, .. } => {
                // More than wanted is no part of it.
                let number = if count > goal { Short::number(count) } else { Short::fraction(count, goal) };
                Some((number, portion(count, goal)))
            }
            State::Answer { confidence, .. } => {
                let share = share(confidence);
                Some((Short::percent(share), share))
            }
            State::Report { right, asked, .. } => {
                Some((Short::fraction(right, asked), portion(right, asked)))
            }
            State::Welcome { .. } | State::Unknown | State::Nothing | State::Message(_) | State::Error(_) => {
                None
            }
        }
    }

    /// Returns one word for the corner of the screen.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            State::Teaching { .. } => "teach",
            State::Answer { .. } | State::Unknown | State::Nothing => "live",
            State::Welcome { .. } => "welcome",
            State::Report { .. } => "report",
            State::Message(_) => "",
            State::Error(_) => "error",
        }
    }

    /// Returns the colour that stands for the state.
    pub(crate) fn tone<C: PixelColor>(&self, theme: &Theme<C>) -> C {
        match self {
            State::Welcome { .. } | State::Teaching { .. } => theme.lesson,
            State::Answer { .. } | State::Report { .. } => theme.answer,
            State::Unknown => theme.doubt,
            State::Message(_) | State::Nothing => theme.text,
            State::Error(_) => theme.fault,
        }
    }
}

/// Returns a probability that is certainly one: NaN counts as zero.
pub(crate) fn share(probability: f32) -> f32 {
    if probability > 0.0 { probability.min(1.0) } else { 0.0 }
}

/// Returns how much of the goal is reached; no goal is always reached.
fn portion(count: u32, goal: u32) -> f32 {
    if goal == 0 { 1.0 } else { share(count as f32 / goal as f32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, probability: f32) -> ClassLine<'_> {
        ClassLine { name, samples: 3, probability }
    }

    fn screen<'a>(state: State<'a>, classes: &'a [ClassLine<'a>]) -> Screen<'a> {
        Screen { title: "", picture: None, state, classes, threshold: None, advice: "", hint: "" }
    }

    #[test]
    fn improbable_probabilities_are_clamped() {
        for (given, used) in [(0.25, 0.25), (7.0, 1.0), (-1.0, 0.0), (f32::INFINITY, 1.0)] {
            assert_eq!(share(given), used);
        }
        assert_eq!(share(f32::NAN), 0.0);
        assert_eq!(portion(3, 0), 1.0);
        assert_eq!(portion(9, 5), 1.0);
    }

    #[test]
    fn the_likeliest_is_highlighted_unless_nothing_is_likely() {
        let answer = State::Answer { class: "b", confidence: 0.5 };
        let classes = [line("a", f32::NAN), line("b", 0.5), line("c", 0.4)];
        assert_eq!(screen(answer, &classes).highlighted(), Some(1));
        assert_eq!(screen(State::Unknown, &classes).highlighted(), None);
        assert_eq!(screen(answer, &[line("a", 0.0)]).highlighted(), None);
        let teaching = State::Teaching { class: "c", count: 1, goal: 5 };
        assert_eq!(screen(teaching, &classes).highlighted(), Some(2));
    }

    #[test]
    fn lessons_beyond_the_goal_are_no_part_of_it() {
        for (count, told) in [(4, "4/5"), (5, "5/5"), (6, "6")] {
            let (number, share) = State::Teaching { class: "c", count, goal: 5 }.measure().unwrap();
            assert_eq!((number.as_str(), share), (told, portion(count, 5)));
        }
    }

    #[test]
    fn the_window_follows_the_highlight() {
        let mut classes = [line("x", 0.1); 9];
        classes[6].probability = 0.9;
        let screen = screen(State::Answer { class: "x", confidence: 0.9 }, &classes);
        let shown: std::vec::Vec<_> = screen.window(4).map(|(index, _)| index).collect();
        assert_eq!(shown, [3, 4, 5, 6]);
        assert_eq!(screen.window(20).count(), 9);
        assert_eq!(screen.window(0).count(), 0);
    }
}
