//! Addresses, and the tokens that they need.

#[cfg(unix)]
pub(crate) mod socket;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;

use crate::access::{Guard, is_token, token};
use crate::error::BindError;

/// Address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Address and port; port 0 is any free one.
    Tcp(SocketAddr),
    /// Path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Parses `[ADDR:]PORT`, like [`web_address`], or `unix:PATH`.
    ///
    /// # Errors
    ///
    /// The expected format.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.strip_prefix("unix:") {
            Some("") => Err("needs a path after unix:"),
            Some(path) => Ok(Self::Unix(path.into())),
            None => match web_address(text) {
                Ok(address) => Ok(Self::Tcp(address)),
                Err(_) => Err("needs a port, an address such as 0.0.0.0:8080, or unix:PATH"),
            },
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Listening socket.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// TCP socket.
    Tcp(TcpListener),
    /// Unix socket.
    #[cfg(unix)]
    Unix(socket::Socket),
}

/// Listener with its guard.
#[derive(Debug)]
pub struct Bound {
    /// Listening socket.
    pub listener: Listener,
    /// Guard of its requests.
    pub guard: Guard,
    /// URL to open, with the token if there is one; the path of a Unix socket.
    pub url: String,
}

/// Binds an address. The token is generated if there is none and other machines can reach the
/// address. A Unix socket needs none: the file system decides who may connect, at first the owner
/// alone.
///
/// # Errors
///
/// [`BindError`] if the address cannot be bound, or for a token of fewer than [`SHORTEST_TOKEN`](crate::SHORTEST_TOKEN)
/// characters or of others than letters, digits, `-` and `_`.
pub fn bind(address: &Address, token: Option<&str>) -> Result<Bound, BindError> {
    if token.is_some_and(|token| !is_token(token)) {
        return Err(BindError::Token);
    }
    match address {
        Address::Tcp(address) => bind_tcp(*address, token),
        #[cfg(unix)]
        Address::Unix(path) => Ok(Bound {
            listener: Listener::Unix(socket::Socket::bind(path)?),
            guard: Guard::of_socket(),
            url: address.to_string(),
        }),
        #[cfg(not(unix))]
        Address::Unix(_) => Err(BindError::NoUnix),
    }
}

fn bind_tcp(wanted: SocketAddr, given: Option<&str>) -> Result<Bound, BindError> {
    let failed = |source| BindError::Tcp { address: wanted, source };
    let listener = TcpListener::bind(wanted).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let token = match given {
        Some(given) => Some(given.to_string()),
        None if address.ip().is_loopback() => None,
        None => Some(token().map_err(BindError::Random)?),
    };
    let url = url(address, token.as_deref());
    let guard = Guard::new(token, address.port(), names());
    Ok(Bound { listener: Listener::Tcp(listener), guard, url })
}

/// Returns the URL to open in a browser.
fn url(address: SocketAddr, token: Option<&str>) -> String {
    let mut seen = address;
    if seen.ip().is_unspecified() {
        seen.set_ip(outward(seen.ip()).unwrap_or(seen.ip()));
    }
    match token {
        Some(token) => format!("http://{seen}/?token={token}"),
        None => format!("http://{seen}/"),
    }
}

/// Returns this machine's address as others see it: that of a connection that would leave it.
/// Nothing is sent.
fn outward(any: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // Addresses reserved for documentation, which are routed like all others.
    let there: IpAddr = if any.is_ipv4() {
        Ipv4Addr::new(192, 0, 2, 1).into()
    } else {
        "2001:db8::1".parse().ok()?
    };
    socket.connect((there, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Returns names by which browsers may ask for this machine.
fn names() -> Vec<String> {
    let mut names = vec!["localhost".to_string()];
    if let Ok(name) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        let name = name.trim();
        names.extend([name.to_string(), format!("{name}.local")]);
    }
    names
}

/// Parses the address of a page: a port alone, also with a colon before it, is one of this machine
/// only.
///
/// # Errors
///
/// The expected format.
pub fn web_address(text: &str) -> Result<SocketAddr, &'static str> {
    let port = text.strip_prefix(':').or(text.strip_prefix("localhost:")).unwrap_or(text).parse();
    match port {
        Ok(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => text.parse().map_err(|_| "needs a port, or an address such as 0.0.0.0:8080"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_of_this_machine() {
        let parsed = |text| web_address(text).map(|address| address.to_string());
        for text in ["8080", ":8080", "localhost:8080", "127.0.0.1:8080"] {
            assert_eq!(parsed(text).as_deref(), Ok("127.0.0.1:8080"));
        }
        assert_eq!(parsed("0.0.0.0:80").as_deref(), Ok("0.0.0.0:80"));
        assert_eq!(parsed("[::1]:0").as_deref(), Ok("[::1]:0"));
        for text in ["", ":", "pi:80", "65536", "1.2.3.4"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sockets_have_paths() {
        assert_eq!(Address::parse("unix:/run/a"), Ok(Address::Unix("/run/a".into())));
        assert_eq!(Address::parse("unix:/run/a").unwrap().to_string(), "unix:/run/a");
        assert!(Address::parse("unix:").is_err() && Address::parse("/run/a").is_err());
    }
}
