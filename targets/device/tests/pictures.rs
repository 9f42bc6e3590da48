//! Pictures of the page in the documents, taken in headless Chromium, are what the page looks like.
//!
//! Skipped where there is no `chromedriver`, unless `OFFSHOOT_BROWSER=1` says there must be.
//! `OFFSHOOT_BLESS=1` writes them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use image::{Rgb, RgbImage};
use offshoot::Extractor;
use offshoot_device::{
    CapturedFrame, FrameSource, Pointing, Session, Settings, SourceError, WebOptions,
};
use offshoot_simulator::{Camera, Image, Object};

#[path = "common/browser.rs"]
mod browser;
mod common;
#[path = "common/pictures.rs"]
mod pictures;

use browser::Browser;
use common::table::extractor_of;
use common::{Device, options};
use pictures::{Alike, check, differing, fonts};

/// View of the camera, which stays until it is set to another.
#[derive(Debug, Clone, Copy, PartialEq)]
struct View {
    object: Object,
    seed: u64,
}

/// The simulated camera, standing still.
struct Still {
    view: Arc<Mutex<View>>,
    last: Option<(View, Image)>,
}

impl FrameSource for Still {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        std::thread::sleep(Duration::from_millis(20));
        let view = *self.view.lock().unwrap();
        if self.last.as_ref().is_none_or(|(last, _)| *last != view) {
            self.last = Some((view, Camera::new(640, 480).look(Some(view.object), view.seed)));
        }
        let (_, image) = self.last.as_ref().expect("it was drawn");
        shot.reshape(image.width, image.height).copy_from_slice(&image.rgb);
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Times differ from run to run, and so does what moves. By a sheet that the page's policy on content
/// does not forbid.
const STILL: &str = "(() => { const sheet = new CSSStyleSheet(); sheet.replaceSync(` \
    * { transition: none !important; animation: none !important } \
    #link-text, #total { font-size: 0 !important } \
    #link-text::after { content: 'live, 25 fps'; font-size: .875rem } \
    #total::after { content: '12 ms'; font-size: 1rem }`); document.adoptedStyleSheets = [sheet]; })()";

#[test]
fn the_page_looks_as_the_documents_show_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(browser) = Browser::start_with_fonts(&fonts(folder.path())) else { return };
    let view = Arc::new(Mutex::new(View { object: Object::Mug, seed: 1 }));
    let camera = Still { view: view.clone(), last: None };
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/sharp/sharp.offshoot");
    let names = ["mug", "plant"].map(String::from).to_vec();
    let settings = Settings { names, ..Settings::default() };
    let session = Session::new(Extractor::open(path).unwrap(), None, settings).unwrap();
    let device = Device::start(session, camera, &options("127.0.0.1:0"));
    browser.look((1280, 800), "light");
    browser.open(&device.url);
    browser.wait("document.querySelector('#link').dataset.is", "live");
    browser.get(STILL);
    for (class, object) in [(1, Object::Mug), (2, Object::Plant)] {
        for lesson in 0..5u64 {
            *view.lock().unwrap() = View { object, seed: 10 * class + lesson };
            // Some frames later what it sees is the new view.
            settle(&browser);
            browser.click(&format!("#classes > li:nth-child({class}) .teach"));
            let count = format!("#classes > li:nth-child({class}) .dots .on");
            browser.wait(&format!("document.querySelectorAll('{count}').length"), lesson + 1);
        }
    }
    *view.lock().unwrap() = View { object: Object::Mug, seed: 3 };
    browser.wait(&Browser::text("#label"), "mug");
    browser.get("document.activeElement.blur()");
    settle(&browser);
    check("page-laptop", &browser.screen(), Alike::ToTheEye);
    browser.look((390, 844), "dark");
    browser.click("#heat-button");
    browser.wait("document.querySelector('#heat').hidden", false);
    browser.get("document.activeElement.blur()");
    settle(&browser);
    check("page-phone", &browser.screen(), Alike::ToTheEye);
    assert_eq!(browser.complaints(), [""; 0]);
    drop(device.stop());
}

/// Buttons and rings on a wooden table: their middles as shares, and true for a button.
const THINGS: [([f32; 2], bool); 7] = [
    ([0.16, 0.24], true),
    ([0.47, 0.19], false),
    ([0.8, 0.27], true),
    ([0.3, 0.55], false),
    ([0.62, 0.52], true),
    ([0.2, 0.8], true),
    ([0.78, 0.78], false),
];

