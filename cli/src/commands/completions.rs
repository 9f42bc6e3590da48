//! `offshoot completions`.

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};
use crate::error::CommandError;

pub(super) fn run(args: &CompletionsArgs) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "offshoot", &mut script);
    print!("{}", String::from_utf8_lossy(&script));
    Ok(())
}
