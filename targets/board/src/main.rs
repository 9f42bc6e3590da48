//! On-board program: opens and verifies a package, trains and queries a head; or runs as a device
//! with camera, buttons and screen. No ONNX, no network.
//!
//! Exit codes: 0 done, 1 a check failed, 2 the command line or a file is wrong.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod error;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use commands::Outcome;

const CHECK_FAILED: u8 = 1;
const WRONG: u8 = 2;

fn main() -> ExitCode {
    let command = match args::read(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            tell(format_args!("error: {error}\n\n{}", args::USAGE));
            return ExitCode::from(WRONG);
        }
    };
    let mut out = io::stdout().lock();
    let result = commands::run(command, &mut out).and_then(|outcome| {
        out.flush()?;
        Ok(outcome)
    });
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::CheckFailed) => ExitCode::from(CHECK_FAILED),
        // A reader such as `head -1` has closed the pipe: it has seen enough.
        Err(trouble) if trouble.output() == Some(ErrorKind::BrokenPipe) => ExitCode::SUCCESS,
        Err(trouble) => {
            tell(format_args!("{trouble}"));
            ExitCode::from(WRONG)
        }
    }
}

/// Writes to standard error, ignoring failures.
fn tell(words: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{words}");
}
