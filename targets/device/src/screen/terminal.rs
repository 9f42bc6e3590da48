//! Terminal as keyboard and screen.

use std::io::{self, IsTerminal, Stdout, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::style::{
    Attribute, Color, Print, ResetColor, SetAttribute, SetBackgroundColor, SetForegroundColor,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue};
use offshoot::NOTHING;
use offshoot_view::{Image, State};

use crate::ports::{Action, Buttons, Key, Screen, ScreenError};
use crate::session::limits::PLACES;

/// Keys as buttons: digits teach, as long as they are held; Ctrl-C, Esc and q quit.
///
/// The terminal is in raw mode as long as this lives; it is restored on a panic as well.
#[derive(Debug)]
pub struct Keyboard {
    snaps: u32,
    name: String,
    /// True if this frame teaches a class; repeats of its key until the next frame are the same
    /// press.
    taught: bool,
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
        Ok(Self { snaps: 0, name: String::new(), taught: false })
    }

    fn snap(&mut self) -> Action<'_> {
        self.snaps += 1;
        self.name = format!("snap-{}", self.snaps);
        Action::Snap(&self.name)
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // A terminal that is gone cannot be restored.
        let _ = disable_raw_mode();
    }
}

impl Buttons for Keyboard {
    fn poll(&mut self) -> Option<Action<'_>> {
        loop {
            let waiting = match event::poll(Duration::ZERO) {
                Ok(true) => event::read(),
                Ok(false) => {
                    self.taught = false;
                    return None;
                }
                Err(error) => Err(error),
            };
            // A terminal that is gone presses no key any more.
            let Ok(event) = waiting else { return Some(Action::Quit) };
            let Event::Key(key) = event else { continue };
            match action(key) {
                Some(Action::Teach(_) | Action::TeachNothing) if self.taught => {}
                Some(lesson @ (Action::Teach(_) | Action::TeachNothing)) => {
                    self.taught = true;
                    return Some(lesson);
                }
                Some(Action::Snap(_)) => return Some(self.snap()),
                Some(action) => return Some(action),
                None => {}
            }
        }
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
        KeyCode::Char('t') => Some(Action::Times),
        KeyCode::Char('s') => Some(Action::Snap("")),
        _ => None,
    }
}

/// Restores the terminal before the panic's message is written to it.
fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
    });
}

/// True while the screen is taken.
static SCREEN: AtomicBool = AtomicBool::new(false);

/// Restores keyboard and screen, from any thread; does nothing if they were not taken.
pub(crate) fn give_back() {
    // A terminal that is gone cannot be restored.
    let _ = disable_raw_mode();
    if SCREEN.swap(false, Ordering::AcqRel) {
        let _ =
            execute!(io::stdout(), EndSynchronizedUpdate, ResetColor, LeaveAlternateScreen, Show);
    }
}

/// Description of the keys.
const KEYS: &str = "1-9 teach  0 nothing  u undo  n next thing  r report  t times  s keep  q end";

const TEXT: Color = Color::Rgb { r: 0xe9, g: 0xee, b: 0xf4 };
const DIM: Color = Color::Rgb { r: 0x83, g: 0x91, b: 0xa3 };
const TRACK: Color = Color::Rgb { r: 0x2c, g: 0x36, b: 0x45 };
const ANSWER: Color = Color::Rgb { r: 0x4c, g: 0xcf, b: 0xa8 };
const LESSON: Color = Color::Rgb { r: 0x6c, g: 0xac, b: 0xff };
const DOUBT: Color = Color::Rgb { r: 0xf2, g: 0xb5, b: 0x5e };
const FAULT: Color = Color::Rgb { r: 0xff, g: 0x7a, b: 0x6b };

/// Upper half of a character cell, so that one cell shows two pixels.
const HALF: char = '\u{2580}';
const FULL: char = '\u{2588}';
const MARK: char = '\u{2502}';

/// Number of rows of the camera's frame; a cell is about twice as high as wide.
const IMAGE_ROWS: u16 = 18;
const IMAGE_COLUMNS: u16 = 48;

/// Text screen, with the camera's frame in half blocks beside it.
#[derive(Debug)]
pub struct Terminal<W: Write = Stdout> {
    out: W,
    /// Buffer of one state, written at once against flicker.
    buffer: Vec<u8>,
    /// Columns and rows; queried each time if it is the real terminal.
    size: (u16, u16),
    note: String,
    real: bool,
}

impl Terminal<Stdout> {
    /// Takes the screen.
    ///
    /// # Errors
    ///
    /// An I/O error if the output is not a terminal.
    pub fn new() -> io::Result<Self> {
        let mut out = io::stdout();
        if !out.is_terminal() {
            return Err(io::Error::other("the output is no terminal"));
        }
        restore_on_panic();
        SCREEN.store(true, Ordering::Release);
        execute!(out, EnterAlternateScreen, Hide, Clear(ClearType::All))?;
        Ok(Self { out, buffer: Vec::new(), size: size()?, note: String::new(), real: true })
    }
}

