//! Data for the tests of heads.

use std::boxed::Box;
use std::vec::Vec;
use std::{format, vec};

use super::{Head, HeadKind, Limits, Transform};
use crate::embedding::Embedding;
use crate::package::PackageId;

/// Head that owns its memory, with or without the `alloc` feature.
pub type TestHead = Head<&'static mut [u32]>;

/// Pseudorandom numbers, the same every time (SplitMix64).
pub struct Noise(pub u64);

impl Noise {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Nearly a normal distribution: the sum of twelve uniform numbers.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| (self.bits() >> 40) as f32 / (1 << 24) as f32).sum::<f32>() - 6.0
    }
}

/// Draws one embedding of a cluster with a centre of its own, not negative like after ReLU.
pub fn cluster(noise: &mut Noise, class: usize, dim: usize, spread: f32) -> Vec<f32> {
    let mut centre = Noise(1000 + class as u64);
    (0..dim).map(|_| (1.0 + centre.normal() + spread * noise.normal()).max(0.0)).collect()
}

pub fn empty(kind: HeadKind, dim: usize, limits: Limits) -> TestHead {
    let words = limits.words(kind, dim).unwrap();
    // Garbage, because the content of the memory must not matter.
    let memory = Box::leak(vec![0xffff_ffff; words].into_boxed_slice());
    let mut head = Head::new(kind, dim, PackageId::new([7; 32]), limits, memory).unwrap();
    head.set_false_rejection_rate(0.0).unwrap();
    head
}

/// Head with classes `c0`, `c1`, ... of `shots` samples each, added in turn; room for two more
/// each.
pub fn taught(kind: HeadKind, classes: u16, shots: u16, dim: usize, spread: f32) -> TestHead {
    let limits = Limits { classes: classes + 1, samples: classes * (shots + 2) };
    let mut head = empty(kind, dim, limits);
    for class in 0..classes {
        head.add_class(&format!("c{class}")).unwrap();
    }
    let mut noise = Noise(1);
    for i in 0..usize::from(classes * shots) {
        let class = i % usize::from(classes);
        let values = cluster(&mut noise, class, dim, spread);
        head.add_sample(head.class_at(class).unwrap(), Embedding::Float(&values)).unwrap();
    }
    head
}

/// Returns the bits of all probabilities for a few embeddings of every class.
pub fn fingerprint(head: &mut TestHead) -> Vec<u32> {
    head.fit().unwrap();
    let dim = head.dim();
    let mut noise = Noise(2);
    let mut out = vec![0.0; head.class_count()];
    let mut bits = Vec::new();
    for class in (0..head.class_count()).flat_map(|class| [class; 3]) {
        let values = cluster(&mut noise, class, dim, 0.5);
        head.probabilities(Embedding::Float(&values), &mut out).unwrap();
        bits.extend(out.iter().map(|p| p.to_bits()));
    }
    bits
}

/// Returns the kept samples as a head sees them, in plain f64.
pub fn features(head: &mut TestHead) -> Vec<Vec<f64>> {
    head.fit().unwrap();
    let transform = head.chosen().unwrap().transform;
    let samples: Vec<Vec<f64>> =
        head.samples().map(|(_, e)| e.iter().map(f64::from).collect()).collect();
    let length = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>().sqrt();
    let mean = samples.iter().map(|x| length(x)).sum::<f64>() / samples.len() as f64;
    let factor = |x: &[f64]| match transform {
        Transform::Raw => 1.0 / mean,
        Transform::Half => 1.0 / (length(x) * mean).sqrt(),
        Transform::Quarter => 1.0 / (length(x).powi(3) * mean).sqrt().sqrt(),
        Transform::Unit => 1.0 / length(x),
    };
    samples.iter().map(|x| x.iter().map(|v| v * factor(x)).collect()).collect()
}

/// Returns the class of each sample.
pub fn owners(head: &TestHead) -> Vec<usize> {
    head.samples().map(|(class, _)| class.index()).collect()
}

/// Mean squared distance from the centre.
pub fn variance(features: &[Vec<f64>]) -> f64 {
    let n = features.len() as f64;
    let square: f64 = features.iter().flatten().map(|x| x * x).sum();
    let centre = (0..features[0].len()).map(|d| features.iter().map(|z| z[d]).sum::<f64>() / n);
    square / n - centre.map(|m| m * m).sum::<f64>()
}

/// Solves `matrix * x = right` by Gaussian elimination.
pub fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for pivot in 0..n {
        let best = (pivot..n)
            .max_by(|&a, &b| matrix[a][pivot].abs().total_cmp(&matrix[b][pivot].abs()))
            .unwrap();
        matrix.swap(pivot, best);
        right.swap(pivot, best);
        for row in pivot + 1..n {
            let factor = matrix[row][pivot] / matrix[pivot][pivot];
            let above = matrix[pivot].clone();
            for (x, above) in matrix[row].iter_mut().zip(above) {
                *x -= factor * above;
            }
            right[row] -= factor * right[pivot];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|c| matrix[row][c] * right[c]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right
}

/// Returns held-out scores, one row per sample.
pub fn held_out(head: &mut TestHead) -> Vec<Vec<f64>> {
    head.fit().unwrap();
    let classes = head.class_count();
    let samples = head.sample_count();
    let dim = head.dim();
    let (_, mut work) = head.layout.split(&mut *head.memory);
    work.keep(classes, samples, dim);
    let score = |sample: usize, class: usize| f64::from(work.held_out[class * samples + sample]);
    (0..samples).map(|i| (0..classes).map(|c| score(i, c)).collect()).collect()
}
