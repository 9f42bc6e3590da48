//! Test of buttons, light and screen with the user who wired them.

use std::time::{Duration, Instant};
use std::{fmt, thread};

use offshoot_view::{Image, State};

use crate::ports::{Action, Buttons, Key, Led, Screen, ScreenError};

/// Time limit for a press or an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Number of polls per blink of the light.
const BLINK: u32 = 25;

/// Result of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// Part, or key that was to be pressed.
    pub what: String,
    /// True if it works.
    pub works: bool,
    /// Reason for a failure; empty otherwise.
    pub note: String,
}

impl fmt::Display for Tested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, works, note } = self;
        write!(f, "{:<8} {what}", if *works { "ok" } else { "bad" })?;
        if note.is_empty() { Ok(()) } else { write!(f, ": {note}") }
    }
}

/// State of the test.
struct TestUi<'a, 'p> {
    parts: &'a mut TestPorts<'p>,
    keys: Vec<Key>,
    /// Key that was pressed last and may still be down.
    held: Option<usize>,
}

/// Ports of the test, and its polling interval.
#[expect(missing_debug_implementations, reason = "ports are whatever the caller brings")]
pub struct TestPorts<'a> {
    /// Buttons under test.
    pub buttons: &'a mut dyn Buttons,
    /// Screen under test.
    pub screen: &'a mut dyn Screen,
    /// Light under test; a missing one is skipped.
    pub led: Option<&'a mut dyn Led>,
    /// Polling interval.
    pub pause: Duration,
}

/// Shows one key after the other to press and waits for it, then asks about the light and the
/// screen. Returns the result of each.
///
/// # Errors
///
/// [`ScreenError`] if the screen is gone.
pub fn test_ui(parts: &mut TestPorts<'_>) -> Result<Vec<Tested>, ScreenError> {
    let keys = parts.buttons.keys();
    TestUi { parts, keys, held: None }.run()
}

/// Result of a wait.
enum Wait {
    /// Number of the key that was pressed.
    Key(usize),
    Late,
    Quit,
}

impl TestUi<'_, '_> {
    fn run(&mut self) -> Result<Vec<Tested>, ScreenError> {
        let mut tested = Vec::new();
        for number in 0..self.keys.len() {
            tested.push(self.key(number)?);
        }
        // Without two working buttons there is no way to answer.
        let can_answer = tested.len() >= 2 && tested[..2].iter().all(|one| one.works);
        if self.parts.led.is_some() {
            tested.push(self.ask("light", "Does the light blink?", can_answer)?);
        }
        tested.push(self.ask("screen", "Is all of it upright and sharp?", can_answer)?);
        let bad: Vec<&str> =
            tested.iter().filter(|one| !one.works).map(|one| one.what.as_str()).collect();
        let result = if bad.is_empty() {
            "All parts work".to_string()
        } else {
            format!("Look at: {}", bad.join(", "))
        };
        self.show(&result, "the test has ended")?;
        self.parts.screen.keep("test-result")?;
        Ok(tested)
    }

    /// Waits until a key is pressed; reports others that are.
    fn key(&mut self, number: usize) -> Result<Tested, ScreenError> {
        let order = self.keys[number].order.clone();
        let place = format!("{} of {}", number + 1, self.keys.len());
        let mut note = String::new();
        let start = Instant::now();
        let (works, why) = loop {
            let hint = if note.is_empty() { place.clone() } else { format!("{place}; {note}") };
            self.show(&capital(&order), &hint)?;
            if number == 0 && note.is_empty() {
                self.parts.screen.keep("test-button")?;
            }
            match self.wait(start, number) {
                Wait::Key(pressed) if pressed == number => break (true, ""),
                Wait::Key(other) => note = format!("that was: {}", self.keys[other].order),
                Wait::Late => break (false, "nothing came"),
                Wait::Quit => break (false, "left out"),
            }
        };
        let note = if works || note.is_empty() { why.to_string() } else { note };
        Ok(Tested { what: order, works, note })
    }

    /// Asks a question that only the user can answer.
    fn ask(&mut self, what: &str, question: &str, can_answer: bool) -> Result<Tested, ScreenError> {
        let (works, note) = if can_answer {
            let yes = &self.keys[0].order;
            let no = &self.keys[1].order;
            let hint = format!("yes: {yes}, no: {no}");
            self.show(question, &hint)?;
            self.parts.screen.keep(&format!("test-{what}"))?;
            match self.wait(Instant::now(), 0) {
                Wait::Key(0) => (true, ""),
                Wait::Key(_) => (false, "the answer was no"),
                Wait::Late => (false, "no answer"),
                Wait::Quit => (false, "left out"),
            }
        } else {
            (false, "nothing to answer with")
        };
        Ok(Tested { what: what.to_string(), works, note: note.to_string() })
    }