impl<W: Write> Terminal<W> {
    /// Creates a screen of this many columns and rows that writes anywhere, such as to a file.
    pub fn to(out: W, size: (u16, u16)) -> Self {
        Self { out, buffer: Vec::new(), size, note: String::new(), real: false }
    }

    /// Sets a note that is shown above the last row.
    #[must_use]
    pub fn with_note(mut self, note: &str) -> Self {
        self.note = note.to_string();
        self
    }

    fn paint(&mut self, moment: &offshoot_view::Screen<'_>) -> io::Result<()> {
        if self.real {
            let now = size()?;
            if now != self.size {
                self.size = now;
                queue!(self.buffer, Clear(ClearType::All))?;
            }
        }
        let (columns, rows) = self.size;
        let out = &mut self.buffer;
        queue!(out, BeginSynchronizedUpdate)?;
        header(out, moment.title, columns)?;
        let wide = IMAGE_COLUMNS.min(columns / 2);
        let high = IMAGE_ROWS.min(rows.saturating_sub(4));
        let left = if moment.image.is_some() { wide + 3 } else { 1 };
        if let Some(image) = moment.image {
            half_blocks(out, &image, (wide, high))?;
        }
        let room = columns.saturating_sub(left + 1);
        let (label, tone) = label(moment);
        let fits = usize::from(room);
        queue!(out, SetForegroundColor(tone), SetAttribute(Attribute::Bold))?;
        let (first, second) = wrapped(&label, fits);
        for (row, part) in [(2, first), (3, second)] {
            queue!(out, MoveTo(left, row), Clear(ClearType::UntilNewLine))?;
            write!(out, "{part:.fits$}")?;
        }
        queue!(out, SetAttribute(Attribute::Reset))?;
        for row in 0..PLACES as u16 {
            queue!(out, MoveTo(left, 4 + row), Clear(ClearType::UntilNewLine))?;
            if let Some(line) = moment.classes.get(usize::from(row)) {
                class(out, moment, (row, line), (room, tone))?;
            }
        }
        queue!(out, SetForegroundColor(LESSON))?;
        let below = 5 + moment.classes.len() as u16;
        let (first, second) = wrapped(moment.advice, fits);
        for (row, part) in
            [(below, first), (below + 1, second)].into_iter().filter(|(_, part)| !part.is_empty())
        {
            queue!(out, MoveTo(left, row))?;
            write!(out, "{part:.fits$}")?;
        }
        footer(out, moment.hint, &self.note, self.size)?;
        queue!(out, ResetColor, EndSynchronizedUpdate)?;
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.out.flush()
    }
}

/// Draws the title and the keys.
fn header(out: &mut Vec<u8>, title: &str, columns: u16) -> io::Result<()> {
    queue!(out, MoveTo(1, 0), SetForegroundColor(TEXT), Print(title))?;
    let fits = usize::from(columns).saturating_sub(title.len() + 4);
    queue!(out, SetForegroundColor(DIM))?;
    write!(out, "   {KEYS:.fits$}")
}

/// Draws the hint in the last row, and the note above it.
fn footer(
    out: &mut Vec<u8>,
    hint: &str,
    note: &str,
    (columns, rows): (u16, u16),
) -> io::Result<()> {
    queue!(out, MoveTo(1, rows.saturating_sub(1)), Clear(ClearType::UntilNewLine))?;
    queue!(out, SetForegroundColor(DIM))?;
    let fits = usize::from(columns.saturating_sub(2));
    write!(out, "{hint:.fits$}")?;
    // The row above is free even if the frame has its max height.
    queue!(out, MoveTo(1, rows.saturating_sub(2)))?;
    write!(out, "{note:.fits$}")
}

/// Splits a text into two lines, the first of at most `width` characters and of whole words if they
/// fit.
fn wrapped(text: &str, width: usize) -> (&str, &str) {
    let Some((end, _)) = text.char_indices().nth(width) else { return (text, "") };
    let (first, second) = text.split_at(text[..end].rfind(' ').unwrap_or(end));
    (first, second.trim_start())
}

/// Returns text and colour of the large line.
fn label<'a>(moment: &offshoot_view::Screen<'a>) -> (std::borrow::Cow<'a, str>, Color) {
    match moment.state {
        State::Teaching { class, count, goal } if count > goal => {
            (format!("{class}: {count} lessons").into(), LESSON)
        }
        State::Teaching { class, count, goal } => {
            (format!("{class}: {count} of {goal}").into(), LESSON)
        }
        State::Answer { class, confidence } => {
            (format!("{class}  {:.0} %", 100.0 * confidence).into(), ANSWER)
        }
        State::Unknown => ("?".into(), DOUBT),
        State::Nothing => ("nothing".into(), TEXT),
        State::Welcome { class, button } => {
            (format!("show a {class}, hold {button}").into(), LESSON)
        }
        State::Report { right, asked, advice } => {
            (format!("{right} of {asked} right when held out. {advice}").into(), ANSWER)
        }
        State::Message(text) => (text.into(), TEXT),
        State::Error(text) => (text.into(), FAULT),
    }
}

