//! Just enough of HTTP/1.1 for one page.
//!
//! Requests are parsed by `httparse`. Each connection has a thread, of which there are as many as
//! [`Limits`] say; how long it may take, how much it may send and how often it may be asked are limited
//! as well, so that nobody keeps others from the page, and nothing here is waited for by anyone else.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::request::{Refused, Request, head_end};

/// What a visitor may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; those beyond are told to come back.
    pub connections: usize,
    /// Bytes of a request's first line and headers.
    pub head: usize,
    /// Bytes of its body.
    pub body: usize,
    /// From a request's first byte to its last, and the same for the response.
    pub patience: Duration,
    /// Between a response and the next request.
    pub idle: Duration,
}

/// Stack of a connection's thread: encoding a picture takes the most of it.
const STACK: usize = 256 * 1024;

/// What is read of a request that was refused, so that its sender gets to read why.
const DRAINED: usize = 256 * 1024;

/// What is sent back.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    /// Media type.
    pub kind: &'static str,
    pub body: Arc<[u8]>,
    /// A cookie to keep.
    pub cookie: Option<String>,
}

impl Response {
    pub fn new(status: u16, kind: &'static str, body: impl Into<Arc<[u8]>>) -> Self {
        Self { status, kind, body: body.into(), cookie: None }
    }

    /// A sentence for whoever reads it.
    pub fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", format!("{text}\n").into_bytes())
    }

    fn head(&self, keep: bool) -> String {
        let reason = match self.status {
            200 => "OK",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            409 => "Conflict",
            413 => "Content Too Large",
            431 => "Request Header Fields Too Large",
            503 => "Service Unavailable",
            _ => "Bad Request",
        };
        let cookie = self.cookie.as_ref().map_or(String::new(), |cookie| format!("Set-Cookie: {cookie}\r\n"));
        let connection = if keep { "keep-alive" } else { "close" };
        // Nothing from elsewhere, nowhere else: the page brings all it needs.
        format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {connection}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\nContent-Security-Policy: default-src 'self'; \
             img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'\r\n\
             {cookie}\r\n",
            self.status,
            self.kind,
            self.body.len(),
        )
    }
}

/// Answers requests until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

type Answer = dyn Fn(&Request<'_>) -> Response + Send + Sync;

impl Server {
    /// Begins to answer with what `answer` says.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new(listener: TcpListener, limits: Limits, answer: Arc<Answer>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let ends = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&ends);
        let accept = move || accept(&listener, limits, &theirs, &answer);
        let listener = Some(thread::Builder::new().name("web".to_string()).spawn(accept)?);
        Ok(Self { address, ends, listener })
    }
}

impl Drop for Server {
    /// Connections that are open end with the request they are at.
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let mut to = self.address;
        if to.ip().is_unspecified() {
            to.set_ip(if to.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        // Wakes it; where that fails, it ends with the program.
        let woken = TcpStream::connect_timeout(&to, Duration::from_secs(1));
        if let (Ok(_), Some(listener)) = (woken, self.listener.take()) {
            // A listener that panicked has nothing more to say here.
            let _ = listener.join();
        }
    }
}

/// A place among the connections, given back however its thread ends.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn accept(listener: &TcpListener, limits: Limits, ends: &Arc<AtomicBool>, answer: &Arc<Answer>) {
    let taken = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if ends.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else {
            // Out of descriptors: some will be closed.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let is_full = taken.fetch_add(1, Ordering::Relaxed) >= limits.connections;
        let place = Place(Arc::clone(&taken));
        if is_full {
            let full = Response::text(503, "too many connections: close a page, or wait");
            // Fits into the socket's buffer; whoever does not read it goes without.
            let _ = stream.set_nonblocking(true).and_then(|()| respond(&stream, &full, false, limits));
            continue;
        }
        let (answer, ends) = (Arc::clone(answer), Arc::clone(ends));
        let talk = move || {
            let _place = place;
            // A visitor who is gone needs to be told nothing.
            let _ = converse(&stream, limits, &ends, &*answer);
        };
        // Without a thread there is no answer; the visitor tries again.
        let _ = thread::Builder::new().name("web".to_string()).stack_size(STACK).spawn(talk);
    }
}

