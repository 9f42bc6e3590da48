//! Layout with a camera image: from 176 x 168, designed for 320 x 240 and 240 x 240.

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, PrimitiveStyle, Rectangle};

use super::pen::{Pen, area};
use super::pointing;
use crate::ink::Ink;
use crate::screen::{ClassLine, Screen, State};
use crate::text::{Align, Type, face};

/// Smallest panel for this layout.
pub(crate) const LEAST: Size = Size::new(176, 168);

const MARGIN: i32 = 8;
const HEADER: i32 = 26;
const STRIP: i32 = 54;
const HINT: i32 = 24;
const ROW: i32 = 24;
const GAP: i32 = 8;

const TITLE: Type = Type::plain(face!(FONT_7X14_BOLD));
/// Font of text that is not emphasized.
const SMALL: Type = Type::plain(face!(FONT_6X12));
const LEADER: Type = Type::plain(face!(FONT_7X13_BOLD));
const LABEL: Type = Type::doubled(face!(FONT_9X15_BOLD));
const LINE: Type = Type::plain(face!(FONT_10X20));

/// Areas of the parts of the screen.
struct Layout {
    header: Rectangle,
    /// Area between header and hint.
    body: Rectangle,
    image: Option<Rectangle>,
    rows: Rectangle,
    strip: Rectangle,
    hint: Rectangle,
}

impl Layout {
    fn new(whole: Rectangle, with_image: bool) -> Self {
        let Point { x, y } = whole.top_left;
        let width = whole.size.width as i32;
        let height = whole.size.height as i32;
        let inner = width - 2 * MARGIN;
        let body_top = y + HEADER + GAP;
        let hint_top = y + height - HINT;
        let strip_top = hint_top - STRIP;
        let body = strip_top - GAP - body_top;
        // Cameras deliver 4:3; a higher body shows the image with panel around it.
        let image_width = if with_image { (width / 2).min(body * 4 / 3) } else { -MARGIN };
        let rows_left = x + MARGIN + image_width + MARGIN;
        Self {
            header: area(x, y, width, HEADER),
            body: area(x + MARGIN, body_top, inner, hint_top - body_top),
            image: with_image.then(|| area(x + MARGIN, body_top, image_width, body)),
            rows: area(rows_left, body_top, x + width - MARGIN - rows_left, body),
            strip: area(x + MARGIN, strip_top, inner, STRIP),
            hint: area(x + MARGIN, hint_top, inner, HINT),
        }
    }
}

pub(crate) fn draw<D>(
    screen: &Screen<'_>,
    pen: &mut Pen<'_, D>,
    whole: Rectangle,
) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    let is_report = matches!(screen.state, State::Report { .. });
    let layout = Layout::new(whole, screen.image.is_some() || is_report);
    header(screen, pen, layout.header)?;
    let ink = (pen.theme.dim, Align::Left);
    pen.text(SMALL, screen.hint, layout.hint, ink)?;
    match (screen.state, screen.image, layout.image) {
        (State::Error(text), ..) => return fault(pen, text, layout.body),
        (State::Report { advice, .. }, _, Some(place)) => {
            let text = if advice.is_empty() { "Nothing would help: all is well." } else { advice };
            words(pen, text, place, MARGIN)?;
        }
        (_, Some(image), Some(place)) => {
            pen.panel(place, 0)?;
            let place = image.place_in(place);
            image.draw(pen.target, place)?;
            if let Some(objects) = screen.objects {
                pointing::draw(&objects, pen, place)?;
            }
        }
        _ => {}
    }
    match screen.state {
        State::Welcome { class, button } => pen.steps(SMALL, (class, button), layout.rows, ROW)?,
        _ => rows(screen, pen, layout.rows)?,
    }
    strip(screen, pen, layout.strip)
}

/// Draws an error that stops the device, in place of everything but header and hint.
fn fault<D>(pen: &mut Pen<'_, D>, text: &str, place: Rectangle) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    words(pen, text, place, 14)?;
    // A stripe serves as a sign: it is visible from afar and needs no words.
    let Point { x, y } = place.top_left;
    pen.fill(area(x, y + 8, 4, place.size.height as i32 - 16), pen.theme.fault)
}

/// Draws sentences on a panel, `left` pixels from its left edge.
fn words<D>(pen: &mut Pen<'_, D>, text: &str, place: Rectangle, left: i32) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    pen.panel(place, 6)?;
    let Point { x, y } = place.top_left;
    let width = place.size.width as i32;
    let height = place.size.height as i32;
    let room = area(x + left, y + 4, width - left - MARGIN, height - 8);
    pen.paragraph([LINE, SMALL], text, room, pen.theme.text)
}

