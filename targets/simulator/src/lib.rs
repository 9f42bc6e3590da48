//! A camera and a microphone without hardware: deterministic images of toys on a table, and sounds in
//! a room.
//!
//! [`Camera::look`] renders one household [`Object`] (or the empty table) as a small lit
//! photograph. The seed chooses everything a real scene would vary: pose, distance, light,
//! background, the object's own colours and the sensor's noise. The same object and seed give the
//! same bytes on every machine: the arithmetic is IEEE single precision plus the portable functions
//! of `libm`. [`Microphone`] does the same for each [`Sound`].
//!
//! ```
//! use offshoot_simulator::{Camera, Object};
//!
//! let camera = Camera::new(160, 120);
//! let image = camera.look(Some(Object::Mug), 7);
//! assert_eq!(image.rgb.len(), 160 * 120 * 3);
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod camera;
mod microphone;
mod model;
mod object;
mod random;
mod render;
mod scene;
mod table;

pub use camera::{Camera, Conditions, Image, Place};
pub use microphone::{Microphone, RATE, Sound};
pub use object::Object;
