//! The loop of a device that is taught: camera, buttons, screen, light, durable memory.
//!
//! A [`Session`] does one frame at a time: it takes what the [`Buttons`] say, a picture of the
//! [`FrameSource`], teaches or asks the head, keeps every lesson in [`Memory`] before it counts, and
//! tells the [`Screen`] and the [`Led`] what to show. Each of these ports is a small trait:
//!
//! | Port | Real | Simulated |
//! |---|---|---|
//! | [`FrameSource`] | `Camera` (V4L2, feature `v4l`), by [`Latest`] the newest frame only | [`Simulated`], [`Folder`] |
//! | [`Buttons`] | `Keyboard` (feature `terminal`), `Visitors` (feature `web`) | [`Script`], [`NoButtons`] |
//! | [`Screen`] | `Terminal` (feature `terminal`), `Page` (feature `web`) | [`Pictures`] (PNG), [`Dark`] |
//! | [`Led`] | | [`NoLed`] |
//!
//! After the first frames the loop itself allocates nothing; what a camera, a decoder or a terminal
//! allocates is theirs. So is what a page allocates while somebody looks at it.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod both;
#[cfg(all(feature = "v4l", target_os = "linux"))]
mod camera;
mod folder;
mod inside;
mod latest;
mod memory;
mod panel;
mod pictures;
mod pixels;
mod ports;
mod script;
mod session;
mod shot;
mod simulated;
mod smooth;
#[cfg(feature = "terminal")]
mod terminal;
#[cfg(feature = "web")]
mod web;

pub use both::Both;
#[cfg(all(feature = "v4l", target_os = "linux"))]
pub use camera::{Camera, Mode, modes};
pub use folder::Folder;
pub use inside::{Inside, Times};
pub use latest::Latest;
pub use memory::{Memory, MemoryError};
pub use panel::Panel;
pub use pictures::Pictures;
pub use pixels::{PixelError, Pixels, Raw, Turn};
pub use ports::{
    Action, Buttons, Dark, FrameSource, Led, NoButtons, NoLed, Screen, ScreenError, SourceError,
};
pub use script::{Script, ScriptError};
pub use session::{Flow, MOST_CLASSES, Ports, Session, SessionError, Settings, limits};
pub use shot::Shot;
pub use simulated::Simulated;
pub use smooth::Smooth;
#[cfg(feature = "terminal")]
pub use terminal::{Keyboard, Terminal};
#[cfg(feature = "web")]
pub use web::{Page, SHORTEST_TOKEN, Visitors, WebError, WebOptions, serve};
