//! Objects in an image: dots, boxes and names, or crosses in one colour.

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, PrimitiveStyle, Rectangle};

use super::pen::{Pen, area};
use crate::ink::{Ink, Theme};
use crate::objects::{Objects, Pointed};
use crate::screen::share;
use crate::text::{Align, Type, face};

/// Font of names.
const NAME: Type = Type::plain(face!(FONT_6X12));

/// Diameter of a dot, and of the ring around it that keeps it apart from any photograph.
const DOT: u32 = 5;
const RING: u32 = 9;

/// Reach of a cross from its middle.
const REACH: i32 = 2;

/// Draws the objects over an image that fills `place`.
pub(crate) fn draw<D>(
    objects: &Objects<'_>,
    pen: &mut Pen<'_, D>,
    place: Rectangle,
) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    let mut inside = pen.target.clipped(&place);
    let mut pen = Pen { target: &mut inside, theme: pen.theme };
    if let Some([left, top, width, height]) = objects.aim {
        let centre = [left + width / 2.0, top + height / 2.0];
        let tone = pen.theme.lesson;
        frame(&mut pen, boxed(centre, [width, height], place), tone)?;
    }
    for one in objects.pointed {
        object(&mut pen, one, place)?;
        if !objects.is_beside_taught(one) {
            name(&mut pen, one, place)?;
        }
    }
    Ok(())
}

/// Draws the objects as crosses in a frame of the image's place, for displays of one colour.
pub(crate) fn draw_crosses<D>(
    objects: &Objects<'_>,
    pen: &mut Pen<'_, D>,
    place: Rectangle,
) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    let mut inside = pen.target.clipped(&place);
    let mut pen = Pen { target: &mut inside, theme: pen.theme };
    let track = pen.theme.track;
    frame(&mut pen, place, track)?;
    for one in objects.pointed {
        let Point { x, y } = at(one.centre, place);
        let tone = tone(one, pen.theme);
        pen.fill(area(x - REACH, y, 2 * REACH + 1, 1), tone)?;
        pen.fill(area(x, y - REACH, 1, 2 * REACH + 1), tone)?;
    }
    Ok(())
}

fn object<D>(pen: &mut Pen<'_, D>, one: &Pointed<'_>, place: Rectangle) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    let theme = pen.theme;
    let tone = tone(one, theme);
    if let Some(size) = one.size {
        frame(pen, boxed(one.centre, size, place), tone)?;
    }
    let middle = at(one.centre, place);
    for (diameter, colour) in [(RING, theme.background), (DOT, tone)] {
        let style = PrimitiveStyle::with_fill(colour);
        Circle::with_center(middle, diameter).into_styled(style).draw(pen.target)?;
    }
    Ok(())
}

/// Draws the name beside the dot.
fn name<D>(pen: &mut Pen<'_, D>, one: &Pointed<'_>, place: Rectangle) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    let theme = pen.theme;
    let tone = tone(one, theme);
    let middle = at(one.centre, place);
    let width = NAME.width(one.name) as i32;
    let height = NAME.height() as i32;
    // To the left of a dot that has no room for the name at its right.
    let right = place.top_left.x + place.size.width as i32;
    let reach = RING as i32 / 2 + 1;
    let is_late = middle.x + reach + width > right;
    let left = if is_late { middle.x - reach - width } else { middle.x + reach };
    let label = area(left, middle.y - height / 2, width, height);
    pen.fill(label, theme.background)?;
    pen.text(NAME, one.name, label, (tone, Align::Left)).map(drop)
}

/// Returns the colour of an object that is taught, or was found.
fn tone<C: PixelColor>(one: &Pointed<'_>, theme: &Theme<C>) -> C {
    if one.is_taught { theme.lesson } else { theme.answer }
}

/// Draws the outline of a box.
fn frame<D>(pen: &mut Pen<'_, D>, edges: Rectangle, tone: D::Color) -> Result<(), D::Error>
where
    D: DrawTarget,
    D::Color: Ink,
{
    edges.into_styled(PrimitiveStyle::with_stroke(tone, 1)).draw(pen.target)
}

/// Returns the pixel of a point that is given in shares of the place's sides.
fn at([across, down]: [f32; 2], place: Rectangle) -> Point {
    let pixel = |share_of: f32, side: u32| (share(share_of) * side.saturating_sub(1) as f32) as i32;
    let Size { width, height } = place.size;
    place.top_left + Point::new(pixel(across, width), pixel(down, height))
}

/// Returns the pixels of a box, cut off at the edges of the place.
fn boxed([across, down]: [f32; 2], [width, height]: [f32; 2], place: Rectangle) -> Rectangle {
    let first = at([across - width / 2.0, down - height / 2.0], place);
    let last = at([across + width / 2.0, down + height / 2.0], place);
    Rectangle::with_corners(first, last)
}
