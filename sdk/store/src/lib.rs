//! Durable memory for one record of bytes, such as a taught head.
//!
//! A [`Store`] keeps its record in one of two slots of a [`Medium`] of constant size: a
//! preallocated file, a partition, a chip. [`Store::save`] writes the slot that is not current and
//! syncs before that slot becomes current. Whenever the power fails, either the old or the new
//! record loads. Guarantees, assumptions and layout: `sdk/docs/power.md`.
//!
//! The store knows nothing of heads: the caller encodes. Nothing is allocated; the stack holds at
//! most 256 bytes of a record at a time.
//!
//! | Medium | Storage |
//! |---|---|
//! | [`MemoryMedium`] | bytes in memory, for tests and for battery-backed RAM |
//! | `NorMedium` | an area of NOR flash, by the traits of `embedded-storage`; feature `nor` |
//! | `FileMedium` | a preallocated, locked file; feature `std` |
//! | `FaultyMedium` | loses power and fails on command, for tests; feature `std` |
//!
//! ```
//! use offshoot_store::{MemoryMedium, Saved, Store};
//!
//! let mut store = Store::open(MemoryMedium::new([0; 4096], 512)?)?;
//! let mut room = [0; 1536];
//! assert_eq!(store.capacity(), room.len());
//! assert_eq!(store.load(&mut room)?, None);
//! assert_eq!(store.save(b"two mugs and a ball")?, Saved::Written);
//! assert_eq!(store.save(b"two mugs and a ball")?, Saved::Unchanged);
//! assert_eq!(store.load(&mut room)?, Some(&b"two mugs and a ball"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![warn(clippy::must_use_candidate)]
// docs.rs says by each item which feature it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod checksum;
mod error;
#[cfg(feature = "std")]
mod faulty;
#[cfg(feature = "std")]
mod file;
mod geometry;
mod header;
mod medium;
mod store;

pub use error::{LoadError, OpenError, SaveError};
#[cfg(feature = "std")]
pub use faulty::{Counts, Fate, Fault, FaultyMedium, Manner, Unsynced};
#[cfg(feature = "std")]
pub use file::{FILE_SECTOR, FileError, FileMedium};
pub use geometry::{GeometryError, MAX_SECTOR, MIN_SECTOR, medium_size};
#[cfg(feature = "nor")]
pub use medium::nor::{NorError, NorMedium};
pub use medium::{Medium, MemoryMedium, OutOfRange};
pub use store::{Saved, Store};