/// The table, which stays as it is.
struct Table(RgbImage);

impl Table {
    fn new() -> Self {
        let [width, height] = [480u32, 360];
        Self(RgbImage::from_fn(width, height, |x, y| {
            let grain = 9.0 * ((x as f32 * 0.02 + (y as f32 * 0.11).sin()).sin());
            let mut rgb = [142.0 + grain, 104.0 + grain, 70.0 + grain];
            for ([across, down], is_button) in THINGS {
                let dx = x as f32 - across * width as f32;
                let dy = y as f32 - down * height as f32;
                let far = dx.hypot(dy);
                let colour = if is_button { [196.0, 40.0, 44.0] } else { [52.0, 92.0, 200.0] };
                let inside = if is_button { 1.0 } else { (far - 12.0).clamp(0.0, 1.0) };
                let share = (27.0 - far).clamp(0.0, 1.0) * inside;
                // Brighter towards the window.
                let light = 1.0 - 0.006 * (dx + dy);
                rgb.iter_mut().zip(colour).for_each(|(own, c)| *own += share * (c * light - *own));
            }
            Rgb(rgb.map(|value| value as u8))
        }))
    }
}

impl FrameSource for Table {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        std::thread::sleep(Duration::from_millis(20));
        shot.reshape(self.0.width(), self.0.height()).copy_from_slice(self.0.as_raw());
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

#[test]
fn the_page_that_points_looks_as_the_documents_show_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(browser) = Browser::start_with_fonts(&fonts(folder.path())) else { return };
    let names = ["button", "ring"].map(String::from).to_vec();
    let settings = Settings { names, ..Settings::default() };
    let session = Pointing::new(extractor_of(48), None, settings).unwrap();
    let options = WebOptions { has_next: false, ..options("127.0.0.1:0") };
    let device = Device::start(session, Table::new(), &options);
    browser.look((1280, 800), "light");
    browser.open(&device.url);
    browser.wait("document.querySelector('#link').dataset.is", "live");
    browser.get(STILL);
    settle(&browser);
    for class in [1, 2] {
        browser.click(&format!("#classes > li:nth-child({class}) .point"));
        for ([x, y], _) in THINGS.into_iter().filter(|(_, is_button)| *is_button == (class == 1)) {
            let [x, y] = [f64::from(x), f64::from(y)];
            browser.drag("#picture", [x - 0.065, y - 0.085], [x + 0.065, y + 0.085]);
        }
    }
    browser.wait(&Browser::text("#hint"), "7 in this picture: all of them?");
    browser.click("#go-on");
    browser.wait(&Browser::text("#label"), "button");
    browser.wait("document.querySelector('#go-on').hidden", true);
    browser.get("document.activeElement.blur()");
    settle(&browser);
    check("page-points", &browser.screen(), Alike::ToTheEye);
    assert_eq!(browser.complaints(), [""; 0]);
    assert_eq!(device.stop().head().lessons(), 1);
}

/// Waits until two looks at the screen are the same.
fn settle(browser: &Browser) {
    let mut before = Vec::new();
    for _ in 0..40 {
        std::thread::sleep(Duration::from_millis(250));
        let now = browser.screen();
        if now == before {
            return;
        }
        before = now;
    }
    panic!("the page does not come to rest");
}

/// A button that is missing is seen; another edge of letters is not.
#[test]
fn what_a_person_would_see_is_found() {
    let page = RgbImage::from_fn(640, 400, |x, y| Rgb([(x / 4) as u8, (y / 2) as u8, 200]));
    assert_eq!(differing(&page, &page, Alike::Exactly), 0);
    let mut soft = page.clone();
    for (x, y, pixel) in soft.enumerate_pixels_mut() {
        let shade = if (x + y) % 3 == 0 { 30 } else { 0 };
        pixel.0[0] = pixel.0[0].saturating_add(shade);
    }
    assert_eq!(differing(&page, &soft, Alike::ToTheEye), 0);
    assert!(differing(&page, &soft, Alike::Exactly) > 0);
    let mut button = page.clone();
    for (x, y) in (100..148).flat_map(|x| (50..72).map(move |y| (x, y))) {
        button.put_pixel(x, y, Rgb([12, 125, 94]));
    }
    assert!(differing(&page, &button, Alike::ToTheEye) > 0);
    let other = RgbImage::new(640, 399);
    assert!(differing(&page, &other, Alike::ToTheEye) > 0);
}
