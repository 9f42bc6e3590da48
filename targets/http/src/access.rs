//! Access control: requests that are answered.

use std::net::IpAddr;

use hyper::Method;
use hyper::header::{AUTHORIZATION, HOST, ORIGIN};
use hyper::http::uri::Authority;

use crate::request::{Request, cookie, one, query};

/// Number of bytes of a generated token, each two characters.
const TOKEN_BYTES: usize = 16;

/// Min length of a token; shorter ones can be guessed by trial.
pub const SHORTEST_TOKEN: usize = 16;

/// Guard that decides about each request.
#[derive(Debug, Clone)]
pub struct Guard(Option<Rules>);

#[derive(Debug, Clone)]
struct Rules {
    /// Token that visitors need; `None` if only this machine can connect.
    token: Option<String>,
    /// Name of the token's cookie. It has the port, because browsers do not separate cookies by
    /// port and two devices may run on one machine.
    cookie: String,
    /// Names by which visitors ask for this machine.
    names: Vec<String>,
    /// True if programs may change something without a token: they send no origin.
    admits_programs: bool,
}

impl Guard {
    /// Guards a port. Without a token only this machine should be able to connect.
    pub fn new(token: Option<String>, port: u16, names: Vec<String>) -> Self {
        let cookie = format!("offshoot-{port}");
        Self(Some(Rules { token, cookie, names, admits_programs: false }))
    }

    /// Accepts everything: the file system decides who may connect to a Unix socket, and browsers
    /// cannot.
    #[cfg(unix)]
    pub(crate) fn of_socket() -> Self {
        Self(None)
    }

    /// Admits requests that change something and name no origin, as programs send them. A browser
    /// always names the origin of another page.
    #[must_use]
    pub fn admitting_programs(mut self) -> Self {
        if let Some(rules) = &mut self.0 {
            rules.admits_programs = true;
        }
        self
    }

    /// Accepts a request, or returns the reason for refusing it.
    ///
    /// # Errors
    ///
    /// One sentence for the visitor.
    ///
    /// - `Host` is an address or one of this machine's names: otherwise a foreign page could point
    ///   its own name here and read everything (DNS rebinding).
    /// - The token, if there is one, is in the query, in the cookie, or in `Authorization: Bearer`.
    /// - A press comes from this page, or has the token in the query: otherwise a foreign page
    ///   could press buttons (CSRF).
    pub fn check(&self, request: &Request) -> Result<(), &'static str> {
        self.0.as_ref().map_or(Ok(()), |rules| rules.check(request))
    }

    /// Returns the cookie that saves a visitor with the token from repeating it.
    pub fn cookie(&self, request: &Request) -> Option<String> {
        let Rules { token, cookie, .. } = self.0.as_ref()?;
        let token = token.as_ref()?;
        if !self.0.as_ref()?.is_token(query(request, "token")) {
            return None;
        }
        Some(format!("{cookie}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000"))
    }
}

