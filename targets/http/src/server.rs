//! HTTP server: hyper, on one thread of its own.
//!
//! The number of visitors, the time of each and the size of requests are limited, so that no
//! visitor keeps others from the page. The loop never waits for the server.

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::SocketAddr;
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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};

use crate::access::Guard;
use crate::admission::{Door, Place, Places};
use crate::bind::Listener;
#[cfg(unix)]
use crate::bind::socket::{OwnedPath, Socket};
use crate::reply::{Reply, text};
use crate::request::Request;

/// Max bytes of a request's first line and headers; hyper reads by no less.
const MOST_HEAD: usize = 8 * 1024;

/// Unit in which the bytes of bodies are counted.
const BODY_UNIT: usize = 1024;

/// Response to connections beyond the last place; hyper would first wait for the request.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    too many connections: close a page, or wait\n";

/// Time limit for the farewell to waiting visitors when the page closes.
const FAREWELL: Duration = Duration::from_millis(250);

/// Limits of all visitors together.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Max number of connections at once.
    pub places: Places,
    /// Time limit from one response to the last header of the next request, and from there to its
    /// body's end.
    pub patience: Duration,
    /// Max lifetime of a connection in any state; a visitor who stays opens another one. hyper has
    /// no limit of its own for one who asks and does not read.
    pub life: Duration,
    /// Max bytes of a request's body.
    pub body: usize,
    /// Max bytes of all bodies that are read at once; more wait.
    pub bodies: usize,
}

/// Site that answers requests.
pub trait Site: Send + Sync + 'static {
    /// Answers a request, which the guard has accepted.
    fn answer(&self, guard: &Guard, request: &Request) -> impl Future<Output = Reply> + Send;

    /// Closes the site: visitors who wait are answered.
    fn close(&self);

    /// Returns true if it is closed.
    fn is_closed(&self) -> bool;

    /// Waits until it is closed.
    fn closed(&self) -> impl Future<Output = ()> + Send;
}

/// Server that answers requests until it is dropped.
#[derive(Debug)]
pub struct Server<S: Site> {
    site: Arc<S>,
    thread: Option<JoinHandle<()>>,
}

impl<S: Site> Server<S> {
    /// Starts to answer.
    ///
    /// # Errors
    ///
    /// The operating system's error if there is no thread, or no way to wait for connections.
    pub fn start(
        listener: Listener,
        site: Arc<S>,
        guard: Guard,
        limits: Limits,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let listener = {
            let _inside = runtime.enter();
            Incomings::of(listener)?
        };
        let bodies = Semaphore::new(limits.bodies.div_ceil(BODY_UNIT));
        let open = Arc::new(Open { site: Arc::clone(&site), guard, limits, bodies });
        let thread = thread::Builder::new()
            .name("web".to_string())
            .spawn(move || runtime.block_on(serve(listener, open)))?;
        Ok(Self { site, thread: Some(thread) })
    }
}

impl<S: Site> Drop for Server<S> {
    fn drop(&mut self) {
        self.site.close();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has reported it already.
            let _ = thread.join();
        }
    }
}

/// Shared data of all answers.
struct Open<S> {
    site: Arc<S>,
    guard: Guard,
    limits: Limits,
    /// Units of the bodies that may still be read.
    bodies: Semaphore,
}

/// Listening socket of the runtime.
enum Incomings {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, #[expect(dead_code, reason = "removed when the server ends")] OwnedPath),
}

impl Incomings {
    fn of(listener: Listener) -> io::Result<Self> {
        match listener {
            Listener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(listener)?))
            }
            #[cfg(unix)]
            Listener::Unix(Socket { listener, path }) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(UnixListener::from_std(listener)?, path))
            }
        }
    }
}

/// Serves until the site closes.
async fn serve<S: Site>(listener: Incomings, open: Arc<Open<S>>) {
    let door = Door::new(open.limits.places);
    let accepting = tokio::spawn(accept(listener, Arc::clone(&door), Arc::clone(&open)));
    open.site.closed().await;
    accepting.abort();
    // Waiting visitors are sent away first; others are left where they are.
    let _ = timeout(FAREWELL, door.emptied()).await;
}

async fn accept<S: Site>(listener: Incomings, door: Arc<Door>, open: Arc<Open<S>>) {
    loop {
        let accepted = match &listener {
            Incomings::Tcp(listener) => {
                listener.accept().await.map(|(stream, from)| admit_tcp(stream, from, &door, &open))
            }
            #[cfg(unix)]
            Incomings::Unix(listener, _) => {
                listener.accept().await.map(|(stream, _)| admit_unix(stream, &door, &open))
            }
        };
        if accepted.is_err() {
            // Out of descriptors: some will be closed.
            sleep(Duration::from_millis(50)).await;
        }
    }
}

