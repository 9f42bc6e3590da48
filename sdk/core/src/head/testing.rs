//! Data for the tests of heads.

use std::boxed::Box;
use std::format;
use std::vec;
use std::vec::Vec;

use super::{Head, HeadKind, Limits};
use crate::embedding::Embedding;

/// A head that owns its memory, with or without the `alloc` feature.
pub type TestHead = Head<&'static mut [u32]>;

/// Numbers that look random and are the same every time (SplitMix64).
pub struct Noise(pub u64);

impl Noise {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Nearly a normal distribution: the sum of twelve even ones.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| (self.bits() >> 40) as f32 / (1 << 24) as f32).sum::<f32>() - 6.0
    }
}

/// One embedding of a cluster with a centre of its own, not negative as after ReLU.
pub fn cluster(noise: &mut Noise, class: usize, dim: usize, spread: f32) -> Vec<f32> {
    let mut centre = Noise(1000 + class as u64);
    (0..dim).map(|_| (1.0 + centre.normal() + spread * noise.normal()).max(0.0)).collect()
}

pub fn empty(kind: HeadKind, dim: usize, limits: Limits) -> TestHead {
    let words = limits.words(kind, dim).unwrap();
    // Rubbish, because the content of the memory must not matter.
    let memory = Box::leak(vec![0xffff_ffff; words].into_boxed_slice());
    Head::new(kind, dim, [7; 32], limits, memory).unwrap()
}

/// Classes `c0`, `c1`, ... with `shots` samples each, taught in turn; room for two more each.
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

/// The bits of all probabilities for a few embeddings of every class.
pub fn fingerprint(head: &mut TestHead) -> Vec<u32> {
    let (dim, mut noise) = (head.dim(), Noise(2));
    let mut out = vec![0.0; head.class_count()];
    let mut bits = Vec::new();
    for class in (0..head.class_count()).flat_map(|class| [class; 3]) {
        let values = cluster(&mut noise, class, dim, 0.5);
        head.probabilities(Embedding::Float(&values), &mut out).unwrap();
        bits.extend(out.iter().map(|p| p.to_bits()));
    }
    bits
}
