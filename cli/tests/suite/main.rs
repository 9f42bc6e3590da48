//! Suites of the command: one program, so that what they share is compiled once.
//!
//! `cargo test -p offshoot-cli --test suite cuts::` runs one of them.

#[path = "../../../targets/device/tests/common/browser.rs"]
mod browser;
mod common;
#[path = "../../../targets/device/tests/common/pictures.rs"]
mod comparison;
#[path = "../../../sdk/core/examples/few_shot/data.rs"]
#[allow(dead_code)] // Reading archives is the example's part.
mod data;
#[path = "../../../sdk/core/examples/few_shot/measure.rs"]
#[allow(dead_code)] // So is what was chosen.
mod measure;

mod accuracy;
mod architectures;
mod bench;
mod cases;
mod cells;
mod cells_simulated;
mod check;
mod collections;
mod cuts;
mod deploy;
mod ends;
mod entry;
mod errors;
mod export;
mod external;
mod finetune;
mod flow;
mod graphs;
mod hostile;
mod inputs;
mod messy;
mod mutants;
mod network;
mod numbers;
mod oracle;
mod parts;
mod pictures;
mod preset;
mod pull;
mod quantized;
mod quantizer;
mod rendered;
mod report_page;
mod signals;
mod sound;
mod teach;
mod text;
mod text_parts;
mod tokenizers;
mod wake;
mod web;
