//! `offshoot`: exit codes 0 done, 1 a check failed, 2 the input or the usage is at fault, 3 too
//! much accuracy is lost.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use offshoot_cli::args::Cli;
use offshoot_cli::error::CommandError;
use offshoot_cli::{commands, output};
use offshoot_convert::sandbox;

/// Exit code if the input or the usage is at fault, or the output cannot be written.
const WRONG: u8 = 2;

fn main() -> ExitCode {
    // The reader of a pipe may close it early: end silently like other programs, without a message.
    sigpipe::reset();
    let ended = match Cli::try_parse() {
        Ok(cli) => output::ended_well(|| run(&cli)),
        // Help and version are no errors, but clap returns them as such.
        Err(notice) => {
            let printed = notice.print().and_then(|()| io::stdout().flush());
            printed.map(|()| exit_code(notice.exit_code()))
        }
    };
    ended.unwrap_or_else(|error| {
        output::note(format_args!("error: standard output: {error}\n"));
        ExitCode::from(WRONG)
    })
}

fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(WRONG))
}

fn run(cli: &Cli) -> ExitCode {
    if let Some(parent) = cli.inside {
        sandbox::enter(parent);
    }
    let done = match cli.command.model().filter(|_| cli.inside.is_none()) {
        Some(model) => sandbox::run(model).map_err(CommandError::from),
        None => commands::run(&cli.command).map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            output::note(format_args!("error: {error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}
