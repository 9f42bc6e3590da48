//! The `offshoot` command as a library, for its program, for Python, and for tests.
//!
//! Modules: [`entry`] runs the command, [`args`] parses the command line, [`commands`] runs one command per file, [`learn`]
//! holds embeddings and the heads on them, [`measure`] times and compares, [`detection`] finds
//! objects, [`draw`] makes images and pages, [`download`] fetches backbones, [`board_install`] deploys to a board, [`built_in`] holds
//! the built-in packages. The converter is [`offshoot_convert`], the data set readers are
//! [`offshoot_dataset`].

#[macro_use]
pub mod output;

pub mod args;
pub mod board_install;
pub mod built_in;
pub mod commands;
pub mod detection;
pub mod download;
pub mod draw;
pub mod entry;
pub mod error;
pub mod learn;
pub mod measure;
