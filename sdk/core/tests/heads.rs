//! Heads under random hands: hostile features, edits in any order, requests that must be refused.
//! Seeded, so that what fails once fails again.

use offshoot_core::Embedding;
use offshoot_core::head::{Head, HeadKind, Limits, Transform, WhenFull};
use offshoot_core::package::PackageId;

type TestHead = Head<&'static mut [u32]>;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.bits() % limit as u64) as usize
    }

    /// -1 to 1.
    fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Finite values of every sort; `before` is what may come again.
    fn hostile(&mut self, dim: usize, before: &[Vec<f32>]) -> Vec<f32> {
        let constant = [0.0, 1.0, -3.5, f32::MAX, f32::MIN_POSITIVE, 1e-45][self.below(6)];
        let magnitude = [1.0, 1e-40, 1e-20, 1e20, f32::MAX][self.below(5)];
        match self.below(6) {
            0 => vec![constant; dim],
            1 if !before.is_empty() => before[self.below(before.len())].clone(),
            2 => (0..dim).map(|_| magnitude * self.unit()).collect(),
            // One value that drowns all others.
            3 => {
                let mut values: Vec<f32> = (0..dim).map(|_| self.unit()).collect();
                let at = self.below(dim);
                values[at] = magnitude;
                values
            }
            // Every value of another magnitude.
            4 => (0..dim).map(|_| self.unit() * 10f32.powi(self.below(76) as i32 - 38)).collect(),
            _ => (0..dim).map(|_| self.unit()).collect(),
        }
    }
}

fn empty(kind: HeadKind, dim: usize, limits: Limits) -> TestHead {
    let memory = vec![0xaaaa_aaaa; limits.words(kind, dim).unwrap()];
    Head::new(kind, dim, PackageId::new([3; 32]), limits, memory.leak()).unwrap()
}

fn encoded(head: &TestHead) -> Vec<u8> {
    let mut bytes = vec![0; head.encoded_len()];
    head.encode(&mut bytes).unwrap();
    bytes
}

/// Bits of all answers to `queries`, or what was refused.
fn answers(head: &mut TestHead, queries: &[Vec<f32>]) -> Vec<String> {
    let mut out = vec![0.0; head.class_count()];
    let _ = head.fit();
    let mut ask = |query: &Vec<f32>| {
        let answer = head.probabilities(Embedding::Float(query), &mut out);
        format!("{answer:?} {:?}", out.iter().map(|p| p.to_bits()).collect::<Vec<_>>())
    };
    queries.iter().map(&mut ask).collect()
}

/// Everything a head says of `query` is finite, and what must sum to one does.
fn is_sane(head: &mut TestHead, query: &[f32]) {
    let dim = head.dim();
    let classes = head.class_count();
    let mut p = vec![9.0; classes];
    let _ = head.fit();
    let Ok(answer) = head.probabilities(Embedding::Float(query), &mut p) else {
        assert_eq!(head.sample_count(), 0);
        return;
    };
    assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "{p:?}");
    let sum = p.iter().sum::<f32>();
    let never = head.false_rejection_rate() == 0.0;
    assert!(sum < 1.0 + 1e-5 && (!never || sum > 1.0 - 1e-5), "{p:?}");
    assert!(
        (0.0..=1.0).contains(&answer.confidence().get()) && (0.0..=1.0).contains(&answer.margin())
    );
    assert!(head.samples_of(answer.class()) > 0, "a class without samples is no answer");
    let (similarity, least) = head.similarity(Embedding::Float(query)).unwrap();
    assert!(similarity.get().abs() <= 1.0 && least.is_none_or(|least| least.get().abs() <= 1.0));
    let fit = head.fit().unwrap();
    assert!(fit.gradient_norm.is_finite(), "{fit:?}");
    // Weights are finite where each dimension's part in the decision is.
    let mut parts = vec![f32::NAN; dim];
    for index in 0..classes {
        let class = head.class_at(index).unwrap();
        if let Ok(bias) =
            head.contributions(Embedding::Float(query), answer.class(), class, &mut parts)
        {
            assert!(
                bias.is_finite() && parts.iter().all(|part| part.is_finite()),
                "{bias} {parts:?}"
            );
        }
    }
    let report = head.report().unwrap();
    assert!(report.right() <= report.asked());
    assert!(report.accuracy().is_none_or(|a| (0.0..=1.0).contains(&a)));
}

