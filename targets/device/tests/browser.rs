//! The page in a real browser: headless Chromium, driven by Debian's `chromium-driver`.
//!
//! Skipped where there is none, unless `OFFSHOOT_BROWSER=1` says there must be.
//! `OFFSHOOT_SHOTS=DIR` writes what the page looks like on a phone and on a laptop;
//! `OFFSHOOT_AXE=FILE` has axe-core look at each state.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use offshoot_device::{Session, Simulated};

#[path = "common/browser.rs"]
mod browser;
mod common;

use browser::Browser;
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
    browser.click("#next");
    browser.wait(&Browser::text("#label"), "mug");
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
