//! Which commands work on somebody else's model, and which options are of which kind of it.

use std::path::Path;

use super::{Command, ConvertArgs, CutsArgs, InspectArgs};

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

impl ConvertArgs {
    /// The first option that was given and is for models of the other kind.
    pub fn of_other_kind(&self, takes_text: bool) -> Option<&'static str> {
        let [size, preset] = [self.input_size.is_some(), self.preset.is_some()];
        let of_pictures = [
            (size, "--input-size"),
            (preset, "--preset"),
            (self.mean.is_some(), "--mean"),
            (self.std.is_some(), "--std"),
            (self.bgr, "--bgr"),
            (self.squash, "--squash"),
            (self.target.is_some(), "--target"),
        ];
        let given = if takes_text { first(&of_pictures) } else { None };
        given.or(of_texts(takes_text, self.tokenizer.is_some(), self.tokens.is_some()))
    }
}

impl CutsArgs {
    /// The first option that was given and is for models of the other kind.
    pub fn of_other_kind(&self, takes_text: bool) -> Option<&'static str> {
        let of_pictures = [(self.input_size.is_some(), "--input-size"), (self.preset.is_some(), "--preset")];
        let given = if takes_text { first(&of_pictures) } else { None };
        given.or(of_texts(takes_text, self.tokenizer.is_some(), self.tokens.is_some()))
    }
}

fn of_texts(takes_text: bool, tokenizer: bool, tokens: bool) -> Option<&'static str> {
    if takes_text { None } else { first(&[(tokenizer, "--tokenizer"), (tokens, "--tokens")]) }
}

/// The first option that was given.
pub(super) fn first(options: &[(bool, &'static str)]) -> Option<&'static str> {
    options.iter().find_map(|&(given, option)| given.then_some(option))
}
