//! Random sequences of everything that can be done to a head, against a plain reference that is
//! made anew: `OFFSHOOT_SEQUENCES=100000` for the long run. `tests/fuzz` searches with the same.

#![cfg(feature = "alloc")]

mod sequence;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Sequences of an ordinary run; other processors are emulated.
const SEQUENCES: u64 = if cfg!(target_arch = "x86_64") { 4_000 } else { 200 };

/// Bytes of a sequence: as many as sixty steps can take.
const LONGEST: u64 = 400;

/// SplitMix64.
fn bytes(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let length = 20 + next() % LONGEST;
    (0..length).map(|_| next() as u8).collect()
}

#[test]
fn any_sequence_leaves_what_was_taught_and_nothing_else() {
    let asked = std::env::var("OFFSHOOT_SEQUENCES").ok();
    let count =
        asked.map_or(SEQUENCES, |count| count.parse().expect("OFFSHOOT_SEQUENCES is a number"));
    for seed in 0..count {
        let run = || sequence::run(&bytes(seed));
        assert!(catch_unwind(AssertUnwindSafe(run)).is_ok(), "sequence {seed}");
    }
}
