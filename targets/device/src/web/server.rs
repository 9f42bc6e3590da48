//! The page's server: hyper, on one thread of its own.
//!
//! How many visitors there are, how long each may take and how much it may send are limited, so that
//! nobody keeps others from the page. The loop waits for nothing here.

use std::convert::Infallible;
use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::guard::Guard;
use super::reply::{Reply, text};
use super::request::Request;
use super::routes;
use super::shared::Shared;

/// What visitors may take, all together a few megabytes.
const LIMITS: Limits = Limits { places: 32, patience: Duration::from_secs(5), life: Duration::from_secs(20) };

/// Bytes of a request's first line and headers; hyper reads by no less.
const MOST_HEAD: usize = 8 * 1024;

/// Bytes of a request's body: a name.
const MOST_BODY: usize = 256;

/// What those beyond the last place are told; hyper would first wait for what they ask.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    too many connections: close a page, or wait\n";

/// How long those who wait may take to be sent away when the page closes.
const FAREWELL: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Connections at once.
    places: u32,
    /// From one response to the last header of the next request, and from there to its body's end.
    patience: Duration,
    /// How long a connection lives, whatever it is at; a visitor who stays opens another one. hyper has no
    /// limit of its own for one who asks and does not read.
    life: Duration,
}

/// Answers requests until it is dropped.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Begins to answer.
    ///
    /// # Errors
    /// The system gives no thread, or nothing to wait on connections with.
    pub fn start(listener: std::net::TcpListener, shared: Arc<Shared>, guard: Guard) -> io::Result<Self> {
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
        let run = move || runtime.block_on(serve(listener, site));
        let thread = Some(thread::Builder::new().name("web".to_string()).spawn(run)?);
        Ok(Self { shared, thread })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            // One that panicked has nothing more to say here.
            let _ = thread.join();
        }
    }
}

/// What an answer is made of.
struct Site {
    shared: Arc<Shared>,
    guard: Guard,
    limits: Limits,
}

/// Until the page closes.
async fn serve(listener: TcpListener, site: Arc<Site>) {
    let places = Arc::new(Semaphore::new(site.limits.places as usize));
    tokio::spawn(accept(listener, Arc::clone(&places), Arc::clone(&site)));
    site.shared.closed().await;
    // Those who wait are sent away first; others are left where they are.
    let _ = timeout(FAREWELL, places.acquire_many(site.limits.places)).await;
}

async fn accept(listener: TcpListener, places: Arc<Semaphore>, site: Arc<Site>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: some will be closed.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            // Fits into the socket's buffer; whoever does not read it goes without.
            let _ = stream.into_std().and_then(|mut stream| stream.write_all(FULL));
            continue;
        };
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            converse(stream, &site).await;
            drop(place);
        });
    }
}

/// Answers one request after the other. A visitor who is gone needs to be told nothing.
async fn converse(stream: TcpStream, site: &Site) {
    let Limits { patience, life, .. } = site.limits;
    // A response is one write, and nothing follows that it should wait for.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(async |request| Ok::<_, Infallible>(answer(site, request).await));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(MOST_HEAD);
    // Vectored writes would end a program that a closed pipe is to end; boards often know no date.
    http.writev(false).auto_date_header(false);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer));
    if timeout(life, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(patience, connection).await;
    }
}

async fn answer(site: &Site, request: hyper::Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let mut reply = match timeout(site.limits.patience, Limited::new(body, MOST_BODY).collect()).await {
        Ok(Ok(body)) => {
            let request = Request::from_parts(head, body.to_bytes());
            routes::answer(&site.shared, &site.guard, &request).await
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            text(StatusCode::PAYLOAD_TOO_LARGE, &format!("at most {MOST_BODY} bytes are read here"))
        }
        Ok(Err(_)) => text(StatusCode::BAD_REQUEST, "the request's body cannot be read"),
        Err(_) => text(StatusCode::REQUEST_TIMEOUT, "the request did not come in time"),
    };
    if site.shared.is_closed() {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net;
    use std::time::Instant;

    #[test]
    fn dead_visitors_lose_their_places() {
        let limits =
            Limits { places: 1, patience: Duration::from_millis(100), life: Duration::from_millis(300) };
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
            let (mut stream, mut status) = (connect(), [0; 12]);
            let _ = stream.write_all(ask.as_bytes());
            stream
                .read_exact(&mut status)
                .map_or_else(|error| error.to_string().into(), |()| status[9..].to_vec())
        };
        // Who asks for megabytes and reads none, and who does not ask to the end.
        for asked in [ask.repeat(2000), ask[..8].to_string()] {
            let mut dead = connect();
            let _ = dead.write_all(asked.as_bytes());
            let start = Instant::now();
            assert_eq!(status(), b"503");
            while status() != b"200" {
                assert!(start.elapsed() < Duration::from_secs(5), "{:.20} keeps its place", asked);
                thread::sleep(Duration::from_millis(10));
            }
            assert!(start.elapsed() > limits.patience / 2, "it had time");
            thread::sleep(limits.life);
        }
    }
}
