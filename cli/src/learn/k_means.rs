//! K-means clustering of embeddings.

use offshoot::Embedding;

use super::embeddings::Embeddings;
use super::few_shot::Draws;

/// Maximum number of iterations; about ten are usual.
const MAX_ROUNDS: usize = 100;

/// Number of random restarts; scikit-learn's `KMeans` has as many with random initialization.
const STARTS: u64 = 10;

/// Clusters by angle: k-means on unit vectors, initialized by greedy k-means++ (Arthur and
/// Vassilvitskii 2007), the best of ten restarts by inertia. Each cluster lists its members nearest
/// to the centre first; the largest cluster comes first. The result is deterministic for a seed.
pub fn k_means(all: &Embeddings, groups: usize, seed: u64) -> Vec<Vec<usize>> {
    let points: Vec<Vec<f32>> = (0..all.len()).map(|i| unit(all.get(i).iter().collect())).collect();
    let starts = (0..STARTS).map(|draw| one_start(&points, groups, Draws::new(seed, draw)));
    let best = starts.min_by(|a, b| a.inertia.total_cmp(&b.inertia));
    let Some(Start { owners, centres, .. }) = best else { return Vec::new() };
    let mut found: Vec<Vec<usize>> = vec![Vec::new(); groups];
    for (i, &owner) in owners.iter().enumerate() {
        found[owner].push(i);
    }
    for (group, centre) in found.iter_mut().zip(&centres) {
        group.sort_by(|&a, &b| {
            centre.distance(&points[a]).total_cmp(&centre.distance(&points[b])).then(a.cmp(&b))
        });
    }
    found.sort_by_key(|group| std::cmp::Reverse(group.len()));
    found
}

/// Mean of the points of a cluster, and its squared L2 norm.
#[derive(Clone)]
struct Centre {
    mean: Vec<f32>,
    square: f32,
}

impl Centre {
    fn new(mean: Vec<f32>) -> Self {
        let square = dot(&mean, &mean);
        Self { mean, square }
    }

    /// Returns the squared distance from a unit vector.
    fn distance(&self, point: &[f32]) -> f32 {
        1.0 + self.square - 2.0 * dot(point, &self.mean)
    }
}

/// Result of one restart.
struct Start {
    owners: Vec<usize>,
    centres: Vec<Centre>,
    /// Sum of the squared distances of the points from their centres.
    inertia: f64,
}

fn one_start(points: &[Vec<f32>], groups: usize, draws: Draws) -> Start {
    let mut centres: Vec<Centre> =
        first_centres(points, groups, draws).into_iter().map(Centre::new).collect();
    let mut owners = vec![usize::MAX; points.len()];
    let mut inertia = 0.0;
    for _ in 0..MAX_ROUNDS {
        let nearest: Vec<(usize, f32)> = points.iter().map(|p| nearest(p, &centres)).collect();
        inertia = nearest.iter().map(|&(_, distance)| f64::from(distance)).sum();
        if nearest.iter().map(|(owner, _)| owner).eq(&owners) {
            break;
        }
        owners = nearest.into_iter().map(|(owner, _)| owner).collect();
        let mut sums = vec![(vec![0.0; points[0].len()], 0); groups];
        for (point, &owner) in points.iter().zip(&owners) {
            let (sum, count) = &mut sums[owner];
            sum.iter_mut().zip(point).for_each(|(s, p)| *s += p);
            *count += 1;
        }
        for (centre, (mut sum, count)) in centres.iter_mut().zip(sums) {
            // An empty cluster keeps its centre.
            if count > 0 {
                sum.iter_mut().for_each(|s| *s /= count as f32);
                *centre = Centre::new(sum);
            }
        }
    }
    Start { owners, centres, inertia }
}

