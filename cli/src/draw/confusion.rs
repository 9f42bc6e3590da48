//! Confusion matrix as an image.

use image::RgbImage;

use super::canvas::{Anchor, Area, Canvas, PALE, Style};
use super::colour_ramp::{ink_on, share_colour};

/// Side of the whole matrix in points, and the largest and smallest side of a cell.
const ALL: f32 = 560.0;
const MOST: f32 = 64.0;
const LEAST: f32 = 4.0;

/// Smallest side of a cell, in points, for names beside it, for a number in it, and for a gap.
const NAMED: f32 = 11.0;
const NUMBERED: f32 = 22.0;
const PARTED: f32 = 8.0;

/// Longest name in points.
const LONGEST: f32 = 170.0;

/// Margin around the image, and distances inside it, in points.
const MARGIN: f32 = 24.0;
const GAP: f32 = 8.0;

/// The scale: its width, its most height, and the shares it names.
const SCALE_WIDTH: f32 = 12.0;
const SCALE_HEIGHT: f32 = 220.0;
const MARKS: [f64; 6] = [0.0, 0.01, 0.1, 0.25, 0.5, 1.0];

const TITLE: Style = Style::new(16.0).bold();
const BELOW: Style = Style::new(11.0).coloured(PALE);
const AXIS: Style = Style::new(11.0).coloured(PALE);
const MARK: Style = Style::new(10.0);

/// Content of the image.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    /// Title.
    pub title: &'a str,
    /// Conditions of the measurement.
    pub below: &'a str,
    /// Names of the classes.
    pub classes: &'a [String],
    /// Counts, row by row: a row per true class, a column per predicted class.
    pub counts: &'a [u32],
}

/// Places of the parts, in points.
struct Layout {
    /// Side of a cell.
    cell: f32,
    /// Upper left corner of the matrix.
    left: f32,
    top: f32,
    /// Side of the matrix.
    side: f32,
    /// Font of the names.
    name: Style,
    /// True if the names of columns are written upwards.
    is_upright: bool,
    width: f32,
    height: f32,
}

impl Layout {
    fn of(matrix: &Matrix<'_>) -> Self {
        let count = matrix.classes.len().max(1) as f32;
        // Whole pixels, so that all gaps are alike.
        let cell = (2.0 * ALL / count).floor() / 2.0;
        let cell = cell.clamp(LEAST, MOST);
        let name = Style::new((0.75 * cell).clamp(8.0, 12.0));
        let widths = matrix.classes.iter().map(|class| name.width(class).min(LONGEST));
        let longest = if cell >= NAMED { widths.fold(0.0, f32::max) } else { 0.0 };
        let is_upright = longest + GAP > cell;
        let head = match (cell >= NAMED, is_upright) {
            (false, _) => 0.0,
            (true, true) => longest + 1.5 * GAP,
            (true, false) => name.size + GAP,
        };
        // The names of the axes stand above and left of the classes'.
        let left = MARGIN + AXIS.size + GAP + longest + GAP;
        let top = MARGIN + TITLE.size + GAP + BELOW.size + 2.0 * GAP + AXIS.size + head + 0.5 * GAP;
        let side = cell * count;
        let scale = 2.0 * GAP + SCALE_WIDTH + GAP + AXIS.width("100 %");
        let titles = TITLE.width(matrix.title).max(BELOW.width(matrix.below));
        Self {
            cell,
            left,
            top,
            side,
            name,
            is_upright,
            width: (left + side + scale).max(MARGIN + titles) + MARGIN,
            height: top + side.max(scale_height(side) + 0.5 * MARK.size) + MARGIN,
        }
    }
}

/// Draws a confusion matrix: a row per true class, a column per predicted class. Cells are darker
/// for higher shares of their row, and hold them in percent; beside them is the scale.
pub fn draw(matrix: &Matrix<'_>) -> RgbImage {
    let layout = Layout::of(matrix);
    let mut canvas = Canvas::white(layout.width, layout.height);
    let middle = MARGIN + 0.5 * TITLE.size;
    canvas.write(MARGIN, middle, Anchor::Start, matrix.title, TITLE);
    let below = middle + 0.5 * TITLE.size + GAP + 0.5 * BELOW.size;
    canvas.write(MARGIN, below, Anchor::Start, matrix.below, BELOW);
    names(&mut canvas, &layout, matrix.classes);
    let count = matrix.classes.len().max(1);
    for (i, row) in matrix.counts.chunks_exact(count).enumerate() {
        let all = row.iter().sum::<u32>().max(1);
        for (j, &taken) in row.iter().enumerate() {
            let [across, down] = [(j, layout.left), (i, layout.top)]
                .map(|(at, from)| from + at as f32 * layout.cell);
            square(&mut canvas, &layout, (across, down), f64::from(taken) / f64::from(all));
        }
    }
    scale(&mut canvas, &layout);
    canvas.into_image()
}

fn names(canvas: &mut Canvas, layout: &Layout, classes: &[String]) {
    let middle = 0.5 * layout.side;
    let above = MARGIN + TITLE.size + GAP + BELOW.size + 2.0 * GAP + 0.5 * AXIS.size;
    canvas.write(layout.left + middle, above, Anchor::Middle, "predicted class", AXIS);
    let beside = MARGIN + 0.5 * AXIS.size;
    canvas.write_upwards(beside, layout.top + middle, Anchor::Middle, "true class", AXIS);
    if layout.cell < NAMED {
        return;
    }
    for (i, name) in classes.iter().enumerate() {
        let name = layout.name.shortened(name, LONGEST);
        let middle = (i as f32 + 0.5) * layout.cell;
        let [x, y] = [layout.left + middle, layout.top + middle];
        canvas.write(layout.left - GAP, y, Anchor::End, &name, layout.name);
        if layout.is_upright {
            canvas.write_upwards(x, layout.top - 0.75 * GAP, Anchor::Start, &name, layout.name);
        } else {
            let y = layout.top - 0.75 * GAP - 0.5 * layout.name.size;
            canvas.write(x, y, Anchor::Middle, &name, layout.name);
        }
    }
}

