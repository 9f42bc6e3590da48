//! Answers to requests, and their paths.

use offshoot_http::{Reply, StatusCode, header, reply, text};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::refusal::Refusal;

/// Media type of bytes.
pub const BYTES: &str = "application/octet-stream";

/// Answer, or the reason why there is none.
pub type Outcome = Result<Reply, Refusal>;

/// Answers with a value as JSON.
///
/// # Errors
///
/// None: the type is that of all answers.
pub fn json(value: &impl Serialize) -> Outcome {
    let text = serde_json::to_vec(value).expect("strings and numbers are JSON");
    Ok(reply(StatusCode::OK, "application/json", text))
}

/// Returns the name of a class in a path.
///
/// # Errors
///
/// A name that is not UTF-8 in percent encoding.
pub fn name(text: &str) -> Result<String, Refusal> {
    let name = percent_decode_str(text).decode_utf8();
    let name = name.map_err(|_| Refusal::bad("a class in a path is UTF-8, in percent encoding"))?;
    Ok(name.into_owned())
}

/// Returns the answer for a path or a method that is none of these paths with their methods.
pub fn no_route(paths: &[(&'static str, &'static str)], path: &str) -> Reply {
    let segment = path.split('/').nth(1).unwrap_or_default();
    let is_near = |own: &str| {
        own == path || own.strip_suffix("CLASS").is_some_and(|front| path.starts_with(front))
    };
    if let Some((_, methods)) = paths.iter().find(|(own, _)| is_near(own)) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, &format!("only {methods} here"));
        let allowed = header::HeaderValue::from_static(methods);
        refused.headers_mut().insert(header::ALLOW, allowed);
        return refused;
    }
    let names: Vec<&str> = paths.iter().map(|(own, _)| *own).collect();
    let names = names.join(", ");
    text(StatusCode::NOT_FOUND, &format!("no /{segment}; there are {names}"))
}
