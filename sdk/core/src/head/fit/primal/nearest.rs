//! Passes over all pairs of samples for class means and k-NN.

use core::ops::Range;

use super::block::{Block, Source};
use crate::head::fit::knn::Nearest;
use crate::head::linalg::gram::gain;
use crate::head::linalg::tile::{SIDE, Tile};
use crate::head::storage::views::{Kept, Work};

/// Computes the sums of each sample's products with the samples of each class, class by class, like
/// [`gram::class_sums`](crate::head::linalg::gram::class_sums).
pub(in crate::head) fn class_sums(kept: &Kept<'_>, scales: &[f32], work: &mut Work<'_>) {
    let samples = scales.len();
    let classes = work.bias.len();
    let dim = kept.dim();
    let source = Source { kept, scales };
    let sums = &mut *work.weights;
    sums.fill(0.0);
    let mut block = Block::new(work.block, dim);
    for range in source.blocks() {
        block.load(&source, range.clone(), |_| None);
        for (place, sample) in range.enumerate() {
            block.add_to(place, 1.0, &mut sums[usize::from(kept.owners[sample]) * dim..][..dim]);
        }
    }
    for range in source.blocks() {
        block.load(&source, range.clone(), |_| None);
        for class in 0..classes {
            let products = block.products(&sums[class * dim..][..dim]);
            work.held_out[class * samples..][range.clone()]
                .copy_from_slice(&products[..range.len()]);
        }
    }
}

/// Finds every sample's nearest other samples and passes them to `found`, sample by sample.
#[inline(never)]
pub(in crate::head) fn neighbours(
    kept: &Kept<'_>,
    scales: &[f32],
    mut found: impl FnMut(usize, &Nearest),
) {
    let samples = scales.len();
    let ranges = || (0..samples).step_by(SIDE).map(|from| from..samples.min(from + SIDE));
    let factors = |range: Range<usize>| {
        let mut factors = [0.0; SIDE];
        for (factor, sample) in factors.iter_mut().zip(range) {
            *factor = f64::from(scales[sample]) * gain(kept, sample);
        }
        factors
    };
    let mut tile = Tile::new();
    for rows in ranges() {
        let mut nearest = [Nearest::new(); SIDE];
        let row_factors = factors(rows.clone());
        for columns in ranges() {
            let column_factors = factors(columns.clone());
            let products = tile.products(kept, rows.clone(), columns.clone());
            for ((row, products), (nearest, factor)) in
                rows.clone().zip(products).zip(nearest.iter_mut().zip(row_factors))
            {
                for ((column, &product), other) in columns.clone().zip(products).zip(column_factors)
                {
                    if column != row {
                        nearest.meet((product as f64 * factor * other) as f32, kept.owners[column]);
                    }
                }
            }
        }
        rows.zip(&nearest).for_each(|(row, nearest)| found(row, nearest));
    }
}
