//! Answers published to an MQTT broker, for home automation and dashboards.
//!
//! [`publish`] returns a screen: each new answer becomes a retained message. A thread holds the
//! connection and reconnects; the loop never waits for it. MQTT 3.1.1, without TLS.

mod broker;
mod messages;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

pub use broker::{Broker, BrokerError};
use messages::{Message, Messages};
use offshoot_view::Screen as Snapshot;
use rumqttc::{
    Client, Connection, ConnectionError, Event, LastWill, MqttOptions as Session, Packet, QoS,
};

use super::WebError;
use super::api::{classified, is_known};
use crate::ports::{Screen, ScreenError};
use crate::session::details::Details;

/// Time after which an unchanged class is published again, with its newest confidence.
const INTERVAL: Duration = Duration::from_secs(10);

/// Pause before the next attempt to connect.
const RETRY: Duration = Duration::from_secs(2);

/// Longest wait for the broker at the start and at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Interval of pings; a broker that hears none for one and a half of it says `offline`.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Messages that may wait; the loop drops an answer rather than wait for a slow broker.
const WAITING: usize = 16;

/// Options of publishing.
#[derive(Debug, Clone)]
pub struct MqttOptions {
    /// Broker, and the name of this device there.
    pub broker: Broker,
    /// User and password, if the broker wants them.
    pub login: Option<Login>,
}

/// User of a broker.
#[derive(Clone)]
pub struct Login {
    /// Name of the user.
    pub user: String,
    /// Password of the user.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl MqttOptions {
    /// Creates options with the user and password of the environment variables
    /// `OFFSHOOT_MQTT_USER` and `OFFSHOOT_MQTT_PASSWORD`, if the first is set.
    pub fn new(broker: Broker) -> Self {
        let login = std::env::var("OFFSHOOT_MQTT_USER").ok().map(|user| Login {
            user,
            password: std::env::var("OFFSHOOT_MQTT_PASSWORD").unwrap_or_default(),
        });
        Self { broker, login }
    }
}

/// Publisher, as a screen.
pub struct Publisher {
    client: Client,
    messages: Arc<Messages>,
    link: Arc<Link>,
    /// Most likely class of the last message, and true if it was recognized.
    published: Option<(usize, bool)>,
    last: Instant,
    notice: Option<String>,
    /// Closed when the thread ends.
    thread: Receiver<First>,
}

/// State of the connection.
#[derive(Debug, Default)]
struct Link {
    /// True from each connection until the next answer: the broker has an old one.
    is_new: AtomicBool,
    is_open: AtomicBool,
    is_ending: AtomicBool,
}

/// Outcome of the first attempt to connect.
enum First {
    Connected,
    Refused(String),
    Unreachable(String),
}

/// Connects to a broker and publishes answers as long as the screen lives. A broker that does not
/// answer yet is tried again every two seconds; see [`Publisher::notice`].
///
/// # Errors
///
/// [`WebError`] if the broker refuses the user, or without a thread.
pub fn publish(options: &MqttOptions) -> Result<Publisher, WebError> {
    let Broker { host, port, name } = &options.broker;
    let messages = Arc::new(Messages::new(name));
    let mut session = Session::new(format!("offshoot-{name}"), host, *port);
    let Message { topic, payload } = messages.availability(false);
    session.set_keep_alive(KEEP_ALIVE);
    session.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, true));
    if let Some(Login { user, password }) = &options.login {
        session.set_credentials(user, password);
    }
    let (client, connection) = Client::new(session, WAITING);
    let link = Arc::new(Link::default());
    let (outcome, thread) = channel();
    let holder = Holder {
        client: client.clone(),
        messages: Arc::clone(&messages),
        link: Arc::clone(&link),
        outcome,
    };
    thread::Builder::new()
        .name("mqtt".to_string())
        .spawn(move || holder.hold(connection))
        .map_err(WebError::Thread)?;
    let notice = match thread.recv_timeout(PATIENCE) {
        Ok(First::Connected) => None,
        Ok(First::Refused(why)) => {
            return Err(WebError::Mqtt { broker: options.broker.to_string(), why });
        }
        Ok(First::Unreachable(why)) => Some(why),
        Err(_) => Some("no answer".to_string()),
    };
    let notice = notice.map(|why| {
        format!(
            "--mqtt {}: {why}; lessons and answers go on, and it is tried again",
            options.broker
        )
    });
    Ok(Publisher { client, messages, link, published: None, last: Instant::now(), notice, thread })
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("topic", &self.topic()).finish_non_exhaustive()
    }
}