    /// Waits for a press, with the key `asked` preferred among several of the same action; the
    /// light blinks meanwhile.
    fn wait(&mut self, start: Instant, asked: usize) -> Wait {
        for look in 0_u32.. {
            if let Some(led) = &mut self.parts.led {
                led.set((look / BLINK).is_multiple_of(2));
            }
            let mut is_held = false;
            while let Some(action) = self.parts.buttons.poll() {
                let takes_frame =
                    matches!(action, Action::Teach(_) | Action::TeachChosen | Action::TeachNothing);
                let is_asked = self.keys[asked].action == action;
                let other = self.keys.iter().position(|key| key.action == action);
                match if is_asked { Some(asked) } else { other } {
                    _ if action == Action::Quit => return Wait::Quit,
                    // A button is not released within a frame.
                    Some(number) if self.held == Some(number) => is_held = true,
                    Some(number) => {
                        self.held = Some(number);
                        return Wait::Key(number);
                    }
                    None => {}
                }
                if takes_frame {
                    break;
                }
            }
            if !is_held {
                self.held = None;
            }
            if start.elapsed() > PATIENCE {
                break;
            }
            thread::sleep(self.parts.pause);
        }
        Wait::Late
    }

    fn show(&mut self, text: &str, hint: &str) -> Result<(), ScreenError> {
        let moment = offshoot_view::Screen {
            title: "Test of the parts",
            image: Image::new(4, 3, CARD.as_flattened()),
            objects: None,
            state: State::Message(text),
            classes: &[],
            threshold: None,
            advice: "",
            hint,
        };
        self.parts.screen.show(&moment)
    }
}

/// Test card: red, green, blue and white, and four shades below them.
const CARD: [[u8; 3]; 12] = [
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
    [255; 3],
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
    [255; 3],
    [0; 3],
    [85; 3],
    [170; 3],
    [255; 3],
];

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buttons::script::Script;

    /// Texts of a screen, and the names under which it was saved.
    #[derive(Default)]
    struct Words(Vec<String>);

    impl Screen for Words {
        fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
            let State::Message(text) = moment.state else { panic!("{:?}", moment.state) };
            let told = format!("{text} | {}", moment.hint);
            if self.0.last() != Some(&told) {
                self.0.push(told);
            }
            Ok(())
        }
    }

    #[derive(Default)]
    struct Light(Vec<bool>);

    impl Led for Light {
        fn set(&mut self, on: bool) {
            if self.0.last() != Some(&on) {
                self.0.push(on);
            }
        }
    }

    fn test(script: &str, with_light: bool) -> (Vec<Tested>, Words, Light) {
        let mut buttons = Script::parse(script).unwrap();
        let mut screen = Words::default();
        let mut light = Light::default();
        let led = if with_light { Some(&mut light as &mut dyn Led) } else { None };
        let mut parts =
            TestPorts { buttons: &mut buttons, screen: &mut screen, led, pause: Duration::ZERO };
        let tested = test_ui(&mut parts).unwrap();
        (tested, screen, light)
    }

    fn works(tested: &[Tested]) -> Vec<(&str, bool)> {
        tested.iter().map(|one| (one.what.as_str(), one.works)).collect()
    }

    #[test]
    fn every_part_is_asked_for_and_answered() {
        let (tested, screen, light) = test(
            "teach 1
teach 2
undo
look 60
teach 1
teach 1
",
            true,
        );
        let wanted = ["press 1", "press 2", "press u", "light", "screen"].map(|what| (what, true));
        assert_eq!(works(&tested), wanted);
        let told = [
            "Press 1 | 1 of 3",
            "Press 2 | 2 of 3",
            "Press u | 3 of 3",
            "Does the light blink? | yes: press 1, no: press 2",
            "Is all of it upright and sharp? | yes: press 1, no: press 2",
            "All parts work | the test has ended",
        ];
        assert_eq!(screen.0, told);
        assert!(light.0.len() > 2, "it blinked");
    }

    #[test]
    fn other_keys_and_answers_are_told() {
        let (tested, screen, _) = test(
            "teach 2
teach 1
teach 2
undo
teach 2
",
            false,
        );
        let wanted = [("press 1", true), ("press 2", true), ("press u", true), ("screen", false)];
        assert_eq!(works(&tested), wanted);
        assert_eq!(tested[3].note, "the answer was no");
        assert_eq!(screen.0[1], "Press 1 | 1 of 3; that was: press 2");
        assert_eq!(screen.0.last().unwrap(), "Look at: screen | the test has ended");
    }

    #[test]
    fn an_early_end_leaves_the_rest_out() {
        let (tested, _, _) = test(
            "teach 1
", true,
        );
        assert!(tested[0].works && tested[1..].iter().all(|one| !one.works));
        assert_eq!(tested[1].note, "left out");
        assert_eq!(tested[3].note, "nothing to answer with");
    }

    #[test]
    fn a_held_button_is_one_press() {
        /// First key stuck down, for example by a short circuit; then the end.
        struct Stuck(u32);
        impl Buttons for Stuck {
            fn poll(&mut self) -> Option<Action<'_>> {
                self.0 += 1;
                Some(if self.0 > 500 { Action::Quit } else { Action::TeachChosen })
            }

            fn keys(&self) -> Vec<Key> {
                [("press A", Action::TeachChosen), ("press B", Action::Choose)]
                    .map(|(order, action)| Key { order: order.to_string(), action })
                    .to_vec()
            }
        }
        let mut buttons = Stuck(0);
        let mut screen = Words::default();
        let mut parts = TestPorts {
            buttons: &mut buttons,
            screen: &mut screen,
            led: None,
            pause: Duration::ZERO,
        };
        let tested = test_ui(&mut parts).unwrap();
        assert_eq!(works(&tested), [("press A", true), ("press B", false), ("screen", false)]);
    }
}
