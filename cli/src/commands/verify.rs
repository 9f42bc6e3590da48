//! `offshoot verify`.

use offshoot::Extractor;

use crate::args::PackageArgs;
use crate::error::CommandError;

pub(super) fn run(args: &PackageArgs) -> Result<(), CommandError> {
    let verification = Extractor::open(&args.package)?.verify()?;
    println!("{verification}");
    if verification.is_ok() {
        Ok(())
    } else {
        Err(CommandError::Verify { path: args.package.clone() })
    }
}
