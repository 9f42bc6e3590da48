//! Terminal as a screen.

mod dots;

use std::io::{self, IsTerminal, Stdout, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::{
    Attribute, Color, Print, ResetColor, SetAttribute, SetBackgroundColor, SetForegroundColor,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, size,
};
use crossterm::{execute, queue};
use offshoot::NOTHING;
use offshoot_view::{Image, State};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::ports::{Screen, ScreenError};

/// Restores the terminal before the panic's message is written to it.
pub(crate) fn restore_on_panic() {
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

/// Descriptions of the keys, the most important first.
const KEYS: [&str; 8] = [
    "1-9 teach",
    "0 nothing",
    "u undo",
    "f forget all",
    "r report",
    "n next thing",
    "t times",
    "s keep",
];

/// Description of the key that is always named.
const END: &str = "q end";

/// Fewest columns and rows with room for the answer, two classes and the keys.
const LEAST: (u16, u16) = (24, 6);

/// Columns beside the frame: a class without its bar.
const LINE: u16 = 22;

/// Columns from which a class has a bar.
const WITH_BAR: u16 = 30;

/// Fewest columns of the frame.
const LEAST_IMAGE: u16 = 10;

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
        let out = &mut self.buffer;
        queue!(out, BeginSynchronizedUpdate)?;
        if self.size.0 < LEAST.0 || self.size.1 < LEAST.1 {
            tiny(out, moment, self.size)?;
        } else {
            whole(out, moment, &self.note, self.size)?;
        }
        queue!(out, ResetColor, EndSynchronizedUpdate)?;
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.out.flush()
    }
}

/// Draws the large line of a terminal without room for more, and what is wrong with it.
fn tiny(
    out: &mut Vec<u8>,
    moment: &offshoot_view::Screen<'_>,
    (columns, rows): (u16, u16),
) -> io::Result<()> {
    let (label, tone) = label(moment);
    let (least_columns, least_rows) = LEAST;
    let small = format!("{columns}x{rows} is small: {least_columns}x{least_rows}");
    queue!(out, Clear(ClearType::All))?;
    for (row, (text, ink)) in (0..rows).zip([(&*label, tone), (small.as_str(), DIM)]) {
        queue!(out, MoveTo(0, row), SetForegroundColor(ink), Print(cut(text, columns)))?;
    }
    Ok(())
}

/// Draws everything: the frame on the left if there is room for it.
fn whole(
    out: &mut Vec<u8>,
    moment: &offshoot_view::Screen<'_>,
    note: &str,
    (columns, rows): (u16, u16),
) -> io::Result<()> {
    header(out, moment.title, columns)?;
    let top = if rows < 10 { 1 } else { 2 };
    let end = rows - 1 - u16::from(!note.is_empty());
    let sides = (columns.saturating_sub(LINE + 4).min(columns / 2), end - top);
    let image = moment.image.map(|image| (image, image_size(&image, sides)));
    let image = image.filter(|(_, (wide, _))| *wide >= LEAST_IMAGE);
    let left = image.map_or(1, |(_, (wide, _))| wide + 3);
    let below = image.map_or(top, |(_, (_, high))| top + high);
    for row in top..end {
        let from = if row < below { left } else { 0 };
        queue!(out, MoveTo(from, row), Clear(ClearType::UntilNewLine))?;
    }
    if let Some((image, size)) = image {
        half_blocks(out, &image, size, top)?;
        if let Some(objects) = &moment.objects {
            dots::draw(out, objects, size, top)?;
        }
    }
    let room = columns - left - 1;
    let (label, tone) = label(moment);
    queue!(out, SetForegroundColor(tone), SetAttribute(Attribute::Bold))?;
    // A text in place of an answer may be long.
    let most = if moment.classes.is_empty() || image.is_none() { end - top } else { 2 };
    let used = paragraph(out, &label, (left, top), (room, most))?;
    queue!(out, SetAttribute(Attribute::Reset))?;
    let first = (top + used.max(2)).min(end);
    let shown = usize::from(end - first).min(moment.classes.len());
    // The one that leads is among them.
    let leader = moment.classes.iter().position(|line| leads(moment, line)).unwrap_or(0);
    let start = (leader + 1).saturating_sub(shown);
    for (row, (number, line)) in
        (first..).zip(moment.classes.iter().enumerate().skip(start).take(shown))
    {
        queue!(out, MoveTo(left, row))?;
        class(out, moment, (number, line), (room, tone))?;
    }
    queue!(out, SetForegroundColor(LESSON))?;
    let below = first + shown as u16 + 1;
    paragraph(out, moment.advice, (left, below), (room, end.saturating_sub(below).min(2)))?;
    footer(out, moment.hint, note, (columns, rows))
}

