//! Core of the device without files, threads or a heap: the package format, quantization
//! arithmetic, preprocessing, and heads trained on the board.
//!
//! Modules in the order an image travels:
//! [`frame`] -> [`preprocess`] -> ([`package`], [`graph`] executed by `offshoot-engine`)
//! -> [`embedding`] -> [`head`]. A text comes by way of [`tokens`], sound by way of [`sound`], other
//! sensors by way of [`preprocess::signal`]; [`tail`] tunes the network's last layer, [`spatial`] finds objects
//! in feature maps, [`anomaly`] unusual places.
//!
//! The crate is `no_std` and allocates nothing; the `alloc` feature adds the writer that
//! the converter uses.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![warn(clippy::must_use_candidate)]
// docs.rs shows for each item the feature it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(test, feature = "alloc"))]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(target_endian = "big")]
compile_error!("packages hold little-endian weights that are used in place");

pub mod anomaly;
mod checksum;
pub mod embedding;
pub mod frame;
pub mod graph;
pub mod head;
pub mod limits;
pub mod package;
mod parts;
pub mod preprocess;
pub mod quant;
pub mod shape;
pub mod sound;
pub mod spatial;
pub mod statistics;
pub mod tail;
pub mod tokens;

pub use embedding::{Distance, Embedding, Similarity};
pub use frame::{Frame, PixelFormat};
pub use graph::Graph;
pub use package::Package;
pub use parts::Parts;
pub use preprocess::signal::{Sensor, Signal};
pub use quant::{Multiplier, Quant, Scale};
pub use shape::Shape;
pub use sound::Sound;
pub use tokens::Tokens;

/// The example of that page compiles and runs as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../../docs/unknown.md")]
mod unknown_page {}
