//! Tells the tests if the data beside the repository is here, so that those that want it are
//! ignored by name.

use std::path::Path;

fn main() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    println!("cargo::rustc-check-cfg=cfg(shared)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", shared.join("README.md").display());
    if shared.is_dir() {
        println!("cargo::rustc-cfg=shared");
    }
}
