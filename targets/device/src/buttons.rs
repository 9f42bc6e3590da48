//! Buttons: edges, presses, scripts of presses.

pub(crate) mod debounce;
#[cfg(all(feature = "buses", target_os = "linux"))]
pub(crate) mod gpio;
pub(crate) mod script;
