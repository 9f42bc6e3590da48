//! `offshoot`: see [`offshoot_cli::entry`].

use std::path::PathBuf;
use std::process::ExitCode;

use offshoot_cli::built_in::Packages;
use offshoot_convert::sandbox::Invocation;
use offshoot_device::SPEECH;

/// Built-in files. A static, not a constant: that would be in the program once for each use.
static FILES: [(&str, &[u8]); 4] = [
    ("sprout.onnx", include_bytes!("../../models/sprout/sprout.onnx")),
    // As written by `demo --extractor small --keep`.
    ("sprout.offshoot", include_bytes!("../../models/sprout/sprout.offshoot")),
    // Made as described in `models/sharp/README.md`.
    ("sharp.offshoot", include_bytes!("../../models/sharp/sharp.offshoot")),
    // Made as described in `models/speech/README.md`.
    (SPEECH, include_bytes!("../../models/speech/speech.offshoot")),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let named = arguments.next().map(PathBuf::from);
    let invocation = Invocation {
        program: std::env::current_exe().ok().or(named).unwrap_or_default(),
        before: Vec::new(),
        arguments: arguments.collect(),
    };
    offshoot_cli::entry::run(&invocation, &Packages::Inside(&FILES)).into()
}
