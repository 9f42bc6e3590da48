//! Linear discriminant analysis in dimensions (primal), on the scatter within classes itself;
//! [`slda`](crate::head::fit::slda) applies its inverse among the samples.

use super::block::{Block, Source};
use super::normal_equations::Spread;
use crate::head::fit::slda::Out;
use crate::head::linalg::cholesky;
use crate::head::linalg::cholesky::start;
use crate::head::linalg::vector::dot;
use crate::head::storage::views::{Kept, Work};

/// Computes weights, biases and held-out scores.
pub(in crate::head) fn fit(kept: &Kept<'_>, inverse_l2: f32, scales: &[f32], work: &mut Work<'_>) {
    let samples = scales.len();
    let classes = work.bias.len();
    let dim = kept.dim();
    let owners = &kept.owners[..samples];
    let source = Source { kept, scales };
    let means = &mut work.solver[..classes * dim];
    let mut block = Block::new(work.block, dim);
    let (lengths, rest) = work.columns.split_at_mut(samples);
    let (own, scratch) = rest.split_at_mut(samples);
    let plain = &mut scratch[..dim];
    let decay =
        Spread::of(&source, work.importance, &mut block, work.centre, plain).decay(inverse_l2);
    class_means(&source, work.counts, &mut block, means);
    let mean = |sample: usize| Some(&means[usize::from(owners[sample]) * dim..][..dim]);
    work.square.fill(0.0);
    for range in source.blocks() {
        block.load(&source, range.clone(), mean);
        // Classes have equal weight by their means; the scatter is that of all samples.
        block.scatter(&[1.0; super::BLOCK], work.square);
    }
    (0..dim).for_each(|i| work.square[start(i) + i] += decay);
    cholesky::invert_factor(work.square, decay, plain);
    work.weights.copy_from_slice(means);
    for weights in work.weights.chunks_exact_mut(dim) {
        cholesky::solve(work.square, weights, plain);
    }
    for range in source.blocks() {
        block.load(&source, range.clone(), mean);
        let forms = block.forms(work.square);
        lengths[range.clone()].copy_from_slice(&forms[..range.len()]);
        for class in 0..classes {
            let products = block.products(&work.weights[class * dim..][..dim]);
            work.held_out[class * samples..][range.clone()]
                .copy_from_slice(&products[..range.len()]);
        }
    }
    for (i, own) in own.iter_mut().enumerate() {
        *own = work.held_out[usize::from(owners[i]) * samples + i];
    }
    for class in 0..classes {
        let images = &mut work.held_out[class * samples..][..samples];
        let weights = &mut work.weights[class * dim..][..dim];
        if work.counts[class] == 0 {
            images.fill(f32::NEG_INFINITY);
            work.bias[class] = f32::NEG_INFINITY;
            weights.fill(0.0);
            continue;
        }
        for (score, mean) in work.scores.iter_mut().zip(means.chunks_exact(dim)) {
            *score = dot(weights, mean);
        }
        work.bias[class] = -0.5 * work.scores[class];
        Out { owners, counts: work.counts, class, lengths, own, means: work.scores }.leave(images);
    }
}

/// Computes the means of the features of each class; zeros for a class without samples.
fn class_means(source: &Source<'_>, counts: &[u32], block: &mut Block<'_>, means: &mut [f32]) {
    let dim = source.kept.dim();
    means.fill(0.0);
    for range in source.blocks() {
        block.load(source, range.clone(), |_| None);
        for (place, sample) in range.enumerate() {
            let class = usize::from(source.kept.owners[sample]);
            block.add_to(place, 1.0 / counts[class] as f32, &mut means[class * dim..][..dim]);
        }
    }
}
