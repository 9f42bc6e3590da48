//! Which commands work on somebody else's model.

use std::path::Path;

use super::{Command, InspectArgs};

impl Command {
    /// The ONNX model that the command works on, if it does: that is done in a process of its own.
    pub fn model(&self) -> Option<&Path> {
        match self {
            Self::Convert(args) => Some(&args.model),
            Self::Inspect(args) if args.is_model() => Some(&args.package),
            Self::Cuts(args) => Some(&args.model),
            Self::Bench(args) => args.compare.as_deref(),
            _ => None,
        }
    }
}

impl InspectArgs {
    /// Whether the file is an ONNX model by its name.
    pub fn is_model(&self) -> bool {
        self.package.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
    }
}
