//! Heads of embeddings of several parts: the choice between the last part and all values.

#![cfg(feature = "alloc")]

use offshoot_core::Embedding;
use offshoot_core::head::{Head, HeadKind, Limits, Parts};
use offshoot_core::package::PackageId;

const DIM: usize = 60;
const LAST: usize = 20;
const CLASSES: usize = 4;

type AnyHead = Head<Box<[u32]>>;

/// SplitMix64, as nearly normal numbers.
struct Noise(u64);

impl Noise {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn normal(&mut self) -> f32 {
        (0..12).map(|_| (self.bits() >> 40) as f32 / (1 << 24) as f32).sum::<f32>() - 6.0
    }
}

/// Part of the values that shows the class.
#[derive(Clone, Copy)]
enum Telling {
    First,
    Last,
    Nowhere,
}

fn embedding(noise: &mut Noise, class: usize, telling: Telling) -> Vec<f32> {
    let mut centre = Noise(500 + class as u64);
    let tells = |i: usize| match telling {
        Telling::First => i < DIM - LAST,
        Telling::Last => i >= DIM - LAST,
        Telling::Nowhere => false,
    };
    (0..DIM).map(|i| if tells(i) { centre.normal() } else { 0.0 } + 1.5 * noise.normal()).collect()
}

fn taught(kind: HeadKind, shots: usize, telling: Telling) -> AnyHead {
    let limits = Limits { classes: CLASSES as u16, samples: (shots * CLASSES) as u16 };
    let parts = Parts::joined(DIM, LAST).unwrap();
    let mut head = Head::boxed_for(kind, parts, PackageId::new([1; 32]), limits).unwrap();
    let classes: Vec<_> =
        (0..CLASSES).map(|class| head.add_class(&format!("c{class}")).unwrap()).collect();
    let mut noise = Noise(9);
    for i in 0..shots * CLASSES {
        let values = embedding(&mut noise, i % CLASSES, telling);
        head.add_sample(classes[i % CLASSES], Embedding::Float(&values)).unwrap();
    }
    head.fit().unwrap();
    head
}

/// Share of new embeddings that get the right class, of a hundred.
fn right(head: &AnyHead, telling: Telling) -> usize {
    let mut noise = Noise(77);
    (0..100)
        .filter(|i| {
            let values = embedding(&mut noise, i % CLASSES, telling);
            head.classify(Embedding::Float(&values)).unwrap().class().index() == i % CLASSES
        })
        .count()
}

#[test]
fn all_values_are_read_where_the_others_tell_more() {
    for kind in [HeadKind::Ridge, HeadKind::Slda, HeadKind::Softmax, HeadKind::Auto] {
        // Fewer samples than values of the last part, of all, and more.
        for shots in [4, 10, 30] {
            let mut head = taught(kind, shots, Telling::First);
            head.set_false_rejection_rate(0.0).unwrap();
            head.fit().unwrap();
            assert!(head.reads_all().unwrap(), "{kind}, {shots} shots");
            assert!(right(&head, Telling::First) >= 75, "{kind}, {shots} shots");
            assert_eq!(head.linear().unwrap().first, 0);
        }
    }
}

#[test]
fn the_last_part_is_read_where_the_others_tell_nothing() {
    for kind in HeadKind::ALL {
        for shots in [1, 4, 10, 30] {
            for telling in [Telling::Last, Telling::Nowhere] {
                let head = taught(kind, shots, telling);
                assert!(!head.reads_all().unwrap(), "{kind}, {shots} shots");
            }
        }
        let mut head = taught(kind, 10, Telling::Last);
        head.set_false_rejection_rate(0.0).unwrap();
        head.fit().unwrap();
        assert!(right(&head, Telling::Last) >= 75, "{kind}");
    }
}

#[test]
fn kinds_that_do_not_solve_have_no_choice() {
    for kind in [HeadKind::NearestMean, HeadKind::Knn] {
        let head = taught(kind, 10, Telling::First);
        assert_eq!((head.reads_all(), head.part_errors()), (Ok(false), Ok(None)));
    }
}

#[test]
fn unread_values_contribute_nothing() {
    let head = taught(HeadKind::Ridge, 10, Telling::Last);
    let values = embedding(&mut Noise(3), 2, Telling::Last);
    let [own, other] = [2, 0].map(|class| head.class_at(class).unwrap());
    let mut out = [9.0; DIM];
    let bias = head.contributions(Embedding::Float(&values), own, other, &mut out).unwrap();
    assert!(out[..DIM - LAST].iter().all(|&x| x == 0.0), "{out:?}");
    assert!(out.iter().sum::<f32>() + bias > 0.0);
    let mut changed = values.clone();
    changed[..DIM - LAST].fill(1e6);
    let ask = |values| head.classify(Embedding::Float(values)).unwrap();
    assert_eq!(ask(&changed), ask(&values));
}

#[test]
fn impossible_parts_are_refused() {
    for (dim, last) in [(4, 0), (4, 5), (0, 0)] {
        assert_eq!(Parts::joined(dim, last), None);
    }
    assert!(Parts::joined(4, 4).unwrap().is_single());
    assert_eq!(Parts::joined(4, 4), Some(Parts::single(4)));
}

#[test]
fn heads_of_other_parts_are_not_merged() {
    let mut head = taught(HeadKind::Ridge, 2, Telling::Last);
    let other = Head::boxed(HeadKind::Ridge, DIM, head.package_id(), head.limits()).unwrap();
    assert!(head.merge(&other).is_err());
}

/// The record of a head of one part stays as older programs read it; they refuse the other one by
/// its version.
#[test]
fn only_heads_of_several_parts_have_a_new_record() {
    let parts = taught(HeadKind::Ridge, 2, Telling::Last);
    let single = Head::boxed(HeadKind::Ridge, DIM, parts.package_id(), parts.limits()).unwrap();
    let version = |head: &AnyHead| {
        let mut bytes = vec![0; head.encoded_len()];
        head.encode(&mut bytes).unwrap();
        bytes[8]
    };
    assert_eq!((version(&single), version(&parts)), (3, 4));
}
