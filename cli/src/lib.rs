//! The `offshoot` command as a library, so that tests can reach its stages.
//!
//! Modules in the order of a conversion: [`import`] -> [`fold`] -> [`preset`] -> [`calibrate`]
//! -> [`quantizer`] ([`twins`], [`equalize`], [`ranges`], [`quantize`]) -> [`emit`] -> [`convert`] (all of them;
//! [`mod@convert_text`] with a [`tokenizer`]) -> [`packing`] -> [`quality`] -> [`report`]. The other commands
//! work on [`data`] by way of [`embeddings`] and [`mod@teach`]; [`mod@bench`] measures; [`mod@pull`] fetches
//! what the [`catalog`] knows; [`deploy`] brings it all to a board. [`eyes`] are the packages that come with it.

#[macro_use]
pub mod output;

pub mod args;
pub mod bench;
pub mod bounds;
pub mod calibrate;
pub mod canvas;
pub mod catalog;
pub mod cluster;
pub mod commands;
pub mod compare;
pub mod confusion;
pub mod convert;
pub mod convert_text;
pub mod cuts;
pub mod cycles;
pub mod data;
pub mod deploy;
pub mod embedding;
pub mod embeddings;
pub mod emit;
pub mod equalize;
pub mod export;
pub mod expr;
pub mod eyes;
pub mod fold;
pub mod guard;
pub mod heatmap;
pub mod histogram;
pub mod import;
pub mod input;
pub mod ir;
pub mod isolate;
pub mod lanes;
pub mod material;
pub mod packing;
pub mod preset;
pub mod pull;
pub mod quality;
pub mod quantize;
pub mod quantizer;
pub mod ranges;
pub mod report;
pub mod rounding;
pub mod teach;
pub mod tokenizer;
pub mod trial;
pub mod twins;