impl Publisher {
    /// Returns the reason why the broker could not be reached at the start, if it could not.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Returns the topic of the answers.
    pub fn topic(&self) -> &str {
        self.messages.topic()
    }
}

impl Screen for Publisher {
    /// Does nothing, because subscribers see no pixels; see `explain`.
    fn show(&mut self, _: &Snapshot<'_>) -> Result<(), ScreenError> {
        Ok(())
    }

    fn explain(&mut self, snapshot: &Snapshot<'_>, inside: &mut Details<'_>) {
        let Some(best) = inside.best.filter(|_| snapshot.image.is_some()) else { return };
        let answer = Some((best.0, is_known(best.1, snapshot)));
        let is_due = answer != self.published || self.last.elapsed() >= INTERVAL;
        let is_new = self.link.is_new.load(Ordering::Relaxed);
        if !self.link.is_open.load(Ordering::Relaxed) || !(is_due || is_new) {
            return;
        }
        let Message { topic, payload } = self.messages.state(&classified(best, snapshot, inside));
        if self.client.try_publish(topic, QoS::AtLeastOnce, true, payload).is_ok() {
            self.published = answer;
            self.last = Instant::now();
            self.link.is_new.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.link.is_ending.store(true, Ordering::Relaxed);
        if self.link.is_open.load(Ordering::Relaxed) {
            let Message { topic, payload } = self.messages.availability(false);
            // A broker that is gone says it itself.
            let _ = self.client.try_publish(topic, QoS::AtLeastOnce, true, payload);
            let _ = self.client.try_disconnect();
            let end = Instant::now() + PATIENCE;
            while let Some(left) = end.checked_duration_since(Instant::now()) {
                if matches!(self.thread.recv_timeout(left), Err(RecvTimeoutError::Disconnected)) {
                    break;
                }
            }
        }
    }
}

/// Thread that holds the connection.
struct Holder {
    client: Client,
    messages: Arc<Messages>,
    link: Arc<Link>,
    outcome: Sender<First>,
}

impl Holder {
    fn hold(self, mut connection: Connection) {
        let mut first = Some(&self.outcome);
        for event in connection.iter() {
            let outcome = match event {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    self.greet();
                    First::Connected
                }
                Ok(_) => continue,
                Err(error) => {
                    self.link.is_open.store(false, Ordering::Relaxed);
                    match error {
                        ConnectionError::ConnectionRefused(code) => {
                            First::Refused(format!("the broker refuses ({code:?})"))
                        }
                        error => First::Unreachable(error.to_string()),
                    }
                }
            };
            let is_connected = matches!(outcome, First::Connected);
            let is_refused = matches!(outcome, First::Refused(_));
            if let Some(first) = first.take() {
                // Nobody waits for it any longer if it came late.
                let _ = first.send(outcome);
                if is_refused {
                    return;
                }
            }
            if self.link.is_ending.load(Ordering::Relaxed) {
                return;
            }
            if !is_connected {
                thread::sleep(RETRY);
            }
        }
    }

    /// Announces the device, as after each connection: the broker may have been started anew.
    fn greet(&self) {
        let online = self.messages.availability(true);
        for Message { topic, payload } in self.messages.discovery().into_iter().chain([online]) {
            // The queue has room for them: answers wait for the flag below.
            let _ = self.client.try_publish(topic, QoS::AtLeastOnce, true, payload);
        }
        self.link.is_new.store(true, Ordering::Relaxed);
        self.link.is_open.store(true, Ordering::Relaxed);
    }
}
