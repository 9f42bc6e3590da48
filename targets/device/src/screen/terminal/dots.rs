//! Objects of a device that points, over the frame of a terminal.

use std::io::{self, Write};

use crossterm::cursor::MoveTo;
use crossterm::queue;
use crossterm::style::{Print, SetForegroundColor};
use offshoot_view::Objects;

use super::{ANSWER, LESSON, cut};

const DOT: char = '\u{25cf}';

/// Draws a dot and as much of its name as fits for each object; the frame has its first cell in
/// column 1 of row `top`.
pub(super) fn draw(
    out: &mut Vec<u8>,
    objects: &Objects<'_>,
    (columns, rows): (u16, u16),
    top: u16,
) -> io::Result<()> {
    for one in objects.pointed {
        let at = |share: f32, cells: u16| {
            ((share.clamp(0.0, 1.0) * f32::from(cells)) as u16).min(cells.saturating_sub(1))
        };
        let column = at(one.centre[0], columns);
        let row = at(one.centre[1], rows);
        let room = columns.saturating_sub(column + 2);
        let ink = if one.is_taught { LESSON } else { ANSWER };
        queue!(out, MoveTo(1 + column, top + row), SetForegroundColor(ink), Print(DOT))?;
        if room > 0 {
            write!(out, " {}", cut(one.name, room))?;
        }
    }
    Ok(())
}