/// Draws the title on the left and a word for the state on the right.
fn header<D>(screen: &Screen<'_>, pen: &mut Pen<'_, D>, whole: Rectangle) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    let theme = pen.theme;
    pen.fill(whole, theme.panel)?;
    let Point { x, y } = whole.top_left;
    let width = whole.size.width as i32;
    let height = whole.size.height as i32;
    if theme.outlined {
        pen.fill(area(x, y + height - 1, width, 1), theme.text)?;
    }
    let word = screen.state.word();
    let word_width = SMALL.width(word) as i32;
    let word_left = x + width - MARGIN - word_width;
    if !word.is_empty() {
        let tone = screen.state.tone(theme);
        pen.text(SMALL, word, area(word_left, y, word_width, height), (tone, Align::Right))?;
        Circle::new(Point::new(word_left - 12, y + height / 2 - 4), 7)
            .into_styled(PrimitiveStyle::with_fill(tone))
            .draw(pen.target)?;
    }
    let title = area(x + MARGIN, y, word_left - 20 - x - MARGIN, height);
    pen.text(TITLE, screen.title, title, (theme.text, Align::Left)).map(drop)
}

fn rows<D>(screen: &Screen<'_>, pen: &mut Pen<'_, D>, whole: Rectangle) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    let highlighted = screen.highlighted();
    let fitting = whole.size.height as usize / ROW as usize;
    let mut top = whole.top_left.y;
    for (index, line) in screen.window(fitting) {
        let place = area(whole.top_left.x, top, whole.size.width as i32, ROW);
        row(screen, pen, place, (line, highlighted == Some(index)))?;
        top += ROW;
    }
    let Point { x, y } = whole.top_left;
    let width = whole.size.width as i32;
    let height = whole.size.height as i32;
    pen.advice([LINE, LEADER], screen.advice, area(x, top, width, y + height - top))
}

/// Draws name and number above a bar.
fn row<D>(
    screen: &Screen<'_>,
    pen: &mut Pen<'_, D>,
    whole: Rectangle,
    (line, leads): (&ClassLine<'_>, bool),
) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    let theme = pen.theme;
    let Point { x, y } = whole.top_left;
    let width = whole.size.width as i32;
    let (share, number) = screen.bar(line);
    let (kind, text, tone) = if leads {
        (LEADER, theme.text, screen.state.tone(theme))
    } else {
        (SMALL, theme.dim, theme.dim)
    };
    let number_ink = (if leads { tone } else { theme.dim }, Align::Right);
    let taken = pen.text(kind, number.as_str(), area(x, y, width, 14), number_ink)?;
    let name = area(x, y, width - taken as i32 - 6, 14);
    pen.text(kind, line.name, name, (text, Align::Left))?;
    pen.bar(area(x, y + 16, width, 5), share, tone)
}

/// Draws the large label, its number and a bar.
fn strip<D>(screen: &Screen<'_>, pen: &mut Pen<'_, D>, whole: Rectangle) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    pen.panel(whole, 6)?;
    let tone = screen.state.tone(pen.theme);
    let Point { x, y } = whole.top_left;
    let left = x + 10;
    let width = whole.size.width as i32 - 20;
    if let State::Message(text) = screen.state {
        let place = area(left, y + 4, width, STRIP - 8);
        return pen.paragraph([LINE, SMALL], text, place, pen.theme.text);
    }
    let bar = area(left, y + 42, width, 5);
    let Some((number, share)) = screen.state.measure() else {
        let is_doubt = matches!(screen.state, State::Unknown);
        let high = if is_doubt { 36 } else { STRIP - 8 };
        label(pen, screen.state.label(), area(left, y + 4, width, high), tone)?;
        return if is_doubt { gauge(screen, pen, bar, screen.largest()) } else { Ok(()) };
    };
    let numbers = area(left, y + 4, width, 36);
    let taken = pen.text(LINE, number.as_str(), numbers, (pen.theme.text, Align::Right))?;
    label(pen, screen.state.label(), area(left, y + 4, width - taken as i32 - 10, 36), tone)?;
    match screen.state {
        State::Teaching { count, goal, .. } if goal <= 20 => steps(pen, bar, (count, goal), tone),
        _ => gauge(screen, pen, bar, share),
    }
}

/// Draws the large bar, with the threshold if there is one.
fn gauge<D>(
    screen: &Screen<'_>,
    pen: &mut Pen<'_, D>,
    bar: Rectangle,
    share: f32,
) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    pen.bar(bar, share, screen.state.tone(pen.theme))?;
    screen.mark().map_or(Ok(()), |place| pen.mark(bar, share, place))
}

/// Draws a label in the largest font that fits.
fn label<D>(
    pen: &mut Pen<'_, D>,
    text: &str,
    place: Rectangle,
    tone: D::Color,
) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    let kind = if LABEL.width(text) <= place.size.width { LABEL } else { LINE };
    pen.text(kind, text, place, (tone, Align::Left)).map(drop)
}

/// Draws one piece of bar for every sample wanted.
fn steps<D>(
    pen: &mut Pen<'_, D>,
    bar: Rectangle,
    (count, goal): (u32, u32),
    tone: D::Color,
) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    const SPACE: i32 = 3;
    let goal = goal.max(1) as i32;
    let width = bar.size.width as i32 + SPACE;
    for step in 0..goal {
        let start = width * step / goal;
        let end = width * (step + 1) / goal - SPACE;
        let piece =
            area(bar.top_left.x + start, bar.top_left.y, end - start, bar.size.height as i32);
        pen.bar(piece, if (step as u32) < count { 1.0 } else { 0.0 }, tone)?;
    }
    Ok(())
}