fn square(canvas: &mut Canvas, layout: &Layout, (x, y): (f32, f32), share: f64) {
    let gap = if layout.cell >= PARTED { 1.0 } else { 0.0 };
    let side = layout.cell - gap;
    let colour = share_colour(share);
    canvas.fill(Area { x, y, width: side, height: side }, colour);
    if layout.cell < NUMBERED || share == 0.0 {
        return;
    }
    let part = 100.0 * share;
    let number = if part < 0.5 { "<1".to_string() } else { format!("{part:.0}") };
    let style = Style::new((0.36 * layout.cell).clamp(8.0, 14.0)).coloured(ink_on(colour));
    canvas.write(x + 0.5 * side, y + 0.5 * side, Anchor::Middle, &number, style);
}

/// Returns the height of the scale beside a matrix.
fn scale_height(side: f32) -> f32 {
    side.clamp(2.0 * MOST, SCALE_HEIGHT)
}

/// Draws the scale at the right of the matrix.
fn scale(canvas: &mut Canvas, layout: &Layout) {
    let x = layout.left + layout.side + 2.0 * GAP;
    let height = scale_height(layout.side);
    let area = Area { x, y: layout.top, width: SCALE_WIDTH, height };
    // Ticks stand where the root of their share is, as the colours do.
    canvas.fill_by(area, |_, down| share_colour((1.0 - down).powi(2)));
    for share in MARKS {
        let y = layout.top + height * (1.0 - share.sqrt()) as f32;
        let tick = Area { x: x + SCALE_WIDTH, y: y - 0.25, width: 3.0, height: 0.5 };
        canvas.fill(tick, PALE);
        let mark = format!("{:.0} %", 100.0 * share);
        canvas.write(x + SCALE_WIDTH + 6.0, y, Anchor::Start, &mark, MARK);
    }
}

#[cfg(test)]
mod tests {
    use super::super::canvas::SHARP;
    use super::*;

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_string()).collect()
    }

    /// Pixel near the upper left corner of a cell.
    fn corner(image: &RgbImage, matrix: &Matrix<'_>, row: usize, column: usize) -> [u8; 3] {
        let layout = Layout::of(matrix);
        let [x, y] = [(column, layout.left), (row, layout.top)]
            .map(|(at, from)| ((from + at as f32 * layout.cell) * SHARP as f32).round() as u32 + 1);
        image.get_pixel(x, y).0
    }

    #[test]
    fn cells_have_the_colour_of_their_share_of_the_row() {
        let classes = named(&["ant", "bee"]);
        let matrix = Matrix { title: "t", below: "b", classes: &classes, counts: &[9, 1, 0, 20] };
        let image = draw(&matrix);
        for (row, column, share) in [(0, 0, 0.9), (0, 1, 0.1), (1, 0, 0.0), (1, 1, 1.0)] {
            assert_eq!(corner(&image, &matrix, row, column), share_colour(share), "{row} {column}");
        }
    }

    /// Many classes, long names. `OFFSHOOT_SHOTS=DIR` keeps the images.
    #[test]
    fn any_number_of_classes_is_drawn_with_a_margin() {
        for count in [0usize, 1, 2, 10, 11, 40, 200] {
            let classes: Vec<String> =
                (0..count).map(|i| format!("{i:W>width$}", width = 1 + i * 7 % 64)).collect();
            let taken = |at: usize| match (at / count.max(1), at % count.max(1)) {
                (row, column) if row == column => 40,
                (row, column) if (5 * row + 3 * column) % 11 == 0 => 1 + (row + column) as u32 % 9,
                _ => 0,
            };
            let counts: Vec<u32> = (0..count * count).map(taken).collect();
            let title = "87.3 of 100 right";
            let below = "head auto, trained on 5 images a class, mean of 20 draws";
            let matrix = Matrix { title, below, classes: &classes, counts: &counts };
            let image = draw(&matrix);
            if let Some(folder) = std::env::var_os("OFFSHOOT_SHOTS") {
                image.save(format!("{}/confusion-{count}.png", folder.display())).unwrap();
            }
            assert!(image.width().min(image.height()) >= 8 * count as u32, "{count}");
            let edge = MARGIN as u32 * SHARP - 4;
            let right = image.width() - edge;
            let below = image.height() - edge;
            let at_edge = |x, y| x < edge || y < edge || x >= right || y >= below;
            let inked =
                image.enumerate_pixels().filter(|(x, y, p)| at_edge(*x, *y) && p.0 != [255; 3]);
            assert_eq!(inked.count(), 0, "{count}");
        }
    }

    /// Names of neighbours have a row of their own each.
    #[test]
    fn names_do_not_touch() {
        for count in [2usize, 10, 40, 50] {
            let classes: Vec<String> = (0..count).map(|i| format!("class {i}")).collect();
            let matrix = Matrix { title: "", below: "", classes: &classes, counts: &[] };
            let layout = Layout::of(&matrix);
            assert!(layout.cell >= NAMED, "{count} have names");
            // From the ascender to the descender, which is a fifth of a line more.
            assert!(0.93 * layout.name.size <= layout.cell, "{count}: {}", layout.cell);
        }
    }
}
