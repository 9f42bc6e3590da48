//! The page in a real browser: headless Chromium, driven by Debian's `chromium-driver`.
//!
//! Skipped where there is none, unless `OFFSHOOT_BROWSER=1` says there must be.
//! `OFFSHOOT_SHOTS=DIR` writes what the page looks like on a phone and on a laptop;
//! `OFFSHOOT_AXE=FILE` has axe-core look at each state.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use offshoot_device::{Pointing, Session, Settings, Simulated};

#[path = "common/browser.rs"]
mod browser;
mod common;

use browser::Browser;
use common::table::{BLUE, Given, WHITE, extractor, scene};
use common::{Device, options, sprout};

/// A press of the n-th class's button.
fn button(class: usize, name: &str) -> String {
    format!("#classes > li:nth-child({class}) .{name}")
}

fn lessons(session: &Session) -> Vec<(String, u32)> {
    let head = session.head();
    head.classes().map(|(id, name)| (name.to_string(), head.shown_of(id))).collect()
}

fn photograph(browser: &Browser, name: &str) {
    let Some(folder) = env::var_os("OFFSHOOT_SHOTS").map(PathBuf::from) else { return };
    for (device, sides) in [("phone", (390, 844)), ("laptop", (1280, 800))] {
        for scheme in ["light", "dark"] {
            browser.look(sides, scheme);
            std::thread::sleep(Duration::from_millis(700));
            browser.photograph(&folder.join(format!("{name}-{device}-{scheme}.png")));
        }
    }
    browser.look((1280, 800), "light");
}

#[test]
fn two_lessons_of_two_classes_are_enough_for_the_right_answer() {
    let Some(browser) = Browser::start() else { return };
    let start = |session, address: &str| {
        Device::start(session, Simulated::new(Duration::from_millis(40)), &options(address))
    };
    let device = start(sprout(&["mug", "plant"]), "127.0.0.1:0");
    let address = device.address.to_string();
    browser.look((1280, 800), "light");
    browser.open(&device.url);
    browser.wait("document.querySelector('#link').dataset.is", "live");
    browser.wait(&Browser::text("#label"), "Show a mug, hold Teach");
    photograph(&browser, "welcome");
    browser.audit("welcome");
    teach(&browser);
    edit(&browser);
    forget(&browser);
    assert_eq!(browser.complaints(), [""; 0]);

    // The device goes away and comes back.
    let session = device.stop();
    let taught =
        [("cup", 2), ("plant", 2), ("nothing", 1)].map(|(name, count)| (name.to_string(), count));
    assert_eq!(lessons(&session), taught);
    browser.wait("document.querySelector('#link').dataset.is", "lost");
    browser.wait(&format!("document.querySelector('{}').disabled", button(1, "teach")), true);
    photograph(&browser, "lost");
    browser.audit("lost");
    let device = start(session, &address);
    browser.wait("document.querySelector('#link').dataset.is", "live");
    // It looks at a mug that it was not taught, after one lesson of nothing: that may be unknown.
    browser.wait(&format!("['cup', '?'].includes({})", Browser::text("#label")), true);
    browser.click(&button(1, "teach"));
    browser.wait(&Browser::text(&button(1, "count")), "2 more");
    assert_eq!(lessons(&device.stop())[0].1, 3);
}

/// A click is one lesson, however fast the camera is.
fn teach(browser: &Browser) {
    for (class, left) in [(1, "4 more"), (1, "3 more"), (2, "4 more"), (2, "3 more")] {
        if (class, left) == (2, "4 more") {
            browser.click("#next");
        }
        browser.click(&button(class, "teach"));
        browser.wait(&Browser::text(&button(class, "count")), left);
    }
    browser.wait(&Browser::text("#label"), "plant");
    browser.wait("document.querySelector('#answer').dataset.is", "answer");
    photograph(browser, "answer");
    browser.audit("answer");
    // Past four others to the empty table, and to the mug again.
    (0..5).for_each(|_| browser.click("#next"));
    browser.wait(&Browser::text("#label"), "?");
    photograph(browser, "unknown");
    browser.audit("unknown");
    // On a machine that is busy a press may be refused, and another thing lie there.
    let is_mug = || {
        browser.click("#next");
        (0..30).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            browser.get(&Browser::text("#label")) == "mug"
        })
    };
    assert!((0..8).any(|_| is_mug()), "the mug is not named among all things");
    browser.wait("document.querySelector('#classes > li').className", "leads");
}

