//! Turns a pretrained ONNX backbone into a package: a quantized, truncated feature extractor.
//!
//! Stages, a folder each, in the order of a conversion: [`import`] reads a file into the [`ir`],
//! [`preprocess`] chooses how images become inputs, [`calibrate`] runs the calibration set in
//! float, [`quantize`] chooses ranges and rounds weights, [`emit`] writes the graph, [`pipeline`]
//! calls them all, [`report`] holds the measurements. [`onnx_export`] goes the other way.

pub mod calibrate;
pub mod catch_panic;
pub mod emit;
pub mod import;
pub mod input_size;
pub mod ir;
pub mod onnx_export;
pub mod parallel;
pub mod pipeline;
pub mod preprocess;
pub mod progress;
pub mod quantize;
pub mod report;
pub mod sandbox;
