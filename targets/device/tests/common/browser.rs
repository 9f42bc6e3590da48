//! Chromium, by the protocol of W3C's WebDriver.
#![allow(dead_code, reason = "every suite uses a part")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The key under which an element is named.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Max time until the page shows something.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser with one page.
pub struct Browser {
    driver: Child,
    agent: ureq::Agent,
    session: String,
}

impl Browser {
    /// Starts Debian's `chromedriver` and Chromium; `None`, which is said, if there is no driver.
    ///
    /// # Panics
    /// Fails without one if `OFFSHOOT_BROWSER=1`.
    pub fn start() -> Option<Self> {
        Self::begin(Command::new("chromedriver"), &[])
    }

    /// Starts it like [`Browser::start`] with the fonts that a `fonts.conf` names and no others, and
    /// draws text in grey at its exact places: so that two machines draw the same.
    pub fn start_with_fonts(conf: &Path) -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.env("FONTCONFIG_FILE", conf);
        let plain =
            ["--disable-lcd-text", "--font-render-hinting=none", "--force-color-profile=srgb"];
        Self::begin(command, &plain)
    }

    fn begin(mut command: Command, more: &[&str]) -> Option<Self> {
        let driver = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut driver) = driver else {
            let must = std::env::var_os("OFFSHOOT_BROWSER").is_some();
            assert!(!must, "no chromedriver; apt-get install chromium-driver");
            println!("skipped: no chromedriver; apt-get install chromium chromium-driver");
            return None;
        };
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = |line: String| {
            line.rsplit_once("successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok()
        };
        let port = lines.map_while(Result::ok).find_map(port).expect("the driver tells its port");
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(Duration::from_secs(60))).build().new_agent();
        let mut browser =
            Self { driver, agent, session: format!("http://127.0.0.1:{port}/session") };
        let usual =
            ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"];
        let arguments = [&usual, more].concat();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let id = browser.send("", &wanted)["sessionId"].as_str().expect("a session").to_string();
        browser.session = format!("{}/{id}", browser.session);
        Some(browser)
    }

    fn send(&self, path: &str, body: &Value) -> Value {
        self.try_send(path, body).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn try_send(&self, path: &str, body: &Value) -> Result<Value, String> {
        let url = format!("{}{path}", self.session);
        let reply = self.agent.post(&url).content_type("application/json").send(body.to_string());
        let text = reply
            .and_then(|reply| reply.into_body().read_to_string())
            .map_err(|e| e.to_string())?;
        let value =
            serde_json::from_str::<Value>(&text).map_err(|e| e.to_string())?["value"].take();
        match value["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", value["message"])),
            None => Ok(value),
        }
    }

    pub fn open(&self, url: &str) {
        self.send("/url", &json!({ "url": url }));
    }

    /// Evaluates an expression in the page.
    pub fn get(&self, expression: &str) -> Value {
        self.send("/execute/sync", &json!({ "script": format!("return {expression}"), "args": [] }))
    }

    fn element(&self, css: &str) -> Result<String, String> {
        let found = self.try_send("/element", &json!({ "using": "css selector", "value": css }))?;
        Ok(found[ELEMENT].as_str().unwrap_or_default().to_string())
    }

    /// Clicks as a person does: in the middle of what can be seen.
    pub fn click(&self, css: &str) {
        let clicked = self
            .element(css)
            .and_then(|id| self.try_send(&format!("/element/{id}/click"), &json!({})));
        clicked.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Goes down with a finger at one place of an element and up at another: shares of its sides.
    pub fn drag(&self, css: &str, from: [f64; 2], to: [f64; 2]) {
        let place = self.get(&format!(
            "(({{ x, y, width, height }}) => [x, y, width, height])(document.querySelector('{css}').getBoundingClientRect())"
        ));
        let side = |at: usize| place[at].as_f64().unwrap();
        let at = |[x, y]: [f64; 2]| [side(0) + x * side(2), side(1) + y * side(3)].map(f64::round);
        let moved =
            |[x, y]: [f64; 2]| json!({ "type": "pointerMove", "duration": 0, "x": x, "y": y });
        let steps = [
            moved(at(from)),
            json!({ "type": "pointerDown", "button": 0 }),
            moved(at(to)),
            json!({ "type": "pointerUp", "button": 0 }),
        ];
        self.send(
            "/actions",
            &json!({ "actions": [{ "type": "pointer", "id": "finger", "actions": steps }] }),
        );
    }

    /// Types into what has the focus.
    pub fn keys(&self, keys: &str) {
        let one = |key: char| {
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        };
        let actions: Vec<Value> = keys.chars().flat_map(one).collect();
        self.send(
            "/actions",
            &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }),
        );
    }

    /// Waits until an expression is what it should be.
    pub fn wait(&self, expression: &str, wanted: impl Into<Value>) {
        let start = Instant::now();
        let wanted = wanted.into();
        loop {
            let found = self.get(expression);
            if found == wanted {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{expression} is {found}, not {wanted}; {:?}",
                self.complaints()
            );
            thread::sleep(Duration::from_millis(30));
        }
    }

    pub fn text(css: &str) -> String {
        format!("document.querySelector('{css}')?.textContent")
    }

    /// Errors that the page has written to its console since the last call.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.send("/se/log", &json!({ "type": "browser" }));
        let severe = |entry: &&Value| entry["level"] == "SEVERE";
        entries
            .as_array()
            .unwrap()
            .iter()
            .filter(severe)
            .map(|entry| entry["message"].to_string())
            .collect()
    }

    /// Fails for anything axe-core finds wrong with the page, light and dark, on a phone and on a
    /// laptop; nothing where the environment's `OFFSHOOT_AXE` does not name its script
    /// (`axe.min.js` of npm's axe-core).
    pub fn audit(&self, page: &str) {
        let Some(path) = std::env::var_os("OFFSHOOT_AXE") else {
            println!("skipped: axe-core on {page}; OFFSHOOT_AXE names no axe.min.js");
            return;
        };
        let script = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("OFFSHOOT_AXE: {e}"));
        self.send("/execute/sync", &json!({ "script": script, "args": [] }));
        let run = "const [done] = arguments; const place = (n) => n.target.join(' ') + ' (' + n.failureSummary + ')'; \
            axe.run(document).then((found) => done(found.violations.map((v) => v.id + ': ' + v.nodes.map(place).join('; '))), \
            (error) => done([String(error)]))";
        for sides in [(390, 844), (1280, 800)] {
            for scheme in ["light", "dark"] {
                self.look(sides, scheme);
                // Colours change within a moment.
                thread::sleep(Duration::from_millis(300));
                let found = self.send("/execute/async", &json!({ "script": run, "args": [] }));
                assert_eq!(found, json!([]), "{page}, {sides:?}, {scheme}");
            }
        }
        self.look((1280, 800), "light");
    }

    fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.send("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// A screen of these sides, in a light or a dark room.
    pub fn look(&self, (width, height): (u32, u32), scheme: &str) {
        let mobile = width < height;
        self.devtools("Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": if mobile { 2 } else { 1 }, "mobile": mobile }));
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Writes the whole page as PNG.
    pub fn photograph(&self, path: &Path) {
        let sides = self
            .get("[document.documentElement.clientWidth, document.documentElement.scrollHeight]");
        let clip = json!({ "x": 0, "y": 0, "width": sides[0], "height": sides[1], "scale": 1 });
        std::fs::write(path, self.shot(json!({ "captureBeyondViewport": true, "clip": clip })))
            .unwrap();
    }

    /// Content of the screen, as PNG.
    pub fn screen(&self) -> Vec<u8> {
        self.shot(json!({}))
    }

    fn shot(&self, parameters: Value) -> Vec<u8> {
        let shot = self.devtools("Page.captureScreenshot", parameters);
        decode(shot["data"].as_str().unwrap())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver takes the browser along when its session ends.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Base64.
fn decode(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut out = Vec::new();
    let mut bits = 0u32;
    let mut count = 0;
    for value in text.bytes().filter_map(digit) {
        (bits, count) = (bits << 6 | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}
