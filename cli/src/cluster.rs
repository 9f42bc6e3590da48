//! Embeddings in groups.

use offshoot::Embedding;

use crate::embeddings::Embeddings;
use crate::teach::Draws;

/// Rounds after which the groups are taken as they are; ten or so are usual.
const MAX_ROUNDS: usize = 100;

/// Groups by angle: k-means on unit vectors, its first centres drawn far apart (k-means++, Arthur
/// and Vassilvitskii 2007). Each group is sorted, nearest to its centre first; the largest group
/// comes first. The same seed gives the same groups.
pub fn k_means(all: &Embeddings, groups: usize, seed: u64) -> Vec<Vec<usize>> {
    let points: Vec<Vec<f32>> = (0..all.len()).map(|i| unit(all.get(i).iter().collect())).collect();
    let mut centres = first_centres(&points, groups, seed);
    let mut owners = vec![usize::MAX; points.len()];
    for _ in 0..MAX_ROUNDS {
        let nearest: Vec<usize> = points.iter().map(|p| nearest(p, &centres).0).collect();
        if nearest == owners {
            break;
        }
        owners = nearest;
        for (group, centre) in centres.iter_mut().enumerate() {
            let mut sum = vec![0.0; centre.len()];
            for (point, _) in points.iter().zip(&owners).filter(|(_, owner)| **owner == group) {
                sum.iter_mut().zip(point).for_each(|(s, p)| *s += p);
            }
            // A group that lost all its members stays where it was.
            if sum.iter().any(|&s| s != 0.0) {
                *centre = unit(sum);
            }
        }
    }
    let mut found: Vec<Vec<usize>> = vec![Vec::new(); groups];
    for (i, &owner) in owners.iter().enumerate() {
        found[owner].push(i);
    }
    for (group, centre) in found.iter_mut().zip(&centres) {
        group.sort_by(|&a, &b| dot(&points[b], centre).total_cmp(&dot(&points[a], centre)).then(a.cmp(&b)));
    }
    found.sort_by_key(|group| std::cmp::Reverse(group.len()));
    found
}

fn first_centres(points: &[Vec<f32>], groups: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut draws = Draws::new(seed, 0);
    let mut centres = vec![points[draws.below(points.len() as u64) as usize].clone()];
    while centres.len() < groups {
        // Squared distance of unit vectors, in millionths so that the draw is of integers.
        let far = |p: &Vec<f32>| (2e6 * (1.0 - nearest(p, &centres).1).max(0.0)) as u64;
        let weights: Vec<u64> = points.iter().map(far).collect();
        let total: u64 = weights.iter().sum();
        let mut left = draws.below(total.max(1));
        let drawn = weights.iter().position(|&w| {
            let hit = left < w;
            left = left.saturating_sub(w);
            hit
        });
        centres.push(points[drawn.unwrap_or(centres.len() % points.len())].clone());
    }
    centres
}

/// The nearest centre and its cosine.
fn nearest(point: &[f32], centres: &[Vec<f32>]) -> (usize, f32) {
    let better = |best: (usize, f32), (i, centre): (usize, &Vec<f32>)| {
        let cosine = dot(point, centre);
        if cosine > best.1 { (i, cosine) } else { best }
    };
    centres.iter().enumerate().fold((0, f32::NEG_INFINITY), better)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn unit(mut x: Vec<f32>) -> Vec<f32> {
    Embedding::to_unit_length(&mut x);
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heaps_that_lie_apart_are_found_whatever_the_seed() {
        let mut all = Embeddings { dim: 3, ..Embeddings::default() };
        for i in 0..30 {
            let wobble = 0.02 * (i / 3) as f32;
            let mut point = [wobble, wobble * 0.5, 0.1];
            point[i % 3] += 3.0 + i as f32;
            all.values.extend(point);
            all.labels.push(i % 3);
        }
        for seed in 0..20 {
            let groups = k_means(&all, 3, seed);
            assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [10; 3], "{seed}");
            for group in &groups {
                assert!(group.iter().all(|&i| all.labels[i] == all.labels[group[0]]), "{seed}");
            }
            assert_eq!(k_means(&all, 3, seed), groups);
        }
    }

    #[test]
    fn equal_points_are_still_shared_out() {
        let all = Embeddings { dim: 1, values: vec![1.0; 4], labels: vec![0; 4] };
        let groups = k_means(&all, 3, 1);
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), 4);
    }
}
