//! Script of presses in a file.

use offshoot::NOTHING;

use crate::ports::{Action, Buttons, Key};
use crate::session::limits::MOST_CLASSES;

/// Syntax error of a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ScriptError {
    /// Line number, from 1.
    pub line: usize,
    /// Description of the error.
    pub what: String,
}

/// Max number of frames of one line.
const MOST_FRAMES: u32 = 100_000;

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Teach(usize),
    TeachChosen,
    TeachNothing,
    Point(usize, [f32; 4]),
    Still,
    Live,
    Choose,
    Frame,
    Undo,
    Show(String),
    Report,
    Forget,
    Times,
    Snap(String),
}

/// Script of presses, one per line; `#` begins a comment.
///
/// | Line | Does |
/// |---|---|
/// | `show NAME` | puts that before the simulated camera; `nothing` is the empty table; `dusk` and `cover` are faults until `day` |
/// | `teach K [N]` | holds the button of class K (from 1) for N frames, else for one |
/// | `teach` | holds the button of the class that is chosen for one frame |
/// | `teach nothing [N]` | holds the button of the empty scene for N frames, else for one |
/// | `point K X Y [W H]` | points at an object of class K in the still frame, across and down; or left, top, width and height: shares of the frame's sides |
/// | `still`, `live` | keeps the frame still, goes on with the camera |
/// | `choose` | presses the button that chooses the next class |
/// | `look N` | takes N frames |
/// | `undo`, `report`, `times` | presses that button; a `look` shows what came of it |
/// | `forget all` | forgets all training samples; `undo` takes that back until the next one |
/// | `snap NAME` | keeps what the screen shows |
///
/// After the last line it quits.
#[derive(Debug, Clone)]
pub struct Script {
    /// Steps, each with its number of repetitions.
    steps: Vec<(Step, u32)>,
    at: usize,
    done: u32,
    /// True if a training sample was requested; the frame that shows it comes next.
    frame_due: bool,
}

impl Script {
    /// Parses a script.
    ///
    /// # Errors
    ///
    /// [`ScriptError`] with the number of a line that is none of those above.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut steps = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            if !words.is_empty() {
                let step = step(&words).map_err(|what| ScriptError { line: index + 1, what })?;
                steps.push(step);
            }
        }
        Ok(Self { steps, at: 0, done: 0, frame_due: false })
    }
}

/// Parses a number of frames.
fn frames(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|n| (1..=MOST_FRAMES).contains(n));
    number.ok_or_else(|| format!("`{text}` is no number of frames from 1 to {MOST_FRAMES}"))
}

/// Parses the number of a class, and returns its index.
fn class(text: &str) -> Result<usize, String> {
    let number = text.parse::<usize>().ok().filter(|n| (1..=MOST_CLASSES).contains(n));
    number.map(|n| n - 1).ok_or_else(|| format!("`{text}` is no class from 1 to {MOST_CLASSES}"))
}

/// Parses a point or a box; a point has neither width nor height.
fn point(words: &[&str]) -> Result<[f32; 4], String> {
    let mut shape = [0.0; 4];
    if words.len() != 2 && words.len() != 4 {
        return Err("an object is X Y or X Y WIDTH HEIGHT, shares from 0 to 1".to_string());
    }
    for (slot, word) in shape.iter_mut().zip(words) {
        let share = word.parse().ok().filter(|share| (0.0..=1.0).contains(share));
        *slot = share.ok_or_else(|| format!("`{word}` is no share from 0 to 1"))?;
    }
    Ok(shape)
}

/// Checks the name of an image.
fn file(name: &str) -> Result<String, String> {
    if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return Ok(name.to_string());
    }
    Err(format!("`{name}`: letters, digits, - and _ only"))
}

fn step(words: &[&str]) -> Result<(Step, u32), String> {
    Ok(match *words {
        ["show", name] => (Step::Show(name.to_string()), 1),
        ["teach"] => (Step::TeachChosen, 1),
        ["teach", NOTHING] => (Step::TeachNothing, 1),
        ["teach", NOTHING, count] => (Step::TeachNothing, frames(count)?),
        ["point", number, ref shape @ ..] => (Step::Point(class(number)?, point(shape)?), 1),
        ["still"] => (Step::Still, 1),
        ["live"] => (Step::Live, 1),
        ["choose"] => (Step::Choose, 1),
        ["teach", number] => (Step::Teach(class(number)?), 1),
        ["teach", number, count] => (Step::Teach(class(number)?), frames(count)?),
        ["look", count] => (Step::Frame, frames(count)?),
        ["undo"] => (Step::Undo, 1),
        ["report"] => (Step::Report, 1),
        ["forget", "all"] => (Step::Forget, 1),
        ["times"] => (Step::Times, 1),
        ["snap", name] => (Step::Snap(file(name)?), 1),
        _ => {
            let line = words.join(" ");
            let known = "show NAME, teach [K|nothing [N]], point K X Y [W H], still, live, choose, look N, undo, report, forget all, times, snap NAME";
            return Err(format!("`{line}` is none of: {known}"));
        }
    })
}

impl Buttons for Script {
    fn poll(&mut self) -> Option<Action<'_>> {
        if std::mem::take(&mut self.frame_due) {
            return None;
        }
        if self.steps.get(self.at).is_some_and(|(_, times)| self.done == *times) {
            (self.at, self.done) = (self.at + 1, 0);
        }
        let Some((step, _)) = self.steps.get(self.at) else { return Some(Action::Quit) };
        self.done += 1;
        Some(match step {
            Step::Frame => return None,
            Step::Teach(class) => {
                self.frame_due = true;
                Action::Teach(*class)
            }
            Step::TeachChosen => {
                self.frame_due = true;
                Action::TeachChosen
            }
            Step::TeachNothing => {
                self.frame_due = true;
                Action::TeachNothing
            }
            Step::Point(class, shape) => Action::Point(*class, *shape),
            Step::Still => Action::Still,
            Step::Live => Action::Live,
            Step::Choose => Action::Choose,
            Step::Undo => Action::Undo,
            Step::Show(name) => Action::Show(Some(name)),
            Step::Report => Action::Report,
            Step::Forget => Action::ForgetAll,
            Step::Times => Action::Times,
            Step::Snap(name) => Action::Snap(name),
        })
    }

    fn keys(&self) -> Vec<Key> {
        Key::typed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lesson_takes_a_frame_and_the_end_quits() {
        let mut script = Script::parse(
            "show key # the thing\n\nteach 2 2\nlook 1\nsnap a-1\nundo\nteach nothing 2\n",
        )
        .unwrap();
        let expected = [
            Some(Action::Show(Some("key"))),
            Some(Action::Teach(1)),
            None,
            Some(Action::Teach(1)),
            None,
            None,
            Some(Action::Snap("a-1")),
            Some(Action::Undo),
            Some(Action::TeachNothing),
            None,
            Some(Action::TeachNothing),
            None,
            Some(Action::Quit),
            Some(Action::Quit),
        ];
        for wanted in expected {
            assert_eq!(script.poll(), wanted);
        }
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, what) in [
            ("look 3\nteach 0", "line 2: `0` is no class"),
            ("teach mug", "line 1: `mug` is no class"),
            ("look 0", "line 1: `0` is no number of frames"),
            ("\n\nlook", "line 3: `look` is none of"),
            ("snap ../x", "letters, digits"),
        ] {
            let error = Script::parse(text).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
