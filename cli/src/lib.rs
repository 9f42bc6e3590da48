//! The `offshoot` command as a library, so that tests can reach its parts.
//!
//! [`args`] parses, [`commands`] runs, a file a verb. [`learn`] holds embeddings and the heads on them,
//! [`measure`] times and compares, [`draw`] makes pictures and pages, [`download`] fetches backbones, [`board_install`]
//! brings a device's files to a board; [`eyes`] are the packages that come with the command. The converter is
//! [`offshoot_convert`], the readers of data sets are [`offshoot_dataset`].

#[macro_use]
pub mod output;

pub mod args;
pub mod board_install;
pub mod commands;
pub mod download;
pub mod draw;
pub mod error;
pub mod eyes;
pub mod learn;
pub mod measure;
