//! `offshoot`: exit codes 0 done, 1 a check failed, 2 the input or the usage is at fault, 3 too much accuracy is lost.

use std::process::ExitCode;

use clap::Parser;
use offshoot_cli::args::Cli;
use offshoot_cli::commands::{self, CommandError};
use offshoot_cli::isolate;

fn main() -> ExitCode {
    // Who reads the output may have seen enough: end as other programs do, instead of a panic.
    sigpipe::reset();
    let cli = Cli::parse();
    if let Some(parent) = cli.inside {
        isolate::enter(parent);
    }
    let done = match cli.command.model().filter(|_| cli.inside.is_none()) {
        Some(model) => isolate::run(model).map_err(CommandError::from),
        None => commands::run(&cli.command).map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
