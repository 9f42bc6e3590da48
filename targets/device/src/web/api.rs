//! Service of a running device: programs in other languages ask and teach its loop over HTTP.
//!
//! [`serve_api`] returns a screen, which answers questions after each frame, and buttons, which
//! pass on the changes that programs ask for. Without clients nothing is copied or allocated.

mod after_frame;
mod exchange;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use after_frame::{After, changed};
pub(super) use after_frame::{classified, is_known};
use exchange::{Exchange, Order};
use offshoot_http::{Address, Bound, Limits, Places, Server, bind};
use offshoot_service::{Event, samples};
use offshoot_view::Screen as Snapshot;

use super::WebError;
use crate::ports::{Action, Buttons, Change, Refused, Screen, ScreenError};
use crate::session::details::Details;

/// Limits of all clients together. No request needs a body, and a stream lasts a day.
const LIMITS: Limits = Limits {
    places: Places { all: 32, per_address: 12 },
    patience: Duration::from_secs(30),
    life: Duration::from_secs(24 * 60 * 60),
    body: 256,
    bodies: 32 * 1024,
};

/// Options of the service of a running device.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Address to serve on; port 0 is any free one.
    pub address: Address,
    /// Token that clients need; generated if there is none and other machines can reach the
    /// address.
    pub token: Option<String>,
}

impl ApiOptions {
    /// Creates options with the token of the environment variable `OFFSHOOT_TOKEN`, if it is set.
    pub fn new(address: Address) -> Self {
        Self { address, token: std::env::var("OFFSHOOT_TOKEN").ok() }
    }
}

/// Answers to programs, as a screen.
#[derive(Debug)]
pub struct Feed {
    exchange: Arc<Exchange>,
    /// Number of frames so far.
    frame: u64,
    url: String,
    _server: Server<Exchange>,
}

/// Programs, as buttons.
#[derive(Debug)]
pub struct Callers {
    exchange: Arc<Exchange>,
    /// Name of the class in the action that was polled last.
    name: String,
}

/// Serves programs as long as the screen lives.
///
/// # Errors
///
/// [`WebError`] if the address cannot be bound, for a token that can be guessed, or without a
/// thread.
pub fn serve_api(options: &ApiOptions) -> Result<(Feed, Callers), WebError> {
    let bound = bind(&options.address, options.token.as_deref()).map_err(WebError::Api)?;
    let Bound { listener, guard, url } = bound;
    let exchange = Arc::new(Exchange::default());
    let site = Arc::clone(&exchange);
    let server = Server::start(listener, site, guard.admitting_programs(), LIMITS);
    let callers = Callers { exchange: Arc::clone(&exchange), name: String::new() };
    Ok((Feed { exchange, frame: 0, url, _server: server.map_err(WebError::Thread)? }, callers))
}

impl Buttons for Callers {
    fn poll(&mut self) -> Option<Action<'_>> {
        Some(match self.exchange.take()? {
            Order::Teach(name) => {
                self.name = name;
                Action::TeachNamed(&self.name)
            }
            Order::TeachNothing => Action::TeachNothing,
            Order::Undo => Action::Undo,
            Order::Remove(name) => {
                self.name = name;
                Action::Remove(&self.name)
            }
        })
    }

    fn done(&mut self, outcome: Result<Change<'_>, &Refused>) {
        self.exchange.note(outcome);
    }
}

impl Feed {
    /// Returns the URL, with the token if there is one; `unix:` and the path of a Unix socket.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Screen for Feed {
    /// Does nothing, because programs see no pixels; see `explain`.
    fn show(&mut self, _: &Snapshot<'_>) -> Result<(), ScreenError> {
        Ok(())
    }

    fn explain(&mut self, snapshot: &Snapshot<'_>, inside: &mut Details<'_>) {
        self.frame += 1;
        let exchange = Arc::clone(&self.exchange);
        for (name, class) in exchange.changes() {
            let samples = samples(inside.head);
            exchange.events.publish(Event {
                name,
                class,
                confidence: None,
                nearest: None,
                samples,
            });
        }
        if let Some(taken) = exchange.settled() {
            taken.answer(|outcome| changed(outcome, inside.head));
        }
        let answered = inside.best.filter(|_| snapshot.image.is_some());
        let moment = answered.and_then(|best| {
            if exchange.is_asked() || exchange.events.is_heard() {
                return Some(exchange.events.publish(classified(best, snapshot, inside)));
            }
            exchange.events.skip();
            None
        });
        let mut after =
            After { frame: self.frame, snapshot, inside, moment, made: Default::default() };
        exchange.answer(|question| after.answer(question));
    }
}
