//! Routes of the page.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageBuffer, Rgb};
use offshoot::NOTHING;
use offshoot_http::header::{HeaderValue, SET_COOKIE};
use offshoot_http::{Bytes, Guard, Reply, Request, StatusCode, query, reply, text};

use super::shared::{Extra, Press, Shared, Unheeded};
use crate::camera::frame_buffer::CapturedFrame;
use crate::session::limits::MOST_CLASSES;
use crate::session::places::EMPTY;

const HTML: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/page.js");
const POINTS: &str = include_str!("page/points.js");
const SOURCE: &str = include_str!("page/source.js");
const ICON: &str = include_str!("page/icon.svg");

/// Max of the longer side of an image that is sent.
const LONGEST: u32 = 640;

/// JPEG quality, of 100.
const QUALITY: u8 = 82;

/// Answers one request, which the guard has accepted.
pub async fn answer(shared: &Shared, guard: &Guard, request: &Request) -> Reply {
    match (request.method().as_str(), request.uri().path()) {
        ("GET", "/") => with_cookie(file("text/html; charset=utf-8", HTML), guard.cookie(request)),
        ("GET", "/style.css") => file("text/css; charset=utf-8", STYLE),
        ("GET", "/page.js") => file("text/javascript; charset=utf-8", SCRIPT),
        ("GET", "/points.js") => file("text/javascript; charset=utf-8", POINTS),
        ("GET", "/source.js") => file("text/javascript; charset=utf-8", SOURCE),
        ("GET", "/icon.svg") => file("image/svg+xml", ICON),
        ("GET", "/moment") => snapshot(shared, request).await,
        ("GET", "/picture.jpg") => match shared.image(jpeg) {
            Some(bytes) => reply(StatusCode::OK, "image/jpeg", bytes),
            None => not_found("there is no image yet"),
        },
        ("GET", _) => not_found("there is /, /moment and /picture.jpg"),
        ("POST", path) => match press(path, request.body()) {
            Ok(press) => pressed(shared, press).await,
            Err((status, why)) => text(status, &why),
        },
        _ => text(StatusCode::METHOD_NOT_ALLOWED, "only GET and POST"),
    }
}

fn file(kind: &'static str, text: &'static str) -> Reply {
    reply(StatusCode::OK, kind, text)
}

fn with_cookie(mut reply: Reply, cookie: Option<String>) -> Reply {
    // A token has only characters that headers can hold.
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
        reply.headers_mut().insert(SET_COOKIE, cookie);
    }
    reply
}

fn json(snapshot: Bytes) -> Reply {
    reply(StatusCode::OK, "application/json", snapshot)
}

fn not_found(why: &str) -> Reply {
    text(StatusCode::NOT_FOUND, why)
}

fn later(why: &str) -> Reply {
    text(StatusCode::SERVICE_UNAVAILABLE, why)
}

async fn snapshot(shared: &Shared, request: &Request) -> Reply {
    let after = query(request, "after").and_then(|text| text.parse().ok());
    let extras = [("heat", Extra::Heat), ("report", Extra::Report)];
    let wanted: Vec<Extra> = extras
        .into_iter()
        .filter(|(key, _)| query(request, key) == Some("1"))
        .map(|(_, extra)| extra)
        .collect();
    match shared.snapshot(after, &wanted).await {
        Some(snapshot) => json(snapshot),
        None => later("the device has just started: ask again"),
    }
}

async fn pressed(shared: &Shared, press: Press) -> Reply {
    match shared.press(press).await {
        Ok(snapshot) => json(snapshot),
        Err(Unheeded::Busy) => later("too many presses wait: press again later"),
        Err(Unheeded::Late) => later("the device waits for its camera: press again later"),
        Err(Unheeded::Taken) => {
            later("the device waits for its camera: look before you press again")
        }
    }
}

/// Returns the index of a class, or the reason why there is none.
fn class(text: &str) -> Result<usize, (StatusCode, String)> {
    let number = text.parse().ok().filter(|class| *class < MOST_CLASSES);
    number.ok_or_else(|| {
        let why = format!("`{text}` is no class from 0 to {}", MOST_CLASSES - 1);
        (StatusCode::NOT_FOUND, why)
    })
}

/// Returns the button of a path, or the reason why there is none.
fn press(path: &str, body: &[u8]) -> Result<Press, (StatusCode, String)> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (button, of) = path.split_once('/').unwrap_or((path, ""));
    match (button, of) {
        ("undo", "") => Ok(Press::Undo),
        ("next", "") => Ok(Press::Next),
        ("forget", "") => Ok(Press::ForgetAll),
        ("teach", NOTHING) => Ok(Press::TeachNothing),
        ("undo", NOTHING) => Ok(Press::Forget(EMPTY)),
        ("teach", of) => Ok(Press::Teach(class(of)?)),
        ("point", of) => Ok(Press::Point(class(of)?, shape(body)?)),
        ("still", "") => Ok(Press::Still),
        ("live", "") => Ok(Press::Live),
        ("undo", of) => Ok(Press::Forget(class(of)?)),
        ("name", of) => {
            let name = std::str::from_utf8(body)
                .map_err(|_| (StatusCode::BAD_REQUEST, "a name is UTF-8".to_string()))?;
            Ok(Press::Rename(class(of)?, name.trim().to_string()))
        }
        _ => {
            let why = "there are /teach/K, /undo, /undo/K, /name/K, /point/K, /still, /live, /forget and /next; K is from 0, or nothing";
            Err((StatusCode::NOT_FOUND, why.to_string()))
        }
    }
}

