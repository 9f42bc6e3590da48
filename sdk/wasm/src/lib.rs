//! Offshoot in browsers and Node: classes for JavaScript over the facade, by wasm-bindgen.
//!
//! `build.sh` makes the npm package of this crate; its `README.md` has the calls. Nothing here is
//! meant to be called from Rust.

#![deny(missing_docs)]

mod activations;
mod argument;
mod embedding;
mod extractor;
mod head;
mod object;
mod pixels;
mod spatial;
mod types;

pub use embedding::Embedding;
pub use extractor::Extractor;
pub use extractor::cells::Cells;
pub use extractor::signals::Probe;
pub use extractor::tuning::Maps;
pub use head::Head;
pub use spatial::SpatialHead;
pub use spatial::good::GoodHead;
