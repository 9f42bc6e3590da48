//! Who may look, and who may press.

use std::net::IpAddr;

use super::http::Response;
use super::request::Request;

/// Bytes of a token that is made, each two characters.
const TOKEN_BYTES: usize = 16;

/// Shorter ones can be tried out.
pub const SHORTEST_TOKEN: usize = 16;

/// Decides about each request.
#[derive(Debug, Clone)]
pub struct Guard {
    /// What a visitor must know; nothing where only this machine can connect.
    token: Option<String>,
    /// The token's cookie. Cookies are not told apart by port, two devices on one machine are.
    cookie: String,
    /// Names by which this machine is asked for.
    names: Vec<String>,
}

impl Guard {
    pub fn new(token: Option<String>, port: u16, names: Vec<String>) -> Self {
        Self { token, cookie: format!("offshoot-{port}"), names }
    }

    /// Lets a request pass, or says why not.
    ///
    /// - `Host` is an address or one of this machine's names: else a page from anywhere could have its
    ///   own name point here and read what it likes (DNS rebinding).
    /// - The token, where there is one, is in the query or in the cookie.
    /// - Whoever presses a button is a page from here, or has the token in the query: else a page from
    ///   anywhere could press it (CSRF).
    pub fn check(&self, request: &Request<'_>) -> Result<(), Response> {
        let forbidden = |text: &str| Err(Response::text(403, text));
        if !request.host.is_some_and(|host| self.is_own(host)) {
            return forbidden(
                "this is not the name of the device: use its address, or localhost on the device itself",
            );
        }
        let in_query = self.is_token(request.query("token"));
        if self.token.is_some() && !in_query && !self.is_token(request.cookie(&self.cookie)) {
            return forbidden(
                "a token is missing or wrong: open the address that the device printed when it started",
            );
        }
        if request.method == "POST" && !in_query && !is_from_here(request) {
            return forbidden("pressed from another page: open this device's own");
        }
        Ok(())
    }

    /// The cookie that saves a visitor with the token from repeating it.
    pub fn cookie(&self, request: &Request<'_>) -> Option<String> {
        let token = self.token.as_ref().filter(|_| self.is_token(request.query("token")))?;
        Some(format!("{}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000", self.cookie))
    }

    fn is_token(&self, found: Option<&str>) -> bool {
        let (Some(token), Some(found)) = (&self.token, found) else { return false };
        // In the same time for every wrong one.
        let differs = token.bytes().zip(found.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
        token.len() == found.len() && differs == 0
    }

    fn is_own(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if !name.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        bare.parse::<IpAddr>().is_ok() || self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

fn is_from_here(request: &Request<'_>) -> bool {
    let Some(host) = request.host else { return false };
    let is_origin = |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| authority == host);
    match request.site {
        Some(site) => site == "same-origin",
        None => request.origin.is_some_and(is_origin),
    }
}

/// A token nobody can guess.
///
/// # Errors
/// The system has no random numbers.
pub fn token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, line: &str, headers: &str) -> bool {
        let head = format!("{line} HTTP/1.1\r\n{headers}\r\n\r\n");
        guard.check(&Request::parse(head.as_bytes(), 9).unwrap()).is_ok()
    }

    #[test]
    fn names_of_others_are_refused() {
        let guard = Guard::new(None, 80, vec!["localhost".to_string(), "pi.local".to_string()]);
        for host in
            ["127.0.0.1", "127.0.0.1:8080", "[::1]:80", "[::1]", "LOCALHOST:1", "pi.local", "10.0.0.7:1"]
        {
            assert!(check(&guard, "GET /", &format!("Host: {host}")), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example:80", "pi.local.", "", ":80", "127.0.0.1.evil:80", "1"]
        {
            assert!(!check(&guard, "GET /", &format!("Host: {host}")), "{host}");
        }
        assert!(!check(&guard, "GET /", "X: y"));
    }

    #[test]
    fn the_token_opens_and_only_whole() {
        let guard = Guard::new(Some("0123456789abcdef".to_string()), 80, Vec::new());
        let host = "Host: 10.0.0.7";
        assert!(check(&guard, "GET /?token=0123456789abcdef", host));
        assert!(check(&guard, "GET /state", &format!("{host}\r\nCookie: offshoot-80=0123456789abcdef")));
        for wrong in ["", "0", "0123456789abcdeg", "0123456789abcdef0"] {
            assert!(!check(&guard, &format!("GET /?token={wrong}"), host), "{wrong}");
            assert!(!check(&guard, "GET /", &format!("{host}\r\nCookie: offshoot-80={wrong}")), "{wrong}");
        }
        assert!(!check(&guard, "GET /", &format!("{host}\r\nCookie: offshoot-81=0123456789abcdef")));
    }

    #[test]
    fn other_pages_press_nothing() {
        let open = Guard::new(None, 80, vec!["localhost".to_string()]);
        let locked = Guard::new(Some("0123456789abcdef".to_string()), 80, Vec::new());
        let cookie = "Cookie: offshoot-80=0123456789abcdef\r\n";
        for (guard, with) in [(&open, ""), (&locked, cookie)] {
            let press =
                |headers: &str| check(guard, "POST /teach/0", &format!("{with}Host: 127.0.0.1:80{headers}"));
            assert!(press("\r\nSec-Fetch-Site: same-origin"));
            assert!(press("\r\nOrigin: http://127.0.0.1:80"));
            assert!(!press("") && !press("\r\nOrigin: null") && !press("\r\nOrigin: http://evil.example"));
            assert!(!press("\r\nSec-Fetch-Site: same-site\r\nOrigin: http://127.0.0.1:80"));
            assert!(!press("\r\nOrigin: http://127.0.0.1:8080"), "another port is another page");
        }
        assert!(check(&locked, "POST /teach/0?token=0123456789abcdef", "Host: 127.0.0.1"));
        assert!(
            !check(&open, "POST /teach/0?token=0123456789abcdef", "Host: 127.0.0.1"),
            "there is none to know"
        );
    }

    #[test]
    fn tokens_differ() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert!(one.len() >= SHORTEST_TOKEN && one != other, "{one}");
    }
}
