//! Keys of a terminal as buttons.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

use super::waiting::Waiting;
use crate::ports::{Action, Backlog, Buttons, Key};
use crate::screen::terminal::restore_on_panic;

/// Interval of one key below which it is held: terminals repeat 25 to 40 times a second, and nobody
/// taps 15 times.
const REPEATS: Duration = Duration::from_millis(65);

/// Time after the last repetition of a key from which it is up again.
const LET_GO: Duration = Duration::from_millis(150);

/// Interval at which the listener checks for its end.
const LOOK: Duration = Duration::from_millis(50);

/// Presses made of key events.
#[derive(Debug)]
struct KeyPresses {
    waiting: Waiting,
    /// Last key and its time.
    last: Option<(KeyCode, Duration)>,
    /// Class whose key was held since the last lesson.
    held: Option<Action<'static>>,
    /// True if the last key was repeated by the terminal.
    repeats: bool,
    quits: bool,
}

impl KeyPresses {
    fn new() -> Self {
        Self { waiting: Waiting::new(), last: None, held: None, repeats: false, quits: false }
    }

    /// Takes a key, and its time on any clock.
    fn hear(&mut self, key: KeyEvent, at: Duration) {
        let Some(action) = action(key) else { return };
        let before = self.last.replace((key.code, at));
        let follows = before
            .is_some_and(|(code, before)| code == key.code && at.saturating_sub(before) < REPEATS);
        self.repeats = follows || key.kind == KeyEventKind::Repeat;
        match action {
            Action::Quit => self.quits = true,
            _ if !action.is_lesson() => self.waiting.push(action),
            _ if self.repeats => self.held = Some(action),
            _ => self.waiting.push(action),
        }
    }

    /// Returns true if a key is held at a time, by the clock of [`KeyPresses::hear`], and drops the
    /// lessons that wait.
    fn is_held(&mut self, now: Duration) -> bool {
        self.waiting.drop_lessons();
        self.held = None;
        let last = self.last.filter(|_| self.repeats);
        last.is_some_and(|(_, at)| now.saturating_sub(at) < LET_GO)
    }

    /// Returns the next press; a key that is held teaches once in a frame.
    fn next(&mut self) -> Option<Action<'static>> {
        if self.quits {
            return Some(Action::Quit);
        }
        let next = self.waiting.pop();
        if next.is_some_and(|action| action.is_lesson()) {
            self.held = None;
        }
        next.or_else(|| self.held.take()).or_else(|| self.waiting.complaint())
    }
}

/// Keys as buttons: digits teach, as long as they are held; Ctrl-C, Esc and q quit.
///
/// The terminal is in raw mode as long as this lives; it is restored on a panic as well. A thread
/// takes the keys when they come: the time between them tells taps, each of which counts, from a
/// key that is held.
#[derive(Debug)]
pub struct Keyboard {
    presses: Arc<Mutex<KeyPresses>>,
    /// Ends when nobody else has the presses.
    listener: Option<JoinHandle<()>>,
    snaps: u32,
    name: String,
    /// Beginning of the listener's clock.
    start: Instant,
}

impl Keyboard {
    /// Takes the keyboard.
    ///
    /// # Errors
    ///
    /// An I/O error if the input is not a terminal.
    pub fn new() -> io::Result<Self> {
        if !io::stdin().is_terminal() {
            return Err(io::Error::other("the input is no terminal"));
        }
        Self::take()
    }

    /// Takes the keyboard of the controlling terminal, while standard input is a camera's stream.
    ///
    /// # Errors
    ///
    /// An I/O error if there is no such terminal.
    pub fn beside_stream() -> io::Result<Self> {
        // `crossterm` reads it where the input is no terminal.
        if !io::stdin().is_terminal() {
            std::fs::File::options().read(true).write(true).open("/dev/tty")?;
        }
        Self::take()
    }

    fn take() -> io::Result<Self> {
        restore_on_panic();
        enable_raw_mode()?;
        let presses = Arc::new(Mutex::new(KeyPresses::new()));
        let start = Instant::now();
        let mut keyboard = Self {
            presses: Arc::clone(&presses),
            listener: None,
            snaps: 0,
            name: String::new(),
            start,
        };
        let listener = thread::Builder::new().name("keys".to_string());
        keyboard.listener = Some(listener.spawn(move || listen(&presses, start))?);
        Ok(keyboard)
    }

    fn snap(&mut self) -> Action<'_> {
        self.snaps += 1;
        self.name = format!("snap-{}", self.snaps);
        Action::Snap(&self.name)
    }
}

/// A panic cannot leave partial changes in here.
fn lock(presses: &Mutex<KeyPresses>) -> MutexGuard<'_, KeyPresses> {
    presses.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes keys until the keyboard or the terminal is gone.
