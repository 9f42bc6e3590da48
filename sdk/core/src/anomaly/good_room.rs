//! Memory of a head of good frames, divided once.

use super::compared;
use crate::spatial::{BLOCK, CellsLayout, Window, take};

/// Sums of the values of each place.
#[derive(Debug)]
pub(super) enum PlaceSums<'m> {
    /// One per place.
    Fixed(&'m mut [i32], usize),
    /// One for all.
    Shared(&'m mut [i64]),
}

impl PlaceSums<'_> {
    pub fn add(&mut self, place: usize, row: &[i16], sign: i64) {
        match self {
            Self::Fixed(all, count) => {
                let own = &mut all[place * *count..][..*count];
                own.iter_mut().zip(row).for_each(|(sum, &x)| *sum += sign as i32 * i32::from(x));
            }
            Self::Shared(own) => {
                own.iter_mut().zip(row).for_each(|(sum, &x)| *sum += sign * i64::from(x));
            }
        }
    }

    pub fn at(&self, place: usize, i: usize) -> i64 {
        match self {
            Self::Fixed(all, count) => all[place * count + i].into(),
            Self::Shared(own) => own[i],
        }
    }

    /// Returns the sum over places of the product of two sums.
    pub fn products(&self, i: usize, j: usize) -> f64 {
        match self {
            Self::Fixed(all, count) => {
                all.chunks_exact(*count).map(|own| f64::from(own[i]) * f64::from(own[j])).sum()
            }
            Self::Shared(own) => own[i] as f64 * own[j] as f64,
        }
    }
}

/// Parts of the memory.
#[derive(Debug)]
pub(super) struct GoodRoom<'m> {
    pub products: &'m mut [i64],
    pub sums: PlaceSums<'m>,
    pub last: &'m mut [i8],
    pub matrix: &'m mut [f32],
    pub scratch: &'m mut [f32],
    pub window: Window<'m>,
    pub block: &'m mut [i16],
    pub heat: &'m mut [f32],
}

impl<'m> GoodRoom<'m> {
    pub fn words(layout: &CellsLayout, is_fixed: bool) -> usize {
        let [_, count] = compared(layout);
        let products = count * (count + 1) / 2;
        let [line, columns, running, row] = layout.window();
        let cells = layout.cells();
        let parts = [
            8 * products,
            if is_fixed { 4 * cells * count } else { 8 * count },
            layout.elements(),
            4 * products,
            4 * count,
            2 * line,
            4 * columns,
            4 * running,
            2 * row,
            2 * BLOCK * count,
            4 * cells,
        ];
        parts.iter().map(|bytes| bytes.div_ceil(8)).sum()
    }

    pub fn carve(words: &'m mut [u64], layout: &CellsLayout, is_fixed: bool) -> Self {
        let [_, count] = compared(layout);
        let [line, columns, running, row] = layout.window();
        let cells = layout.cells();
        let rest = &mut { words };
        Self {
            products: take(rest, count * (count + 1) / 2),
            sums: match is_fixed {
                true => PlaceSums::Fixed(take(rest, cells * count), count),
                false => PlaceSums::Shared(take(rest, count)),
            },
            last: take(rest, layout.elements()),
            matrix: take(rest, count * (count + 1) / 2),
            scratch: take(rest, count),
            window: Window {
                line: take(rest, line),
                columns: take(rest, columns),
                running: take(rest, running),
                row: take(rest, row),
            },
            block: take(rest, BLOCK * count),
            heat: take(rest, cells),
        }
    }
}
