//! Web page as a screen and as buttons; the service for programs; answers to a broker.
//!
//! [`serve`] returns both. The loop publishes its newest state to the page and continues; the
//! server's thread sends it to the visitors. States are copied, written as JSON and allocated only
//! while the page is viewed.

mod api;
#[cfg(feature = "mqtt")]
mod mqtt;
mod routes;
mod shared;
mod snapshot;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use api::{ApiOptions, Callers, Feed, serve_api};
#[cfg(feature = "mqtt")]
pub use mqtt::{Broker, BrokerError, Login, MqttOptions, Publisher, publish};
use offshoot_http::{
    Address, BindError, Bound, Guard, Limits, Places, Reply, Request, Server, Site, bind,
};
use offshoot_view::Screen as Snapshot;
use shared::{Extra, Press, Shared};

use crate::pointing::pointers::Pointers;
use crate::ports::{Action, Backlog, Buttons, Screen, ScreenError};
use crate::session::details::Details;

/// Limits of all visitors, a few megabytes together. A body is a name.
const LIMITS: Limits = Limits {
    places: Places { all: 32, per_address: 12 },
    patience: Duration::from_secs(5),
    life: Duration::from_secs(20),
    body: 256,
    bodies: 32 * 1024,
};

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
    /// The address cannot be served, or the token is none.
    #[error("--web: {0}")]
    Bind(#[from] BindError),
    /// The same of the service for programs.
    #[error("--api: {0}")]
    Api(BindError),
    /// The broker refuses the device.
    #[cfg(feature = "mqtt")]
    #[error("--mqtt {broker}: {why}; OFFSHOOT_MQTT_USER and OFFSHOOT_MQTT_PASSWORD log in")]
    Mqtt {
        /// Broker, and the name of the device there.
        broker: String,
        /// Answer of the broker.
        why: String,
    },
    /// The system gives no thread.
    #[error("no thread for the page, the service or the broker: {0}")]
    Thread(std::io::Error),
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
    _server: Server<Shared>,
}

/// Page as buttons.
#[derive(Debug)]
pub struct Visitors {
    shared: Arc<Shared>,
    name: String,
}

/// Serves a page as long as the screen lives.
///
/// # Errors
///
/// [`WebError`] if the address cannot be bound, for a token that can be guessed, or without a
/// thread.
pub fn serve(options: &WebOptions) -> Result<(Page, Visitors), WebError> {
    let address = Address::Tcp(options.address);
    let Bound { listener, guard, url } = bind(&address, options.token.as_deref())?;
    let shared = Arc::new(Shared::default());
    let server = Server::start(listener, Arc::clone(&shared), guard, LIMITS);
    let visitors = Visitors { shared: Arc::clone(&shared), name: String::new() };
    let page = Page {
        shared,
        text: Vec::new(),
        frame: 0,
        has_next: options.has_next,
        url,
        _server: server.map_err(WebError::Thread)?,
    };
    Ok((page, visitors))
}

impl Site for Shared {
    async fn answer(&self, guard: &Guard, request: &Request) -> Reply {
        routes::answer(self, guard, request).await
    }

    fn close(&self) {
        Self::close(self);
    }

    fn is_closed(&self) -> bool {
        Self::is_closed(self)
    }

    async fn closed(&self) {
        Self::closed(self).await;
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
        self.publish(snapshot, |text, wanted| snapshot::write(text, snapshot, inside, wanted));
    }

    fn point(&mut self, snapshot: &Snapshot<'_>, inside: &Pointers<'_>) {
        self.publish(snapshot, |text, wanted| {
            snapshot::write_pointing(text, snapshot, inside, wanted);
        });
    }
}

impl Page {
    /// Publishes the newest state if a visitor looks, written by `write`.
    fn publish(
        &mut self,
        snapshot: &Snapshot<'_>,
        write: impl FnOnce(&mut Vec<u8>, snapshot::Wanted),
    ) {
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
        write(&mut self.text, wanted);
        let image = snapshot.image.map(|image| (image.width(), image.height(), image.rgb()));
        self.shared.publish(self.frame, &mut self.text, image);
    }
}

impl Buttons for Visitors {
    fn poll(&mut self) -> Option<Action<'_>> {
        Some(match self.shared.take()? {
            Press::Teach(class) => Action::Teach(class),
            Press::TeachNothing => Action::TeachNothing,
            Press::Point(class, shape) => Action::Point(class, shape),
            Press::Still => Action::Still,
            Press::Live => Action::Live,
            Press::Undo => Action::Undo,
            Press::Forget(class) => Action::Forget(class),
            Press::Next => Action::Show(None),
            Press::ForgetAll => Action::ForgetAll,
            Press::Rename(class, name) => {
                self.name = name;
                Action::Rename(class, &self.name)
            }
        })
    }

    /// Presses that are left out are refused, which the page shows.
    fn backlog(&self) -> Backlog {
        Backlog { lessons: self.shared.lessons(), left_out: 0 }
    }
}
