//! Guarantees to users of the camera: the same bytes everywhere, and something to see in them.

use offshoot_simulator::{Camera, Image, Object};

const CAMERA: Camera = Camera::new(80, 60);
/// Enough for averages.
const SMALL: Camera = Camera::new(40, 30);

/// FNV-1a, 64 bits.
fn checksum(image: &Image) -> u64 {
    let mix = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    image.rgb.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// Returns for every pixel whether two images differ by more than noise.
fn changed(a: &Image, b: &Image) -> Vec<bool> {
    let pixels = a.rgb.chunks_exact(3).zip(b.rgb.chunks_exact(3));
    pixels.map(|(a, b)| a.iter().zip(b).any(|(a, b)| a.abs_diff(*b) > 24)).collect()
}

fn mean_colour(image: &Image) -> [f64; 3] {
    let mut sum = [0.0; 3];
    for pixel in image.rgb.chunks_exact(3) {
        sum.iter_mut().zip(pixel).for_each(|(sum, &c)| *sum += f64::from(c));
    }
    sum.map(|sum| sum * 3.0 / image.rgb.len() as f64)
}

/// These numbers must hold on every machine. A change to the renderer changes them: look at the
/// images of `examples/sheet.rs` before you replace them.
#[test]
fn images_are_the_same_on_every_machine() {
    let pinned = [
        (None, 0x7f97_1562_5e1b_d76e),
        (Some(Object::Mug), 0x2eef_4c90_0ba6_69d1),
        (Some(Object::Ball), 0x9fba_aa11_86a2_6b25),
        (Some(Object::Cube), 0xfe66_359d_7858_8cfb),
        (Some(Object::Plant), 0x54bc_6f4c_f579_1f2c),
        (Some(Object::Banana), 0xfe3f_e10c_44dc_5530),
        (Some(Object::Key), 0x1888_6962_5406_a245),
    ];
    for (object, pinned) in pinned {
        let sums = (0..4).map(|seed| checksum(&CAMERA.look(object, seed)));
        let found = sums.fold(0, u64::wrapping_add);
        assert_eq!(found, pinned, "{object:?}: {found:#018x}");
    }
}

#[test]
fn one_seed_one_image() {
    for object in Object::ALL {
        let first = CAMERA.look(Some(object), 77);
        assert_eq!(first, CAMERA.look(Some(object), 77));
        let mut seen: Vec<_> =
            (0..20).map(|seed| checksum(&CAMERA.look(Some(object), seed))).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 20, "{object}");
    }
}

#[test]
fn far_apart_seeds_differ() {
    let sums =
        [0, 1, 1 << 32, u64::MAX, u64::MAX - 1].map(|seed| checksum(&CAMERA.look(None, seed)));
    for (i, a) in sums.iter().enumerate() {
        assert!(sums[i + 1..].iter().all(|b| a != b));
    }
}

#[test]
fn objects_fill_a_sensible_part_of_the_frame() {
    for object in Object::ALL {
        let mut total = 0.0;
        for seed in 0..30 {
            let changed = changed(&CAMERA.look(Some(object), seed), &CAMERA.look(None, seed));
            let share = changed.iter().filter(|&&c| c).count() as f64 / changed.len() as f64;
            assert!((0.01..0.6).contains(&share), "{object} {seed}: {share}");
            total += share / 30.0;
        }
        assert!((0.04..0.35).contains(&total), "{object}: {total}");
    }
}

#[test]
fn objects_are_in_the_middle_of_the_frame() {
    for object in Object::ALL {
        for seed in 0..30 {
            let changed = changed(&CAMERA.look(Some(object), seed), &CAMERA.look(None, seed));
            let count = changed.iter().filter(|&&c| c).count() as f64;
            let sum = |side: fn(usize) -> usize| {
                let hit = changed.iter().enumerate().filter(|(_, c)| **c);
                hit.map(|(i, _)| side(i) as f64 + 0.5).sum::<f64>() / count
            };
            let x = sum(|i| i % 80) / 80.0;
            let y = sum(|i| i / 80) / 60.0;
            assert!((0.2..0.8).contains(&x) && (0.2..0.8).contains(&y), "{object} {seed}: {x} {y}");
        }
    }
}

#[test]
fn without_an_object_the_place_is_the_same() {
    for seed in 0..10 {
        let images = [None, Some(Object::Mug), Some(Object::Key)].map(|o| CAMERA.look(o, seed));
        // The top corners show background whatever stands in the middle.
        let corner = |p: &Image| p.rgb[..9].to_vec();
        assert_eq!(corner(&images[0]), corner(&images[1]));
        assert_eq!(corner(&images[0]), corner(&images[2]));
    }
}

#[test]
fn colour_alone_does_not_give_the_class_away() {
    // Classify by the nearest mean colour of the whole image: it must stay far from perfect.
    let means = |seeds: std::ops::Range<u64>| {
        Object::ALL.map(|object| {
            let seeds = seeds.clone().map(|seed| seed + 1000 * object as u64);
            seeds.map(|seed| mean_colour(&SMALL.look(Some(object), seed))).collect::<Vec<_>>()
        })
    };
    let taught = means(0..5);
    let asked = means(100..120);
    let distance =
        |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let mut right = 0;
    for (class, questions) in asked.iter().enumerate() {
        for question in questions {
            let nearest = |examples: &Vec<[f64; 3]>| {
                examples.iter().map(|e| distance(e, question)).fold(f64::MAX, f64::min)
            };
            let scores = taught.each_ref().map(nearest);
            let best = (0..scores.len()).min_by(|&a, &b| scores[a].total_cmp(&scores[b]));
            right += usize::from(best == Some(class));
        }
    }
    assert!(right * 100 < 40 * 120, "{right} of 120 by colour alone");
}

#[test]
fn images_are_well_exposed() {
    for object in Object::ALL {
        for seed in 0..40 {
            let image = SMALL.look(Some(object), seed);
            let [r, g, b] = mean_colour(&image);
            let mean = (r + g + b) / 3.0;
            assert!((40.0..235.0).contains(&mean), "{object} {seed}: {mean}");
            let burnt = image.rgb.iter().filter(|&&c| c == 255).count();
            assert!(burnt * 5 < image.rgb.len(), "{object} {seed}: {burnt} burnt out");
        }
    }
}

#[test]
fn every_object_can_be_seen_with_many_seeds_and_sizes() {
    let small = [Camera::new(24, 18), Camera::new(9, 31), Camera::new(1, 1), Camera::new(7, 3)];
    for object in Object::ALL {
        for seed in (0..50).chain([u64::MAX]) {
            for camera in small {
                let image = camera.look(Some(object), seed);
                assert_eq!(image.rgb.len() as u32, image.width * image.height * 3);
            }
        }
    }
}