/// All is forgotten after a question, and comes back by an undo.
fn forget(browser: &Browser) {
    browser.click("#forget-lessons");
    browser.audit("forgetting");
    browser.click("#forget-dialog .quiet");
    browser.click("#forget-lessons");
    browser.click("#forget-yes");
    browser.wait(&Browser::text(&button(1, "count")), "not taught yet");
    browser.wait("document.querySelector('#forget-lessons').hidden", true);
    browser.keys("u");
    browser.wait(&Browser::text(&button(1, "count")), "3 more");
    browser.wait("document.querySelector('#forget-lessons').hidden", false);
}

/// Keys, undo, names, and what can be opened.
fn edit(browser: &Browser) {
    browser.keys("1");
    browser.wait(&Browser::text(&button(1, "count")), "2 more");
    browser.click(&button(1, "undo"));
    browser.wait(&Browser::text(&button(1, "count")), "3 more");
    browser.click("#add");
    browser.keys("tea pot\u{e007}");
    browser.wait(&Browser::text(&button(3, "name-text")), "tea pot");
    browser.click(&button(1, "name"));
    browser.keys("cup\u{e007}");
    browser.wait(&Browser::text("#label"), "cup");
    browser.click("#heat-button");
    browser.wait("document.querySelector('#heat').hidden", false);
    browser.click("#report summary");
    browser.wait("document.querySelectorAll('#confusion tbody td').length", 4);
    browser.keys("0");
    browser.wait(&Browser::text("#empty .count"), "4 more");
    browser.wait("document.querySelectorAll('#confusion tbody td').length", 9);
    browser.click("#times summary");
    browser.wait("document.querySelectorAll('#parts dd').length", 4);
    photograph(browser, "all");
    browser.audit("all");
    browser.click(&button(1, "name"));
    browser.audit("naming");
    browser.click("#never");
}

/// Dots that the page draws: names, and places in hundredths of the picture's sides.
const DOTS: &str = "fetch('/moment').then((reply) => reply.json()).then(({ objects }) => \
    window.dots = objects.filter((one) => !one.is_taught).map(({ name, centre }) => [name, Math.round(16 * centre[0]), Math.round(16 * centre[1])]).sort())";

#[test]
fn taps_and_boxes_teach_what_is_pointed_at() {
    let Some(browser) = Browser::start() else { return };
    let settings = Settings {
        names: vec!["white".to_string(), "blue".to_string()],
        patience: Duration::from_millis(20),
        ..Settings::default()
    };
    let session = Pointing::new(extractor(), None, settings).unwrap();
    let squares = [([0.25, 0.25], WHITE), ([0.75, 0.25], BLUE), ([0.25, 0.75], WHITE)];
    let source = Given { rgb: scene(&squares, 1), is_gone: false };
    let device = Device::start(session, source, &options("127.0.0.1:0"));
    browser.look((1280, 800), "light");
    browser.open(&device.url);
    browser.wait("document.querySelector('#link').dataset.is", "live");
    browser.wait(&Browser::text("#label"), "Show a white, hold Teach");
    // Boxes around two of the white ones, as a finger draws them; the blue one is tapped.
    browser.drag("#picture", [0.13, 0.13], [0.37, 0.37]);
    browser.wait("document.querySelector('#go-on').hidden", false);
    browser.wait(&Browser::text("#label"), "white");
    browser.drag("#picture", [0.13, 0.63], [0.37, 0.87]);
    browser.click(&button(2, "point"));
    browser.drag("#picture", [0.63, 0.13], [0.87, 0.37]);
    browser.wait(&Browser::text("#hint"), "3 in this picture: all of them?");
    browser.wait(&Browser::text(&button(1, "percent")), "2");
    browser.wait(&Browser::text(&button(2, "percent")), "1");
    photograph(&browser, "pointing");
    browser.audit("pointing");
    // A tap too many is taken back.
    browser.drag("#picture", [0.9, 0.9], [0.9, 0.9]);
    browser.wait(&Browser::text("#hint"), "4 in this picture: all of them?");
    browser.click("#undo-object");
    browser.wait(&Browser::text("#hint"), "3 in this picture: all of them?");
    browser.click("#go-on");
    browser.wait("document.querySelector('#go-on').hidden", true);
    browser.get(DOTS);
    let dots = "JSON.stringify(window.dots)";
    browser.wait(dots, r#"[["blue",12,4],["white",4,12],["white",4,4]]"#);
    assert_eq!(browser.complaints(), [""; 0]);
    assert_eq!(device.stop().head().lessons(), 1);
}
