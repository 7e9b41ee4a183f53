//! A headless Chromium, driven through WebDriver.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::actions::{Actions, InputSource, MouseActions, PointerAction, WheelAction, WheelActions};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use url::Url;

const PATIENCE: Duration = Duration::from_secs(20);
const LEFT_BUTTON: u64 = 0;
const RIGHT_BUTTON: u64 = 2;

/// A browser with a profile of its own.
pub struct Browser {
    runtime: Runtime,
    client: Option<Client>,
    /// Stopped after the session is closed.
    _driver: Driver,
    folder: TempDir,
}

/// A command that WebDriver's standard lacks and chromedriver has.
#[derive(Debug)]
struct Chromium(&'static str, Value);

impl WebDriverCompatibleCommand for Chromium {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.1.to_string()))
    }
}

impl Browser {
    /// Starts chromedriver and a browser.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let driver = Driver::start();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let profile = folder.path().join("profile");
        let capabilities = json!({
            "goog:chromeOptions": { "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--force-device-scale-factor=1", "--window-size=1300,900",
                format!("--user-data-dir={}", profile.display()),
            ] },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!() };
        let client = runtime.block_on(async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{}", driver.port)).await
        });
        let client = client.unwrap_or_else(|error| panic!("chromedriver could not start chromium: {error}"));
        let browser = Self { runtime, client: Some(client), _driver: driver, folder };
        // The browser's own first page makes requests.
        browser.runtime.block_on(browser.client().goto("about:blank")).unwrap();
        browser
    }

    fn client(&self) -> &Client {
        self.client.as_ref().unwrap()
    }

    /// Writes a page, opens it from the disk and waits until all of its volumes are decoded.
    pub fn open(&self, page: &str) {
        self.open_unloaded(page);
        self.wait_until("return document.documentElement.dataset.loaded === 'true'");
        self.next_frame();
    }

    /// Writes a page and opens it from the disk.
    pub fn open_unloaded(&self, page: &str) {
        let path = self.folder.path().join("page.html");
        fs::write(&path, page).unwrap();
        let url = Url::from_file_path(&path).unwrap();
        self.runtime.block_on(self.client().goto(url.as_str())).unwrap();
    }

    /// Runs JavaScript in the page and returns its result.
    pub fn script(&self, script: &str) -> Value {
        self.runtime.block_on(self.client().execute(script, Vec::new())).unwrap()
    }

    /// Waits for a script that returns true.
    pub fn wait_until(&self, script: &str) {
        let start = Instant::now();
        while self.script(script) != true {
            let status = self.script("return document.getElementById('status').textContent");
            assert!(start.elapsed() < PATIENCE, "{script}: not within {PATIENCE:?}; the page says {status}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the page has drawn what it was told.
    pub fn next_frame(&self) {
        let script =
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(true)))";
        self.runtime.block_on(self.client().execute_async(script, Vec::new())).unwrap();
    }

    /// Text of an element, by selector.
    pub fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({}).textContent", json!(selector));
        self.script(&script).as_str().unwrap().to_owned()
    }

    fn perform(&self, actions: impl Into<Actions>) {
        self.runtime.block_on(self.client().perform_actions(actions)).unwrap();
        self.next_frame();
    }

    /// Moves the mouse to a position of the window.
    pub fn hover(&self, [x, y]: [f64; 2]) {
        self.perform(MouseActions::new("mouse".to_owned()).then(move_to(x, y)));
    }

    /// Clicks with the left button.
    pub fn click(&self, [x, y]: [f64; 2]) {
        self.drag([x, y], [x, y], LEFT_BUTTON);
    }

    /// Drags with the right button.
    pub fn right_drag(&self, from: [f64; 2], to: [f64; 2]) {
        self.drag(from, to, RIGHT_BUTTON);
    }

    fn drag(&self, from: [f64; 2], to: [f64; 2], button: u64) {
        let mouse = MouseActions::new("mouse".to_owned())
            .then(move_to(from[0], from[1]))
            .then(PointerAction::Down { button })
            .then(move_to(to[0], to[1]))
            .then(PointerAction::Up { button });
        self.perform(mouse);
    }

    /// Turns the wheel by notches, downwards if positive.
    pub fn wheel(&self, [x, y]: [f64; 2], notches: i64) {
        for _ in 0..notches.abs() {
            let scroll = WheelAction::Scroll {
                duration: None,
                x: x as i64,
                y: y as i64,
                delta_x: 0,
                delta_y: 120 * notches.signum(),
            };
            self.perform(WheelActions::new("wheel".to_owned()).then(scroll));
        }
    }

    /// Presses keys at the focused element, one after the other.
    pub fn keys(&self, keys: &str) {
        let element = self.runtime.block_on(self.client().active_element()).unwrap();
        self.runtime.block_on(element.send_keys(keys)).unwrap();
        self.next_frame();
    }

    /// Emulates a screen of another size.
    pub fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": true });
        self.developer_tools("Emulation.setDeviceMetricsOverride", metrics);
        self.next_frame();
    }

    /// Emulates the system's dark or light colours.
    pub fn prefer_colours(&self, scheme: &str) {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.developer_tools("Emulation.setEmulatedMedia", media);
        self.next_frame();
    }

    fn developer_tools(&self, command: &str, parameters: Value) {
        let body = json!({ "cmd": command, "params": parameters });
        self.runtime.block_on(self.client().issue_cmd(Chromium("goog/cdp/execute", body))).unwrap();
    }

    /// Messages of a log, `browser` or `performance`, since the last call.
    pub fn log(&self, kind: &str) -> Vec<Value> {
        let found =
            self.runtime.block_on(self.client().issue_cmd(Chromium("se/log", json!({ "type": kind }))));
        found.unwrap().as_array().unwrap().clone()
    }

    /// Addresses that the browser has requested since the last call.
    pub fn requests(&self) -> Vec<String> {
        let events = self.log("performance").into_iter().filter_map(|entry| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let event = &message["message"];
            let requested = ["Network.requestWillBeSent", "Network.webSocketCreated"]
                .iter()
                .any(|m| event["method"] == *m);
            let url = event["params"]["request"]["url"].as_str().or(event["params"]["url"].as_str());
            requested.then(|| url.unwrap_or("?").to_owned())
        });
        events.collect()
    }

    /// Writes a picture of the window for people, if the environment names a folder for them.
    pub fn screenshot(&self, name: &str) {
        if let Some(folder) = std::env::var_os("RELEVOX_SCREENSHOTS") {
            let png = self.runtime.block_on(self.client().screenshot()).unwrap();
            fs::write(Path::new(&folder).join(format!("{name}.png")), png).unwrap();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let _ = self.runtime.block_on(client.close());
        }
    }
}

fn move_to(x: f64, y: f64) -> PointerAction {
    PointerAction::MoveTo { duration: None, x, y }
}

/// A running chromedriver.
struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    /// Starts chromedriver on a free port.
    fn start() -> Self {
        let process =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let process = process.unwrap_or_else(|error| {
            panic!("expected chromium and chromedriver (Debian: chromium, chromium-driver): {error}")
        });
        let mut driver = Self { process, port: 0 };
        let mut said = String::new();
        for line in BufReader::new(driver.process.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                driver.port = port.trim_end_matches('.').parse().unwrap();
                return driver;
            }
            said += &line;
        }
        panic!("expected chromedriver to name its port, found {said}");
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