/// One edit, which may be refused.
fn edit(head: &mut TestHead, random: &mut Random, seen: &mut Vec<Vec<f32>>) -> bool {
    let classes = head.class_count();
    let class = head.class_at(random.below(classes.max(1)));
    let stranger = {
        let mut other = empty(HeadKind::Knn, 1, Limits { classes: 9, samples: 1 });
        (0..9).map(|i| other.add_class(&format!("{i}")).unwrap()).last().unwrap()
    };
    match random.below(14) {
        0 => head.add_class(&format!("c{}", random.below(12))).is_ok(),
        1 => head.undo().is_some(),
        2 => head.remove_sample(random.below(12)).is_ok(),
        3 if random.below(4) == 0 => head.remove_class(class.unwrap_or(stranger)).is_ok(),
        4 => head
            .rename_class(class.unwrap_or(stranger), ["", "new", "\n", "c1"][random.below(4)])
            .is_ok(),
        5 => head.set_inverse_l2([1e-3, 1.0, 1e3, 0.0, f32::NAN][random.below(5)]).is_ok(),
        6 => {
            head.set_false_rejection_rate([0.0, 0.03, 0.5, 0.6, f32::NAN][random.below(5)]).is_ok()
        }
        7 => {
            head.set_transform(Transform::ALL[random.below(4)]);
            head.set_when_full(WhenFull::ALL[random.below(3)]);
            true
        }
        8 => {
            let mut values = random.hostile(head.dim(), seen);
            let at = random.below(values.len());
            values[at] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][random.below(3)];
            assert!(head.add_sample(class.unwrap_or(stranger), Embedding::Float(&values)).is_err());
            assert!(head.classify(Embedding::Float(&values)).is_err());
            assert!(head.classify(Embedding::Float(&values[1..])).is_err());
            false
        }
        _ => {
            let values = random.hostile(head.dim(), seen);
            let taken =
                head.add_sample(class.unwrap_or(stranger), Embedding::Float(&values)).is_ok();
            seen.push(values);
            taken
        }
    }
}

#[test]
fn any_edits_leave_finite_answers_and_refused_ones_leave_no_trace() {
    let mut refused = 0;
    let mut full = 0;
    for seed in 0..600 {
        let mut random = Random(seed);
        let kind = HeadKind::ALL[random.below(6)];
        let dim = 1 + random.below(40);
        let limits =
            Limits { classes: 1 + random.below(5) as u16, samples: 1 + random.below(14) as u16 };
        let mut head = empty(kind, dim, limits);
        let mut seen = Vec::new();
        let queries: Vec<Vec<f32>> = (0..3).map(|_| random.hostile(dim, &seen)).collect();
        for _ in 0..40 {
            let before = (encoded(&head), answers(&mut head, &queries));
            if !edit(&mut head, &mut random, &mut seen) {
                refused += 1;
                let after = (encoded(&head), answers(&mut head, &queries));
                assert_eq!(after, before, "seed {seed}: an edit was refused and changed something");
            }
            full += usize::from(head.sample_count() == usize::from(limits.samples));
        }
        for query in queries.iter().chain(seen.last()) {
            is_sane(&mut head, query);
        }
        // What is read back is the same head.
        let bytes = encoded(&head);
        let memory = vec![0x5555_5555; limits.words(kind, dim).unwrap()].leak();
        let mut again = Head::decode(&bytes, Some(PackageId::new([3; 32])), memory).unwrap();
        assert_eq!(answers(&mut again, &queries), answers(&mut head, &queries), "seed {seed}");
    }
    assert!(refused > 3000 && full > 3000, "{refused} edits were refused, {full} heads were full");
}

/// A head taught `samples`, in the order of `order`.
fn taught(
    kind: HeadKind,
    classes: u16,
    samples: &[(usize, Vec<f32>)],
    order: &[usize],
) -> TestHead {
    let limits = Limits { classes, samples: samples.len() as u16 };
    let mut head = empty(kind, samples[0].1.len(), limits);
    let ids: Vec<_> = (0..classes).map(|c| head.add_class(&format!("c{c}")).unwrap()).collect();
    for &i in order {
        let (class, values) = &samples[i];
        head.add_sample(ids[*class], Embedding::Float(values)).unwrap();
    }
    head
}

