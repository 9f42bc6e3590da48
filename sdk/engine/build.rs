//! Says to the compiler which extensions an ARM processor has, where stable Rust does not tell.

use std::env;

/// Processors of ARMv8-M that are known to the compiler with the DSP extension, and with Helium
/// too.
const V8M_WITH_DSP: [&str; 2] = ["cortex-m33", "cortex-m35p"];
const V8M_WITH_HELIUM: [&str; 2] = ["cortex-m55", "cortex-m85"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(arm_dsp, arm_mve, arm_v8m)");
    let target = env::var("TARGET").unwrap_or_default();
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let is_v8m = target.starts_with("thumbv8m.main-");
    if is_v8m {
        println!("cargo::rustc-cfg=arm_v8m");
    }
    let processor = processor(&flags);
    let has_helium = is_v8m && V8M_WITH_HELIUM.contains(&processor);
    if has_dsp(&target) || has_helium || is_v8m && V8M_WITH_DSP.contains(&processor) {
        println!("cargo::rustc-cfg=arm_dsp");
    }
    // Its registers are those of floats, which only programs with hardware floats switch on.
    if has_helium && target.ends_with("hf") && !disables_helium(&flags) {
        println!("cargo::rustc-cfg=arm_mve");
    }
}

/// True if every processor that the target stands for has the DSP extension.
///
/// Kernels are Thumb code: Linux programs have them, for tests, where they are that as a whole.
fn has_dsp(target: &str) -> bool {
    target.starts_with("thumbv7em-") || target.starts_with("thumbv7neon-unknown-linux")
}

/// Returns the values of an option of code generation, in order.
fn options<'a>(flags: &'a str, name: &'a str) -> impl DoubleEndedIterator<Item = &'a str> {
    flags.split('\x1f').filter_map(move |flag| {
        let option = flag.strip_prefix("-C").unwrap_or(flag).trim_start();
        option.strip_prefix(name)?.strip_prefix('=')
    })
}

/// Returns the processor that the program is compiled for, nothing if flags do not name it.
fn processor(flags: &str) -> &str {
    // Of several the compiler takes the last.
    options(flags, "target-cpu").next_back().unwrap_or_default()
}

/// True if flags take Helium away from a processor that has it.
fn disables_helium(flags: &str) -> bool {
    options(flags, "target-feature").flat_map(|list| list.split(',')).any(|name| name == "-mve")
}
