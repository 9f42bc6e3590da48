//! Statistics of a calibration set: what was measured is read back, what is malformed is refused.

#![cfg(feature = "alloc")]

use offshoot_core::package::{
    DepthSamples, Measured, PackageError, Packed, Section, with_domain, with_packed,
};
use offshoot_core::statistics::{Appearance, Measure};
use offshoot_core::{Embedding, Package};

#[path = "../../tests/common/mod.rs"]
mod common;

use common::net::mobile_net;
use common::random::Random;
use common::seal::{self, entry, put};

/// Number of samples.
const ROWS: usize = 40;

fn number(rng: &mut Random) -> f32 {
    (rng.below(20_001) as f32 - 10_000.0) / 1000.0
}

/// Statistics of random samples at a feature map and at the embedding.
struct Set {
    images: Vec<Appearance>,
    depths: [(u16, usize, Vec<f32>); 2],
}

impl Set {
    fn of(file: &[u8], seed: u64) -> Self {
        let rng = &mut Random(seed);
        let package = Package::open(file).unwrap();
        let graph = package.graph();
        let mut depth = |tensor: u16, len: usize| {
            let spreads: Vec<f32> = (0..len).map(|_| number(rng).abs()).collect();
            let row = |_| spreads.iter().map(|s| 3.0 + s * number(rng)).collect::<Vec<_>>();
            (tensor, len, (0..ROWS).flat_map(row).collect())
        };
        let early = depth(1, graph.tensor(1).shape.c());
        let output = depth(graph.output(), package.embedding_dim());
        let images = (0..ROWS as u8).map(|i| {
            Appearance::of(2, &[i, 2 * i, 3 * i, 200 - i, i, 9, 1, 2, 3, 4, 5, 6], 1).unwrap()
        });
        Self { images: images.collect(), depths: [early, output] }
    }

    fn samples(&self) -> Vec<DepthSamples<'_>> {
        self.depths
            .iter()
            .map(|(tensor, len, values)| DepthSamples { tensor: *tensor, len: *len, values })
            .collect()
    }

    fn measured(&self) -> Measured {
        Measured::of(&self.images, &self.samples()).unwrap()
    }
}

#[test]
fn statistics_are_a_section_more_and_heads_stay() {
    let file = mobile_net();
    let plain = Package::open(&file).unwrap();
    assert!(plain.domain().is_none());
    let measured = Set::of(&file, 1).measured();
    let with = with_domain(&file, &measured).unwrap();
    let package = Package::open(&with).unwrap();
    assert_eq!(package.manifest(), plain.manifest());
    let len = measured.bytes().len();
    assert!(package.sections().eq(plain.sections().chain([(Section::Domain, len)])));
    // Both optional sections, added in any order.
    let panels = [1; 64];
    let packed = Packed { target: "neon-dot", order: 7, panels: &panels };
    let both = with_packed(&with, packed).unwrap();
    assert_eq!(both, with_domain(&with_packed(&file, packed).unwrap(), &measured).unwrap());
    let package = Package::open(&both).unwrap();
    assert_eq!(package.packed(), Some(packed));
    assert_eq!(package.domain(), Package::open(&with).unwrap().domain());
    // Other statistics take their place.
    let other = Set::of(&file, 2).measured();
    assert_eq!(with_domain(&with, &other).unwrap(), with_domain(&file, &other).unwrap());
}

#[test]
fn what_was_measured_is_read_back() {
    let file = mobile_net();
    let set = Set::of(&file, 3);
    let with = with_domain(&file, &set.measured()).unwrap();
    let domain = Package::open(&with).unwrap().domain().unwrap();
    assert_eq!(domain.samples(), ROWS);
    assert_eq!(domain.depths().count(), 2);
    for (depth, (tensor, len, values)) in domain.depths().zip(&set.depths) {
        assert_eq!((depth.tensor(), depth.len()), (*tensor, *len));
        let column = |i: usize| values.iter().skip(i).step_by(*len).map(|&x| f64::from(x));
        let mut total = 0.0;
        let moments: Vec<(f64, f64)> = (0..*len)
            .map(|i| {
                let mean = column(i).sum::<f64>() / ROWS as f64;
                let variance = column(i).map(|x| (x - mean).powi(2)).sum::<f64>() / ROWS as f64;
                total += variance;
                (mean, variance.sqrt())
            })
            .collect();
        let least = 0.25 * (total / *len as f64).sqrt();
        for ((mean, deviation), (own, spread)) in depth.values().zip(&moments) {
            assert!((f64::from(mean) - own).abs() < 1e-3, "{mean} {own}");
            assert!((f64::from(deviation) - spread.max(least)).abs() < 1e-3);
        }
        let row = &values[..*len];
        let squares = row
            .iter()
            .zip(&moments)
            .map(|(&x, (mean, spread))| ((f64::from(x) - mean) / spread.max(least)).powi(2));
        let want = (squares.sum::<f64>() / *len as f64).sqrt();
        let got = f64::from(depth.distance(row.iter().copied()));
        assert!((got / want - 1.0).abs() < 1e-3, "{got} {want}");
        let rows = values.chunks_exact(*len).map(Embedding::Float);
        let share = depth.share_far(rows).unwrap();
        assert!(share < 0.2, "{share}");
        let foreign = vec![99.0; *len];
        assert_eq!(depth.share_far([Embedding::Float(&foreign)].into_iter()), Some(1.0));
        assert_eq!(depth.share_far(std::iter::empty()), None);
        // A held-out sample is farther off than one that was measured, and a foreign one far off.
        assert!(depth.distances().median() > 0.5 && depth.distances().median() < 3.0);
        assert_eq!(
            depth.distances().percentile(depth.distance(row.iter().map(|x| x + 99.0))),
            100.0
        );
    }
    let light = domain.appearance(Measure::Light).unwrap();
    let mut lights: Vec<f32> = set.images.iter().map(|i| i.get(Measure::Light)).collect();
    lights.sort_by(f32::total_cmp);
    assert_eq!((light.least(), light.most()), (lights[0], lights[ROWS - 1]));
    assert_eq!((light.percentile(lights[0]), light.percentile(lights[0] - 1.0)), (0.0, 0.0));
    assert_eq!(light.percentile(f32::NAN), 100.0);
    let mut last = 0.0;
    for x in lights {
        assert!(light.percentile(x) >= last);
        last = light.percentile(x);
    }
    assert_eq!(last, 100.0);
    assert_eq!(
        domain.percentiles(&set.images[0]).unwrap()[0],
        light.percentile(set.images[0].get(Measure::Light))
    );
}

