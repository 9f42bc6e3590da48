//! `offshoot verify`.

use offshoot::Extractor;

use super::CommandError;
use crate::args::PackageArgs;

pub(super) fn run(args: &PackageArgs) -> Result<(), CommandError> {
    let verification = Extractor::open(&args.package)?.verify()?;
    println!("{verification}");
    if verification.is_ok() { Ok(()) } else { Err(CommandError::Verify { path: args.package.clone() }) }
}
