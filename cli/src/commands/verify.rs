//! `offshoot verify`.

use std::num::NonZeroU8;

use crate::args::{RunArgs, VerifyArgs};
use crate::error::CommandError;

pub(super) fn run(args: &VerifyArgs) -> Result<(), CommandError> {
    let run = RunArgs { threads: NonZeroU8::MIN, pin: false };
    let verification = args.tail.open(run, &args.package)?.verify()?;
    println!("{verification}");
    if verification.is_ok() {
        Ok(())
    } else {
        Err(CommandError::Verify { path: args.package.clone() })
    }
}
