//! Which commands work on somebody else's model, and which options are of which kind of it.

use std::path::Path;

use super::{BackboneArgs, Command, ConvertArgs, CutsArgs, InspectArgs, PrecisionArg};

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

impl BackboneArgs {
    /// Whether all is to stay in float.
    pub fn float(&self) -> bool {
        self.precision == PrecisionArg::F32
    }

    /// The first option that was given and is for models of the other kind; `more` are those for pictures
    /// that stand beside these.
    fn of_other_kind(&self, takes_text: bool, more: &[(bool, &'static str)]) -> Option<&'static str> {
        if takes_text {
            let own = [(self.input_size.is_some(), "--input-size"), (self.preset.is_some(), "--preset")];
            return first(&own).or_else(|| first(more));
        }
        first(&[(self.tokenizer.is_some(), "--tokenizer"), (self.tokens.is_some(), "--tokens")])
    }
}

impl ConvertArgs {
    /// The first option that was given and is for models of the other kind.
    pub fn of_other_kind(&self, takes_text: bool) -> Option<&'static str> {
        let of_pictures = [
            (self.mean.is_some(), "--mean"),
            (self.std.is_some(), "--std"),
            (self.bgr, "--bgr"),
            (self.squash, "--squash"),
            (self.target.is_some(), "--target"),
        ];
        self.backbone.of_other_kind(takes_text, &of_pictures)
    }
}

impl CutsArgs {
    /// The first option that was given and is for models of the other kind.
    pub fn of_other_kind(&self, takes_text: bool) -> Option<&'static str> {
        self.backbone.of_other_kind(takes_text, &[])
    }
}

/// The first option that was given.
fn first(options: &[(bool, &'static str)]) -> Option<&'static str> {
    options.iter().find_map(|&(given, option)| given.then_some(option))
}
