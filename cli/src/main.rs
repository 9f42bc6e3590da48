//! `offshoot`: exit codes 0 done, 1 a check failed, 2 the input or the usage is at fault, 3 too much accuracy is lost.

use std::process::ExitCode;

use clap::Parser;
use offshoot_cli::args::Cli;
use offshoot_cli::commands;

fn main() -> ExitCode {
    // Who reads the output may have seen enough: end as other programs do, instead of a panic.
    sigpipe::reset();
    match commands::run(&Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
