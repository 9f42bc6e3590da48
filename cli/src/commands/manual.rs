//! `offshoot manual`.

use std::fs;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::shared::write_file;
use crate::args::{Cli, ManualArgs};
use crate::error::CommandError;

pub(super) fn run(args: &ManualArgs) -> Result<(), CommandError> {
    let folder = &args.folder;
    fs::create_dir_all(folder).map_err(|source| CommandError::write(folder, source))?;
    let mut root = Cli::command();
    // Gives each command its full name and the options of all commands.
    root.build();
    let own = root.get_subcommands().filter(|command| command.get_name() != "help");
    for command in own.chain([&root]) {
        let path = folder.join(format!("{}.1", page(command)));
        let mut text = Vec::new();
        let rendered = Man::new(command.clone().display_name(page(command))).render(&mut text);
        rendered.map_err(|source| CommandError::write(&path, source))?;
        write_file(&path, &text)?;
    }
    println!(
        "{}: read one with `man -l {}`",
        folder.display(),
        folder.join("offshoot.1").display()
    );
    Ok(())
}

/// Returns the name of a command's page, such as `offshoot-convert`.
fn page(command: &Command) -> String {
    command.get_display_name().unwrap_or(command.get_name()).to_string()
}
