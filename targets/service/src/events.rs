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
    /// Name of the event.
    pub event: &'static str,
    /// Class that was recognized, taught, undone or forgotten; `None` if it is unknown.
    pub class: Option<String>,
    /// Probability that the class is right; of a classification only.
    pub confidence: Option<f32>,
    /// Number of training samples per class after the event.
    pub samples: BTreeMap<String, usize>,
}

/// Part of an event that its operation knows.
#[derive(Debug)]
pub struct Event {
    pub name: &'static str,
    pub class: Option<String>,
    pub confidence: Option<f32>,
    pub samples: BTreeMap<String, usize>,
}

#[derive(Debug, Default)]
struct State {
    newest: Option<Moment>,
    /// `None` after the service was closed.
    listeners: Option<broadcast::Sender<Moment>>,
}

/// Newest event and the listeners.
#[derive(Debug)]
pub struct Events(Mutex<State>);

impl Events {
    pub fn new() -> Self {
        let (listeners, _) = broadcast::channel(WAITING);
        Self(Mutex::new(State { newest: None, listeners: Some(listeners) }))
    }

    /// Publishes an event.
    pub fn publish(&self, event: Event) {
        let mut state = self.state();
        let number = state.newest.as_ref().map_or(1, |moment| moment.number + 1);
        let Event { name, class, confidence, samples } = event;
        let moment = Moment { number, event: name, class, confidence, samples };
        if let Some(listeners) = &state.listeners {
            // Nobody may be listening.
            let _ = listeners.send(moment.clone());
        }
        state.newest = Some(moment);
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
    format!("id: {}\nevent: {}\ndata: {json}\n\n", moment.number, moment.event).into()
}
