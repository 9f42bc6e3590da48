//! Says to the compiler which extensions an ARM processor has, where stable Rust does not tell.

use std::env;

/// Processors of the M profile with the DSP extension that have no target of their own.
const WITH_DSP: [&str; 7] =
    ["cortex-m33", "cortex-m35p", "cortex-m52", "cortex-m55", "cortex-m85", "star-mc1", "star-mc3"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(arm_dsp)");
    let target = env::var("TARGET").unwrap_or_default();
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if has_dsp(&target, &flags) {
        println!("cargo::rustc-cfg=arm_dsp");
    }
}

/// True if every processor that runs the program has the DSP extension, and the assembler knows it.
///
/// Kernels are Thumb code: Linux programs have them, for tests, where they are that as a whole.
fn has_dsp(target: &str, flags: &str) -> bool {
    let named = WITH_DSP.iter().any(|cpu| flags.contains(&format!("target-cpu={cpu}")));
    target.starts_with("thumbv7em-")
        || target.starts_with("thumbv7neon-unknown-linux")
        || target.starts_with("thumbv8m.main-") && named
}
