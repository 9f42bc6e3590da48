//! Command lines for the user to copy: the given options, as options of the next command.

use std::path::Path;

use offshoot_convert::ir::pooling::Pool;

use super::shared::quoted;
use crate::args::{BackboneArgs, ConvertArgs, CutsArgs};
use crate::measure::compare_cuts::Compared;

/// Returns the command line as given, without options that the suggestions replace.
pub(super) fn again(args: &ConvertArgs) -> String {
    let path = |path: &Path| quoted(&path.display().to_string());
    let mut command =
        format!("offshoot convert {} --calibrate {}", path(&args.model), path(&args.calibrate));
    if !args.cut.is_empty() {
        command += &format!(" --cut {}", quoted(&args.cut.join(",")));
    }
    command += if args.l2 { " --l2" } else { "" };
    if let Some(preset) = args.backbone.preset {
        command += &format!(" --preset {}", preset.name());
    }
    command += &backbone(&args.backbone);
    if let Some(output) = &args.output {
        command += &format!(" -o {}", path(output));
    }
    command
}

/// Returns the given backbone options that other commands need too, each preceded by a space.
fn backbone(args: &BackboneArgs) -> String {
    let mut command = String::new();
    let mut add = |option: &str, value: &str| command.extend([" ", option, " ", &*quoted(value)]);
    if let Some((width, height)) = args.input_size {
        add("--input-size", &format!("{height}x{width}"));
    }
    if let Some(tokenizer) = &args.tokenizer {
        add("--tokenizer", &tokenizer.display().to_string());
    }
    if let Some(tokens) = args.tokens {
        add("--tokens", &tokens.to_string());
    }
    if args.pool != Pool::default() {
        add("--pool", args.pool.name());
    }
    command
}

/// Returns the command that makes the package of a row.
pub(super) fn command(args: &CutsArgs, compared: &Compared, row: usize) -> String {
    let path = |path: &Path| quoted(&path.display().to_string());
    let mut command = format!("offshoot convert {}", path(&args.model));
    if !compared.rows[row].automatic {
        command += &format!(" --cut {}", quoted(&compared.rows[row].cut));
    }
    command += &backbone(&args.backbone);
    command += if args.backbone.float() { " --precision f32" } else { "" };
    command += if args.backbone.external_data { " --external-data" } else { "" };
    let calibrate = args.calibrate.as_ref().unwrap_or(&args.data);
    if !compared.takes_text {
        command += &format!(" {}", compared.overrides.flags());
    }
    command + &format!(" --calibrate {}", path(calibrate))
}
