//! The control chart of a camera, against averages computed from lists, under random frames.

use offshoot_core::statistics::{Appearance, Fault, Watch};

#[path = "../../tests/common/random.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod random;

use random::Random;

/// Light, contrast, sharpness and warmth with noise, and a similarity.
#[derive(Clone, Copy)]
struct Scene {
    light: f32,
    contrast: f32,
    sharpness: f32,
    warmth: f32,
    similarity: f32,
}

const USUAL: Scene =
    Scene { light: 120.0, contrast: 50.0, sharpness: 0.2, warmth: 5.0, similarity: 0.8 };

fn noise(rng: &mut Random) -> f32 {
    // The sum of four is close enough to a bell curve of deviation 1.
    (0..4).map(|_| rng.below(2001) as f32 / 1000.0 - 1.0).sum::<f32>() * 0.866
}

fn frame(scene: Scene, rng: &mut Random) -> (Appearance, Option<f32>) {
    let image = Appearance::from_values([
        scene.light + 20.0 * noise(rng),
        scene.contrast * (1.0 + 0.2 * noise(rng)).max(0.1),
        scene.sharpness * (1.0 + 0.2 * noise(rng)).max(0.1),
        40.0,
        scene.warmth + 10.0 * noise(rng),
        0.0,
    ]);
    (image, Some(scene.similarity + 0.06 * noise(rng)))
}

/// Faults of the frames of a scene, one after another.
fn seen(watch: &mut Watch, scene: Scene, frames: usize, rng: &mut Random) -> Vec<Option<Fault>> {
    let faults = (0..frames).map(|_| {
        let (image, similarity) = frame(scene, rng);
        watch.see(&image, similarity)
    });
    faults.collect()
}

#[test]
fn usual_frames_raise_no_alarm_for_an_hour() {
    for seed in 0..4 {
        let mut watch = Watch::new();
        let all = seen(&mut watch, USUAL, 36_000, &mut Random(seed));
        assert!(all.iter().all(Option::is_none), "seed {seed}");
    }
    assert!(size_of::<Watch>() < 200, "{} bytes", size_of::<Watch>());
}

#[test]
fn each_fault_is_named_and_ends() {
    let low = Scene { similarity: 0.5, ..USUAL };
    let cases = [
        (Scene { light: 40.0, ..low }, Fault::Darker),
        (Scene { light: 220.0, ..low }, Fault::Brighter),
        (Scene { sharpness: 0.05, ..low }, Fault::Blurred),
        (Scene { contrast: 20.0, ..low }, Fault::Faded),
        (Scene { warmth: 60.0, ..low }, Fault::Tinted),
        (Scene { warmth: -60.0, ..low }, Fault::Tinted),
        (Scene { contrast: 2.0, ..USUAL }, Fault::Flat),
        (Scene { light: 20.0, ..USUAL }, Fault::Darker),
    ];
    for (scene, fault) in cases {
        let rng = &mut Random(7);
        let mut watch = Watch::new();
        assert!(seen(&mut watch, USUAL, 300, rng).iter().all(Option::is_none));
        let during = seen(&mut watch, scene, 100, rng);
        assert_eq!(during.last(), Some(&Some(fault)));
        assert_eq!(watch.fault(), Some(fault));
        assert!(!fault.to_string().is_empty());
        let after = seen(&mut watch, USUAL, 200, rng);
        assert_eq!(after.last(), Some(&None), "{fault:?} does not end");
    }
}

/// Another thing before the camera moves the image, and what is unknown the similarity: neither
/// alone is a fault.
#[test]
fn one_chart_alone_is_no_fault() {
    for scene in [Scene { light: 60.0, ..USUAL }, Scene { similarity: 0.3, ..USUAL }] {
        let rng = &mut Random(3);
        let mut watch = Watch::new();
        seen(&mut watch, USUAL, 200, rng);
        assert!(seen(&mut watch, scene, 500, rng).iter().all(Option::is_none));
    }
}

#[test]
fn slow_drift_is_noticed() {
    let rng = &mut Random(11);
    let mut watch = Watch::new();
    seen(&mut watch, USUAL, 200, rng);
    let found = (0..3000).position(|step| {
        let share = step as f32 / 3000.0;
        let scene = Scene { light: 120.0 - 100.0 * share, similarity: 0.8 - 0.5 * share, ..USUAL };
        seen(&mut watch, scene, 1, rng) == [Some(Fault::Darker)]
    });
    assert!(found.is_some_and(|step| (300..2000).contains(&step)), "{found:?}");
}

#[test]
fn numbers_that_are_none_are_left_out() {
    let rng = &mut Random(5);
    let mut watch = Watch::new();
    let mut other = Watch::new();
    for step in 0..400 {
        let (image, similarity) = frame(USUAL, rng);
        watch.see(&image, similarity);
        other.see(&image, similarity);
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][step % 3];
        watch.see(
            &Appearance::from_values([odd, f32::NAN, f32::NAN, odd, f32::NAN, odd]),
            Some(odd),
        );
        assert_eq!(watch, other, "step {step}");
    }
}

/// The averages once more, from lists.
#[test]
fn averages_are_those_of_lists() {
    let rng = &mut Random(13);
    let mut watch = Watch::new();
    let mut lights: Vec<f64> = Vec::new();
    let mut similarities: Vec<f64> = Vec::new();
    let out = |all: &[f64], least: f64| {
        let (first, rest) = all.split_at(all.len().min(128));
        if first.len() < 128 {
            return 0.0;
        }
        let mean = first.iter().sum::<f64>() / 128.0;
        let variance = first.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 128.0;
        let average = rest.iter().fold(mean, |average, x| average + (x - average) / 16.0);
        (average - mean) / variance.sqrt().max(least)
    };
    let mut alarms = 0;
    let mut before = None;
    for step in 0..2000 {
        let dark = step / 150 % 3 == 2;
        let scene = if dark { Scene { light: 60.0, similarity: 0.6, ..USUAL } } else { USUAL };
        let (image, similarity) = frame(scene, rng);
        lights.push(f64::from(image.values()[0]));
        similarities.push(f64::from(similarity.unwrap()));
        let got = watch.see(&image, similarity);
        let limit = if before.is_some() { 1.0 } else { 2.0 };
        let light = out(&lights, 10.0);
        let near = out(&similarities, 0.03);
        // The border itself is a matter of rounding.
        let is_sure = [light, near].iter().all(|x| (x.abs() - limit).abs() > 1e-6);
        if is_sure && matches!(got, None | Some(Fault::Darker)) {
            assert_eq!(
                got.is_some(),
                near <= -limit && -light > limit,
                "step {step}: {light} {near}"
            );
        }
        alarms += usize::from(got.is_some());
        before = got;
    }
    assert!((100..1500).contains(&alarms), "{alarms}");
}
