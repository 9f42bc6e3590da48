//! Buttons: edges, presses, scripts of presses.

pub(crate) mod debounce;
#[cfg(all(feature = "buses", target_os = "linux"))]
pub(crate) mod gpio;
#[cfg(feature = "terminal")]
pub(crate) mod keyboard;
pub(crate) mod script;
pub(crate) mod waiting;
