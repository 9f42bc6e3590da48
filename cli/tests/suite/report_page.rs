//! The report's page in headless Chromium: nothing sticks out on a phone, names show where the
//! pointer is, and axe-core finds nothing.
//!
//! Skipped where there is no `chromedriver`, unless `OFFSHOOT_BROWSER=1` says there must be.
//! `OFFSHOOT_SHOTS=DIR` keeps pictures of it.

use std::fs;
use std::path::PathBuf;

use crate::browser::Browser;
use crate::common::{images, ok, sprout};
use offshoot_simulator::Object;

/// Class names that are long, have markup, or no place to break at.
const CLASSES: [(&str, Object); 4] = [
    ("mug", Object::Mug),
    ("a_plant_with_a_name_of_sixty_letters_and_no_place_to_break_at_a", Object::Plant),
    ("key & <b>", Object::Key),
    ("cube", Object::Cube),
];

/// Every part of a chart and every cell, by the page's own words.
const PARTS: &str = "[...document.querySelectorAll('.layer, .map, .scratch, .count, .covered, .confusion td[title], .share, .examples figure')]";

#[test]
fn a_report_fits_a_phone_and_everybody_can_read_it() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    // Names of models and of nodes are long, and have no place to break at.
    let model = format!("{}.onnx", "mobilenet_v1_0.25_128_quantization_aware_trained_".repeat(3));
    fs::copy(sprout(), dir.join(&model)).unwrap();
    images(&dir.join("data"), &CLASSES.map(|(_, object)| object), 8);
    for (name, object) in CLASSES {
        fs::rename(dir.join("data").join(object.name()), dir.join("data").join(name)).unwrap();
    }
    ok(
        dir,
        &[
            "convert",
            &model,
            "--calibrate",
            "data",
            "-o",
            "e.offshoot",
            "--report",
            "r.html",
            "--eval",
            "data",
        ],
    );
    browser.open(&format!("file://{}/r.html", dir.display()));
    browser.wait("document.querySelector('h1').textContent.length > 100", true);
    for sides in [(320, 640), (360, 740), (390, 844), (768, 1024), (1280, 800)] {
        browser.look(sides, "light");
        browser.wait("innerWidth", sides.0);
        let wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.get(wide), 0, "{sides:?}");
        // Text of at least ten pixels, also in charts.
        let small = "[...document.querySelectorAll('main *')].filter((e) => [...e.childNodes].some((n) => \
            n.nodeType === 3 && n.data.trim()) && !(e instanceof SVGElement) && parseFloat(getComputedStyle(e).fontSize) < 10) \
            .map((e) => e.outerHTML)";
        assert_eq!(browser.get(small), serde_json::json!([]), "{sides:?}");
        if let Some(shots) = std::env::var_os("OFFSHOOT_SHOTS").map(PathBuf::from) {
            browser.photograph(&shots.join(format!("report-{}.png", sides.0)));
        }
        named(&browser);
    }
    browser.audit("report");
    assert_eq!(browser.complaints(), [""; 0]);
}

/// Every point, bar, cell and image has a name, and it is the one that the pointer finds.
fn named(browser: &Browser) {
    let name = "(e) => e.getAttribute('title') ?? e.querySelector('title')?.textContent ?? ''";
    assert!(browser.get(&format!("{PARTS}.length")).as_u64().unwrap() > 600);
    let nameless = format!("{PARTS}.filter((e) => ({name})(e).trim().length < 3).length");
    assert_eq!(browser.get(&nameless), 0);
    let missed = format!(
        "[...document.querySelectorAll('.alone, .confusion td[title], .map')].map((e) => {{ \
            e.scrollIntoView({{ block: 'center', inline: 'center' }}); const r = e.getBoundingClientRect(); \
            const own = e.closest('.layer') ?? e; \
            const found = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2); \
            const met = found?.closest('.layer, .map, .scratch, td[title]'); \
            return met && (met === own || !own.matches('.layer, td')) ? '' : ({name})(own); }}).filter((n) => n)"
    );
    assert_eq!(browser.get(&missed), serde_json::json!([]));
    let words = browser.get("document.querySelector('.meaning').textContent");
    assert!(
        words.as_str().unwrap().contains("signal-to-quantization-noise ratio (SQNR)"),
        "{words}"
    );
    // Four classes, each row a whole.
    assert_eq!(browser.get("document.querySelectorAll('.confusion td[title]').length"), 16);
    let title = "document.querySelectorAll('.confusion td[title]')[0].title.split(' right: ')[0]";
    assert_eq!(
        browser.get(title),
        "a_plant_with_a_name_of_sixty_letters_and_no_place_to_break_at_a"
    );
    assert_eq!(browser.get("[...document.images].filter((i) => i.naturalWidth !== 208).length"), 0);
    assert!(browser.get("document.images.length").as_u64().unwrap() >= 4);
}
