//! Commands that work on untrusted models, and options limited to one kind of model.

use std::path::Path;

use offshoot_convert::pipeline::PartsOption;

use super::{BackboneArgs, Command, ConvertArgs, CutsArgs, InspectArgs, PrecisionArg};

impl Command {
    /// Returns the ONNX model that the command works on, if any: it runs in a process of its own.
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
    /// Returns true if the file name has the extension of an ONNX model.
    pub fn is_model(&self) -> bool {
        self.package.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
    }
}

impl BackboneArgs {
    /// Returns true if the whole network stays in float.
    pub fn float(&self) -> bool {
        self.precision == PrecisionArg::F32
    }

    /// Returns the first given option that is for models of the other kind; `more` are further
    /// options for images.
    fn of_other_kind(
        &self,
        takes_text: bool,
        more: &[(bool, &'static str)],
    ) -> Option<&'static str> {
        if takes_text {
            let own =
                [(self.input_size.is_some(), "--input-size"), (self.preset.is_some(), "--preset")];
            return first(&own).or_else(|| first(more));
        }
        first(&[(self.tokenizer.is_some(), "--tokenizer"), (self.tokens.is_some(), "--tokens")])
    }
}

impl ConvertArgs {
    /// Returns the parts of the embedding.
    pub fn parts(&self) -> PartsOption {
        match &*self.parts {
            "none" => PartsOption::None,
            "auto" => PartsOption::Auto,
            names => PartsOption::Named(names.split(',').map(str::to_string).collect()),
        }
    }

    /// Returns the first given option that is for models of another kind.
    pub fn of_other_kind(&self, takes_text: bool) -> Option<&'static str> {
        let of_images = [
            (self.mean.is_some(), "--mean"),
            (self.std.is_some(), "--std"),
            (self.bgr, "--bgr"),
            (self.squash, "--squash"),
            (self.cells, "--cells"),
            (self.target.is_some(), "--target"),
            (self.sound.is_some(), "--sound"),
        ];
        let of_others = self.backbone.of_other_kind(takes_text, &of_images);
        of_others.or_else(|| self.sensor.given().map(|(option, _)| option).next())
    }

    /// Returns the first given option that a network for signals does not take.
    pub fn of_no_signal(&self) -> Option<&'static str> {
        let of_images = [
            (self.bgr, "--bgr"),
            (self.squash, "--squash"),
            (self.sound.is_some(), "--sound"),
            (self.backbone.preset.is_some(), "--preset"),
            (self.backbone.input_size.is_some(), "--input-size"),
        ];
        self.backbone.of_other_kind(false, &[]).or_else(|| first(&of_images))
    }
}

impl CutsArgs {
    /// Returns the first given option that is for models of the other kind.
    pub fn of_other_kind(&self, takes_text: bool) -> Option<&'static str> {
        self.backbone.of_other_kind(takes_text, &[])
    }
}

/// Returns the first option that was given.
fn first(options: &[(bool, &'static str)]) -> Option<&'static str> {
    options.iter().find_map(|&(given, option)| given.then_some(option))
}
