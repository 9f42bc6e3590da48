//! Description of a screen, and the values that both layouts derive from it.

use embedded_graphics::prelude::PixelColor;

use crate::image::Image;
use crate::ink::Theme;
use crate::objects::Objects;
use crate::short::Short;

/// Contents of the screen.
#[derive(Clone, Copy, Debug)]
pub struct Screen<'a> {
    /// Name of the device or of the application.
    pub title: &'a str,
    /// Camera image, left out on small panels, or a spectrogram ([`Image::on_small_panels`]).
    pub image: Option<Image<'a>>,
    /// Objects in the image, of a device that points at them; their counts stand in place of
    /// probabilities.
    pub objects: Option<Objects<'a>>,
    /// State of the device.
    pub state: State<'a>,
    /// Classes of the head, in a fixed order. If not all fit, those around the highlighted one are
    /// shown.
    pub classes: &'a [ClassLine<'a>],
    /// Probability above which a class is recognised, in `0..=1`; marked on the bars.
    pub threshold: Option<f32>,
    /// Advice to the user, below the classes; may be empty.
    pub advice: &'a str,
    /// Next action of the user; one line at the bottom.
    pub hint: &'a str,
}

/// State of the device.
#[derive(Clone, Copy, Debug)]
pub enum State<'a> {
    /// No class taught yet; shows instructions.
    Welcome {
        /// Name of the first class.
        class: &'a str,
        /// Button or key that teaches the class.
        button: &'a str,
    },
    /// Training samples of a class are being collected.
    Teaching {
        /// Name of the class.
        class: &'a str,
        /// Number of samples taken so far.
        count: u32,
        /// Number of samples wanted.
        goal: u32,
    },
    /// Recognised class.
    Answer {
        /// Name of the class.
        class: &'a str,
        /// Probability in `0..=1`; NaN counts as zero, other values are clamped.
        confidence: f32,
    },
    /// Objects of a class were found.
    Found {
        /// Name of the class.
        class: &'a str,
        /// Number of objects.
        count: u32,
        /// Highest score of them in `0..=1`; NaN counts as zero, other values are clamped.
        confidence: f32,
    },
    /// No taught class recognised.
    Unknown,
    /// Empty scene recognised, which was taught.
    Nothing,
    /// Result of cross-validation on the head's own samples; the probability of a class is the
    /// share of its samples that were answered correctly when held out.
    Report {
        /// Number of samples that were answered correctly.
        right: u32,
        /// Number of samples that were tested.
        asked: u32,
        /// Advice in one or two sentences; may be empty.
        advice: &'a str,
    },
    /// Other message, in one or two lines.
    Message(&'a str),
    /// Error that stops the device.
    Error(&'a str),
}

/// Class and its bar.
#[derive(Clone, Copy, Debug)]
pub struct ClassLine<'a> {
    /// Name of the class.
    pub name: &'a str,
    /// Number of training samples of the class.
    pub samples: u32,
    /// Probability in `0..=1`; NaN counts as zero, other values are clamped.
    pub probability: f32,
}

impl Screen<'_> {
    /// Returns the index of the class to highlight: the one being taught, or the most probable.
    pub(crate) fn highlighted(&self) -> Option<usize> {
        match self.state {
            State::Teaching { class, .. } => {
                self.classes.iter().position(|line| line.name == class)
            }
            State::Answer { .. } | State::Found { .. } | State::Nothing => self.likeliest(),
            _ => None,
        }
    }

    /// Returns the largest probability, from 0 to 1.
    pub(crate) fn largest(&self) -> f32 {
        self.likeliest().map_or(0.0, |index| share(self.classes[index].probability))
    }

    /// Returns the threshold to mark on bars; [`None`] while bars count samples.
    pub(crate) fn mark(&self) -> Option<f32> {
        let live = matches!(
            self.state,
            State::Answer { .. } | State::Found { .. } | State::Unknown | State::Nothing
        );
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

    /// Returns the classes that fit into `rows` rows around the highlighted one, with their
    /// indices.
    pub(crate) fn window(&self, rows: usize) -> impl Iterator<Item = (usize, &ClassLine<'_>)> {
        let last = self.highlighted().unwrap_or(0);
        let first = (last + 1).saturating_sub(rows);
        self.classes.iter().enumerate().skip(first).take(rows)
    }

    /// Returns the filled share of a class's bar, and the number beside it.
    pub(crate) fn bar(&self, line: &ClassLine<'_>) -> (f32, Short) {
        if let State::Teaching { goal, .. } = self.state {
            (portion(line.samples, goal), Short::number(line.samples))
        } else {
            let share = share(line.probability);
            let count = |objects: Objects<'_>| Short::number(objects.count(line.name));
            (share, self.objects.map_or_else(|| Short::percent(share), count))
        }
    }
}

impl<'a> State<'a> {
    /// Returns the large label.
    pub(crate) fn label(&self) -> &'a str {
        match *self {
            State::Welcome { .. } => "Teach me",
            State::Report { .. } => "right",
            State::Teaching { class, .. }
            | State::Answer { class, .. }
            | State::Found { class, .. } => class,
            State::Unknown => "?",
            State::Nothing => "nothing",
            State::Message(text) | State::Error(text) => text,
        }
    }

    /// Returns the number beside the label and the filled share of the bar below it.
    pub(crate) fn measure(&self) -> Option<(Short, f32)> {
        match *self {
            State::Teaching { count, goal, .. } => {
                // A count above the goal is no fraction of it.
                let number =
                    if count > goal { Short::number(count) } else { Short::fraction(count, goal) };
                Some((number, portion(count, goal)))
            }
            State::Answer { confidence, .. } => {
                let share = share(confidence);
                Some((Short::percent(share), share))
            }
            State::Found { count, confidence, .. } => {
                Some((Short::number(count), share(confidence)))
            }
            State::Report { right, asked, .. } => {
                Some((Short::fraction(right, asked), portion(right, asked)))
            }
            State::Welcome { .. }
            | State::Unknown
            | State::Nothing
            | State::Message(_)
            | State::Error(_) => None,
        }
    }

    /// Returns one word for the corner of the screen.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            State::Teaching { .. } => "teach",
            State::Answer { .. } | State::Found { .. } | State::Unknown | State::Nothing => "live",
            State::Welcome { .. } => "welcome",
            State::Report { .. } => "report",
            State::Message(_) => "",
            State::Error(_) => "error",
        }
    }

    /// Returns the colour of the state.
    pub(crate) fn tone<C: PixelColor>(&self, theme: &Theme<C>) -> C {
        match self {
            State::Welcome { .. } | State::Teaching { .. } => theme.lesson,
            State::Answer { .. } | State::Found { .. } | State::Report { .. } => theme.answer,
            State::Unknown => theme.doubt,
            State::Message(_) | State::Nothing => theme.text,
            State::Error(_) => theme.fault,
        }
    }
}

/// Clamps a probability to `0..=1`: NaN counts as zero.
pub(crate) fn share(probability: f32) -> f32 {
    if probability > 0.0 { probability.min(1.0) } else { 0.0 }
}

/// Returns the share of the goal that is reached; 1 for a goal of 0.
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
        Screen {
            title: "",
            image: None,
            objects: None,
            state,
            classes,
            threshold: None,
            advice: "",
            hint: "",
        }
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
