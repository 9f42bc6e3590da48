//! Confusion matrix as an image.

use image::{Rgb, RgbImage};

use super::canvas::{ADVANCE, Canvas, LINE, width};

/// Largest and smallest side of a cell in pixels, and the smallest side for names and for numbers.
const MOST: u32 = 60;
const LEAST: u32 = 4;
const NAMED: u32 = LINE - 3;
const NUMBERED: u32 = 3 * ADVANCE + 5;

/// Side of the whole matrix in pixels, if the cells are not limited by [`MOST`] or [`LEAST`].
const ALL: u32 = 480;

/// Margin around the image, and gap between names and cells, in pixels.
const GAP: u32 = 8;

const INK: [u8; 3] = [40; 3];
const LINES: [u8; 3] = [200; 3];

/// Draws a confusion matrix: a row per true class, a column per predicted class. Cells are darker
/// for higher shares, green on the diagonal and red elsewhere, with the percentage of the row.
///
/// `confusion` holds the counts row by row, `classes.len()` squared.
pub fn draw(title: &str, classes: &[String], confusion: &[u32]) -> RgbImage {
    let count = classes.len().max(1) as u32;
    let side = (ALL / count).clamp(LEAST, MOST);
    let longest =
        if side >= NAMED { classes.iter().map(|name| width(name)).max().unwrap_or(0) } else { 0 };
    let is_upright = longest + ADVANCE > side;
    let left = GAP + longest.max(width("shown")) + GAP;
    let head = if is_upright { longest } else { LINE.min(longest) };
    let top = GAP + 2 * LINE + head + GAP;
    let size = side * count + 1;
    let mut canvas =
        Canvas::white((left + size + GAP).max(2 * GAP + width(title)), top + size + GAP);
    canvas.write(GAP, GAP, title, INK);
    canvas.write(left, GAP + LINE, "said", LINES);
    canvas.write(left - GAP - width("shown"), top - GAP - LINE, "shown", LINES);
    for (i, name) in (0..).zip(classes).filter(|_| side >= NAMED) {
        let middle = i * side + (side - LINE.min(side)) / 2;
        canvas.write(left - GAP - width(name), top + middle + 2, name, INK);
        if is_upright {
            canvas.write_upwards(left + middle, top - 3, name, INK);
        } else {
            canvas.write(left + i * side + (side - width(name)) / 2, top - LINE, name, INK);
        }
    }
    for (i, row) in confusion.chunks_exact(classes.len().max(1)).enumerate() {
        let all = row.iter().sum::<u32>().max(1);
        for (j, &taken) in row.iter().enumerate() {
            let at = (left + j as u32 * side, top + i as u32 * side);
            square(&mut canvas, at, side, f64::from(taken) / f64::from(all), i == j);
        }
    }
    for at in 0..=count {
        for step in 0..size {
            canvas.0.put_pixel(left + at * side, top + step, Rgb(LINES));
            canvas.0.put_pixel(left + step, top + at * side, Rgb(LINES));
        }
    }
    canvas.0
}

fn square(canvas: &mut Canvas, (x, y): (u32, u32), side: u32, share: f64, is_right: bool) {
    let pale = 255 - (share.sqrt() * 255.0) as u8;
    let colour = match is_right {
        true => [pale, 255 - (share * 95.0) as u8, pale],
        false => [255, pale, pale],
    };
    for (dx, dy) in (0..side).flat_map(|dx| (0..side).map(move |dy| (dx, dy))) {
        canvas.0.put_pixel(x + dx, y + dy, Rgb(colour));
    }
    let part = 100.0 * share;
    if side >= NUMBERED && part > 0.0 {
        let number = if part < 0.5 { "<1".to_string() } else { format!("{part:.0}") };
        let ink = if pale < 100 { [255; 3] } else { INK };
        canvas.write(x + (side - width(&number)) / 2, y + (side - LINE) / 2 + 2, &number, ink);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixel near the upper left corner of a cell, counted from the lower right end.
    fn corner(image: &RgbImage, count: u32, row: u32, column: u32) -> [u8; 3] {
        let side = (ALL / count).clamp(LEAST, MOST);
        let end = |all: u32, at: u32| all - GAP - 1 - (count - at) * side + 2;
        image.get_pixel(end(image.width(), column), end(image.height(), row)).0
    }

    #[test]
    fn squares_are_coloured_by_share_and_side_of_the_diagonal() {
        let names = ["ant", "bee"].map(String::from);
        let image = draw("t", &names, &[9, 1, 0, 20]);
        let green = corner(&image, 2, 1, 1);
        assert_eq!(
            (green, corner(&image, 2, 1, 0)),
            ([0, 160, 0], [255; 3]),
            "all right, none wrong"
        );
        let red = corner(&image, 2, 0, 1);
        assert!(
            red[0] == 255 && red[1] == red[2] && (150..200).contains(&red[1]),
            "a tenth wrong: {red:?}"
        );
    }

    /// Many classes, long names, no predictions at all.
    #[test]
    fn any_number_of_classes_is_drawn() {
        for count in [1usize, 2, 11, 40, 200] {
            let names: Vec<String> =
                (0..count).map(|i| format!("{i:0>width$}", width = 1 + i % 32)).collect();
            let image = draw("auto, 5 of each shown", &names, &vec![0; count * count]);
            assert!(
                image.width() >= 4 * count as u32 && image.height() >= 4 * count as u32,
                "{count}"
            );
            let last = corner(&image, count as u32, count as u32 - 1, count as u32 - 1);
            assert!(count == 1 || last == [255; 3], "{count}: {last:?}");
        }
    }
}
