//! Screens: terminal, frame buffer, panels, PNG files.

#[cfg(target_os = "linux")]
mod canvas;
#[cfg(target_os = "linux")]
pub(crate) mod framebuffer;
pub(crate) mod panel;
pub(crate) mod png;
#[cfg(all(feature = "buses", target_os = "linux"))]
pub(crate) mod ssd1306;
#[cfg(all(feature = "buses", target_os = "linux"))]
pub(crate) mod st7789;
pub(crate) mod tee;
#[cfg(feature = "terminal")]
pub(crate) mod terminal;
