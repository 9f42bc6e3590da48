//! Setup: parts by their names on the command line, opened and put together.

pub(crate) mod device;
pub(crate) mod microphone_part;
pub(crate) mod open_parts;
pub(crate) mod part_spec;
