//! Lines of text that are cut to their area.

use embedded_graphics::image::GetPixel;
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{PrimitiveStyleBuilder, Rectangle, StrokeAlignment};
use embedded_graphics::text::Baseline;
use embedded_graphics::text::renderer::TextRenderer;
use unicode_width::UnicodeWidthChar;

/// Horizontal alignment of a line in its area; vertically it is always centred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Fonts of one size for several scripts; a letter is drawn in the first that has it.
pub(crate) type Face = &'static [&'static MonoFont<'static>];

/// Makes a [`Face`] of a font's parts: Latin of western, central and northern Europe, Turkish and
/// Romanian; Cyrillic; Greek.
macro_rules! face {
    ($font:ident) => {
        &[
            &embedded_graphics::mono_font::iso_8859_1::$font,
            &embedded_graphics::mono_font::iso_8859_2::$font,
            &embedded_graphics::mono_font::iso_8859_5::$font,
            &embedded_graphics::mono_font::iso_8859_7::$font,
            &embedded_graphics::mono_font::iso_8859_9::$font,
            &embedded_graphics::mono_font::iso_8859_13::$font,
            &embedded_graphics::mono_font::iso_8859_16::$font,
        ]
    };
}

pub(crate) use face;

/// Face at its own size or twice as large.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type {
    pub face: Face,
    pub doubled: bool,
}

/// Ellipsis after a text that was cut.
const CUT: &str = "..";

impl Type {
    pub const fn plain(face: Face) -> Self {
        Self { face, doubled: false }
    }

    pub const fn doubled(face: Face) -> Self {
        Self { face, doubled: true }
    }

    /// Returns the font whose size is that of all.
    fn font(&self) -> &'static MonoFont<'static> {
        self.face[0]
    }

    fn scale(&self) -> u32 {
        if self.doubled { 2 } else { 1 }
    }

    /// Returns the width of a cell: of a letter with the space after it, or of half a wide one.
    fn advance(&self) -> u32 {
        (self.font().character_size.width + self.font().character_spacing) * self.scale()
    }

    pub fn height(&self) -> u32 {
        self.font().character_size.height * self.scale()
    }

    /// Returns the number of lines, with a pixel between them, that fit into a height.
    pub fn lines_in(&self, height: u32) -> u32 {
        height / (self.height() + 1)
    }

    /// Returns the number of cells that fit into a width.
    pub fn capacity(&self, width: u32) -> usize {
        (width / self.advance()) as usize
    }

    pub fn width(&self, text: &str) -> u32 {
        (cells(text) as u32).saturating_mul(self.advance())
    }