fn admit_tcp<S: Site>(stream: TcpStream, from: SocketAddr, door: &Arc<Door>, open: &Arc<Open<S>>) {
    let Some(place) = door.enter(from.ip()) else {
        // Fits into the socket's buffer; a visitor who does not read it goes without.
        let _ = stream.into_std().and_then(|mut stream| stream.write_all(FULL));
        return;
    };
    // A response is one write, and no later write justifies a delay.
    let _ = stream.set_nodelay(true);
    admit(stream, place, door, open);
}

#[cfg(unix)]
fn admit_unix<S: Site>(stream: UnixStream, door: &Arc<Door>, open: &Arc<Open<S>>) {
    let Some(place) = door.enter(std::net::Ipv4Addr::LOCALHOST.into()) else {
        let _ = stream.into_std().and_then(|mut stream| stream.write_all(FULL));
        return;
    };
    admit(stream, place, door, open);
}

fn admit<S: Site>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    place: Place,
    door: &Door,
    open: &Arc<Open<S>>,
) {
    let number = place.number();
    let open = Arc::clone(open);
    let conversation = tokio::spawn(async move { converse(stream, &open, &place).await });
    door.can_end(number, conversation.abort_handle());
}

/// Answers one request after the other. Errors of a closed connection need no answer.
async fn converse<S: Site>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    open: &Open<S>,
    place: &Place,
) {
    let Limits { patience, life, .. } = open.limits;
    let answer =
        service_fn(async |request| Ok::<_, Infallible>(answer(open, place, request).await));
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

async fn answer<S: Site>(
    open: &Open<S>,
    place: &Place,
    request: hyper::Request<Incoming>,
) -> Reply {
    let (head, body) = request.into_parts();
    let mut request = Request::from_parts(head, Bytes::new());
    let mut reply = match open.guard.check(&request) {
        Err(why) => closing(text(StatusCode::FORBIDDEN, why)),
        // hyper uses it and ignores a Content-Length beside it, which a proxy may have used.
        Ok(()) if request.headers().contains_key(TRANSFER_ENCODING) => closing(text(
            StatusCode::LENGTH_REQUIRED,
            "a body has a Content-Length here, and no Transfer-Encoding",
        )),
        Ok(()) => {
            place.keep();
            match timeout(open.limits.patience, read(open, body)).await {
                Ok(Ok(body)) => {
                    *request.body_mut() = body.bytes;
                    open.site.answer(&open.guard, &request).await
                }
                Ok(Err(refusal)) => refusal,
                Err(_) => text(StatusCode::REQUEST_TIMEOUT, "the request did not come in time"),
            }
        }
    };
    if open.site.is_closed() {
        reply = closing(reply);
    }
    reply
}

/// Body of a request, and its share of the memory for bodies until it is dropped.
struct Body<'a> {
    bytes: Bytes,
    _share: SemaphorePermit<'a>,
}

/// Reads a request's body, or returns the response for one that cannot be read.
async fn read<S>(open: &Open<S>, body: Incoming) -> Result<Body<'_>, Reply> {
    let most = open.limits.body;
    let units = hyper::body::Body::size_hint(&body).lower().min(most as u64) as usize;
    // The semaphore is a field that is never closed.
    let share = open.bodies.acquire_many(units.div_ceil(BODY_UNIT) as u32).await;
    let share = share.map_err(|_| text(StatusCode::SERVICE_UNAVAILABLE, "the server ends"))?;
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok(Body { bytes: body.to_bytes(), _share: share }),
        Err(error) if error.is::<LengthLimitError>() => Err(closing(text(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("at most {most} bytes are read here"),
        ))),
        Err(_) => Err(text(StatusCode::BAD_REQUEST, "the request's body cannot be read")),
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

    use tokio::sync::watch;

    use super::*;

    /// Site of a large file; holds true when it is closed.
    struct Large(watch::Sender<bool>);

    impl Site for Large {
        async fn answer(&self, _: &Guard, _: &Request) -> Reply {
            crate::reply(StatusCode::OK, "text/plain", vec![b'x'; 20_000])
        }

        fn close(&self) {
            self.0.send_replace(true);
        }

        fn is_closed(&self) -> bool {
            *self.0.borrow()
        }

        async fn closed(&self) {
            let _ = self.0.subscribe().wait_for(|is_closed| *is_closed).await;
        }
    }

    #[test]
    fn dead_visitors_lose_their_places() {
        let limits = Limits {
            places: Places { all: 1, per_address: 1 },
            patience: Duration::from_millis(100),
            life: Duration::from_millis(300),
            body: 256,
            bodies: 4096,
        };
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let guard = Guard::new(None, address.port(), Vec::new());
        let site = Arc::new(Large(watch::Sender::new(false)));
        let _server = Server::start(Listener::Tcp(listener), site, guard, limits).unwrap();
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
