//! HTTP requests of visitors.

use hyper::body::Bytes;
use hyper::header::{AsHeaderName, COOKIE};

/// Request with its complete body; its content is not trusted.
pub type Request = hyper::Request<Bytes>;

/// Returns a header that occurs exactly once. Duplicates are an attack: a proxy may have used the
/// other one.
pub fn one(request: &Request, name: impl AsHeaderName) -> Option<&str> {
    let mut found = request.headers().get_all(name).iter();
    let first = found.next()?.to_str().ok()?;
    if found.next().is_some() { None } else { Some(first) }
}

/// Returns a value of the query, without decoding.
pub fn query<'a>(request: &'a Request, key: &str) -> Option<&'a str> {
    value(request.uri().query()?.split('&'), key)
}

/// Returns a cookie.
pub fn cookie<'a>(request: &'a Request, key: &str) -> Option<&'a str> {
    value(one(request, COOKIE)?.split(';').map(str::trim), key)
}

fn value<'a>(mut pairs: impl Iterator<Item = &'a str>, key: &str) -> Option<&'a str> {
    pairs.find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_whole_names() {
        let request = hyper::Request::builder().uri("/name/2?xtoken=0&token=abc&x=1");
        let request = request.header("cookie", "a=1; offshoot=t=k").body(Bytes::new()).unwrap();
        let queries = ["token", "x", "y", "toke"].map(|key| query(&request, key));
        assert_eq!(queries, [Some("abc"), Some("1"), None, None]);
        assert_eq!((cookie(&request, "offshoot"), cookie(&request, "b")), (Some("t=k"), None));
    }

    #[test]
    fn what_stands_there_twice_does_not_count() {
        let twice = hyper::Request::builder()
            .header("host", "a")
            .header("host", "a")
            .body(Bytes::new())
            .unwrap();
        assert_eq!(one(&twice, "host"), None);
    }
}
