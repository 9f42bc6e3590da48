//! Errors of binding.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::access::SHORTEST_TOKEN;

/// Reason why an address cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address cannot be bound.
    #[error("{address}: {source}; take another port, or 0 for any")]
    Tcp {
        /// Address to serve on.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The socket cannot be made.
    #[error("{}: {source}; take another path, in a folder that can be written", path.display())]
    Unix {
        /// Path of the socket.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The path of a socket is taken by something else.
    #[error("{}: {found} is there; take another path", path.display())]
    Taken {
        /// Path of the socket.
        path: PathBuf,
        /// File or server found there.
        found: &'static str,
    },
    /// The system has no Unix sockets.
    #[error("unix: is not for this system; take a port")]
    NoUnix,
    /// The system has no random numbers for a token.
    #[error("no token could be made up: {0}; give one in OFFSHOOT_TOKEN")]
    Random(getrandom::Error),
    /// The token can be guessed, or has characters that an address cannot hold.
    #[error("OFFSHOOT_TOKEN: a token has at least {SHORTEST_TOKEN} letters, digits, - or _")]
    Token,
}
