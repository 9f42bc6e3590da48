//! What a visitor asks for.

use super::http::Response;

/// Headers of a request, at most.
const HEADERS: usize = 64;

/// A request; what it holds is not yet trusted.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    pub host: Option<&'a str>,
    pub origin: Option<&'a str>,
    /// What a browser says of the page that asks (`Sec-Fetch-Site`).
    pub site: Option<&'a str>,
    pub cookies: Option<&'a str>,
    pub body: &'a [u8],
    /// Bytes of its body.
    pub length: usize,
    /// Whether the connection is to stay.
    pub keep: bool,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    Malformed,
    LongHead,
    LongBody { found: u64, most: usize },
    Slow,
}

impl Refused {
    pub fn response(self) -> Response {
        match self {
            Self::Malformed => Response::text(400, "this is no HTTP/1.1 request of a kind that is read here"),
            Self::LongHead => Response::text(431, "the request's headers are too long"),
            Self::LongBody { found, most } => {
                Response::text(413, &format!("a body of {found} bytes; {most} are read here"))
            }
            Self::Slow => Response::text(408, "the request did not come in time"),
        }
    }
}

/// Where the head ends that these bytes begin with.
pub fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

impl<'a> Request<'a> {
    /// Reads a head. The body is still to come.
    ///
    /// # Errors
    /// No request, one whose length cannot be known, or one with a body of more than `most` bytes.
    pub fn parse(head: &'a [u8], most: usize) -> Result<Self, Refused> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(head) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Refused::Malformed),
            Err(httparse::Error::TooManyHeaders) => return Err(Refused::LongHead),
            Err(_) => return Err(Refused::Malformed),
        }
        let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
            return Err(Refused::Malformed);
        };
        // Twice is a trick: somebody before us may have heeded the other one.
        let one = |name: &str| {
            let mut found = parsed.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
            let first = found.next().map(|header| std::str::from_utf8(header.value));
            if found.next().is_some() {
                Err(Refused::Malformed)
            } else {
                first.transpose().map_err(|_| Refused::Malformed)
            }
        };
        if one("transfer-encoding")?.is_some() {
            return Err(Refused::Malformed);
        }
        let found = match one("content-length")? {
            Some(text) => Some(text)
                .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|text| text.parse().ok())
                .ok_or(Refused::Malformed)?,
            None => 0u64,
        };
        let length = usize::try_from(found)
            .ok()
            .filter(|length| *length <= most)
            .ok_or(Refused::LongBody { found, most })?;
        let asks = one("connection")?.unwrap_or_default();
        let keep = parsed.version == Some(1) && !asks.eq_ignore_ascii_case("close");
        let (host, origin, site) = (one("host")?, one("origin")?, one("sec-fetch-site")?);
        Ok(Self { method, target, host, origin, site, cookies: one("cookie")?, body: &[], length, keep })
    }

    /// The path without its query.
    pub fn path(&self) -> &'a str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    /// A value of the query, as it stands there.
    pub fn query(&self, key: &str) -> Option<&'a str> {
        let (_, query) = self.target.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// A cookie.
    pub fn cookie(&self, key: &str) -> Option<&'a str> {
        let pairs = self.cookies?.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Result<Request<'_>, Refused> {
        Request::parse(head.as_bytes(), 64)
    }

    #[test]
    fn a_request_is_read() {
        let head = "POST /name/2?token=abc&x=1 HTTP/1.1\r\nHost: pi:80\r\ncookie: a=1; offshoot=t=k\r\n\
                    Content-Length: 5\r\nSec-Fetch-Site: same-origin\r\n\r\n";
        let request = parse(head).unwrap();
        assert_eq!((request.method, request.path(), request.length), ("POST", "/name/2", 5));
        assert_eq!(
            (request.query("token"), request.query("x"), request.query("y")),
            (Some("abc"), Some("1"), None)
        );
        assert_eq!((request.cookie("offshoot"), request.cookie("b")), (Some("t=k"), None));
        assert_eq!((request.host, request.origin, request.site), (Some("pi:80"), None, Some("same-origin")));
        assert!(request.keep);
        assert!(!parse("GET / HTTP/1.0\r\n\r\n").unwrap().keep);
        assert!(!parse("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n").unwrap().keep);
        assert_eq!(head_end(b"GET / HTTP/1.1\r\n\r\nrest"), Some(18));
        assert_eq!(head_end(b"GET / HTTP/1.1\r\n"), None);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for lines in [
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: +1",
            "Content-Length: ",
            "Transfer-Encoding: chunked",
            "Host: a\r\nHost: b",
            "no header",
        ] {
            assert_eq!(
                parse(&format!("POST / HTTP/1.1\r\n{lines}\r\n\r\n")).err(),
                Some(Refused::Malformed),
                "{lines}"
            );
        }
        let long = parse("POST / HTTP/1.1\r\nContent-Length: 65\r\n\r\n").err();
        assert_eq!(long, Some(Refused::LongBody { found: 65, most: 64 }));
        let many: String = (0..65).map(|n| format!("x-{n}: 1\r\n")).collect();
        assert_eq!(parse(&format!("GET / HTTP/1.1\r\n{many}\r\n")).err(), Some(Refused::LongHead));
    }
}
