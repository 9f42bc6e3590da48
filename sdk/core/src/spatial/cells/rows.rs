//! Rows of numbers: the values of one cell after the other, with the means of its neighbourhoods.
//!
//! The coarser maps are repeated on the finest grid. A mean is the sum over the cells of the window
//! that lie in the grid, from column sums that are carried from row to row, times a reciprocal in
//! 16 bits, rounded. All values are in eighths of an int8 step, so that means keep three bits.

use super::{Cells, CellsLayout};

/// Steps of a value per int8 step.
pub(crate) const ONE: i32 = 8;

/// Bits of a reciprocal.
const BITS: u32 = 16;

/// Working memory of [`Rows`].
#[derive(Debug)]
pub(crate) struct Window<'m> {
    /// One row of the finest grid: columns, channels.
    pub line: &'m mut [i16],
    /// Column sums of each neighbourhood: as long as a line, each.
    pub columns: &'m mut [i32],
    /// Running sums of each neighbourhood: one per channel, each.
    pub running: &'m mut [i32],
    /// Values of a cell.
    pub row: &'m mut [i16],
}

/// Cells of a frame as rows of numbers.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub cells: Cells<'a>,
    /// Codes of the empty scene, from which the distance is taken.
    pub reference: Option<&'a [i8]>,
}

/// Returns the rows of cells, not compared with an empty scene.
pub(crate) fn rows(cells: Cells<'_>) -> Rows<'_> {
    Rows { cells, reference: None }
}

impl Rows<'_> {
    /// Calls `each` with the index of each cell, row by row, and its values.
    pub fn each(&self, window: &mut Window<'_>, mut each: impl FnMut(usize, &[i16])) {
        let layout = self.cells.layout();
        let [height, width] = layout.grid();
        let channels = layout.channels();
        let reaches = layout.neighbours().reach();
        window.columns.fill(0);
        for y in 0..height {
            for (place, &reach) in reaches.iter().enumerate() {
                let first = if y == 0 { 0 } else { y + reach };
                for added in first..(y + reach + 1).min(height) {
                    self.line(added, window.line);
                    let columns = &mut window.columns[place * width * channels..];
                    columns
                        .iter_mut()
                        .zip(&*window.line)
                        .for_each(|(sum, &x)| *sum += i32::from(x));
                }
                if let Some(gone) = y.checked_sub(reach + 1) {
                    self.line(gone, window.line);
                    let columns = &mut window.columns[place * width * channels..];
                    columns
                        .iter_mut()
                        .zip(&*window.line)
                        .for_each(|(sum, &x)| *sum -= i32::from(x));
                }
            }
            self.line(y, window.line);
            window.running.fill(0);
            for x in 0..width {
                let own = &window.line[x * channels..][..channels];
                for (value, &code) in window.row.iter_mut().zip(own) {
                    *value = code * ONE as i16;
                }
                for (place, &reach) in reaches.iter().enumerate() {
                    let columns = &window.columns[place * width * channels..][..width * channels];
                    let running = &mut window.running[place * channels..][..channels];
                    slide(running, columns, [x, width, reach]);
                    let rows = within(y, height, reach);
                    let count = rows * within(x, width, reach);
                    let out = &mut window.row[(place + 1) * channels..][..channels];
                    divide(running, count, out);
                }
                each(y * width + x, window.row);
            }
        }
    }

    /// Writes one row of the finest grid: the codes above their zero point, or their distance from
    /// the empty scene.
    fn line(&self, y: usize, line: &mut [i16]) {
        let layout = *self.cells.layout();
        let [height, width] = layout.grid();
        let channels = layout.channels();
        let zero = i16::from(self.cells.layout().zero_point());
        let mut first = 0;
        for (index, map) in layout.maps().iter().enumerate() {
            let depth = usize::from(map.channels);
            let start = layout.row_start(index, y * usize::from(map.height) / height);
            let repeat = width / usize::from(map.width);
            let row = start..start + usize::from(map.width) * depth;
            let codes = self.cells.codes()[row.clone()].chunks_exact(depth);
            let mut empty = self.reference.map(|all| all[row].chunks_exact(depth));
            let mut pixels =
                line.chunks_exact_mut(channels).map(|pixel| &mut pixel[first..][..depth]);
            for codes in codes {
                let empty = empty.as_mut().and_then(Iterator::next);
                for pixel in pixels.by_ref().take(repeat) {
                    match empty {
                        Some(empty) => distance(pixel, codes, empty),
                        None => above(pixel, codes, zero),
                    }
                }
            }
            first += depth;
        }
    }
}

fn above(pixel: &mut [i16], codes: &[i8], zero: i16) {
    pixel.iter_mut().zip(codes).for_each(|(value, &code)| *value = i16::from(code) - zero);
}

fn distance(pixel: &mut [i16], codes: &[i8], empty: &[i8]) {
    for ((value, &code), &empty) in pixel.iter_mut().zip(codes).zip(empty) {
        *value = (i16::from(code) - i16::from(empty)).abs();
    }
}