#[test]
fn few_samples_and_numbers_that_are_none_state_nothing() {
    let file = mobile_net();
    let set = Set::of(&file, 4);
    let few: Vec<DepthSamples<'_>> = set
        .samples()
        .iter()
        .map(|depth| DepthSamples { values: &depth.values[..15 * depth.len], ..*depth })
        .collect();
    assert_eq!(Measured::of(&set.images[..15], &few), None);
    let mut values = set.depths[1].2.clone();
    values[5] = f32::NAN;
    let odd = DepthSamples { values: &values, ..set.samples()[1] };
    assert_eq!(Measured::of(&[], &[odd]), None);
    let text = Measured::of(&[], &set.samples()).unwrap();
    let with = with_domain(&file, &text).unwrap();
    let domain = Package::open(&with).unwrap().domain().unwrap();
    assert_eq!(domain.appearance(Measure::Light), None);
    assert_eq!(domain.percentiles(&set.images[0]), None);
    // Values that do not vary are no division by zero.
    let flat = vec![2.0; ROWS * set.depths[1].1];
    let flat = Measured::of(&[], &[DepthSamples { values: &flat, ..set.samples()[1] }]).unwrap();
    let with = with_domain(&file, &flat).unwrap();
    let depth = Package::open(&with).unwrap().domain().unwrap().embedding().unwrap();
    assert!(depth.values().all(|(mean, deviation)| (mean - 2.0).abs() < 1e-3 && deviation > 0.0));
}

/// Puts bytes into the last section, and makes the checksums right again.
fn changed(file: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let sections = seal::u32_at(&file, 12) as usize;
    let own = entry(sections - 1);
    let offset = seal::u64_at(&file, own + 8) as usize;
    put(&mut file, offset + at, bytes);
    let crc = seal::crc32(&[&file[offset..]]);
    put(&mut file, own + 24, &crc.to_le_bytes());
    let crc = seal::crc32(&[&file[..seal::TABLE_CHECKSUM], &file[seal::HEADER..entry(sections)]]);
    put(&mut file, seal::TABLE_CHECKSUM, &crc.to_le_bytes());
    file
}

#[test]
fn malformed_statistics_are_refused() {
    let file = mobile_net();
    let set = Set::of(&file, 5);
    let with = with_domain(&file, &set.measured()).unwrap();
    assert!(Package::open(&changed(&with, 0, &[ROWS as u8])).is_ok());
    // 4 bytes, six distributions of 68, then the first depth: tensor, count, scale, distances.
    let depth = 4 + 6 * 68;
    let values = depth + 8 + 68;
    let cases: [(&str, usize, &[u8]); 14] = [
        ("no samples", 0, &[0, 0]),
        ("one measure", 2, &[1]),
        ("no depths", 3, &[0]),
        ("another number of depths", 3, &[3]),
        ("too many depths", 3, &[17]),
        ("light that is no number", 4, &f32::NAN.to_le_bytes()),
        ("light that descends", 4, &1e9f32.to_le_bytes()),
        ("a tensor that is none", depth, &[255, 255]),
        ("a tensor of other channels", depth, &[0, 0]),
        ("other channels", depth + 2, &[1, 0]),
        ("a scale of 0", depth + 4, &[0; 4]),
        ("an infinite scale", depth + 4, &f32::INFINITY.to_le_bytes()),
        ("distances that are infinite", depth + 8 + 64, &f32::INFINITY.to_le_bytes()),
        ("no spread", values + 2, &[0, 0]),
    ];
    for (name, at, bytes) in cases {
        let error = Package::open(&changed(&with, at, bytes)).err();
        assert_eq!(error, Some(PackageError::Domain), "{name}");
    }
    let len = set.measured().bytes().len();
    let mut refused = 0;
    for at in 0..len {
        let old = with[with.len() - len + at];
        for byte in [0, 1, 0x7f, 0x80, 0xff, old ^ 1, old.wrapping_add(1)] {
            match Package::open(&changed(&with, at, &[byte])) {
                Ok(package) => {
                    let depth = package.domain().unwrap().embedding().unwrap();
                    assert!(depth.distance([1.0; 4].into_iter()).is_finite());
                }
                Err(error) => {
                    assert_eq!(error, PackageError::Domain, "byte {at}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 100, "{refused}");
}