impl Rules {
    fn check(&self, request: &Request) -> Result<(), &'static str> {
        if !host(request).is_some_and(|host| self.is_own(host)) {
            return Err(
                "this is not the name of the device: use its address, or localhost on the device itself",
            );
        }
        let is_shown = self.is_token(query(request, "token")) || self.is_token(bearer(request));
        if self.token.is_some() && !is_shown && !self.is_token(cookie(request, &self.cookie)) {
            return Err(
                "a token is missing or wrong: open the address that the device printed when it started",
            );
        }
        let changes = ![Method::GET, Method::HEAD].contains(request.method());
        let is_program = self.admits_programs && names_no_origin(request);
        if changes && !is_shown && !is_program && !is_from_here(request) {
            return Err("pressed from another page: open this device's own");
        }
        Ok(())
    }

    fn is_token(&self, found: Option<&str>) -> bool {
        let Some((token, found)) = self.token.as_ref().zip(found) else { return false };
        // Constant time for every wrong token.
        let differs = token.bytes().zip(found.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
        token.len() == found.len() && differs == 0
    }

    fn is_own(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let name = authority.host();
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        bare.parse::<IpAddr>().is_ok()
            || self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Returns the requested host. An absolute URL in the request line counts before the header.
fn host(request: &Request) -> Option<&str> {
    request.uri().authority().map(Authority::as_str).or(one(request, HOST))
}

/// Returns the token of `Authorization: Bearer`.
fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = one(request, AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn names_no_origin(request: &Request) -> bool {
    let headers = request.headers();
    !headers.contains_key(ORIGIN) && !headers.contains_key("sec-fetch-site")
}

fn is_from_here(request: &Request) -> bool {
    let Some(host) = host(request) else { return false };
    if let Some(site) = one(request, "sec-fetch-site") {
        return site == "same-origin";
    }
    let origin = one(request, ORIGIN).and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(_, authority)| authority == host)
}

/// Returns true if a token cannot be guessed, and an address can hold it.
pub(crate) fn is_token(token: &str) -> bool {
    token.len() >= SHORTEST_TOKEN
        && token.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
}

/// Generates an unguessable token.
///
/// # Errors
///
/// The system's error if it has no random numbers.
pub(crate) fn token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;

    use super::*;

    fn check(guard: &Guard, line: &str, headers: &[(&str, &str)]) -> bool {
        let (method, target) = line.split_once(' ').unwrap();
        let request = hyper::Request::builder().method(method).uri(target);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        guard.check(&request.body(Bytes::new()).unwrap()).is_ok()
    }

    #[test]
    fn names_of_others_are_refused() {
        let guard = Guard::new(None, 80, vec!["localhost".to_string(), "pi.local".to_string()]);
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]:80",
            "[::1]",
            "LOCALHOST:1",
            "pi.local",
            "10.0.0.7:1",
        ] {
            assert!(check(&guard, "GET /", &[("Host", host)]), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:80",
            "pi.local.",
            "",
            ":80",
            "127.0.0.1.evil:80",
            "1",
        ] {
            assert!(!check(&guard, "GET /", &[("Host", host)]), "{host}");
        }
        assert!(!check(&guard, "GET /", &[("X", "y")]));
        assert!(!check(&guard, "GET /", &[("Host", "pi.local"), ("Host", "pi.local")]));
        assert!(!check(&guard, "GET http://evil.example/", &[("Host", "pi.local")]));
    }

    #[test]
    fn the_token_opens_and_only_whole() {
        let guard = Guard::new(Some("0123456789abcdef".to_string()), 80, Vec::new());
        let get = |target: &str, cookie: &str| {
            check(&guard, &format!("GET {target}"), &[("Host", "10.0.0.7"), ("Cookie", cookie)])
        };
        assert!(get("/?token=0123456789abcdef", ""));
        assert!(get("/state", "offshoot-80=0123456789abcdef"));
        for wrong in ["", "0", "0123456789abcdeg", "0123456789abcdef0"] {
            assert!(!get(&format!("/?token={wrong}"), ""), "{wrong}");
            assert!(!get("/", &format!("offshoot-80={wrong}")), "{wrong}");
        }
        assert!(!get("/", "offshoot-81=0123456789abcdef"));
    }

    #[test]
    fn other_pages_press_nothing() {
        let open = Guard::new(None, 80, vec!["localhost".to_string()]);
        let locked = Guard::new(Some("0123456789abcdef".to_string()), 80, Vec::new());
        for (guard, cookie) in [(&open, ""), (&locked, "offshoot-80=0123456789abcdef")] {
            let press = |headers: &[(&str, &str)]| {
                let all = [&[("Host", "127.0.0.1:80"), ("Cookie", cookie)], headers].concat();
                check(guard, "POST /teach/0", &all)
            };
            let origin = |origin| press(&[("Origin", origin)]);
            assert!(press(&[("Sec-Fetch-Site", "same-origin")]));
            assert!(origin("http://127.0.0.1:80"));
            assert!(!press(&[]) && !origin("null") && !origin("http://evil.example"));
            assert!(!press(&[("Sec-Fetch-Site", "same-site"), ("Origin", "http://127.0.0.1:80")]));
            assert!(!origin("http://127.0.0.1:8080"), "another port is another page");
        }
        let with_token =
            |guard| check(guard, "POST /teach/0?token=0123456789abcdef", &[("Host", "127.0.0.1")]);
        assert!(with_token(&locked));
        assert!(!with_token(&open), "there is none to know");
    }

    #[test]
    fn programs_need_no_page_and_other_pages_still_press_nothing() {
        let open = Guard::new(None, 80, vec!["localhost".to_string()]).admitting_programs();
        let line = "PUT /head";
        let host = ("Host", "127.0.0.1:80");
        assert!(check(&open, line, &[host]));
        for header in [
            ("Origin", "http://evil.example"),
            ("Origin", "null"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "none"),
        ] {
            assert!(!check(&open, line, &[host, header]), "{header:?}");
        }
        let token = "0123456789abcdef";
        let locked = Guard::new(Some(token.to_string()), 80, Vec::new()).admitting_programs();
        assert!(!check(&locked, line, &[host]));
        for (value, opens) in [
            (format!("Bearer {token}"), true),
            (format!("bearer {token}"), true),
            (format!("Basic {token}"), false),
            ("Bearer 0".to_string(), false),
            (token.to_string(), false),
        ] {
            let headers = [host, ("Authorization", value.as_str())];
            assert_eq!(check(&locked, line, &headers), opens, "{value}");
        }
        assert!(check(&Guard::of_socket(), line, &[]));
    }

    #[test]
    fn tokens_differ() {
        let one = token().unwrap();
        let other = token().unwrap();
        assert!(one.len() >= SHORTEST_TOKEN && one != other, "{one}");
    }
}