/// Draws number, name, bar with the threshold, probability and samples of a class.
fn class(
    out: &mut Vec<u8>,
    moment: &offshoot_view::Screen<'_>,
    (row, line): (u16, &offshoot_view::ClassLine<'_>),
    (room, tone): (u16, Color),
) -> io::Result<()> {
    let leads = match moment.state {
        State::Teaching { class, .. } | State::Answer { class, .. } => class == line.name,
        _ => false,
    };
    let colour = if leads && !line.name.is_empty() { tone } else { DIM };
    queue!(out, SetForegroundColor(colour))?;
    let key = if line.name == NOTHING { 0 } else { row + 1 };
    write!(out, "{key} {:<9.9} ", line.name)?;
    let width = room.saturating_sub(23).min(24);
    let cells = f32::from(width);
    let filled = (line.probability * cells + 0.5) as u16;
    let mark = moment.threshold.map(|t| (t * cells) as u16);
    for x in 0..width {
        let (ink, cell) = match (mark == Some(x), x < filled) {
            (true, _) => (TEXT, MARK),
            (false, true) => (colour, FULL),
            (false, false) => (TRACK, FULL),
        };
        queue!(out, SetForegroundColor(ink), Print(cell))?;
    }
    queue!(out, SetForegroundColor(colour))?;
    write!(out, " {:>3.0} %{:>4}", 100.0 * line.probability, line.samples)
}

fn colour_at(image: &Image<'_>, at: (u16, u16), size: (u16, u16)) -> Color {
    let [r, g, b] = image.sample(at, size);
    Color::Rgb { r, g, b }
}

/// Draws the frame, shrunk to cells of two pixels each.
fn half_blocks(
    out: &mut Vec<u8>,
    image: &Image<'_>,
    (columns, rows): (u16, u16),
) -> io::Result<()> {
    for row in 0..rows {
        queue!(out, MoveTo(1, 2 + row))?;
        for column in 0..columns {
            let above = colour_at(image, (column, 2 * row), (columns, 2 * rows));
            let below = colour_at(image, (column, 2 * row + 1), (columns, 2 * rows));
            queue!(out, SetForegroundColor(above), SetBackgroundColor(below), Print(HALF))?;
        }
        queue!(out, ResetColor)?;
    }
    Ok(())
}

impl<W: Write> Screen for Terminal<W> {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        self.paint(moment).map_err(|source| ScreenError { what: "terminal".to_string(), source })
    }

    /// Returns false: the shell gets the terminal back and shows the text that a program writes at
    /// its end.
    fn stays(&self) -> bool {
        !self.real
    }
}

impl<W: Write> Drop for Terminal<W> {
    fn drop(&mut self) {
        if self.real && SCREEN.swap(false, Ordering::AcqRel) {
            // A terminal that is gone cannot be restored.
            let _ =
                execute!(self.out, EndSynchronizedUpdate, ResetColor, LeaveAlternateScreen, Show);
        }
    }
}

#[cfg(test)]
mod tests {
    use offshoot_view::ClassLine;

    use super::*;

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

    #[test]
    fn long_texts_take_two_lines() {
        assert_eq!(wrapped("5 of 11 right", 20), ("5 of 11 right", ""));
        assert_eq!(wrapped("5 of 11 right", 9), ("5 of 11", "right"));
        assert_eq!(wrapped("unbroken", 3), ("unb", "roken"));
        assert_eq!(wrapped("\u{e4}\u{e4}\u{e4}", 2), ("\u{e4}\u{e4}", "\u{e4}"));
        assert_eq!(wrapped("x", 0), ("", "x"));
    }

    #[test]
    fn a_moment_is_written_in_any_size() {
        let classes = [ClassLine { name: "mug", samples: 5, probability: 0.93 }];
        let rgb = [200; 3 * 16 * 12];
        let mut moment = offshoot_view::Screen {
            title: "Offshoot",
            image: Image::new(16, 12, &rgb),
            state: State::Answer { class: "mug", confidence: 0.93 },
            classes: &classes,
            threshold: Some(0.6),
            advice: "",
            hint: "1-9 teach",
        };
        for size in [(80, 24), (20, 5), (0, 0), (300, 100)] {
            let mut out = Vec::new();
            Terminal::to(&mut out, size).show(&moment).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(
                text.contains("Offshoot") && (size.0 < 80 || text.contains("mug  93 %")),
                "{text}"
            );
        }
        moment.state = State::Unknown;
        moment.image = None;
        moment.advice = "Show me something else, too: hold 2";
        let mut out = Vec::new();
        Terminal::to(&mut out, (80, 24)).show(&moment).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains('?') && text.contains(MARK) && !text.contains(HALF));
        assert!(text.contains(moment.advice), "{text}");
        let classes = [classes[0], ClassLine { name: NOTHING, samples: 5, probability: 0.1 }];
        let mut out = Vec::new();
        let moment = offshoot_view::Screen { state: State::Nothing, classes: &classes, ..moment };
        Terminal::to(&mut out, (80, 24)).show(&moment).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("1 mug") && text.contains("0 nothing"), "{text}");
    }
}
