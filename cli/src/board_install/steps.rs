//! Steps of a deployment: commands of this machine, as text and as processes.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::shell_word;

/// Command with its standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    program: &'static str,
    arguments: Vec<String>,
    input: Option<String>,
}

impl fmt::Display for Step {
    /// Writes the step as a shell command.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)?;
        for word in &self.arguments {
            write!(f, " {}", shell_word(word))?;
        }
        match &self.input {
            None => writeln!(f),
            Some(text) => write!(f, " <<'OFFSHOOT'\n{text}OFFSHOOT\n"),
        }
    }
}

/// Reason why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Command could not be started.
    #[error(
        "{program}: {source}; install it (ssh and scp are OpenSSH's), or run without --run and execute the steps yourself"
    )]
    Start {
        /// Name of the command.
        program: &'static str,
        /// Cause reported by the system.
        source: io::Error,
    },
    /// Command failed; its own message was printed before.
    #[error(
        "`{step}` failed with {status}; see its output above, and check that `ssh {host}` works"
    )]
    Failed {
        /// Command line of the step.
        step: String,
        /// Exit status.
        status: String,
        /// Host of the board.
        host: String,
    },
}

impl Step {
    /// Returns a command that the board runs.
    pub(super) fn ssh(host: &str, flags: &[&str], command: &str, input: Option<String>) -> Self {
        let words = flags.iter().copied().chain([host, command]);
        Self { program: "ssh", arguments: words.map(str::to_string).collect(), input }
    }

    /// Returns a copy of a file to the board.
    pub(super) fn scp(host: &str, from: &Path, to: &str) -> Self {
        let from = from.display().to_string();
        // For scp, `a:b` is a path on host `a`, and a leading dash begins an option.
        let from = if from.starts_with(['.', '/']) { from } else { format!("./{from}") };
        let arguments = vec!["-q".to_string(), from, format!("{host}:.offshoot/{to}")];
        Self { program: "scp", arguments, input: None }
    }

    fn start_error(&self, source: io::Error) -> StepError {
        StepError::Start { program: self.program, source }
    }

    /// Runs the step and waits for its end.
    ///
    /// # Errors
    /// Fails if the command cannot be started or does not succeed.
    pub fn run(&self, host: &str) -> Result<(), StepError> {
        let stdin = if self.input.is_some() { Stdio::piped() } else { Stdio::inherit() };
        let child = Command::new(self.program).args(&self.arguments).stdin(stdin).spawn();
        let mut child = child.map_err(|source| self.start_error(source))?;
        if let (Some(text), Some(mut pipe)) = (&self.input, child.stdin.take()) {
            // A command that does not read all of its input reports the reason itself.
            let _ = pipe.write_all(text.as_bytes());
        }
        let status = child.wait().map_err(|source| self.start_error(source))?;
        if status.success() {
            return Ok(());
        }
        let words: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let step = format!("{} {}", self.program, words.join(" "));
        Err(StepError::Failed { step, status: status.to_string(), host: host.to_string() })
    }
}

/// On-board program to copy.
#[derive(Debug)]
pub enum Program {
    /// Program itself.
    File(PathBuf),
    /// Archive of a release, which has the program in a folder of its own name.
    Archive(PathBuf),
}

/// Ending of an archive.
const ARCHIVE: &str = ".tar.gz";

impl Program {
    /// Returns the program at a path: an archive by its name.
    pub fn named(path: &Path) -> Self {
        let is_archive = path.to_str().is_some_and(|name| name.ends_with(ARCHIVE));
        if is_archive { Self::Archive(path.to_path_buf()) } else { Self::File(path.to_path_buf()) }
    }

    /// Returns the path of the program, or of its archive.
    pub fn path(&self) -> &Path {
        let (Self::File(path) | Self::Archive(path)) = self;
        path
    }

    /// Returns the path of the program after the step that unpacks it, if there is one.
    pub(super) fn unpacked(&self) -> (PathBuf, Option<Step>) {
        let Self::Archive(archive) = self else { return (self.path().to_path_buf(), None) };
        let name = archive.file_name().unwrap_or_default().to_string_lossy();
        let member = format!("{}/offshoot-board", name.trim_end_matches(ARCHIVE));
        let arguments = ["-xzf", &archive.display().to_string(), &member].map(str::to_string);
        let step = Step { program: "tar", arguments: arguments.to_vec(), input: None };
        (member.into(), Some(step))
    }
}