/// Moves running sums to the window around column `x`.
fn slide(running: &mut [i32], columns: &[i32], [x, width, reach]: [usize; 3]) {
    let channels = running.len();
    let first = if x == 0 { 0 } else { x + reach };
    for added in first..(x + reach + 1).min(width) {
        let column = &columns[added * channels..][..channels];
        running.iter_mut().zip(column).for_each(|(sum, &x)| *sum += x);
    }
    if let Some(gone) = x.checked_sub(reach + 1) {
        let column = &columns[gone * channels..][..channels];
        running.iter_mut().zip(column).for_each(|(sum, &x)| *sum -= x);
    }
}

/// Returns the number of cells of a window along one axis.
fn within(at: usize, side: usize, reach: usize) -> usize {
    (at + reach + 1).min(side) - at.saturating_sub(reach)
}

/// Divides sums by the number of cells. A sum is at most 255 times that number, so that the product
/// fits.
fn divide(sums: &[i32], count: usize, out: &mut [i16]) {
    let count = count as i32;
    let factor = ((ONE << BITS) + count / 2) / count;
    for (out, &sum) in out.iter_mut().zip(sums) {
        *out = ((sum * factor + (1 << (BITS - 1))) >> BITS) as i16;
    }
}

impl CellsLayout {
    /// Lengths of the parts of a [`Window`]: line, columns, running, row.
    pub(crate) fn window(&self) -> [usize; 4] {
        let neighbourhoods = self.neighbours().reach().len();
        let line = self.grid()[1] * self.channels();
        [line, neighbourhoods * line, neighbourhoods * self.channels(), self.values()]
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::super::{CellMap, Neighbours};
    use super::*;

    /// Values of a cell by definition: repeated maps, means in f64.
    fn plain(rows: &Rows<'_>, y: usize, x: usize) -> Vec<f64> {
        let layout = *rows.cells.layout();
        let [height, width] = layout.grid();
        let value = |y: usize, x: usize| -> Vec<f64> {
            let mut all = Vec::new();
            for (index, map) in layout.maps().iter().enumerate() {
                let at = [y * usize::from(map.height) / height, x * usize::from(map.width) / width];
                let own = rows.cells.at(index, at[0], at[1]);
                let empty = rows.reference.map(|codes| Cells::new(layout, codes).unwrap());
                let empty = empty.map(|cells| cells.at(index, at[0], at[1]));
                for (channel, &code) in own.iter().enumerate() {
                    all.push(match empty {
                        Some(empty) => (f64::from(code) - f64::from(empty[channel])).abs(),
                        None => f64::from(code) - f64::from(layout.zero_point()),
                    });
                }
            }
            all
        };
        let mut all: Vec<f64> = value(y, x).iter().map(|v| 8.0 * v).collect();
        for &reach in layout.neighbours().reach() {
            let mut sums = vec![0.0; layout.channels()];
            let mut count = 0.0;
            for y in y.saturating_sub(reach)..(y + reach + 1).min(height) {
                for x in x.saturating_sub(reach)..(x + reach + 1).min(width) {
                    sums.iter_mut().zip(value(y, x)).for_each(|(sum, v)| *sum += v);
                    count += 1.0;
                }
            }
            all.extend(sums.iter().map(|sum| 8.0 * sum / count));
        }
        all
    }

    #[test]
    fn means_are_those_of_the_cells_inside() {
        let map = |height, width, channels| CellMap {
            height,
            width,
            channels,
            stride: [8; 2],
            offset: [8; 2],
        };
        let mut state = 1u32;
        for maps in [
            vec![map(1, 1, 2)],
            vec![map(5, 4, 3)],
            vec![map(4, 12, 2), map(2, 3, 3)],
            vec![map(2, 3, 3), map(10, 12, 2)],
        ] {
            for neighbours in Neighbours::ALL {
                let layout = CellsLayout::new(&maps, neighbours, [96, 96], -128).unwrap();
                let mut codes = || -> Vec<i8> {
                    (0..layout.elements())
                        .map(|_| {
                            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                            (state >> 24) as i8
                        })
                        .collect()
                };
                let own = codes();
                let empty = codes();
                for reference in [None, Some(&empty[..])] {
                    let cells = Cells::new(layout, &own).unwrap();
                    let rows = Rows { cells, reference };
                    let [line, columns, running, row] = layout.window();
                    let mut window = Window {
                        line: &mut vec![7; line],
                        columns: &mut vec![7; columns],
                        running: &mut vec![7; running],
                        row: &mut vec![7; row],
                    };
                    let mut seen = 0;
                    rows.each(&mut window, |at, values| {
                        assert_eq!(at, seen);
                        seen += 1;
                        let width = layout.grid()[1];
                        let want = plain(&rows, at / width, at % width);
                        assert_eq!(want.len(), values.len());
                        for (&got, want) in values.iter().zip(want) {
                            assert!((f64::from(got) - want).abs() <= 0.52, "{got} {want}");
                        }
                    });
                    assert_eq!(seen, layout.cells());
                }
            }
        }
    }
}
