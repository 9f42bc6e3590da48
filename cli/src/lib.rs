//! The `offshoot` command as a library, so that tests can reach its stages.

pub mod calibrate;
pub mod data;
pub mod emit;
pub mod fold;
pub mod import;
pub mod ir;
pub mod quantize;
