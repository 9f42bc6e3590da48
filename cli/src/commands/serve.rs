//! `offshoot serve`.

use offshoot_device::Ending;
use offshoot_service::{Options, Service};

use super::shared::open_or_built_in;
use crate::args::ServeArgs;
use crate::built_in::Packages;
use crate::error::CommandError;

pub(super) fn run(args: &ServeArgs, packages: &Packages) -> Result<(), CommandError> {
    let ending = Ending::observe().map_err(CommandError::Signals)?;
    let extractor = open_or_built_in(packages, &args.run, args.package.as_deref(), args.extractor)?;
    let mut options = Options::new();
    options.head.clone_from(&args.head);
    options.kind = args.kind;
    options.address = args.listen.clone();
    let service = Service::start(extractor, &options)?;
    println!("listening on {}", service.url());
    ending.wait();
    drop(service);
    ending.follow();
    Ok(())
}
