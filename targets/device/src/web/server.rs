//! HTTP server of the page: hyper, on one thread of its own.
//!
//! The number of visitors, the time of each and the size of requests are limited, so that no
//! visitor keeps others from the page. The loop never waits for the server.

use std::convert::Infallible;
use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::time::{sleep, timeout};

use super::access::Guard;
use super::door::{Door, Place, Places};
use super::reply::{Reply, text};
use super::request::Request;
use super::routes;
use super::shared::Shared;

/// Limits of all visitors, a few megabytes together.
const LIMITS: Limits = Limits {
    places: Places { all: 32, per_address: 12 },
    patience: Duration::from_secs(5),
    life: Duration::from_secs(20),
};

/// Max bytes of a request's first line and headers; hyper reads by no less.
const MOST_HEAD: usize = 8 * 1024;

/// Max bytes of a request's body: a name.
const MOST_BODY: usize = 256;

/// Response to connections beyond the last place; hyper would first wait for the request.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    too many connections: close a page, or wait\n";

/// Time limit for the farewell to waiting visitors when the page closes.
const FAREWELL: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Max number of connections at once.
    places: Places,
    /// Time limit from one response to the last header of the next request, and from there to its
    /// body's end.
    patience: Duration,
    /// Max lifetime of a connection in any state; a visitor who stays opens another one. hyper has
    /// no limit of its own for one who asks and does not read.
    life: Duration,
}

/// Server that answers requests until it is dropped.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts to answer.
    ///
    /// # Errors
    ///
    /// The operating system's error if there is no thread, or no way to wait for connections.
    pub fn start(
        listener: std::net::TcpListener,
        shared: Arc<Shared>,
        guard: Guard,
    ) -> io::Result<Self> {
        Self::with(LIMITS, listener, shared, guard)
    }

    fn with(
        limits: Limits,
        listener: std::net::TcpListener,
        shared: Arc<Shared>,
        guard: Guard,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        listener.set_nonblocking(true)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let site = Arc::new(Site { shared: Arc::clone(&shared), guard, limits });
        let thread = thread::Builder::new()
            .name("web".to_string())
            .spawn(move || runtime.block_on(serve(listener, site)))?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has reported it already.
            let _ = thread.join();
        }
    }
}

/// Shared data of all answers.
struct Site {
    shared: Arc<Shared>,
    guard: Guard,
    limits: Limits,
}

/// Serves until the page closes.
async fn serve(listener: TcpListener, site: Arc<Site>) {
    let door = Door::new(site.limits.places);
    let accepting = tokio::spawn(accept(listener, Arc::clone(&door), Arc::clone(&site)));
    site.shared.closed().await;
    accepting.abort();
    // Waiting visitors are sent away first; others are left where they are.
    let _ = timeout(FAREWELL, door.emptied()).await;
}

async fn accept(listener: TcpListener, door: Arc<Door>, site: Arc<Site>) {
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            // Out of descriptors: some will be closed.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Some(place) = door.enter(from.ip()) else {
            // Fits into the socket's buffer; a visitor who does not read it goes without.
            let _ = stream.into_std().and_then(|mut stream| stream.write_all(FULL));
            continue;
        };
        let number = place.number();
        let site = Arc::clone(&site);
        let conversation = tokio::spawn(async move { converse(stream, &site, &place).await });
        door.can_end(number, conversation.abort_handle());
    }
}

/// Answers one request after the other. Errors of a closed connection need no answer.
async fn converse(stream: TcpStream, site: &Site, place: &Place) {
    let Limits { patience, life, .. } = site.limits;
    // A response is one write, and no later write justifies a delay.
    let _ = stream.set_nodelay(true);
    let answer =
        service_fn(async |request| Ok::<_, Infallible>(answer(site, place, request).await));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(MOST_HEAD);
    // Vectored writes would end a program that ends on a closed pipe; boards often have no valid
    // date.
    http.writev(false).auto_date_header(false);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer));
    if timeout(life, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(patience, connection).await;
    }
}

async fn answer(site: &Site, place: &Place, request: hyper::Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let mut request = Request::from_parts(head, Bytes::new());
    let mut reply = match site.guard.check(&request) {
        Err(why) => closing(text(StatusCode::FORBIDDEN, why)),
        // hyper uses it and ignores a Content-Length beside it, which a proxy may have used.
        Ok(()) if request.headers().contains_key(TRANSFER_ENCODING) => closing(text(
            StatusCode::LENGTH_REQUIRED,
            "a body has a Content-Length here, and no Transfer-Encoding",
        )),
        Ok(()) => {
            place.keep();
            match read(site, body).await {
                Ok(body) => {
                    *request.body_mut() = body;
                    routes::answer(&site.shared, &site.guard, &request).await
                }
                Err(refusal) => refusal,
            }
        }
    };
    if site.shared.is_closed() {
        reply = closing(reply);
    }
    reply
}

/// Reads a request's body, or returns the response for one that cannot be read.
async fn read(site: &Site, body: Incoming) -> Result<Bytes, Reply> {
    match timeout(site.limits.patience, Limited::new(body, MOST_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(text(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("at most {MOST_BODY} bytes are read here"),
        )),
        Ok(Err(_)) => Err(text(StatusCode::BAD_REQUEST, "the request's body cannot be read")),
        Err(_) => Err(text(StatusCode::REQUEST_TIMEOUT, "the request did not come in time")),
    }
}

/// Marks the last reply of a connection.
fn closing(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    reply
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net;
    use std::time::Instant;

    use super::*;

    #[test]
    fn dead_visitors_lose_their_places() {
        let limits = Limits {
            places: Places { all: 1, per_address: 1 },
            patience: Duration::from_millis(100),
            life: Duration::from_millis(300),
        };
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let guard = Guard::new(None, address.port(), Vec::new());
        let _server = Server::with(limits, listener, Arc::default(), guard).unwrap();
        let connect = || {
            let stream = net::TcpStream::connect(address).unwrap();
            stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
            stream
        };
        let ask = format!("GET /page.js HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let status = || {
            let mut stream = connect();
            let mut status = [0; 12];
            let _ = stream.write_all(ask.as_bytes());
            stream
                .read_exact(&mut status)
                .map_or_else(|error| error.to_string().into(), |()| status[9..].to_vec())
        };
        // A visitor who asks for megabytes and reads none was accepted, and stays for a while.
        let mut dead = connect();
        let _ = dead.write_all(ask.repeat(2000).as_bytes());
        let start = Instant::now();
        // Until its first request arrives, another may have its place.
        thread::sleep(Duration::from_millis(20));
        assert_eq!(status(), b"503");
        while status() != b"200" {
            assert!(start.elapsed() < Duration::from_secs(5), "it keeps its place");
            thread::sleep(Duration::from_millis(10));
        }
        assert!(start.elapsed() > limits.patience / 2, "it had time");
        thread::sleep(limits.life);
        // A visitor without a complete request makes way, or is sent away.
        let half = || {
            let mut dead = connect();
            dead.write_all(&ask.as_bytes()[..8]).unwrap();
            dead
        };
        let _dead = half();
        assert_eq!(status(), b"200");
        thread::sleep(limits.life);
        let mut left = Vec::new();
        let mut dead = half();
        dead.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        dead.read_to_end(&mut left).unwrap();
        assert!(
            left.is_empty() || left.starts_with(b"HTTP/1.1 408"),
            "{}",
            String::from_utf8_lossy(&left)
        );
    }
}
