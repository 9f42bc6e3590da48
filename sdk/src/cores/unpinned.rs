//! Systems that do not let a thread choose its core.

use std::io;

use offshoot_engine::Team;

pub(crate) fn pinned(_threads: u8) -> io::Result<Option<Team>> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this system pins no threads to cores: leave `pin` off",
    ))
}
