//! Statistics of images, and a control chart of what a camera sees.
//!
//! Packages state the statistics of their calibration set in a [`Domain`](crate::package::Domain).

mod appearance;
mod watch;

pub use appearance::{Appearance, Measure};
pub use watch::{Fault, Watch};
