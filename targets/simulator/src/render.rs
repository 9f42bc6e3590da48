//! Rendering: rays, shapes, light, noise.

pub(crate) mod light;
pub(crate) mod math;
pub(crate) mod noise;
pub(crate) mod shape;
pub(crate) mod trace;
