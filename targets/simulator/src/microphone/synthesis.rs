//! Waveforms of the simulated sounds, by oscillators, noise and resonators.

use std::f32::consts::TAU;

use super::{RATE, Sound};
use crate::random::Random;
use crate::render::math::mix;

/// Streams of a seed: the sound, and the room behind it.
const OF_SOUND: u64 = 1;

/// First three formants of the vowels in Hz: Peterson and Barney 1952, means of men.
const I: [f32; 3] = [270.0, 2290.0, 3010.0];
const A: [f32; 3] = [730.0, 1090.0, 2440.0];
const O: [f32; 3] = [570.0, 840.0, 2410.0];
const U: [f32; 3] = [300.0, 870.0, 2240.0];

/// Bandwidths of the formants in Hz.
const WIDTHS: [f32; 3] = [80.0, 100.0, 160.0];

/// Makes one performance of a sound; each seed is another one. Values are from -1 to 1.
pub(super) fn performance(sound: Sound, seed: u64) -> Vec<f32> {
    let random = &mut Random::new(seed, OF_SOUND + sound as u64);
    let mut wave = match sound {
        Sound::Whistle => whistle(random),
        Sound::Knock => knock(random),
        Sound::Hum => hum(random),
        Sound::Lila => word(random, &[I, A]),
        Sound::Momo => word(random, &[O, U, O]),
    };
    let loudest = wave.iter().fold(0.0f32, |most, x| if x.abs() > most { x.abs() } else { most });
    let gain = random.range(0.25, 0.6) / (loudest + 1e-6);
    wave.iter_mut().for_each(|x| *x *= gain);
    wave
}

/// Number of samples of a time in seconds.
fn samples(seconds: f32) -> usize {
    (seconds * RATE as f32) as usize
}

/// Rises within a twentieth of the sound, and falls within a fifth.
fn envelope(place: f32) -> f32 {
    let rise = if place < 0.05 { place / 0.05 } else { 1.0 };
    let fall = if place > 0.8 { (1.0 - place) / 0.2 } else { 1.0 };
    rise * fall
}

fn noise(random: &mut Random) -> f32 {
    random.range(-1.0, 1.0)
}

/// A tone that glides, with vibrato and breath.
fn whistle(random: &mut Random) -> Vec<f32> {
    let count = samples(random.range(0.5, 0.8));
    let from = random.range(1100.0, 1500.0);
    let to = from * random.range(1.25, 1.6);
    let vibrato = random.range(4.0, 7.0);
    let depth = random.range(0.005, 0.02);
    let mut phase = random.angle();
    let tone = (0..count).map(|i| {
        let place = i as f32 / count as f32;
        let wobble = libm::sinf(TAU * vibrato * i as f32 / RATE as f32);
        phase = turned(phase, mix(from, to, place) * (1.0 + depth * wobble));
        envelope(place) * (libm::sinf(phase) + 0.03 * noise(random))
    });
    tone.collect()
}

/// Two or three blows on wood: resonances that fade quickly.
fn knock(random: &mut Random) -> Vec<f32> {
    let pitch = random.range(190.0, 320.0);
    let gap = samples(random.range(0.14, 0.2));
    let blows = 2 + random.below(2) as usize;
    let length = samples(0.12);
    let mut wave = vec![0.0; gap * (blows - 1) + length];
    for blow in 0..blows {
        let force = random.range(0.7, 1.0);
        let mut body = Resonator::new(pitch, 30.0);
        let mut board = Resonator::new(pitch * random.range(3.5, 4.5), 120.0);
        for (i, slot) in wave[blow * gap..][..length].iter_mut().enumerate() {
            let strike = if i < 24 { force * noise(random) } else { 0.0 };
            *slot += body.ring(strike) + 0.4 * board.ring(strike);
        }
    }
    wave
}

/// A motor: many harmonics of a low tone that beats.
fn hum(random: &mut Random) -> Vec<f32> {
    let count = samples(random.range(0.8, 1.0));
    let pitch = random.range(95.0, 125.0);
    let beat = random.range(2.0, 4.0);
    let mut phase = random.angle();
    let shares: Vec<f32> = (1..=9).map(|k| random.range(0.4, 1.0) / k as f32).collect();
    let tone = (0..count).map(|i| {
        phase = turned(phase, pitch);
        let beating = 1.0 + 0.3 * libm::sinf(TAU * beat * i as f32 / RATE as f32);
        let sum = shares.iter().zip(1..).fold(0.0, |sum, (share, k)| {
            // A whole number of turns each, so that the phase may wrap.
            sum + share * libm::sinf(phase * k as f32)
        });
        envelope(i as f32 / count as f32) * beating * sum
    });
    tone.collect()
}

/// Vowels one after the other, in a voice of the seed's own: pulses of the glottis through three
/// resonators, with a short closure before each vowel.
fn word(random: &mut Random, vowels: &[[f32; 3]]) -> Vec<f32> {
    let pitch = random.range(105.0, 210.0);
    // Higher voices have shorter throats.
    let throat = mix(0.95, 1.15, (pitch - 105.0) / 105.0) * random.range(0.97, 1.03);
    let each = samples(random.range(0.18, 0.26));
    let count = each * vowels.len();
    let mut resonators = WIDTHS.map(|width| Resonator::new(500.0, width));
    let mut phase = 0.0;
    let mut wave = Vec::with_capacity(count);
    for i in 0..count {
        let index = i / each;
        let place = (i % each) as f32 / each as f32;
        let before = vowels[index.saturating_sub(1)];
        // The tongue needs a third of a vowel to arrive.
        let arrived = if place < 0.33 { place / 0.33 } else { 1.0 };
        for (k, resonator) in resonators.iter_mut().enumerate() {
            resonator.tune(throat * mix(before[k], vowels[index][k], arrived), WIDTHS[k]);
        }
        let opened = if place < 0.12 { 0.15 + 7.0 * place } else { 1.0 };
        let falling = pitch * mix(1.05, 0.85, i as f32 / count as f32);
        let last = phase;
        phase = turned(phase, falling * (1.0 + 0.01 * noise(random)));
        let pulse = if phase < last { 1.0 } else { 0.0 };
        let source = pulse + 0.004 * noise(random);
        let voiced = resonators.iter_mut().fold(0.0, |sum, resonator| sum + resonator.ring(source));
        wave.push(envelope(i as f32 / count as f32) * opened * voiced);
    }
    wave
}

/// Phase one sample later.
fn turned(phase: f32, hertz: f32) -> f32 {
    let next = phase + TAU * hertz / RATE as f32;
    if next >= TAU { next - TAU } else { next }
}

/// Filter with two poles that rings at one frequency.
struct Resonator {
    gain: f32,
    feedback: [f32; 2],
    state: [f32; 2],
}

impl Resonator {
    fn new(hertz: f32, width: f32) -> Self {
        let mut resonator = Self { gain: 0.0, feedback: [0.0; 2], state: [0.0; 2] };
        resonator.tune(hertz, width);
        resonator
    }

    fn tune(&mut self, hertz: f32, width: f32) {
        let radius = libm::expf(-0.5 * TAU * width / RATE as f32);
        self.feedback = [2.0 * radius * libm::cosf(TAU * hertz / RATE as f32), -radius * radius];
        self.gain = 1.0 - radius;
    }

    fn ring(&mut self, input: f32) -> f32 {
        let [one, two] = self.state;
        let output = self.gain * input + self.feedback[0] * one + self.feedback[1] * two;
        self.state = [output, one];
        output
    }
}
