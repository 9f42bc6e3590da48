//! Entry of the command: arguments in, an exit code out. The program `offshoot` calls it, and Python by
//! `python -m offshoot`.
//!
//! Exit codes: 0 done, 1 a check failed, 2 the input or the usage is at fault, 3 too much accuracy is
//! lost.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};

use anstream::AutoStream;
use clap::builder::Styles;
use clap::{ColorChoice, CommandFactory, FromArgMatches, ValueEnum};
use offshoot_convert::sandbox::{self, Invocation};

use crate::args::Cli;
use crate::built_in::Packages;
use crate::commands::progress;
use crate::error::CommandError;
use crate::{commands, output};

/// Exit code if the input or the usage is at fault, or the output cannot be written.
const WRONG: u8 = 2;

/// Runs the command and returns the exit code. Signals that end a process by default must do so: a
/// closed pipe ends it silently like other programs.
pub fn run(invocation: &Invocation, packages: &Packages) -> u8 {
    sigpipe::reset();
    let (parent, arguments) = inside(&invocation.arguments);
    let color = color(arguments);
    let ended = match parse(arguments, color) {
        Ok(cli) => output::ended_well(|| match run_parsed(&cli, parent, invocation, packages) {
            Ok(code) => code,
            Err(error) => {
                report(color, format_args!("{error}"));
                error.exit_code()
            }
        }),
        // Help and version are no errors, but clap returns them as such.
        Err(notice) => {
            let printed = notice.print().and_then(|()| io::stdout().flush());
            printed.map(|()| u8::try_from(notice.exit_code()).unwrap_or(WRONG))
        }
    };
    ended.unwrap_or_else(|error| {
        report(color, format_args!("standard output: {error}"));
        WRONG
    })
}

/// Parses the arguments; help and errors have the colour that they ask for.
fn parse(arguments: &[OsString], color: ColorChoice) -> Result<Cli, clap::Error> {
    let name = OsString::from("offshoot");
    let mut command = Cli::command().color(color);
    let matches = command.try_get_matches_from_mut([&name].into_iter().chain(arguments))?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Returns the value of `--color`, which also concerns errors of the arguments after it.
fn color(arguments: &[OsString]) -> ColorChoice {
    let words = arguments.iter().map(|word| word.to_str().unwrap_or_default());
    let mut after = words.skip_while(|word| !word.starts_with("--color"));
    let value = match after.next().map(|word| word.strip_prefix("--color=")) {
        Some(Some(value)) => Some(value),
        _ => after.next(),
    };
    value.and_then(|value| ColorChoice::from_str(value, false).ok()).unwrap_or_default()
}

fn run_parsed(
    cli: &Cli,
    parent: Option<u32>,
    invocation: &Invocation,
    packages: &Packages,
) -> Result<u8, CommandError> {
    if let Some(parent) = parent {
        sandbox::enter(parent);
    }
    if cli.output.quiet {
        progress::hush();
    }
    match cli.command.model().filter(|_| parent.is_none()) {
        Some(model) => Ok(sandbox::run(model, invocation)?),
        None => commands::run(&cli.command, packages).map(|()| 0),
    }
}

/// Returns the parent's process id, if the command runs as its sandboxed child, and the user's arguments. By hand,
/// so that neither help nor completions have an option that is not for users.
fn inside(arguments: &[OsString]) -> (Option<u32>, &[OsString]) {
    let [option, parent, rest @ ..] = arguments else { return (None, arguments) };
    match parent.to_str().and_then(|id| id.parse().ok()) {
        Some(id) if option == sandbox::OPTION => (Some(id), rest),
        _ => (None, arguments),
    }
}

/// Prints an error as clap prints those of arguments.
fn report(color: ColorChoice, error: fmt::Arguments<'_>) {
    let choice = match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    let style = *Styles::default().get_error();
    // A closed log is ignored.
    let _ = writeln!(AutoStream::new(io::stderr(), choice), "{style}error:{style:#} {error}");
}
