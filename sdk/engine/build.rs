//! Says to the compiler which extensions an ARM processor has, where stable Rust does not tell.

use std::env;

/// Processors of ARMv8-M that are known to the compiler with the DSP extension.
const V8M_WITH_DSP: [&str; 4] = ["cortex-m33", "cortex-m35p", "cortex-m55", "cortex-m85"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(arm_dsp, arm_v8m)");
    let target = env::var("TARGET").unwrap_or_default();
    let is_v8m = target.starts_with("thumbv8m.main-");
    if is_v8m {
        println!("cargo::rustc-cfg=arm_v8m");
    }
    if has_dsp(&target) || is_v8m && names_dsp_processor() {
        println!("cargo::rustc-cfg=arm_dsp");
    }
}

/// True if every processor that the target stands for has the DSP extension.
///
/// Kernels are Thumb code: Linux programs have them, for tests, where they are that as a whole.
fn has_dsp(target: &str) -> bool {
    target.starts_with("thumbv7em-") || target.starts_with("thumbv7neon-unknown-linux")
}

/// True if the program is compiled for a processor that has the extension, an option of ARMv8-M.
fn names_dsp_processor() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let mut named = flags.split('\x1f').filter_map(|flag| {
        let option = flag.strip_prefix("-C").unwrap_or(flag).trim_start();
        option.strip_prefix("target-cpu=")
    });
    // Of several the compiler takes the last.
    named.next_back().is_some_and(|processor| V8M_WITH_DSP.contains(&processor))
}
