//! The command `offshoot`, run by `python -m offshoot`.

use std::ffi::OsString;
use std::path::PathBuf;

use offshoot_cli::built_in::Packages;
use offshoot_cli::entry;
use offshoot_convert::sandbox::Invocation;
use pyo3::prelude::*;

/// Runs the command ``offshoot`` with these arguments and returns its exit code. ``program`` is the
/// interpreter, which the command starts again to read a model; ``packages`` is the folder of the built-in
/// packages. For ``python -m offshoot`` only: it takes
/// over the process, its signals and its standard streams.
#[pyfunction]
pub(crate) fn command(
    py: Python<'_>,
    program: PathBuf,
    arguments: Vec<OsString>,
    packages: PathBuf,
) -> u8 {
    let before = ["-m", "offshoot"].map(OsString::from).to_vec();
    let packages = Packages::Folder(packages);
    py.detach(|| entry::run(&Invocation { program, before, arguments }, &packages))
}