/// Answers one request after the other.
fn converse(stream: &TcpStream, limits: Limits, ends: &AtomicBool, answer: &Answer) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    while !ends.load(Ordering::Relaxed) {
        let Some(head) = read_head(stream, limits, &mut bytes)? else { return Ok(()) };
        let answered = head.and_then(|head| answered(stream, limits, &mut bytes, head, answer));
        let (response, used) = answered.unwrap_or_else(|refused| (refused.response(), None));
        respond(stream, &response, used.is_some(), limits)?;
        let Some(used) = used else { return drain(stream) };
        bytes.drain(..used);
    }
    Ok(())
}

/// Reads the body and answers; tells how many bytes the request took where another one may follow.
fn answered(
    stream: &TcpStream,
    limits: Limits,
    bytes: &mut Vec<u8>,
    (end, due): (usize, Instant),
    answer: &Answer,
) -> Result<(Response, Option<usize>), Refused> {
    let Request { length, keep, .. } = Request::parse(&bytes[..end], limits.body)?;
    read_to(stream, bytes, end + length, due).map_err(|_| Refused::Slow)?;
    // Again, since the bytes have moved.
    let head = Request::parse(&bytes[..end], limits.body)?;
    let request = Request { body: &bytes[end..end + length], ..head };
    Ok((answer(&request), keep.then_some(end + length)))
}

/// Where a request's head ends, and until when its body may come.
type Head = Result<(usize, Instant), Refused>;

/// Reads until a request's head is whole; `None` where the visitor left.
fn read_head(stream: &TcpStream, limits: Limits, bytes: &mut Vec<u8>) -> io::Result<Option<Head>> {
    if bytes.is_empty() {
        match read_to(stream, bytes, 1, Instant::now() + limits.idle) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let due = Instant::now() + limits.patience;
    loop {
        let end = head_end(bytes);
        if end.unwrap_or(bytes.len()) > limits.head {
            return Ok(Some(Err(Refused::LongHead)));
        }
        if let Some(end) = end {
            return Ok(Some(Ok((end, due))));
        }
        match read_to(stream, bytes, bytes.len() + 1, due) {
            Ok(()) => {}
            Err(error) if is_late(&error) => return Ok(Some(Err(Refused::Slow))),
            Err(error) => return Err(error),
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    // Systems differ in which it is.
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Time left; an error when there is none.
fn left(due: Instant) -> io::Result<Duration> {
    let left = due.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Reads until there are at least that many bytes.
fn read_to(mut stream: &TcpStream, bytes: &mut Vec<u8>, length: usize, due: Instant) -> io::Result<()> {
    let mut room = [0; 4096];
    while bytes.len() < length {
        stream.set_read_timeout(Some(left(due)?))?;
        match stream.read(&mut room) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => bytes.extend_from_slice(&room[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sends a response. Never by `write_vectored`: it would end a program that a closed pipe is to end.
fn respond(mut stream: &TcpStream, response: &Response, keep: bool, limits: Limits) -> io::Result<()> {
    let due = Instant::now() + limits.patience;
    for part in [response.head(keep).as_bytes(), &response.body] {
        let mut rest = part;
        while !rest.is_empty() {
            stream.set_write_timeout(Some(left(due)?))?;
            match stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Lets a visitor read why it was refused: closing at once would reset the connection under it.
fn drain(stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let mut bytes = Vec::new();
    // What comes, and whether it ends well, no longer matters.
    let _ = read_to(stream, &mut bytes, DRAINED, Instant::now() + Duration::from_millis(500));
    Ok(())
}
