//! Routes of the service.

use std::sync::{Arc, Mutex};

use offshoot_http::{Guard, Method, Reply, Request, Site, StatusCode, header, one, reply};

use crate::answers::{BYTES, Outcome, json, name, no_route};
use crate::contract::Changed;
use crate::events::{Event, Events};
use crate::input::Input;
use crate::learner::Learner;
use crate::refusal::Refusal;

/// Contract of the service.
const CONTRACT: &str = include_str!("../openapi.yaml");

/// Paths, each with its methods.
const PATHS: [(&str, &str); 11] = [
    ("/", "GET"),
    ("/openapi.yaml", "GET"),
    ("/classify", "POST"),
    ("/embed", "POST"),
    ("/teach/CLASS", "POST"),
    ("/undo", "POST"),
    ("/classes/CLASS", "DELETE"),
    ("/report", "GET"),
    ("/head", "GET, PUT"),
    ("/moment", "GET"),
    ("/events", "GET"),
];

/// Service as a site: one learner, which requests use one after the other.
#[derive(Debug)]
pub struct Api {
    learner: Arc<Mutex<Learner>>,
    events: Arc<Events>,
}

impl Api {
    pub fn new(learner: Learner) -> Self {
        Self { learner: Arc::new(Mutex::new(learner)), events: Arc::default() }
    }

    async fn route(&self, request: &Request) -> Outcome {
        let path = request.uri().path();
        let method = request.method().clone();
        match (method.as_str(), path) {
            ("GET", "/") => self.learn(|learner, _| json(&learner.about())).await,
            ("GET", "/openapi.yaml") => Ok(reply(StatusCode::OK, "application/yaml", CONTRACT)),
            ("GET", "/report") => self.learn(|learner, _| json(&learner.report()?)).await,
            ("GET", "/moment") => match self.events.newest() {
                Some(moment) => json(&moment),
                None => Err(Refusal::new(StatusCode::NOT_FOUND, "nothing has happened yet")),
            },
            ("GET", "/events") => Ok(self.events.stream()),
            ("GET", "/head") => {
                self.learn(|learner, _| Ok(reply(StatusCode::OK, BYTES, learner.to_bytes()))).await
            }
            ("PUT", "/head") => {
                let bytes = request.body().clone();
                self.change("replaced", move |learner| learner.replace(&bytes)).await
            }
            ("POST", "/classify") => self.classify(Input::of(request)?).await,
            ("POST", "/embed") => {
                let input = Input::of(request)?;
                let wants_bytes =
                    one(request, header::ACCEPT).is_some_and(|kind| kind.contains(BYTES));
                self.learn(move |learner, _| embedded(learner, &input, wants_bytes)).await
            }
            ("POST", "/undo") => self.change("undone", Learner::undo).await,
            _ => self.route_class(&method, path, request).await,
        }
    }

    /// Answers for paths that end with a class.
    async fn route_class(&self, method: &Method, path: &str, request: &Request) -> Outcome {
        let below = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        match (method.as_str(), below) {
            ("POST", Some(("teach", class))) => {
                let class = name(class)?;
                let input = Input::of(request)?;
                self.change("taught", move |learner| learner.teach(&class, &input)).await
            }
            ("DELETE", Some(("classes", class))) => {
                let class = name(class)?;
                self.change("forgotten", move |learner| learner.forget(&class)).await
            }
            _ => Ok(no_route(&PATHS, path)),
        }
    }

    async fn classify(&self, input: Input) -> Outcome {
        self.learn(move |learner, events| {
            let found = learner.classify(&input)?;
            events.publish(Event {
                name: "classified",
                class: found.class.clone(),
                confidence: Some(found.confidence),
                nearest: Some(found.nearest.clone()),
                samples: learner.samples(),
            });
            json(&found)
        })
        .await
    }

    /// Changes the head and publishes that.
    async fn change(
        &self,
        event: &'static str,
        work: impl FnOnce(&mut Learner) -> Result<Changed, Refusal> + Send + 'static,
    ) -> Outcome {
        self.learn(move |learner, events| {
            let changed = work(learner)?;
            events.publish(Event {
                name: event,
                class: changed.class.clone(),
                confidence: None,
                nearest: None,
                samples: changed.samples.clone(),
            });
            json(&changed)
        })
        .await
    }

    /// Works with the learner on a thread that may wait for it.
    async fn learn(
        &self,
        work: impl FnOnce(&mut Learner, &Events) -> Outcome + Send + 'static,
    ) -> Outcome {
        let learner = Arc::clone(&self.learner);
        let events = Arc::clone(&self.events);
        let done = tokio::task::spawn_blocking(move || {
            // A panic has poisoned it: what it left half done is not used again.
            let mut learner = learner.lock().map_err(|_| fault())?;
            work(&mut learner, &events)
        });
        done.await.unwrap_or_else(|_| Err(fault()))
    }
}

impl Site for Api {
    async fn answer(&self, _: &Guard, request: &Request) -> Reply {
        self.route(request).await.unwrap_or_else(|refusal| refusal.reply())
    }

    fn close(&self) {
        self.events.close();
    }

    fn is_closed(&self) -> bool {
        self.events.is_closed()
    }

    async fn closed(&self) {
        self.events.closed().await;
    }
}

fn fault() -> Refusal {
    let why = "a fault in the program; start the service again, and report what it printed";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, why)
}

/// Returns an embedding as JSON, or as 32-bit floats, the lowest byte first.
fn embedded(learner: &mut Learner, input: &Input, wants_bytes: bool) -> Outcome {
    let found = learner.embed(input)?;
    if !wants_bytes {
        return json(&found);
    }
    let bytes: Vec<u8> = found.embedding.iter().flat_map(|value| value.to_le_bytes()).collect();
    Ok(reply(StatusCode::OK, BYTES, bytes))
}
