//! The report's page in headless Chromium: nothing sticks out on a phone, and axe-core finds
//! nothing.
//!
//! Skipped where there is no `chromedriver`, unless `OFFSHOOT_BROWSER=1` says there must be.

#[path = "../../../targets/device/tests/common/browser.rs"]
mod browser;
use std::fs;

use crate::common::{images, ok, sprout};
use browser::Browser;
use offshoot_simulator::Object;

#[test]
fn a_report_fits_a_phone_and_everybody_can_read_it() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    // Names of models and of nodes are long, and have no place to break at.
    let model = format!("{}.onnx", "mobilenet_v1_0.25_128_quantization_aware_trained_".repeat(3));
    fs::copy(sprout(), dir.join(&model)).unwrap();
    images(&dir.join("data"), &[Object::Mug, Object::Plant], 8);
    ok(dir, &["convert", &model, "--calibrate", "data", "-o", "e.offshoot", "--report", "r.html"]);
    browser.open(&format!("file://{}/r.html", dir.display()));
    browser.wait("document.querySelector('h1').textContent.length > 100", true);
    for sides in [(320, 640), (390, 844), (768, 1024), (1280, 800)] {
        browser.look(sides, "light");
        browser.wait("innerWidth", sides.0);
        let wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.get(wide), 0, "{sides:?}");
    }
    browser.audit("report");
    assert_eq!(browser.complaints(), [""; 0]);
}
