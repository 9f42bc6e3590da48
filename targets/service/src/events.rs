//! Events: the newest one, and the stream of all.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use offshoot_http::{Bytes, Reply, stream};
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::time::timeout;

/// Number of events that wait for a slow client; it misses older ones.
const WAITING: usize = 64;

/// Time after which a comment keeps a silent stream open.
const SILENCE: Duration = Duration::from_secs(15);

/// Event of the service.
#[derive(Debug, Clone, Serialize)]
pub struct Moment {
    /// Number of the event, from 1.
    pub number: u64,
    /// Content of the event.
    #[serde(flatten)]
    pub event: Event,
}

/// Part of an event that its operation knows.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// Name of the event.
    #[serde(rename = "event")]
    pub name: &'static str,
    /// Class that was recognized, taught, undone or forgotten; `None` if it is unknown.
    pub class: Option<String>,
    /// Probability that the class is right; of a classification only.
    pub confidence: Option<f32>,
    /// Most similar class, also of something unknown; of a classification only.
    pub nearest: Option<String>,
    /// Number of training samples per class after the event.
    pub samples: BTreeMap<String, usize>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of events so far.
    number: u64,
    newest: Option<Moment>,
    /// `None` after the service was closed.
    listeners: Option<broadcast::Sender<Moment>>,
}

/// Newest event and the listeners.
#[derive(Debug)]
pub struct Events(Mutex<State>);

impl Default for Events {
    fn default() -> Self {
        let (listeners, _) = broadcast::channel(WAITING);
        Self(Mutex::new(State { number: 0, newest: None, listeners: Some(listeners) }))
    }
}

impl Events {
    /// Publishes an event, and returns it with its number.
    pub fn publish(&self, event: Event) -> Moment {
        let mut state = self.state();
        state.number += 1;
        let moment = Moment { number: state.number, event };
        if let Some(listeners) = &state.listeners {
            // Nobody may be listening.
            let _ = listeners.send(moment.clone());
        }
        state.newest = Some(moment.clone());
        moment
    }

    /// Counts an event that nobody wants.
    pub fn skip(&self) {
        self.state().number += 1;
    }

    /// Returns true if a stream is open.
    pub fn is_heard(&self) -> bool {
        self.state().listeners.as_ref().is_some_and(|listeners| listeners.receiver_count() > 0)
    }

    /// Returns the newest event.
    pub fn newest(&self) -> Option<Moment> {
        self.state().newest.clone()
    }

    /// Returns true if no further event follows.
    pub fn is_closed(&self) -> bool {
        self.state().listeners.is_none()
    }

    /// Ends all streams.
    pub fn close(&self) {
        self.state().listeners = None;
    }

    /// Waits until [`Events::close`].
    pub async fn closed(&self) {
        let Some(mut events) = self.listen() else { return };
        while !matches!(events.recv().await, Err(broadcast::error::RecvError::Closed)) {}
    }

    /// Streams events from now on as server-sent events (HTML standard, 9.2).
    pub fn stream(&self) -> Reply {
        let (mut sender, reply) = stream("text/event-stream");
        let Some(mut events) = self.listen() else { return reply };
        tokio::spawn(async move {
            // A first part at once: a client knows that it listens.
            let mut part = Bytes::from_static(b": events follow\n\n");
            while sender.send_data(part).await.is_ok() {
                part = match timeout(SILENCE, events.recv()).await {
                    Ok(Ok(moment)) => written(&moment),
                    Ok(Err(broadcast::error::RecvError::Lagged(count))) => {
                        format!(": {count} events were missed\n\n").into()
                    }
                    Ok(Err(broadcast::error::RecvError::Closed)) => return,
                    Err(_) => Bytes::from_static(b": nothing new\n\n"),
                };
            }
        });
        reply
    }

    fn listen(&self) -> Option<broadcast::Receiver<Moment>> {
        self.state().listeners.as_ref().map(broadcast::Sender::subscribe)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes an event; JSON has no line break that would end it.
fn written(moment: &Moment) -> Bytes {
    let json = serde_json::to_string(moment).expect("strings and numbers are JSON");
    format!("id: {}\nevent: {}\ndata: {json}\n\n", moment.number, moment.event.name).into()
}
