//! The loop of a device that is taught: camera, buttons, screen, light, durable memory.
//!
//! A [`Session`] does one frame at a time: it takes what the [`Buttons`] say, a picture of the
//! [`FrameSource`], teaches or asks the head, keeps every lesson in [`Memory`] before it counts, and
//! tells the [`Screen`] and the [`Led`] what to show. Each of these ports is a small trait:
//!
//! | Port | Real | Simulated |
//! |---|---|---|
//! | [`FrameSource`] | `Camera` (V4L2, feature `v4l`), by [`Latest`] the newest frame only | [`Simulated`], [`Folder`], [`Video`] |
//! | [`Buttons`] | `Presses` on `GpioLines` (feature `buses`), `Keyboard` (`terminal`), `Visitors` (`web`) | [`Script`], [`NoButtons`] |
//! | [`Screen`] | `Oled` (SSD1306), `Tft` (ST7789; both `buses`), `Framebuffer`, `Terminal` (`terminal`), `Page` (`web`) | [`Pictures`] (PNG), [`Dark`] |
//! | [`Led`] | `Pin` (`buses`) | [`NoLed`] |
//!
//! Which of them a device has is typed as text ([`CameraPart`], [`ButtonsPart`], [`ScreenPart`],
//! [`LedPart`]), which also opens them; a [`Bench`] is a device put together. [`run`] steps until the end and shows what stops it;
//! [`test_ui`] goes through the parts with the person who wired them; [`checks`] says what a
//! [`Machine`] lacks.
//!
//! After the first frames the loop itself allocates nothing; what a camera, a decoder or a terminal
//! allocates is theirs. So is what a page allocates while somebody looks at it.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod bench;
mod both;
#[cfg(all(feature = "v4l", target_os = "linux"))]
mod camera;
#[cfg(target_os = "linux")]
mod canvas;
mod doctor;
#[cfg_attr(not(unix), path = "ending/elsewhere.rs")]
mod ending;
mod eyes;
mod folder;
#[cfg(target_os = "linux")]
mod framebuffer;
#[cfg(all(feature = "buses", target_os = "linux"))]
mod gpio;
mod inside;
mod latest;
mod machine;
mod memory;
mod names;
#[cfg(all(feature = "buses", target_os = "linux"))]
mod oled;
mod pace;
mod panel;
mod parts;
mod pictures;
mod pixels;
mod places;
mod ports;
mod presses;
mod run;
mod script;
mod session;
mod settings;
mod shot;
mod simulated;
mod smooth;
#[cfg(feature = "terminal")]
mod terminal;
mod testui;
#[cfg(all(feature = "buses", target_os = "linux"))]
mod tft;
mod video;
#[cfg(feature = "web")]
mod web;
mod wiring;

pub use bench::{Bench, BenchError, Remembered};
pub use both::Both;
#[cfg(all(feature = "v4l", target_os = "linux"))]
pub use camera::{Camera, Mode, modes};
pub use doctor::{Check, Outcome, checks};
pub use ending::Ending;
pub use eyes::Eyes;
pub use folder::Folder;
#[cfg(target_os = "linux")]
pub use framebuffer::Framebuffer;
#[cfg(all(feature = "buses", target_os = "linux"))]
pub use gpio::{GpioLines, Pin, PinError};
pub use inside::{Inside, Times};
pub use latest::Latest;
pub use machine::{Machine, Resident, Temperature, Throttle};
pub use memory::{Memory, MemoryError};
pub use names::{NamesError, check_names};
#[cfg(all(feature = "buses", target_os = "linux"))]
pub use oled::Oled;
pub use panel::Panel;
pub use parts::PartError;
pub use pictures::Pictures;
pub use pixels::{PixelError, Pixels, Raw, Turn};
pub use ports::{
    Action, Buttons, Dark, FrameSource, Key, Led, NoButtons, NoLed, Screen, ScreenError, SourceError,
};
pub use presses::{Edge, Lines, Presses};
pub use run::{run, show_end};
pub use script::{Script, ScriptError};
pub use session::{Flow, MOST_CLASSES, Ports, Session, SessionError, limits};
pub use settings::Settings;
pub use shot::Shot;
pub use simulated::Simulated;
pub use smooth::Smooth;
#[cfg(feature = "terminal")]
pub use terminal::{Keyboard, Terminal};
pub use testui::{TestPorts, Tested, test_ui};
#[cfg(all(feature = "buses", target_os = "linux"))]
pub use tft::{Glass, Tft};
pub use video::Video;
#[cfg(feature = "web")]
pub use web::{Page, SHORTEST_TOKEN, Visitors, WebError, WebOptions, serve, web_address};
pub use wiring::{ButtonsPart, CameraPart, LedPart, Pull, ScreenPart, St7789, WiringError};
