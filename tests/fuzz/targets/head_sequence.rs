//! Everything that can be done to a head, in any order: `sdk/core/tests/sequences.rs` draws what
//! this searches.

#![no_main]

#[path = "../../../sdk/core/tests/sequence/mod.rs"]
mod sequence;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sequence::run(bytes));
