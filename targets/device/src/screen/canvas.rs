//! Double buffer of a screen: the difference to the visible content is all that a slow bus carries.

use std::ops::Range;

use embedded_graphics::prelude::*;
use offshoot_view::Ink;

use super::panel::Panel;

/// Two panels of a size: the next content and the visible one.
#[derive(Debug, Clone)]
pub(crate) struct Canvas<C> {
    next: Panel<C>,
    shown: Panel<C>,
    /// True if the visible content is unknown: before the first state or after a failed one.
    is_lost: bool,
}

impl<C: Ink> Canvas<C> {
    pub fn new(width: u16, height: u16) -> Self {
        let panel = Panel::new(width, height, C::THEME.background);
        Self { next: panel.clone(), shown: panel, is_lost: true }
    }

    /// Draws the next content. Until [`Canvas::keep`] confirms it, the visible content is unknown.
    pub fn draw(&mut self, moment: &offshoot_view::Screen<'_>) {
        let Ok(()) = moment.draw(&mut self.next);
    }

    /// Returns the rows that differ from the visible content, the first to the last.
    pub fn changed_rows(&self) -> Range<u16> {
        let height = self.next.size().height as u16;
        if self.is_lost {
            return 0..height;
        }
        let Some(first) = (0..height).find(|y| self.differs(*y)) else { return 0..0 };
        let last = (first..height).rev().find(|y| self.differs(*y)).unwrap_or(first);
        first..last + 1
    }

    fn differs(&self, y: u16) -> bool {
        self.next.row(y) != self.shown.row(y)
    }

    /// Returns the pixels that differ from the visible content.
    #[cfg(any(feature = "buses", test))]
    pub fn changed(&self) -> impl Iterator<Item = Pixel<C>> {
        self.changed_rows().flat_map(move |y| {
            let row = self.next.row(y).iter().zip(self.shown.row(y)).enumerate();
            let differing = row.filter(|(_, (next, shown))| self.is_lost || next != shown);
            differing.map(move |(x, (next, _))| Pixel(Point::new(x as i32, y.into()), *next))
        })
    }

    /// Returns a row of the next content.
    pub fn row(&self, y: u16) -> &[C] {
        self.next.row(y)
    }

    /// Returns columns and rows.
    pub fn size(&self) -> (u16, u16) {
        let Size { width, height } = self.next.size();
        (width as u16, height as u16)
    }

    /// Reports the success of the transfer: the drawn content is visible now, or not.
    pub fn keep(&mut self, is_shown: bool) {
        self.is_lost = !is_shown;
        std::mem::swap(&mut self.next, &mut self.shown);
    }
}

#[cfg(test)]
mod tests {
    use embedded_graphics::pixelcolor::BinaryColor;
    use offshoot_view::State;

    use super::*;

    fn moment(text: &str) -> offshoot_view::Screen<'_> {
        let state = State::Message(text);
        offshoot_view::Screen {
            title: "",
            image: None,
            objects: None,
            state,
            classes: &[],
            threshold: None,
            advice: "",
            hint: "",
        }
    }

    #[test]
    fn only_what_differs_is_told() {
        let mut canvas = Canvas::<BinaryColor>::new(128, 64);
        canvas.draw(&moment("a"));
        assert_eq!((canvas.changed_rows(), canvas.changed().count()), (0..64, 128 * 64));
        canvas.keep(true);
        canvas.draw(&moment("a"));
        assert_eq!((canvas.changed_rows(), canvas.changed().count()), (0..0, 0));
        canvas.keep(true);
        canvas.draw(&moment("b"));
        let rows = canvas.changed_rows();
        assert!(rows.len() > 3 && rows.len() < 13, "{rows:?}");
        assert!(canvas.changed().all(|Pixel(at, _)| rows.contains(&(at.y as u16)) && at.x < 7));
        canvas.keep(false);
        canvas.draw(&moment("b"));
        assert_eq!(canvas.changed().count(), 128 * 64, "a moment that failed is sent whole");
    }
}