fn samples(
    random: &mut Random,
    classes: usize,
    count: usize,
    hostile: bool,
) -> Vec<(usize, Vec<f32>)> {
    let dim = 2 + random.below(30);
    let centres: Vec<Vec<f32>> =
        (0..classes).map(|_| (0..dim).map(|_| random.unit()).collect()).collect();
    let mut all: Vec<Vec<f32>> = Vec::new();
    for i in 0..count {
        let values = match hostile {
            true => random.hostile(dim, &all),
            false => centres[i % classes].iter().map(|c| c + 0.4 * random.unit()).collect(),
        };
        all.push(values);
    }
    all.into_iter().enumerate().map(|(i, values)| (i % classes, values)).collect()
}

#[test]
fn what_is_forgotten_was_never_there_to_the_bit() {
    for seed in 0..300 {
        let mut random = Random(1_000 + seed);
        let kind = HeadKind::ALL[random.below(6)];
        let classes = 1 + random.below(4);
        let count = 2 + random.below(20);
        let all = samples(&mut random, classes, count, true);
        let mut order: Vec<usize> = (0..count).collect();
        let mut head = taught(kind, classes as u16, &all, &order);
        let queries: Vec<Vec<f32>> = (0..4).map(|_| random.hostile(head.dim(), &[])).collect();
        for _ in 0..random.below(count) {
            if random.below(2) == 0 {
                // Half fitted: what is computed must move with the samples.
                head.fit().unwrap();
            }
            let place = random.below(order.len());
            head.remove_sample(place).unwrap();
            order.remove(place);
        }
        let mut never = taught(kind, classes as u16, &all, &order);
        assert_eq!(encoded(&head), encoded(&never), "seed {seed}");
        assert_eq!(answers(&mut head, &queries), answers(&mut never, &queries), "seed {seed}");
    }
}

#[test]
fn the_order_of_teaching_does_not_matter() {
    for seed in 0..120 {
        let mut random = Random(2_000 + seed);
        let kind = HeadKind::ALL[random.below(6)];
        let classes = 1 + random.below(4);
        let count = 2 + random.below(30);
        let exact = kind == HeadKind::NearestMean;
        let all = samples(&mut random, classes, count, exact);
        let mut order: Vec<usize> = (0..count).collect();
        let mut head = taught(kind, classes as u16, &all, &order);
        for i in (1..count).rev() {
            order.swap(i, random.below(i + 1));
        }
        let mut shuffled = taught(kind, classes as u16, &all, &order);
        for head in [&mut head, &mut shuffled] {
            head.set_false_rejection_rate(0.0).unwrap();
            head.fit().unwrap();
        }
        let mut a = vec![0.0; classes];
        let mut b = vec![0.0; classes];
        for (_, query) in &all {
            head.probabilities(Embedding::Float(query), &mut a).unwrap();
            shuffled.probabilities(Embedding::Float(query), &mut b).unwrap();
            let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // Softmax regression is held out by rank within the class, which the order decides and
            // with it how sure the head may be.
            let allowed = match head.chosen().unwrap().kind {
                HeadKind::NearestMean if exact => 0.0,
                HeadKind::Softmax => 0.2,
                _ => 1e-3,
            };
            assert!(worst <= allowed, "seed {seed}, {kind}: {worst}");
        }
    }
}

#[test]
fn one_class_and_one_sample_are_enough_to_answer() {
    for seed in 0..200 {
        let mut random = Random(3_000 + seed);
        let kind = HeadKind::ALL[random.below(6)];
        let count = 1 + random.below(4) * random.below(2);
        let all = samples(&mut random, 1, count, true);
        let mut head = taught(kind, 1, &all, &(0..count).collect::<Vec<_>>());
        head.set_false_rejection_rate(0.0).unwrap();
        let query = random.hostile(head.dim(), &[]);
        head.fit().unwrap();
        let answer = head.classify(Embedding::Float(&query)).unwrap();
        assert_eq!(
            (answer.class().index(), answer.confidence().get()),
            (0, 1.0),
            "seed {seed}, {kind}"
        );
        is_sane(&mut head, &query);
    }
}
