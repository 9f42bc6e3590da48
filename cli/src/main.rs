//! `offshoot`: see [`offshoot_cli::entry`].

use std::path::PathBuf;
use std::process::ExitCode;

use offshoot_convert::sandbox::Invocation;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let named = arguments.next().map(PathBuf::from);
    let invocation = Invocation {
        program: std::env::current_exe().ok().or(named).unwrap_or_default(),
        before: Vec::new(),
        arguments: arguments.collect(),
    };
    offshoot_cli::entry::run(&invocation).into()
}
