//! HTTP responses.

use http_body_util::channel::{Channel, Sender};
use http_body_util::{Either, Full};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

/// Response: complete, or a stream.
pub type Reply = hyper::Response<Either<Full<Bytes>, Channel<Bytes>>>;

/// Sender of a stream's parts; the stream ends when it is dropped.
pub type Stream = Sender<Bytes>;

/// Number of parts of a stream that wait for a slow visitor.
const WAITING: usize = 16;

/// Headers of all responses: no content from other origins, no links to them; the page is
/// self-contained.
const ALWAYS: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; \
         form-action 'none'",
    ),
];

/// Creates a response with a body of a media type.
pub fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    with_headers(status, kind, Reply::new(Either::Left(Full::new(body.into()))))
}

/// Creates a response whose body of a media type is sent in parts.
pub fn stream(kind: &'static str) -> (Stream, Reply) {
    let (sender, body) = Channel::new(WAITING);
    (sender, with_headers(StatusCode::OK, kind, Reply::new(Either::Right(body))))
}

fn with_headers(status: StatusCode, kind: &'static str, mut reply: Reply) -> Reply {
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.extend(ALWAYS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    reply
}

/// Creates a response with one sentence of plain text.
pub fn text(status: StatusCode, text: &str) -> Reply {
    reply(status, "text/plain; charset=utf-8", format!("{text}\n"))
}
