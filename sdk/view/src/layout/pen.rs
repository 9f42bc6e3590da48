//! Shapes that screens consist of.

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{PrimitiveStyle, Rectangle, RoundedRectangle};

use crate::ink::{Ink, Theme};
use crate::text::{Align, Type};

/// Draw target with the colours to draw in.
pub(crate) struct Pen<'t, D: DrawTarget> {
    pub target: &'t mut D,
    pub theme: &'t Theme<D::Color>,
}

impl<D> Pen<'_, D>
where
    D: DrawTarget,
    D::Color: Ink,
{
    pub fn fill(&mut self, area: Rectangle, colour: D::Color) -> Result<(), D::Error> {
        self.target.fill_solid(&area, colour)
    }

    /// Draws a rectangle with round corners, as an outline if the display has no shades.
    pub fn panel(&mut self, area: Rectangle, radius: u32) -> Result<(), D::Error> {
        let style = if self.theme.outlined {
            PrimitiveStyle::with_stroke(self.theme.text, 1)
        } else {
            PrimitiveStyle::with_fill(self.theme.panel)
        };
        let corners = Size::new_equal(radius);
        RoundedRectangle::with_equal_corners(area, corners).into_styled(style).draw(self.target)
    }

    /// Draws a bar with a share in `0..=1` filled.
    pub fn bar(&mut self, area: Rectangle, share: f32, colour: D::Color) -> Result<(), D::Error> {
        if self.theme.outlined {
            let style = PrimitiveStyle::with_stroke(self.theme.track, 1);
            area.into_styled(style).draw(self.target)?;
        } else {
            self.fill(area, self.theme.track)?;
        }
        self.fill(filled(area, share), colour)
    }

    /// Marks a place in `0..=1` of a bar with a share filled: a line that is visible on both parts
    /// and above and below.
    pub fn mark(&mut self, bar: Rectangle, share: f32, place: f32) -> Result<(), D::Error> {
        if bar.is_zero_sized() {
            return Ok(());
        }
        let x = filled(bar, place).size.width.min(bar.size.width.saturating_sub(1)) as i32;
        let Point { x: left, y: top } = bar.top_left;
        let height = bar.size.height as i32;
        let covered = filled(bar, share).size.width as i32 > x;
        let inner = if covered { self.theme.background } else { self.theme.text };
        self.fill(area(left + x, top - 1, 1, height + 2), self.theme.text)?;
        self.fill(area(left + x, top, 1, height), inner)
    }

    /// Draws a text in the first of these types in which it fits, on as many lines as fit.
    pub fn paragraph(
        &mut self,
        kinds: [Type; 2],
        text: &str,
        place: Rectangle,
        colour: D::Color,
    ) -> Result<(), D::Error> {
        let Size { width, height } = place.size;
        let [first, second] = kinds;
        let fits = first.holds(text, width, first.lines_in(height));
        let kind = if fits { first } else { second };
        let step = (kind.height() + 1) as i32;
        let most = kind.lines_in(height);
        let mut needed = 1;
        while needed < most && !kind.holds(text, width, needed) {
            needed += 1;
        }
        let Point { x, mut y } = place.top_left;
        y += (height as i32 - needed as i32 * step).max(0) / 2;
        let mut rest = text;
        for line in 1..=needed.min(most) {
            let (first, after) = kind.first_line(rest, width);
            // An ellipsis on the last line shows that the text goes on.
            let shown = if line == needed { rest } else { first };
            let ink = (colour, Align::Left);
            self.text(kind, shown, area(x, y, width as i32, step), ink)?;
            (rest, y) = (after, y + step);
        }
        Ok(())
    }

    /// Draws the advice, unless it is empty or no line of it fits.
    pub fn advice(
        &mut self,
        kinds: [Type; 2],
        text: &str,
        place: Rectangle,
    ) -> Result<(), D::Error> {
        if text.is_empty() || place.size.height <= kinds[1].height() {
            return Ok(());
        }
        self.paragraph(kinds, text, place, self.theme.lesson)
    }

    /// Draws the instructions of the welcome screen, in rows of this height, as many as fit.
    pub fn steps(
        &mut self,
        kind: Type,
        (class, button): (&str, &str),
        place: Rectangle,
        row: i32,
    ) -> Result<(), D::Error> {
        let steps = [("1", "Show a ", class), ("2", "Hold ", button), ("3", "Do it again", "")];
        let tone = self.theme.lesson;
        let ink = self.theme.text;
        let left = place.top_left.x;
        let width = place.size.width as i32;
        let indent = 2 * kind.width(" ") as i32;
        let fitting = place.size.height as usize / row as usize;
        for (index, (number, verb, what)) in steps.into_iter().take(fitting).enumerate() {
            let top = place.top_left.y + index as i32 * row;
            self.text(kind, number, area(left, top, width, row), (tone, Align::Left))?;
            let verb_area = area(left + indent, top, width - indent, row);
            let taken = self.text(kind, verb, verb_area, (ink, Align::Left))? as i32;
            let from = indent + taken;
            let what_area = area(left + from, top, width - from, row);
            self.text(kind, what, what_area, (tone, Align::Left))?;
        }
        Ok(())
    }

    /// Draws a line of text and returns its width.
    pub fn text(
        &mut self,
        kind: Type,
        text: &str,
        area: Rectangle,
        ink: (D::Color, Align),
    ) -> Result<u32, D::Error> {
        kind.draw(self.target, text, area, ink)
    }
}

/// Returns the filled left part of a bar.
pub(crate) fn filled(area: Rectangle, share: f32) -> Rectangle {
    let width = (share * area.size.width as f32 + 0.5) as u32;
    Rectangle::new(area.top_left, Size::new(width.min(area.size.width), area.size.height))
}

/// Returns a rectangle from its left, top, width and height; negative sides count as 0.
pub(crate) fn area(x: i32, y: i32, width: i32, height: i32) -> Rectangle {
    Rectangle::new(Point::new(x, y), Size::new(width.max(0) as u32, height.max(0) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_follow_their_share() {
        let whole = area(3, 4, 50, 5);
        for (share, width) in [(0.0, 0), (0.5, 25), (0.99, 50), (1.0, 50), (0.011, 1)] {
            assert_eq!(filled(whole, share).size, Size::new(width, 5));
        }
        assert_eq!(area(0, 0, -3, 2).size, Size::new(0, 2));
    }
}
