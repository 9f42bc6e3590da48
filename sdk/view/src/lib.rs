//! Screens of the device's small display, for teaching and for answers.
//!
//! A [`Screen`] is a plain description of one state: title, camera image, state, classes, hint.
//! [`Screen::draw`] lays it out for the target's size and draws it. Nothing is kept or allocated.
//! Panels of 176 x 168 pixels and more show the image and a large label; smaller ones, such as the
//! usual 128 x 64, only label and bars. [`Objects`] are dots, boxes and names in the image; on a small
//! panel crosses in a frame, and counts. Colours depend on the pixel type: [`Ink`] is implemented
//! for `Rgb565` and for `BinaryColor`.
//!
//! Texts are drawn in the fonts of `embedded_graphics`: Latin letters of western, central and northern
//! Europe, Turkish and Romanian, Cyrillic and Greek (ISO 8859-1, 2, 5, 7, 9, 13 and 16). Any other
//! letter is a frame, as wide as two letters in Chinese, Japanese and Korean.
//!
//! A screen is cleared before it is drawn. On a panel that shows every write immediately, draw into
//! `embedded_graphics::framebuffer::Framebuffer` and send that, or the display flickers.
//!
//! ```
//! use embedded_graphics::{
//!     framebuffer::{Framebuffer, buffer_size},
//!     pixelcolor::{Rgb565, raw::BigEndian},
//! };
//! use offshoot_view::{ClassLine, Screen, State};
//!
//! type Panel = Framebuffer<Rgb565, <Rgb565 as embedded_graphics::prelude::PixelColor>::Raw,
//!     BigEndian, 240, 240, { buffer_size::<Rgb565>(240, 240) }>;
//!
//! let mut panel = Panel::new();
//! Screen {
//!     title: "Offshoot",
//!     image: None,
//!     objects: None,
//!     state: State::Answer { class: "mug", confidence: 0.93 },
//!     classes: &[
//!         ClassLine { name: "mug", samples: 5, probability: 0.93 },
//!         ClassLine { name: "ball", samples: 5, probability: 0.07 },
//!     ],
//!     threshold: Some(0.6),
//!     advice: "",
//!     hint: "A: teach",
//! }
//! .draw(&mut panel)?;
//! # Ok::<(), core::convert::Infallible>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
// docs.rs says by each item which feature it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(test)]
extern crate std;

mod image;
mod ink;
mod layout;
mod objects;
mod screen;
mod short;
mod text;

pub use image::Image;
pub use ink::{Ink, Theme};
pub use objects::{Objects, Pointed};
pub use screen::{ClassLine, Screen, State};
