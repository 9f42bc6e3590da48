//! What the page can be asked for.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageBuffer, Rgb};

use super::guard::Guard;
use super::http::Response;
use super::request::Request;
use super::shared::{Extra, Press, Shared, Unheeded};
use crate::session::MOST_CLASSES;
use crate::shot::Shot;

const HTML: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/page.js");
const ICON: &str = include_str!("page/icon.svg");

/// The longer side of a picture that is sent, at most.
const LONGEST: u32 = 640;

/// Of 100.
const QUALITY: u8 = 82;

/// Answers one request.
pub fn answer(shared: &Shared, guard: &Guard, request: &Request<'_>) -> Response {
    if let Err(refused) = guard.check(request) {
        return refused;
    }
    let fixed = |kind, text: &str| Response::new(200, kind, text.as_bytes());
    match (request.method, request.path()) {
        ("GET", "/") => Response { cookie: guard.cookie(request), ..fixed("text/html; charset=utf-8", HTML) },
        ("GET", "/style.css") => fixed("text/css; charset=utf-8", STYLE),
        ("GET", "/page.js") => fixed("text/javascript; charset=utf-8", SCRIPT),
        ("GET", "/icon.svg") => fixed("image/svg+xml", ICON),
        ("GET", "/moment") => moment(shared, request),
        ("GET", "/picture.jpg") => match shared.picture(jpeg) {
            Some(bytes) => Response::new(200, "image/jpeg", bytes),
            None => Response::text(404, "there is no picture yet"),
        },
        ("POST", path) => match press(path, request.body) {
            Ok(press) => pressed(shared, press),
            Err(refused) => refused,
        },
        ("GET", _) => Response::text(404, "there is /, /moment and /picture.jpg"),
        _ => Response::text(405, "only GET and POST"),
    }
}

fn moment(shared: &Shared, request: &Request<'_>) -> Response {
    let after = request.query("after").and_then(|text| text.parse().ok());
    let extras = [("heat", Extra::Heat), ("report", Extra::Report)];
    let wanted: Vec<Extra> = extras
        .into_iter()
        .filter(|(key, _)| request.query(key) == Some("1"))
        .map(|(_, extra)| extra)
        .collect();
    match shared.moment(after, &wanted) {
        Some(json) => Response::new(200, "application/json", json),
        None => Response::text(503, "the device has just started: ask again"),
    }
}

fn pressed(shared: &Shared, press: Press) -> Response {
    match shared.press(press) {
        Ok(json) => Response::new(200, "application/json", json),
        Err(Unheeded::Busy) => Response::text(503, "too many presses wait: press again later"),
        Err(Unheeded::Late) => Response::text(503, "the device waits for its camera: press again later"),
        Err(Unheeded::Taken) => {
            Response::text(503, "the device waits for its camera: look before you press again")
        }
    }
}

/// The button of a path.
fn press(path: &str, body: &[u8]) -> Result<Press, Response> {
    let class = |text: &str| {
        let number = text.parse().ok().filter(|class| *class < MOST_CLASSES);
        number.ok_or_else(|| {
            Response::text(404, &format!("`{text}` is no class from 0 to {}", MOST_CLASSES - 1))
        })
    };
    let (button, of) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    match (button, of) {
        ("undo", "") => Ok(Press::Undo),
        ("next", "") => Ok(Press::Next),
        ("teach", of) => Ok(Press::Teach(class(of)?)),
        ("undo", of) => Ok(Press::Forget(class(of)?)),
        ("name", of) => {
            let name = std::str::from_utf8(body).map_err(|_| Response::text(400, "a name is UTF-8"))?;
            Ok(Press::Rename(class(of)?, name.trim().to_string()))
        }
        _ => Err(Response::text(404, "there are /teach/K, /undo, /undo/K, /name/K and /next; K is from 0")),
    }
}

/// The picture as JPEG, shrunk if it is large.
fn jpeg(shot: &Shot) -> Option<Vec<u8>> {
    let (width, height) = (shot.width(), shot.height());
    if width == 0 || height == 0 {
        return None;
    }
    let image = ImageBuffer::<Rgb<u8>, _>::from_raw(width, height, shot.rgb())?;
    let mut out = Cursor::new(Vec::new());
    let encoder = JpegEncoder::new_with_quality(&mut out, QUALITY);
    let longest = width.max(height);
    let written = if longest > LONGEST {
        let shrunk = |side: u32| (u64::from(side) * u64::from(LONGEST)).div_ceil(longest.into()) as u32;
        image::imageops::thumbnail(&image, shrunk(width), shrunk(height)).write_with_encoder(encoder)
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
        assert_eq!(press("/undo/8", b"").ok(), Some(Press::Forget(8)));
        assert_eq!(press("/name/1", b" cup \n").ok(), Some(Press::Rename(1, "cup".to_string())));
        for path in ["/teach/9", "/teach/", "/teach/-1", "/teach", "/undo/x", "/nothing", "/", "/next/1"] {
            assert_eq!(press(path, b"").unwrap_err().status, 404, "{path}");
        }
        assert_eq!(press("/name/1", b"\xff").unwrap_err().status, 400);
    }

    #[test]
    fn large_pictures_are_shrunk() {
        let mut shot = Shot::default();
        assert!(jpeg(&shot).is_none());
        for (sides, sent) in [((160, 120), (160, 120)), ((1920, 1080), (640, 360)), ((1, 2000), (1, 640))] {
            shot.reshape(sides.0, sides.1).fill(120);
            let image = image::load_from_memory(&jpeg(&shot).unwrap()).unwrap().into_rgb8();
            assert_eq!(image.dimensions(), sent);
            assert!(image.pixels().all(|pixel| pixel.0[0].abs_diff(120) < 3));
        }
    }
}