/// Columns and rows of a frame in its own shape: half a cell is about as high as wide.
fn image_size(image: &Image<'_>, (columns, rows): (u16, u16)) -> (u16, u16) {
    let width = u64::from(image.width().max(1));
    let height = u64::from(image.height().max(1));
    let columns = u64::from(columns.min(IMAGE_COLUMNS));
    let rows = u64::from(rows.min(IMAGE_ROWS));
    let high = columns * height / (2 * width);
    let size = if high > rows { (2 * rows * width / height, rows) } else { (columns, high) };
    (size.0 as u16, size.1.max(1) as u16)
}

/// Draws the title and as many keys as fit.
fn header(out: &mut Vec<u8>, title: &str, columns: u16) -> io::Result<()> {
    let title = cut(title, columns.saturating_sub(1));
    queue!(out, MoveTo(1, 0), SetForegroundColor(TEXT), Print(title))?;
    queue!(out, Clear(ClearType::UntilNewLine), SetForegroundColor(DIM))?;
    let mut room = usize::from(columns).saturating_sub(title.width() + 2 + END.len() + 2);
    let mut between = "   ";
    for key in KEYS {
        let Some(left) = room.checked_sub(between.len() + key.len()) else { break };
        queue!(out, Print(between), Print(key))?;
        (room, between) = (left, "  ");
    }
    if usize::from(columns) > title.width() + 2 + END.len() + 2 {
        queue!(out, Print("  "), Print(END))?;
    }
    Ok(())
}

/// Draws the hint in the last row, and the note above it.
fn footer(
    out: &mut Vec<u8>,
    hint: &str,
    note: &str,
    (columns, rows): (u16, u16),
) -> io::Result<()> {
    queue!(out, MoveTo(0, rows - 1), Clear(ClearType::UntilNewLine))?;
    queue!(out, MoveTo(1, rows - 1), SetForegroundColor(DIM), Print(cut(hint, columns - 2)))?;
    if note.is_empty() {
        return Ok(());
    }
    queue!(out, MoveTo(0, rows - 2), Clear(ClearType::UntilNewLine))?;
    queue!(out, MoveTo(1, rows - 2), Print(cut(note, columns - 2)))
}

/// Draws a text on as many rows as it needs and there are; returns their number.
fn paragraph(
    out: &mut Vec<u8>,
    text: &str,
    (left, top): (u16, u16),
    (room, most): (u16, u16),
) -> io::Result<u16> {
    let mut rest = text;
    let mut row = 0;
    while !rest.is_empty() && row < most {
        let (first, after) = wrapped(rest, room);
        queue!(out, MoveTo(left, top + row), Print(first))?;
        (rest, row) = (after, row + 1);
    }
    Ok(row)
}

/// Returns the beginning of a text that fits into columns; letters of Chinese, Japanese and Korean
/// take two.
fn cut(text: &str, columns: u16) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, letter)| {
        taken += letter.width().unwrap_or(0);
        taken > usize::from(columns)
    });
    end.map_or(text, |(end, _)| &text[..end])
}