    /// Returns the beginning of the text that fits, and the ellipsis that follows it, if any.
    pub fn fit<'t>(&self, text: &'t str, width: u32) -> (&'t str, &'static str) {
        let room = self.capacity(width);
        if cells(text) <= room {
            return (text, "");
        }
        let dots = &CUT[..room.min(CUT.len())];
        (first_cells(text, room - dots.len()).trim_end(), dots)
    }

    /// Returns the words that fit on a first line, and the rest.
    pub fn first_line<'t>(&self, text: &'t str, width: u32) -> (&'t str, &'t str) {
        let room = self.capacity(width);
        if cells(text) <= room {
            return (text, "");
        }
        // The space after the last word of the line may lie just beyond it.
        let end = first_cells(text, room + 1).rfind(' ').unwrap_or(first_cells(text, room).len());
        (&text[..end], text[end..].trim_start())
    }

    /// True if a text fits on `lines` lines.
    pub fn holds(&self, text: &str, width: u32, lines: u32) -> bool {
        (0..lines).fold(text, |text, _| self.first_line(text, width).1).is_empty()
    }

    /// Draws a text, cut if necessary, and returns its width.
    ///
    /// Nothing is drawn in an area that is too low.
    pub fn draw<D: DrawTarget>(
        &self,
        target: &mut D,
        text: &str,
        area: Rectangle,
        (colour, align): (D::Color, Align),
    ) -> Result<u32, D::Error> {
        if area.size.height < self.height() {
            return Ok(0);
        }
        let (head, dots) = self.fit(text, area.size.width);
        let width = self.width(head) + self.width(dots);
        let spare_x = area.size.width.saturating_sub(width) as i32;
        let spare_y = (area.size.height as i32 - self.height() as i32) / 2;
        let indent = if align == Align::Right { spare_x } else { 0 };
        let start = area.top_left + Point::new(indent, spare_y);
        self.run(target, head, start, colour)?;
        self.run(target, dots, start + Size::new(self.width(head), 0), colour)?;
        Ok(width)
    }

    fn run<D: DrawTarget>(
        &self,
        target: &mut D,
        text: &str,
        start: Point,
        colour: D::Color,
    ) -> Result<(), D::Error> {
        if !self.doubled && text.chars().all(|letter| has(self.font(), letter)) {
            let style = MonoTextStyle::new(self.font(), colour);
            return style.draw_string(text, start, Baseline::Top, target).map(drop);
        }
        let mut at = start;
        for letter in text.chars() {
            self.letter(target, letter, at, colour)?;
            at.x += (cells_of(letter) as u32 * self.advance()) as i32;
        }
        Ok(())
    }

    fn letter<D: DrawTarget>(
        &self,
        target: &mut D,
        letter: char,
        at: Point,
        colour: D::Color,
    ) -> Result<(), D::Error> {
        let Some(font) = self.face.iter().find(|font| has(font, letter)) else {
            return self.frame(target, letter, at, colour);
        };
        if self.doubled {
            return target.draw_iter(double(font, letter).map(|p| Pixel(at + p, colour)));
        }
        let style = MonoTextStyle::new(font, colour);
        let mut bytes = [0; 4];
        style.draw_string(letter.encode_utf8(&mut bytes), at, Baseline::Top, target).map(drop)
    }

    /// Draws a frame in place of a letter that no font has, so that none is lost.
    fn frame<D: DrawTarget>(
        &self,
        target: &mut D,
        letter: char,
        at: Point,
        colour: D::Color,
    ) -> Result<(), D::Error> {
        let scale = self.scale();
        let width = cells_of(letter) as u32 * self.advance() - scale;
        let size = Size::new(width, self.height() - 2 * scale);
        let style = PrimitiveStyleBuilder::new()
            .stroke_color(colour)
            .stroke_width(scale)
            .stroke_alignment(StrokeAlignment::Inside)
            .build();
        Rectangle::new(at + Size::new(0, scale), size).into_styled(style).draw(target)
    }
}

/// Returns true if a font has a letter; other letters have the place of a question mark.
fn has(font: &MonoFont<'_>, letter: char) -> bool {
    let index = |letter| font.glyph_mapping.index(letter);
    letter == '?' || index(letter) != index(char::REPLACEMENT_CHARACTER)
}

/// Returns the number of cells of a letter: two for wide ones, such as those of Chinese.
fn cells_of(letter: char) -> usize {
    letter.width().unwrap_or(1).max(1)
}

fn cells(text: &str) -> usize {
    text.chars().map(cells_of).sum()
}

/// Returns the beginning of a text that takes at most this many cells.
fn first_cells(text: &str, count: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, letter)| {
        taken += cells_of(*letter);
        taken > count
    });
    end.map_or(text, |(end, _)| &text[..end])
}

/// Returns the pixels of a character at twice its size, with corners smoothed by the Scale2x rule.
fn double(font: &'static MonoFont<'static>, character: char) -> impl Iterator<Item = Point> {
    let size = font.character_size;
    let per_row = (font.image.size().width / size.width.max(1)).max(1);
    let index = font.glyph_mapping.index(character) as u32;
    let corner =
        Point::new((index % per_row * size.width) as i32, (index / per_row * size.height) as i32);
    let frame = Rectangle::new(Point::zero(), size);
    let lit = move |p: Point| {
        frame.contains(p) && font.image.pixel(corner + p).is_some_and(|colour| colour.is_on())
    };
    let quarters = [Point::zero(), Point::new(1, 0), Point::new(0, 1), Point::new(1, 1)];
    frame.points().flat_map(move |p| {
        quarters.into_iter().filter_map(move |quarter| {
            let step = quarter * 2 - Point::new(1, 1);
            let across = Point::new(step.x, 0);
            let down = Point::new(0, step.y);
            // A quarter takes the colour of its two outer neighbours if they agree and continue an
            // edge.
            let beside = lit(p + across);
            let above = lit(p + down);
            let edge = beside == above && beside != lit(p - down) && above != lit(p - across);
            let on = if edge { beside } else { lit(p) };
            on.then_some(p * 2 + quarter)
        })
    })
}

#[cfg(test)]
mod tests {
    use embedded_graphics::mock_display::MockDisplay;
    use embedded_graphics::mono_font::iso_8859_1::FONT_4X6;
    use embedded_graphics::pixelcolor::BinaryColor;

    use super::*;

    const SMALL: Type = Type::plain(face!(FONT_6X10));

