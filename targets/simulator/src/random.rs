//! The source of every choice in a scene.

use std::f32::consts::TAU;

use crate::render::math::mix;

/// SplitMix64: small, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Starts one of several independent streams of the same seed.
    ///
    /// The table and the object draw from streams of their own, so that the table stays the same
    /// whatever stands on it.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self { state: seed };
        let scrambled = random.bits();
        random.state = scrambled ^ stream.wrapping_mul(0xd134_2543_de82_ef95);
        random
    }

    /// Returns 64 fresh bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Returns a number in `low..high`.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        let unit = (self.bits() >> 40) as f32 / 16_777_216.0;
        mix(low, high, unit)
    }

    /// Returns an angle of the full circle.
    pub fn angle(&mut self) -> f32 {
        self.range(0.0, TAU)
    }

    /// Returns a whole number below `count`, which must not be zero.
    pub fn below(&mut self, count: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(count)) >> 32) as u32
    }

    /// Returns true with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.range(0.0, 1.0) < probability
    }

    /// Returns one of the entries of a table that is not empty.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_and_seeds_are_independent() {
        let first = |seed, stream| Random::new(seed, stream).bits();
        let all = [first(0, 0), first(0, 1), first(1, 0), first(1, 1), first(2, 0)];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn draws_stay_in_range_and_reach_every_choice() {
        let mut random = Random::new(3, 0);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            let x = random.range(-2.0, 3.0);
            assert!((-2.0..3.0).contains(&x));
            seen[random.below(5) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| n > 120), "{seen:?}");
    }
}