/// Draws initial centres far apart by greedy k-means++, like scikit-learn: of a few drawn points
/// each centre is the one that leaves the smallest sum of distances.
fn first_centres(points: &[Vec<f32>], groups: usize, mut draws: Draws) -> Vec<Vec<f32>> {
    let mut centres = vec![points[draws.below(points.len() as u64) as usize].clone()];
    let mut cosines: Vec<f32> = points.iter().map(|p| dot(p, &centres[0])).collect();
    let trials = 2 + (groups as f64).ln() as usize;
    while centres.len() < groups {
        let mut best: Option<Vec<f32>> = None;
        let mut chosen = centres.len() % points.len();
        for _ in 0..trials {
            let Some(drawn) = draw_far(&cosines, &mut draws) else { break };
            let with: Vec<f32> = points
                .iter()
                .zip(&cosines)
                .map(|(p, &cosine)| cosine.max(dot(p, &points[drawn])))
                .collect();
            if best.as_ref().is_none_or(|best| sum(best) < sum(&with)) {
                (best, chosen) = (Some(with), drawn);
            }
        }
        cosines = best.unwrap_or(cosines);
        centres.push(points[chosen].clone());
    }
    centres
}

/// Draws a point with probability proportional to its squared distance from the nearest centre;
/// `None` if all points lie on centres.
fn draw_far(cosines: &[f32], draws: &mut Draws) -> Option<usize> {
    // In millionths, so that the draw is of integers and thus the same on every machine.
    let mut weights = cosines.iter().map(|cosine| (2e6 * (1.0 - cosine).max(0.0)) as u64);
    let total: u64 = weights.clone().sum();
    let mut left = draws.below(total.max(1));
    weights.position(|weight| {
        let hit = left < weight;
        left = left.saturating_sub(weight);
        hit
    })
}

fn sum(values: &[f32]) -> f64 {
    values.iter().copied().map(f64::from).sum()
}

/// Returns the index of the nearest centre and its squared distance.
fn nearest(point: &[f32], centres: &[Centre]) -> (usize, f32) {
    let mut nearest = 0;
    let mut shortest = f32::INFINITY;
    for (i, centre) in centres.iter().enumerate() {
        let distance = centre.distance(point);
        if distance < shortest {
            nearest = i;
            shortest = distance;
        }
    }
    (nearest, shortest)
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

    /// Twelve clusters of uneven size, two of which a single restart may merge.
    #[test]
    fn the_best_of_ten_beginnings_finds_heaps_that_one_does_not() {
        let mut all = Embeddings { dim: 12, ..Embeddings::default() };
        let mut draws = Draws::new(5, 0);
        for (heap, size) in [40, 30, 25, 20, 20, 15, 12, 10, 8, 8, 6, 6].into_iter().enumerate() {
            for _ in 0..size {
                let spread = |_| draws.below(1000) as f32 / 2500.0 - 0.2;
                let mut point: Vec<f32> = (0..12).map(spread).collect();
                point[heap] += 1.0;
                all.values.extend(point);
                all.labels.push(heap);
            }
        }
        let points: Vec<Vec<f32>> =
            (0..all.len()).map(|i| unit(all.get(i).iter().collect())).collect();
        let pure = |groups: &[Vec<usize>]| {
            let same =
                |group: &Vec<usize>| group.iter().all(|&i| all.labels[i] == all.labels[group[0]]);
            groups.iter().all(|group| !group.is_empty() && same(group))
        };
        let mut of_ten = 0;
        let mut alone = 0;
        for seed in 0..20 {
            of_ten += usize::from(pure(&k_means(&all, 12, seed)));
            let one = one_start(&points, 12, Draws::new(seed, 0));
            let groups: Vec<Vec<usize>> = (0..12)
                .map(|group| (0..all.len()).filter(|&i| one.owners[i] == group).collect())
                .collect();
            alone += usize::from(pure(&groups));
        }
        println!("{of_ten} of 20, by one beginning {alone}");
        assert!(of_ten >= 18 && alone < of_ten);
    }

    #[test]
    fn equal_points_are_still_shared_out() {
        let all = Embeddings { dim: 1, values: vec![1.0; 4], labels: vec![0; 4] };
        let groups = k_means(&all, 3, 1);
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), 4);
    }
}
