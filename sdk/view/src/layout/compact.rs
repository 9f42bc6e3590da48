//! Layout without a camera image: label and bars, or a spectrogram in place of the bars, designed for
//! 128 x 64.

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use super::pen::{Pen, area, filled};
use super::pointing;
use crate::image::Image;
use crate::ink::Ink;
use crate::screen::{ClassLine, Screen, State};
use crate::text::{Align, Type, face};

const TOP: i32 = 21;
const ROW: i32 = 10;
const HINT: i32 = 10;
/// Columns between the counts and the frame with crosses.
const GAP: i32 = 3;

const LABEL: Type = Type::plain(face!(FONT_10X20));
const SMALLER: Type = Type::plain(face!(FONT_7X13_BOLD));
const SMALL: Type = Type::plain(face!(FONT_5X8));

pub(crate) fn draw<D>(
    screen: &Screen<'_>,
    pen: &mut Pen<'_, D>,
    whole: Rectangle,
) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    let Point { x, y } = whole.top_left;
    let width = whole.size.width as i32;
    let height = whole.size.height as i32;
    let hint = if screen.hint.is_empty() || height < TOP + HINT { 0 } else { HINT };
    let ink = (pen.theme.dim, Align::Left);
    pen.text(SMALL, screen.hint, area(x + 1, y + height - hint, width - 2, hint), ink)?;
    let below = |from: i32| area(x + 1, y + from, width - 2, height - hint - from);
    match screen.state {
        State::Message(text) => {
            return pen.paragraph([SMALLER, SMALL], text, below(0), pen.theme.text);
        }
        State::Error(text) => {
            pen.fill(area(x, y, width, height.min(HINT)), pen.theme.fault)?;
            let ink = (pen.theme.background, Align::Left);
            pen.text(SMALL, screen.state.word(), area(x + 2, y, width - 4, height.min(HINT)), ink)?;
            return pen.paragraph([SMALLER, SMALL], text, below(HINT), pen.theme.text);
        }
        _ => {}
    }
    top(screen, pen, area(x + 1, y, width - 2, height.min(TOP - 1)))?;
    match screen.state {
        State::Welcome { class, button } => {
            return pen.steps(SMALL, (class, button), below(TOP), ROW);
        }
        State::Report { advice, .. } if !advice.is_empty() => {
            return pen.paragraph([SMALL, SMALL], advice, below(TOP), pen.theme.text);
        }
        _ => {}
    }
    if let Some(image) = screen.image.filter(Image::is_on_small_panels) {
        return image.draw(pen.target, below(TOP));
    }
    rows(screen, pen, below(TOP))
}

/// Draws the classes, with bars, or with counts beside a frame of crosses; then the advice.
fn rows<D>(screen: &Screen<'_>, pen: &mut Pen<'_, D>, room: Rectangle) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    // Rows reach the edge of the panel.
    let x = room.top_left.x - 1;
    let mut width = room.size.width as i32 + 2;
    let bottom = room.top_left.y + room.size.height as i32;
    if let Some(objects) = screen.objects {
        let seen = frame_of(screen.image, room);
        width = seen.top_left.x - x - GAP;
        pointing::draw_crosses(&objects, pen, seen)?;
    }
    let highlighted = screen.highlighted();
    let mut row_top = room.top_left.y;
    for (index, line) in screen.window((room.size.height as i32 / ROW) as usize) {
        let leads = highlighted == Some(index);
        let place = area(x, row_top, width, ROW);
        match screen.objects {
            Some(_) => counted(screen, pen, place, (line, leads))?,
            None => row(screen, pen, place, (line, leads))?,
        }
        row_top += ROW;
    }
    let rest = area(x + 1, row_top, width - 2, bottom - row_top);
    pen.advice([SMALLER, SMALL], screen.advice, rest)
}

/// Returns the right part of an area in the proportions of the image, or of 4 to 3.
fn frame_of(image: Option<Image<'_>>, room: Rectangle) -> Rectangle {
    let Size { width, height } = room.size;
    let (across, down) = image.map_or((4, 3), |image| (image.width(), image.height()));
    let wanted = u64::from(height) * u64::from(across) / u64::from(down.max(1));
    let wide = wanted.min(u64::from(width / 2)) as i32;
    let left = room.top_left.x + width as i32 - wide;
    area(left, room.top_left.y, wide, height as i32)
}

/// Draws name and number of objects side by side; the leader's name is inverted.
fn counted<D>(
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
    let text = if leads { theme.background } else { theme.text };
    if leads {
        pen.fill(area(x, y, width, ROW - 1), screen.state.tone(theme))?;
    }
    let inner = area(x + 1, y, width - 2, ROW - 1);
    let number = screen.bar(line).1;
    let taken = pen.text(SMALL, number.as_str(), inner, (text, Align::Right))?;
    let name = area(x + 1, y, width - taken as i32 - 5, ROW - 1);
    pen.text(SMALL, line.name, name, (text, Align::Left)).map(drop)
}

/// Draws label and number side by side.
fn top<D>(screen: &Screen<'_>, pen: &mut Pen<'_, D>, whole: Rectangle) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    let tone = screen.state.tone(pen.theme);
    let mut label = whole;
    if let Some((number, _)) = screen.state.measure() {
        let ink = (pen.theme.text, Align::Right);
        let taken = pen.text(SMALLER, number.as_str(), whole, ink)?;
        label.size.width = label.size.width.saturating_sub(taken + 4);
    }
    let text = screen.state.label();
    let large = LABEL.width(text) <= label.size.width && LABEL.height() <= label.size.height;
    let kind = if large { LABEL } else { SMALLER };
    pen.text(kind, text, label, (tone, Align::Left)).map(drop)
}

/// Draws name and bar side by side; the leader's name is inverted, which needs no shades.
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
    let name_width = width * 45 / 100;
    let tone = if leads { screen.state.tone(theme) } else { theme.dim };
    let text = if leads { theme.background } else { theme.text };
    if leads {
        pen.fill(area(x, y, name_width, ROW - 1), tone)?;
    }
    pen.text(SMALL, line.name, area(x + 1, y, name_width - 2, ROW - 1), (text, Align::Left))?;
    let bar = area(x + name_width + 3, y + 1, width - name_width - 4, ROW - 3);
    // A thin line for the track keeps full and empty apart in a single colour.
    pen.fill(area(bar.top_left.x, y + ROW - 3, bar.size.width as i32, 1), theme.track)?;
    let share = screen.bar(line).0;
    pen.fill(filled(bar, share), tone)?;
    screen.mark().map_or(Ok(()), |place| pen.mark(bar, share, place))
}
