//! Requests of programs: paths and their answers.

use offshoot::NOTHING;
use offshoot_core::head::check_name;
use offshoot_http::{Guard, Reply, Request, Site, StatusCode, reply};
use offshoot_service::{BYTES, Outcome, Refusal, name, no_route};

use super::exchange::{Exchange, Order, Question, Said, Verdict, later};
use crate::web::routes::jpeg;

/// Contract of the device.
const CONTRACT: &str = include_str!("../../../openapi.yaml");

/// Paths, each with its methods.
const PATHS: [(&str, &str); 10] = [
    ("/", "GET"),
    ("/openapi.yaml", "GET"),
    ("/moment", "GET"),
    ("/events", "GET"),
    ("/frame", "GET"),
    ("/report", "GET"),
    ("/head", "GET"),
    ("/undo", "POST"),
    ("/teach/CLASS", "POST"),
    ("/classes/CLASS", "DELETE"),
];

impl Exchange {
    async fn route(&self, request: &Request) -> Outcome {
        let path = request.uri().path();
        let question = match (request.method().as_str(), path) {
            ("GET", "/openapi.yaml") => {
                return Ok(reply(StatusCode::OK, "application/yaml", CONTRACT));
            }
            ("GET", "/events") => return Ok(self.events.stream()),
            ("GET", "/") => Question::About,
            ("GET", "/moment") => Question::Moment,
            ("GET", "/frame") => Question::Frame,
            ("GET", "/report") => Question::Report,
            ("GET", "/head") => Question::Head,
            _ => {
                let Some(order) = order(request)? else { return Ok(no_route(&PATHS, path)) };
                return self.written(self.order(order).await);
            }
        };
        self.written(self.ask(question).await)
    }

    fn written(&self, verdict: Verdict) -> Outcome {
        Ok(match verdict? {
            Said::Json(json) => reply(StatusCode::OK, "application/json", json),
            Said::Bytes(bytes) => reply(StatusCode::OK, BYTES, bytes),
            Said::Frame(number, shot) => {
                let image = self.encoded(number, || jpeg(&shot));
                let image = image.ok_or_else(|| later("the frame has no JPEG: try again later"))?;
                reply(StatusCode::OK, "image/jpeg", image)
            }
        })
    }
}

/// Returns the change that a request asks for; `None` if it is none.
fn order(request: &Request) -> Result<Option<Order>, Refusal> {
    let path = request.uri().path();
    let below = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    Ok(Some(match (request.method().as_str(), path, below) {
        ("POST", "/undo", _) => Order::Undo,
        ("POST", _, Some(("teach", class))) => {
            let class = name(class)?;
            if class == NOTHING {
                return Ok(Some(Order::TeachNothing));
            }
            check_name(&class)?;
            Order::Teach(class)
        }
        ("DELETE", _, Some(("classes", class))) => Order::Remove(name(class)?),
        _ => return Ok(None),
    }))
}

impl Site for Exchange {
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