    #[test]
    fn long_texts_end_in_dots_and_fit() {
        for (text, width, expected) in [
            ("banana", 36, ("banana", "")),
            ("banana", 35, ("ban", "..")),
            ("a banana", 24, ("a", "..")),
            ("banana", 6, ("", ".")),
            ("banana", 0, ("", "")),
            ("Schl\u{fc}ssel", 30, ("Sch", "..")),
            ("\u{fc}\u{fc}\u{fc}\u{fc}", 18, ("\u{fc}", "..")),
            // Letters of two cells.
            ("\u{676f}\u{5b50}", 24, ("\u{676f}\u{5b50}", "")),
            ("\u{676f}\u{5b50}\u{676f}", 30, ("\u{676f}", "..")),
        ] {
            assert_eq!(SMALL.fit(text, width), expected, "{text} in {width}");
        }
    }

    #[test]
    fn lines_break_between_words_where_they_can() {
        assert_eq!(SMALL.first_line("one two", 42), ("one two", ""));
        assert_eq!(SMALL.first_line("one two", 41), ("one", "two"));
        assert_eq!(SMALL.first_line("one two", 18), ("one", "two"));
        assert_eq!(SMALL.first_line("banana", 18), ("ban", "ana"));
        assert!(SMALL.holds("one two three", 30, 3) && !SMALL.holds("one two three", 30, 2));
        assert!(!SMALL.holds("one", 0, 9));
    }

    #[test]
    fn text_stays_in_its_area() {
        for kind in [SMALL, Type::doubled(&[&FONT_4X6])] {
            for align in [Align::Left, Align::Right] {
                let mut display = MockDisplay::new();
                let area = Rectangle::new(Point::new(5, 5), Size::new(43, 14));
                let ink = (BinaryColor::On, align);
                kind.draw(&mut display, "Wider\nthan its place", area, ink).unwrap();
                let drawn = display.affected_area();
                assert_eq!(drawn.intersection(&area), drawn);
                assert!(drawn.size.width > 30);
            }
        }
    }

    #[test]
    fn doubling_rounds_corners() {
        let mut display = MockDisplay::new();
        let area = Rectangle::new(Point::zero(), Size::new(8, 12));
        Type::doubled(&[&FONT_4X6])
            .draw(&mut display, "o", area, (BinaryColor::On, Align::Left))
            .unwrap();
        let curve =
            ["  ##  ", " #### ", "##  ##", "##  ##", "##  ##", "##  ##", " #### ", "  ##  "];
        let mut pattern = ["      "; 10];
        pattern[2..].copy_from_slice(&curve);
        display.assert_pattern(&pattern);
    }

    fn drawn(kind: Type, text: &str) -> MockDisplay<BinaryColor> {
        let mut display = MockDisplay::new();
        let area = Rectangle::new(Point::zero(), Size::new(63, 40));
        kind.draw(&mut display, text, area, (BinaryColor::On, Align::Left)).unwrap();
        display
    }

    /// One of every script: Russian, Greek, Polish, Turkish, Latvian, Romanian.
    #[test]
    fn letters_of_many_scripts_are_drawn() {
        for letter in "\u{436}\u{3c9}\u{142}\u{11f}\u{137}\u{219}".chars() {
            assert!(SMALL.face.iter().any(|font| has(font, letter)), "{letter}");
            for kind in [SMALL, Type::doubled(face!(FONT_6X10))] {
                let mut bytes = [0; 4];
                let text: &str = letter.encode_utf8(&mut bytes);
                assert_ne!(drawn(kind, text), drawn(kind, "?"), "{letter}");
                assert_ne!(drawn(kind, text), drawn(kind, "\u{2603}"), "{letter}");
            }
        }
    }

    #[test]
    fn a_letter_that_no_font_has_is_a_frame() {
        let pattern = [
            "      ", "##### ", "#   # ", "#   # ", "#   # ", "#   # ", "#   # ", "#   # ",
            "##### ", "      ",
        ];
        let mut display = MockDisplay::new();
        let area = Rectangle::new(Point::zero(), Size::new(6, 10));
        SMALL.draw(&mut display, "\u{2603}", area, (BinaryColor::On, Align::Left)).unwrap();
        display.assert_pattern(&pattern);
        // A wide one has the width of two, and what follows stands behind it.
        let wide = drawn(SMALL, "\u{676f}a").affected_area();
        assert_eq!(wide.size.width, 12 + 5);
        assert_eq!(
            drawn(Type::doubled(face!(FONT_6X10)), "\u{676f}").affected_area().size,
            Size::new(22, 16)
        );
    }
}