fn listen(presses: &Arc<Mutex<KeyPresses>>, start: Instant) {
    while Arc::strong_count(presses) > 1 {
        match event::poll(LOOK).and_then(|has| if has { event::read().map(Some) } else { Ok(None) })
        {
            Ok(Some(Event::Key(key))) => lock(presses).hear(key, start.elapsed()),
            Ok(_) => {}
            // A terminal that is gone presses no key any more.
            Err(_) => {
                lock(presses).quits = true;
                return;
            }
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // The listener's is the only one left.
        self.presses = Arc::new(Mutex::new(KeyPresses::new()));
        if let Some(listener) = self.listener.take() {
            // One that panicked has reported it already.
            let _ = listener.join();
        }
        // A terminal that is gone cannot be restored.
        let _ = disable_raw_mode();
    }
}

impl Buttons for Keyboard {
    fn poll(&mut self) -> Option<Action<'_>> {
        let next = lock(&self.presses).next();
        match next {
            Some(Action::Snap(_)) => Some(self.snap()),
            next => next,
        }
    }

    fn backlog(&self) -> Backlog {
        lock(&self.presses).waiting.backlog()
    }

    fn is_held(&mut self) -> bool {
        lock(&self.presses).is_held(self.start.elapsed())
    }

    fn keys(&self) -> Vec<Key> {
        Key::typed()
    }

    fn hint(&self) -> String {
        "1-9 teach u undo q end".to_string()
    }
}

fn action(key: KeyEvent) -> Option<Action<'static>> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'd') if control => Some(Action::Quit),
        KeyCode::Char('q') | KeyCode::Esc => Some(Action::Quit),
        KeyCode::Char(digit @ '1'..='9') => Some(Action::Teach(digit as usize - '1' as usize)),
        KeyCode::Char('0') => Some(Action::TeachNothing),
        KeyCode::Char('u') | KeyCode::Backspace => Some(Action::Undo),
        KeyCode::Char('n' | ' ') | KeyCode::Right => Some(Action::Show(None)),
        KeyCode::Char('r') => Some(Action::Report),
        KeyCode::Char('f') => Some(Action::AskForget),
        KeyCode::Char('y') => Some(Action::Confirm),
        KeyCode::Char('t') => Some(Action::Times),
        KeyCode::Char('s') => Some(Action::Snap("")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(code: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(code), KeyModifiers::NONE)
    }

    #[test]
    fn keys_are_buttons() {
        let pressed = |code, modifiers| action(KeyEvent::new(code, modifiers));
        let plain = |c| pressed(KeyCode::Char(c), KeyModifiers::NONE);
        assert_eq!(plain('1'), Some(Action::Teach(0)));
        assert_eq!(plain('9'), Some(Action::Teach(8)));
        assert_eq!((plain('0'), plain('c')), (Some(Action::TeachNothing), None));
        assert_eq!(pressed(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Quit));
        let mut up = KeyEvent::new(KeyCode::Char('1'), KeyModifiers::NONE);
        up.kind = KeyEventKind::Release;
        assert_eq!(action(up), None);
    }

    /// Actions of a frame, in a session's order.
    fn frame(presses: &mut KeyPresses) -> Vec<Action<'static>> {
        let mut all = Vec::new();
        while let Some(action) = presses.next() {
            all.push(action);
            if action.is_lesson() || action == Action::Quit {
                break;
            }
        }
        all
    }

    #[test]
    fn a_held_key_teaches_once_a_frame_until_it_is_let_go() {
        let mut presses = KeyPresses::new();
        let mut at = Duration::from_secs(9);
        // The press, the pause before its repeats, which counts as a second one, and the repeats.
        presses.hear(event('3'), at);
        at += Duration::from_millis(500);
        for _ in 0..60 {
            presses.hear(event('3'), at);
            at += Duration::from_millis(33);
        }
        for _ in 0..2 {
            assert_eq!(frame(&mut presses), [Action::Teach(2)]);
        }
        for _ in 0..3 {
            assert_eq!(frame(&mut presses), []);
            (0..4).for_each(|_| presses.hear(event('3'), at));
            assert_eq!(frame(&mut presses), [Action::Teach(2)]);
        }
        assert_eq!(frame(&mut presses), []);
        presses.hear(event('q'), at);
        assert_eq!(frame(&mut presses), [Action::Quit]);
    }

    /// Taps of any keys between any frames, against a plain list.
    #[test]
    fn every_tap_counts_in_its_turn() {
        let mut random = 7_u64;
        let mut below = |most: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % most
        };
        for _ in 0..300 {
            let mut presses = KeyPresses::new();
            let mut model = Vec::new();
            let mut at = Duration::ZERO;
            let mut last = ' ';
            for _ in 0..200 {
                if below(3) > 0 {
                    let key = ['1', '2', '9', '0', 'u', 'r'][below(6) as usize];
                    let least = if key == last { REPEATS.as_millis() as u64 } else { 0 };
                    at += Duration::from_millis(least + below(400));
                    last = key;
                    presses.hear(event(key), at);
                    // A queue that is full is tested with it.
                    if model.len() < super::super::waiting::MOST {
                        model.push(action(event(key)).unwrap());
                    }
                    continue;
                }
                let taught = model.iter().position(Action::is_lesson);
                let wanted: Vec<_> =
                    model.drain(..taught.map_or(model.len(), |at| at + 1)).collect();
                let mut found = frame(&mut presses);
                found.retain(|action| !matches!(action, Action::Say(_)));
                assert_eq!(found, wanted);
                let lessons = model.iter().filter(|press| press.is_lesson()).count();
                assert_eq!(presses.waiting.backlog().lessons, lessons);
            }
        }
    }
}
