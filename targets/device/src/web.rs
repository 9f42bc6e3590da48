//! Web page as a screen and as buttons.
//!
//! [`serve`] returns both. The loop publishes its newest state to the page and continues; the
//! server's thread sends it to the visitors. States are copied, written as JSON and allocated only
//! while the page is viewed.

mod access;
mod door;
mod reply;
mod request;
mod routes;
mod server;
mod shared;
mod snapshot;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use access::Guard;
pub use access::SHORTEST_TOKEN;
use offshoot_view::Screen as Snapshot;
use server::Server;
use shared::{Extra, Press, Shared};

use crate::ports::{Action, Buttons, Screen, ScreenError};
use crate::session::details::Details;

/// Options of the page.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// Address to serve on; port 0 is any free one.
    pub address: SocketAddr,
    /// Token that visitors need; generated if there is none and other machines can reach the
    /// address.
    pub token: Option<String>,
    /// True if the page offers to show the next object to the camera.
    pub has_next: bool,
}

impl WebOptions {
    /// Creates options with the token of the environment variable `OFFSHOOT_TOKEN`, if it is set.
    pub fn new(address: SocketAddr, has_next: bool) -> Self {
        Self { address, token: std::env::var("OFFSHOOT_TOKEN").ok(), has_next }
    }
}

/// Reason why there is no page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// The address cannot be bound.
    #[error("--web {address}: {source}; take another port, or 0 for any")]
    Address {
        /// Address to serve on.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The system has no random numbers for a token.
    #[error("no token could be made up: {0}; give one in OFFSHOOT_TOKEN")]
    Random(getrandom::Error),
    /// The token can be guessed, or has characters that an address cannot hold.
    #[error("OFFSHOOT_TOKEN: a token has at least {SHORTEST_TOKEN} letters, digits, - or _")]
    Token,
}

/// Page as a screen.
#[derive(Debug)]
pub struct Page {
    shared: Arc<Shared>,
    /// Buffer for the next state; swapped with the last one.
    text: Vec<u8>,
    frame: u64,
    has_next: bool,
    url: String,
    /// Server, dropped with the page.
    _server: Server,
}

/// Page as buttons.
#[derive(Debug)]
pub struct Visitors {
    shared: Arc<Shared>,
    name: String,
}

/// Returns true if a token cannot be guessed, and an address can hold it.
fn is_token(token: &str) -> bool {
    token.len() >= SHORTEST_TOKEN
        && token.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
}

/// Serves a page as long as the screen lives.
///
/// # Errors
///
/// [`WebError`] if the address cannot be bound, or for a token of fewer than [`SHORTEST_TOKEN`]
/// characters or of others than letters, digits, `-` and `_`.
pub fn serve(options: &WebOptions) -> Result<(Page, Visitors), WebError> {
    let wanted = options.address;
    let listener = TcpListener::bind(wanted);
    let listener = listener.map_err(|source| WebError::Address { address: wanted, source })?;
    let address = listener.local_addr();
    let address = address.map_err(|source| WebError::Address { address: wanted, source })?;
    let token = match &options.token {
        Some(token) => Some(token.clone()),
        None if address.ip().is_loopback() => None,
        None => Some(access::token().map_err(WebError::Random)?),
    };
    if token.as_deref().is_some_and(|token| !is_token(token)) {
        return Err(WebError::Token);
    }
    let url = url(address, token.as_deref());
    let guard = Guard::new(token, address.port(), names());
    let shared = Arc::new(Shared::default());
    let server = Server::start(listener, Arc::clone(&shared), guard);
    let server = server.map_err(|source| WebError::Address { address: wanted, source })?;
    let visitors = Visitors { shared: Arc::clone(&shared), name: String::new() };
    let page = Page {
        shared,
        text: Vec::new(),
        frame: 0,
        has_next: options.has_next,
        url,
        _server: server,
    };
    Ok((page, visitors))
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

impl Page {
    /// Returns the URL to open in a browser, with the token if there is one.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Screen for Page {
    /// Does nothing, because a page has no pixels; see `explain`.
    fn show(&mut self, _: &Snapshot<'_>) -> Result<(), ScreenError> {
        Ok(())
    }

    fn explain(&mut self, snapshot: &Snapshot<'_>, inside: &mut Details<'_>) {
        if !self.shared.is_wanted(Extra::Snapshot) {
            return;
        }
        self.frame += 1;
        let wanted = snapshot::Wanted {
            frame: self.frame,
            heat: self.shared.is_wanted(Extra::Heat),
            report: self.shared.is_wanted(Extra::Report),
            has_next: self.has_next,
        };
        snapshot::write(&mut self.text, snapshot, inside, wanted);
        let image = snapshot.image.map(|image| (image.width(), image.height(), image.rgb()));
        self.shared.publish(self.frame, &mut self.text, image);
    }
}

impl Buttons for Visitors {
    fn poll(&mut self) -> Option<Action<'_>> {
        Some(match self.shared.take()? {
            Press::Teach(class) => Action::Teach(class),
            Press::TeachNothing => Action::TeachNothing,
            Press::Undo => Action::Undo,
            Press::Forget(class) => Action::Forget(class),
            Press::Next => Action::Show(None),
            Press::Rename(class, name) => {
                self.name = name;
                Action::Rename(class, &self.name)
            }
        })
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
}