/// Splits a text into a line that fits into columns, of whole words if they fit, and the rest.
fn wrapped(text: &str, columns: u16) -> (&str, &str) {
    let first = cut(text, columns);
    if first.len() == text.len() {
        return (text, "");
    }
    let is_whole = text[first.len()..].starts_with(' ');
    let end = if is_whole { first.len() } else { first.rfind(' ').unwrap_or(first.len()) };
    let (first, second) = text.split_at(end);
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
        State::Found { class, count, .. } => (format!("{class}  {count}").into(), ANSWER),
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

/// Returns true if the large line is about this class.
fn leads(moment: &offshoot_view::Screen<'_>, line: &offshoot_view::ClassLine<'_>) -> bool {
    match moment.state {
        State::Teaching { class, .. } | State::Answer { class, .. } => class == line.name,
        State::Nothing => line.name == NOTHING,
        _ => false,
    }
}

/// Draws number, name, bar with the threshold if there is room, probability and samples of a class.
fn class(
    out: &mut Vec<u8>,
    moment: &offshoot_view::Screen<'_>,
    (number, line): (usize, &offshoot_view::ClassLine<'_>),
    (room, tone): (u16, Color),
) -> io::Result<()> {
    let colour = if leads(moment, line) { tone } else { DIM };
    queue!(out, SetForegroundColor(colour))?;
    let key = if line.name == NOTHING { 0 } else { number + 1 };
    let wide = if room < WITH_BAR { room.saturating_sub(13) } else { 9 };
    let name = cut(line.name, wide);
    let padding = usize::from(wide).saturating_sub(name.width());
    write!(out, "{key} {name}{:padding$} ", "")?;
    let width = if room < WITH_BAR { 0 } else { room.saturating_sub(23).min(24) };
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
    match &moment.objects {
        Some(objects) => write!(out, " {:>5}{:>4}", objects.count(line.name), line.samples),
        None => write!(out, " {:>3.0} %{:>4}", 100.0 * line.probability, line.samples),
    }
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
    top: u16,
) -> io::Result<()> {
    for row in 0..rows {
        queue!(out, MoveTo(1, top + row))?;
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
    fn long_texts_take_more_lines() {
        assert_eq!(wrapped("5 of 11 right", 20), ("5 of 11 right", ""));
        assert_eq!(wrapped("5 of 11 right", 9), ("5 of 11", "right"));
        assert_eq!(wrapped("5 of 11 right", 7), ("5 of 11", "right"));
        assert_eq!(wrapped("unbroken", 3), ("unb", "roken"));
        assert_eq!(wrapped("\u{e4}\u{e4}\u{e4}", 2), ("\u{e4}\u{e4}", "\u{e4}"));
        // Letters of two columns.
        assert_eq!(wrapped("\u{676f}\u{5b50}", 3), ("\u{676f}", "\u{5b50}"));
    }

    /// Rows of a terminal after these moments.
    fn shown(
        moments: &[offshoot_view::Screen<'_>],
        (columns, rows): (u16, u16),
        note: &str,
    ) -> Vec<String> {
        let mut out = Vec::new();
        let mut terminal = Terminal::to(&mut out, (columns, rows)).with_note(note);
        moments.iter().for_each(|moment| terminal.show(moment).unwrap());
        drop(terminal);
        let mut parser = vt100::Parser::new(rows, columns, 0);
        parser.process(&out);
        for row in 0..rows {
            assert!(!parser.screen().row_wrapped(row), "row {row} of {columns}x{rows} is too long");
        }
        parser.screen().rows(0, columns).map(|row| row.trim_end().to_string()).collect()
    }

    const NAMES: [&str; 10] = [
        "mug",
        "plant",
        "a long name of a thing",
        "\u{676f}\u{5b50}\u{676f}\u{5b50}\u{676f}\u{5b50}",
        "key",
        "cube",
        "ball",
        "banana",
        "thing 9",
        NOTHING,
    ];

    fn classes(count: usize) -> Vec<ClassLine<'static>> {
        let line = |name| ClassLine { name, samples: 5, probability: 0.93 };
        NAMES.into_iter().take(count).map(line).collect()
    }

    #[test]
    fn forty_columns_and_twelve_rows_are_enough() {
        let rgb = [200; 3 * 16 * 12];
        let classes = classes(3);
        let moment = offshoot_view::Screen {
            title: "Offshoot",
            image: Image::new(16, 12, &rgb),
            objects: None,
            state: State::Answer { class: "plant", confidence: 0.93 },
            classes: &classes,
            threshold: Some(0.6),
            advice: "",
            hint: "1-9 teach u undo q end",
        };
        let image = HALF.to_string().repeat(14);
        let row = |text: &str| format!(" {image}  {text}");
        let blank = String::new();
        let answer = [
            " Offshoot   1-9 teach  0 nothing  q end".to_string(),
            blank.clone(),
            row("plant  93 %"),
            row("").trim_end().to_string(),
            row("1 mug         93 %   5"),
            row("2 plant       93 %   5"),
            row("3 a long na   93 %   5"),
            blank.clone(),
            blank.clone(),
            blank.clone(),
            blank.clone(),
            " 1-9 teach u undo q end".to_string(),
        ];
        assert_eq!(shown(&[moment], (40, 12), ""), answer);
        // A long error in place of the image, and the page's address.
        let text = "the camera's stream ended (120 frames, 3 broken); lessons are kept: start both programs again";
        let gone = offshoot_view::Screen { image: None, state: State::Error(text), ..moment };
        let note = "http://192.168.1.5:8080/?token=0123456789abcdef";
        let error = [
            " Offshoot   1-9 teach  0 nothing  q end",
            "",
            " the camera's stream ended (120 frames,",
            " 3 broken); lessons are kept: start",
            " both programs again",
            " 1 mug       ",
            " 2 plant     ",
            " 3 a long na ",
            "",
            "",
            " http://192.168.1.5:8080/?token=0123456",
            " 1-9 teach u undo q end",
        ];
        for (found, wanted) in shown(&[moment, gone], (40, 12), note).iter().zip(error) {
            assert!(
                found.starts_with(wanted) || found == wanted.trim_end(),
                "{found} for {wanted}"
            );
        }
    }

    /// Any size and content: nothing is wider than the terminal, and the answer is there.
    #[test]
    fn every_size_shows_the_answer() {
        let rgb = [200; 3 * 16 * 12];
        let mut random = 11_u64;
        let mut below = |most: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % most
        };
        for _ in 0..2000 {
            let size = (1 + below(100) as u16, 1 + below(40) as u16);
            let classes = classes(below(11) as usize);
            let leader = classes.get(below(10) as usize).map_or("mug", |line| line.name);
            let state = match below(4) {
                0 => State::Answer { class: leader, confidence: 0.93 },
                1 => State::Teaching { class: leader, count: 3, goal: 5 },
                2 => State::Error(
                    "no frame for 3 seconds, and a text that goes on and on, longer than any row",
                ),
                _ => State::Unknown,
            };
            let moment = offshoot_view::Screen {
                title: "Offshoot",
                image: Image::new(16, 12, &rgb).filter(|_| below(4) > 0),
                objects: None,
                state,
                classes: &classes,
                threshold: Some(0.6),
                advice: if below(2) == 0 { "" } else { "Show me something else, too: hold 2" },
                hint: "4 more for the long name of a thing",
            };
            let note = ["", "http://localhost:8080"][below(2) as usize];
            let rows = shown(&[moment], size, note).join("\n");
            let (text, _) = label(&moment);
            let start = cut(text.split(' ').next().unwrap_or_default(), size.0.min(9));
            assert!(rows.contains(start), "{size:?} {start}:\n{rows}");
            let is_whole = size.0 >= LEAST.0 && size.1 >= LEAST.1;
            assert_eq!(rows.contains("q end"), is_whole, "{size:?}:\n{rows}");
            assert!(!is_whole || rows.contains("4 more for the long"), "{size:?}:\n{rows}");
        }
        let mut out = Vec::new();
        Terminal::to(&mut out, (0, 0))
            .show(&offshoot_view::Screen {
                title: "",
                image: None,
                objects: None,
                state: State::Unknown,
                classes: &[],
                threshold: None,
                advice: "",
                hint: "",
            })
            .unwrap();
    }

    #[test]
    fn a_wide_terminal_shows_bars_advice_and_the_empty_scene() {
        let rgb = [200; 3 * 16 * 12];
        let line = ClassLine { name: "mug", samples: 5, probability: 0.93 };
        let nothing = ClassLine { name: NOTHING, probability: 0.1, ..line };
        let classes = [line, nothing];
        let moment = offshoot_view::Screen {
            title: "Offshoot",
            image: Image::new(16, 12, &rgb),
            objects: None,
            state: State::Nothing,
            classes: &classes,
            threshold: Some(0.6),
            advice: "Show me something else, too: hold 2",
            hint: "1-9 teach",
        };
        let text = shown(&[moment], (80, 24), "").join("\n");
        for part in
            ["1 mug", "0 nothing", "Show me something else, too", "93 %   5", "f forget all"]
        {
            assert!(text.contains(part), "{part}:\n{text}");
        }
        assert!(text.contains(MARK) && text.contains(HALF), "{text}");
        let text = shown(&[moment, offshoot_view::Screen { image: None, ..moment }], (80, 24), "");
        assert!(!text.join("\n").contains(HALF), "an image that has gone leaves nothing behind");
    }
}
