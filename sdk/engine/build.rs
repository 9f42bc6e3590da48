//! Says to the compiler which extensions an ARM processor has, where stable Rust does not tell.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(arm_dsp)");
    let target = env::var("TARGET").unwrap_or_default();
    if has_dsp(&target) {
        println!("cargo::rustc-cfg=arm_dsp");
    }
}

/// True if every processor that runs the program has the DSP extension, and the assembler knows it.
///
/// Kernels are Thumb code: Linux programs have them, for tests, where they are that as a whole. The
/// assembler refuses the extension in naked functions for `thumbv8m.main`, whatever the processor.
fn has_dsp(target: &str) -> bool {
    target.starts_with("thumbv7em-") || target.starts_with("thumbv7neon-unknown-linux")
}