/// Returns left, top, width and height of a box, or across and down of a point: shares of the frame's
/// sides.
fn shape(body: &[u8]) -> Result<[f32; 4], (StatusCode, String)> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let parsed = text.split_whitespace().map(|word| word.parse::<f32>().ok());
    let shares: Vec<f32> =
        parsed.map_while(|share| share.filter(|share| (0.0..=1.0).contains(share))).collect();
    let is_whole = shares.len() == text.split_whitespace().count();
    match (is_whole, &shares[..]) {
        (true, &[across, down]) => Ok([across, down, 0.0, 0.0]),
        (true, &[left, top, width, height]) if width > 0.0 && height > 0.0 => {
            Ok([left, top, width, height])
        }
        _ => {
            let why = "an object is `ACROSS DOWN` or `LEFT TOP WIDTH HEIGHT`, shares from 0 to 1";
            Err((StatusCode::BAD_REQUEST, why.to_string()))
        }
    }
}

/// Encodes the frame as JPEG, shrunk if it is large.
pub fn jpeg(shot: &CapturedFrame) -> Option<Vec<u8>> {
    let width = shot.width();
    let height = shot.height();
    if width == 0 || height == 0 {
        return None;
    }
    let image = ImageBuffer::<Rgb<u8>, _>::from_raw(width, height, shot.rgb())?;
    let mut out = Cursor::new(Vec::new());
    let encoder = JpegEncoder::new_with_quality(&mut out, QUALITY);
    let longest = width.max(height);
    let written = if longest > LONGEST {
        let [width, height] = [width, height]
            .map(|side| (u64::from(side) * u64::from(LONGEST)).div_ceil(longest.into()) as u32);
        image::imageops::thumbnail(&image, width, height).write_with_encoder(encoder)
    } else {
        image.write_with_encoder(encoder)
    };
    written.is_ok().then(|| out.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buttons_have_paths() {
        assert_eq!(press("/teach/0", b"").ok(), Some(Press::Teach(0)));
        assert_eq!(press("/undo", b"").ok(), Some(Press::Undo));
        assert_eq!(press("/forget", b"").ok(), Some(Press::ForgetAll));
        assert_eq!(press("/teach/nothing", b"").ok(), Some(Press::TeachNothing));
        assert_eq!(press("/undo/nothing", b"").ok(), Some(Press::Forget(EMPTY)));
        assert_eq!(press("/undo/8", b"").ok(), Some(Press::Forget(8)));
        assert_eq!(press("/name/1", b" cup \n").ok(), Some(Press::Rename(1, "cup".to_string())));
        for path in [
            "/teach/9",
            "/teach/",
            "/teach/-1",
            "/teach",
            "/undo/x",
            "/nothing",
            "/",
            "/next/1",
            "/forget/1",
        ] {
            assert_eq!(press(path, b"").unwrap_err().0, 404, "{path}");
        }
        assert_eq!(press("/name/1", b"\xff").unwrap_err().0, 400);
        assert_eq!(press("/still", b"").ok(), Some(Press::Still));
        assert_eq!(press("/live", b"").ok(), Some(Press::Live));
        let point = |body: &[u8]| press("/point/2", body);
        assert_eq!(point(b"0.5 0.25").ok(), Some(Press::Point(2, [0.5, 0.25, 0.0, 0.0])));
        assert_eq!(point(b"0 0.1 1 0.5\n").ok(), Some(Press::Point(2, [0.0, 0.1, 1.0, 0.5])));
        for bad in ["", "0.5", "0.5 x", "0.5 1.5", "0.5 NaN", "0 0 0 1", "0 0 1", "0 0 1 1 1"] {
            assert_eq!(point(bad.as_bytes()).unwrap_err().0, 400, "{bad}");
        }
    }

    #[test]
    fn large_images_are_shrunk() {
        let mut shot = CapturedFrame::default();
        assert!(jpeg(&shot).is_none());
        for (sides, sent) in
            [((160, 120), (160, 120)), ((1920, 1080), (640, 360)), ((1, 2000), (1, 640))]
        {
            shot.reshape(sides.0, sides.1).fill(120);
            let image = image::load_from_memory(&jpeg(&shot).unwrap()).unwrap().into_rgb8();
            assert_eq!(image.dimensions(), sent);
            assert!(image.pixels().all(|pixel| pixel.0[0].abs_diff(120) < 3));
        }
    }
}
