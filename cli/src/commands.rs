//! One file per command.

use crate::args::Command;
use crate::built_in::Packages;
use crate::download::hex;
use crate::error::CommandError;

mod accuracy_gate;
mod bench;
mod cell_heads;
mod check;
mod cluster;
mod completions;
mod convert;
mod cuts;
mod demo;
mod demo_sound;
mod deploy;
mod doctor;
mod embed;
mod eval;
mod eval_beside;
mod events;
mod export;
mod find;
mod finetune;
mod inspect;
mod manual;
mod merge;
mod predict;
pub mod progress;
mod pull;
mod report;
mod retype;
mod search;
mod serve;
mod shared;
mod teach;
mod train;
mod verify;

/// Runs a command.
///
/// # Errors
/// Returns any [`CommandError`].
pub fn run(command: &Command, packages: &Packages) -> Result<(), CommandError> {
    match command {
        Command::Convert(args) => convert::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Cuts(args) => cuts::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Embed(args) => embed::run(args),
        Command::Check(args) => check::run(args),
        Command::Train(args) => train::run(args),
        Command::Finetune(args) => finetune::run(args),
        Command::Predict(args) => predict::run(args),
        Command::Eval(args) if args.is_beside() => eval_beside::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Export(args) => export::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Report(args) => report::run(args),
        Command::Merge(args) => merge::run(args),
        Command::Search(args) => search::run(args),
        Command::Cluster(args) => cluster::run(args),
        Command::Models(args) => pull::models(args, packages),
        Command::Pull(args) => pull::run(args, packages),
        Command::Teach(args) => teach::run(args, packages),
        Command::Serve(args) => serve::run(args, packages),
        Command::Doctor(args) => doctor::run(args, packages),
        Command::Deploy(args) => deploy::run(args, packages),
        Command::Demo(args) if args.sound => demo_sound::run(args, packages),
        Command::Demo(args) => demo::run(args, packages),
        Command::Completions(args) => completions::run(args),
        Command::Manual(args) => manual::run(args),
    }
}
