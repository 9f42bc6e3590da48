//! `serve`: HTTP for other programs.

use std::io::Write;
use std::path::{Path, PathBuf};

use offshoot::Extractor;
use offshoot_device::Ending;
use offshoot_service::{Address, Options, Service};

use super::Result;
use crate::error::BoardError;

pub(super) fn run(
    package: &Path,
    head: PathBuf,
    address: Address,
    out: &mut dyn Write,
) -> Result<()> {
    let ending = Ending::observe().map_err(BoardError::signals)?;
    let mut options = Options::new();
    options.head = Some(head);
    options.address = address;
    let service = Service::start(Extractor::open(package)?, &options)?;
    writeln!(out, "listening on {}", service.url())?;
    out.flush()?;
    ending.wait();
    drop(service);
    ending.follow();
    Ok(())
}
