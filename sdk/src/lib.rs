//! Grow a new classifier on an old network, on the board.
//!
//! A **package** (`*.offshoot`, made by `offshoot convert` from an ONNX backbone) turns a camera
//! frame into an embedding; a **head** is taught on the board to tell embeddings apart. Teaching
//! takes a few images and some milliseconds, and needs no network.
//!
//! ```no_run
#![doc = include_str!("../examples/first_lesson.rs")]
//! ```
//!
//! Nothing else is needed to try it than a package; this one is of the tests:
//! ```
//! use offshoot::{Extractor, Frame};
//!
//! let mut extractor = Extractor::open("tests/tiny.offshoot")?;
//! let camera = [128; 3 * 8 * 8];
//! let embedding = extractor.embed(&Frame::rgb(8, 8, &camera)?)?;
//! assert_eq!(embedding.len(), extractor.embedding_dim());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Modules of the flow: [`Frame`] -> [`Extractor`] -> [`Embedding`] -> [`Head`]. Sound comes by way
//! of [`Ears`], signals of other sensors by way of [`Signal`] and [`Probe`]. Where objects are is
//! found by [`Cells`] and a [`SpatialHead`].
//!
//! # Features
//! - `tract` (default): float packages and networks that the int8 engine knows only in part.
//! - `image` (default): [`Image`], frames decoded from JPEG, PNM and BMP files; `png` (default): from PNG files.
//! - `formats`: from WebP, GIF and TIFF files as well.

#![deny(missing_docs)]
#![warn(clippy::must_use_candidate)]
// docs.rs says by each item which feature it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod activations;
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), path = "cores/unpinned.rs")]
mod cores;
mod error;
mod extractor;
mod finetune;
mod head;
#[cfg(feature = "image")]
mod image;
#[cfg(feature = "image")]
pub mod jpeg;
mod options;
mod spatial;

pub use activations::Activations;
#[cfg(feature = "image")]
pub use error::ImageError;
pub use error::{Error, ErrorKind};
pub use extractor::{Depth, Depths, Ears, Extractor, Memory, Probe, Stage, Verification};
pub use finetune::{FineTuned, Maps, TunedTail};
pub use head::{Head, NOTHING};
#[cfg(feature = "image")]
pub use image::{Image, View};
pub use offshoot_core::anomaly::Unusual;
pub use offshoot_core::frame::FrameError;
pub use offshoot_core::head::{
    Advice, Answer, AskError, ClassError, ClassId, Distance, EditError, EncodeError, Fit,
    HeadError, HeadKind, Interval, Limits, Linear, MergeError, PartErrors, Parts, Probability,
    Recipe, Report, SampleError, Similarity, Transform, UnknownHeadKind, WhenFull,
};
pub use offshoot_core::package::{Manifest, PackageError, PackageId, Precision};
pub use offshoot_core::preprocess::PreprocessError;
pub use offshoot_core::preprocess::signal::SignalError;
pub use offshoot_core::sound::{Level, SoundError};
pub use offshoot_core::spatial::{
    CellMap, Cells, CellsLayout, Detection, Expected, MAX_MARKS, Mark, Neighbours, SpatialError,
    SpatialLimits,
};
pub use offshoot_core::tail::{DeltaError, Evidence, Progress, TuneError, Tuned, Tuning, Verdict};
pub use offshoot_core::tokens::TokensError;
pub use offshoot_core::{Embedding, Frame, Package, PixelFormat, Sensor, Signal, Sound, Tokens};
pub use offshoot_engine::{Isa, IsaError, PlanError, RunError};
#[cfg(feature = "tract")]
pub use offshoot_tract::TractError;
pub use options::Options;
pub use spatial::SpatialHead;
pub use spatial::anomaly::GoodHead;

/// The example of that page compiles and runs as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../docs/finetuning.md")]
mod finetuning_page {}
#[cfg(doctest)]
#[doc = include_str!("../docs/parts.md")]
mod parts_page {}
#[cfg(doctest)]
#[doc = include_str!("../docs/check.md")]
mod check_page {}
#[cfg(doctest)]
#[doc = include_str!("../../docs/signals.md")]
mod signals_page {}
