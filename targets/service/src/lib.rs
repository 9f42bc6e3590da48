//! Service for programs in other languages: an extractor and a head over HTTP.
//!
//! [`Service::start`] answers on a loopback port, any other address with a token, or a Unix socket:
//! `POST /classify`, `/embed`, `/teach/CLASS` and `/undo`, `DELETE /classes/CLASS`, `GET /report`,
//! `GET` and `PUT /head`, `GET /moment`, and `/events` as a stream. `openapi.yaml` is the contract;
//! the service sends it for `GET /openapi.yaml`.
//!
//! ```
//! use offshoot_service::{Address, Options, Service};
//!
//! let extractor = offshoot::Extractor::open("../../sdk/tests/tiny.offshoot")?;
//! let mut options = Options::new();
//! options.address = Address::parse("0")?;
//! let service = Service::start(extractor, &options)?;
//! assert!(service.url().starts_with("http://127.0.0.1:"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The other items are those that a running device shares: its answers have the same fields.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod answers;
mod contract;
mod events;
mod input;
mod learner;
mod refusal;
mod routes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use answers::{BYTES, Outcome, json, name, no_route};
pub use contract::{About, Changed, Reported, samples};
pub use events::{Event, Events, Moment};
use learner::Learner;
use offshoot::Extractor;
pub use offshoot_http::{Address, BindError};
use offshoot_http::{Bound, Limits as HttpLimits, Places, Server, bind};
pub use refusal::Refusal;
use routes::Api;

/// Limits of all clients together. A body is an image or a raw frame.
const LIMITS: HttpLimits = HttpLimits {
    places: Places { all: 32, per_address: 12 },
    patience: Duration::from_secs(30),
    life: Duration::from_secs(24 * 60 * 60),
    body: 32 << 20,
    bodies: 64 << 20,
};

/// Options of a service.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// File of the head: loaded if it is there, and saved after every change. Without one the head
    /// lives as long as the service.
    pub head: Option<PathBuf>,
    /// Kind of a new head.
    pub kind: offshoot::HeadKind,
    /// Limits of a new head; when it is full, samples of its largest class make way.
    pub limits: offshoot::Limits,
    /// Address to serve on.
    pub address: Address,
    /// Token that clients need; generated if there is none and other machines can reach the
    /// address.
    pub token: Option<String>,
}

impl Options {
    /// Returns the defaults: port 8090 of this machine, the token of `OFFSHOOT_TOKEN` if it is set,
    /// and a head of kind `auto` for 64 classes and 1,024 samples that is not saved.
    #[must_use]
    pub fn new() -> Self {
        Self {
            head: None,
            kind: offshoot::HeadKind::Auto,
            limits: offshoot::Limits { classes: 64, samples: 1024 },
            address: Address::Tcp(([127, 0, 0, 1], 8090).into()),
            token: std::env::var("OFFSHOOT_TOKEN").ok(),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// Reason why a service does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The head cannot be loaded or made.
    #[error(transparent)]
    Offshoot(#[from] offshoot::Error),
    /// The address cannot be served, or the token is none.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system gives the server no thread.
    #[error("no thread for the service: {0}")]
    Thread(std::io::Error),
}

/// Running service; it ends when this is dropped.
#[derive(Debug)]
pub struct Service {
    url: String,
    _server: Server<Api>,
}

impl Service {
    /// Loads or makes the head, and answers.
    ///
    /// # Errors
    ///
    /// [`ServiceError`] for a head that cannot be loaded, and an address that cannot be served.
    pub fn start(extractor: Extractor, options: &Options) -> Result<Self, ServiceError> {
        let learner = Learner::open(extractor, options)?;
        let Bound { listener, guard, url } = bind(&options.address, options.token.as_deref())?;
        let api = Arc::new(Api::new(learner));
        let server = Server::start(listener, api, guard.admitting_programs(), LIMITS);
        Ok(Self { url, _server: server.map_err(ServiceError::Thread)? })
    }

    /// Returns the URL, with the token if there is one; `unix:` and the path of a Unix socket.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}
