//! Kernels for 32-bit ARM.

#[cfg(target_os = "linux")]
pub(crate) mod armv7;
#[cfg(arm_dsp)]
pub(crate) mod dsp;
#[cfg(arm_dsp)]
mod dsp_common;
#[cfg(arm_dsp)]
mod dsp_depthwise;
#[cfg(arm_dsp)]
mod dsp_tile;
#[cfg(arm_dsp)]
mod dsp_widen;
#[cfg(arm_mve)]
pub(crate) mod helium;
#[cfg(arm_mve)]
mod helium_depthwise;
#[cfg(arm_mve)]
mod helium_tile;
