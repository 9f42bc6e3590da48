//! Command lines for the user to copy: the given options, as options of the next command.

use std::path::Path;

use offshoot_convert::ir::pooling::Pool;

use crate::args::{BackboneArgs, ConvertArgs, CutsArgs};
use crate::board_install::shell_word;
use crate::measure::compare_cuts::Compared;

/// Quotes a path for a shell.
fn shell_path(path: &Path) -> String {
    shell_word(&path.display().to_string())
}

/// Returns the command line as given, without options that the suggestions replace.
pub(super) fn again(args: &ConvertArgs) -> String {
    let model = shell_path(&args.model);
    let mut command =
        format!("offshoot convert {model} --calibrate {}", shell_path(&args.calibrate));
    if let Some(sound) = &args.sound {
        command += &format!(" --sound {}", sound.name);
    }
    for (option, value) in args.sensor.given() {
        command += &format!(" {option} {value}");
    }
    if !args.cut.is_empty() {
        command += &format!(" --cut {}", shell_word(&args.cut.join(",")));
    }
    if args.cells {
        command += " --cells";
        if let Some(own) = args.neighbours {
            command += &format!(" --neighbours {}", own.name());
        }
    }
    if args.parts != "none" {
        command += &format!(" --parts {}", shell_word(&args.parts));
    }
    command += if args.quantizer.requantize { " --requantize" } else { "" };
    command += if args.l2 { " --l2" } else { "" };
    if let Some(preset) = args.backbone.preset {
        command += &format!(" --preset {}", preset.name());
    }
    command += &backbone(&args.backbone);
    if let Some(output) = &args.output {
        command += &format!(" -o {}", shell_path(output));
    }
    command
}

/// Returns the given backbone options that other commands need too, each preceded by a space.
fn backbone(args: &BackboneArgs) -> String {
    let mut command = String::new();
    if let Some((width, height)) = args.input_size {
        command += &format!(" --input-size {height}x{width}");
    }
    if let Some(tokenizer) = &args.tokenizer {
        command += &format!(" --tokenizer {}", shell_path(tokenizer));
    }
    if let Some(tokens) = args.tokens {
        command += &format!(" --tokens {tokens}");
    }
    if args.pool != Pool::default() {
        command += &format!(" --pool {}", shell_word(args.pool.name()));
    }
    command
}

/// Returns the command that makes the package of a row.
pub(super) fn command(args: &CutsArgs, compared: &Compared, row: usize) -> String {
    let mut command = format!("offshoot convert {}", shell_path(&args.model));
    if !compared.rows[row].automatic {
        command += &format!(" --cut {}", shell_word(&compared.rows[row].cut));
    }
    command += &backbone(&args.backbone);
    command += if args.backbone.float() { " --precision f32" } else { "" };
    command += if args.backbone.external_data { " --external-data" } else { "" };
    let calibrate = args.calibrate.as_ref().unwrap_or(&args.data);
    if !compared.takes_text {
        command += &format!(" {}", compared.overrides.flags());
    }
    command + &format!(" --calibrate {}", shell_path(calibrate))
}
