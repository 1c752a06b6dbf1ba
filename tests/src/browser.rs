//! A real browser: headless Chromium, driven through chromedriver by plain HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::shared::has_tool;

/// Headless, without a sandbox (tests run as root), and without network traffic.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
];

/// A window of the browser; closed when dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// Removed after the browser ended.
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens a window of this size; `None` if no browser is installed.
    ///
    /// # Panics
    /// If one is needed but absent, or does not start.
    #[must_use]
    pub fn open(width: u32, height: u32) -> Option<Self> {
        if !has_tool("chromedriver") || !has_tool("chromium") {
            return None;
        }
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let port = port(&mut driver);
        let profile = tempfile::tempdir().expect("a temporary directory");
        let mut arguments: Vec<String> = FLAGS.iter().map(ToString::to_string).collect();
        arguments.push(format!("--window-size={width},{height}"));
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let mut browser = Self {
            driver,
            port,
            session: String::new(),
            _profile: profile,
        };
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = browser.request("POST", "/session", &capabilities);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        Some(browser)
    }

    /// Goes to a page on this machine.
    ///
    /// # Panics
    /// If the path is not UTF-8 or not absolute.
    pub fn go(&self, page: &Path) {
        assert!(page.is_absolute(), "{}", page.display());
        let url = format!("file://{}", page.to_str().expect("UTF-8"));
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// The return value of a script.
    #[must_use]
    pub fn run(&self, script: &str) -> Value {
        self.command(
            "POST",
            "/execute/sync",
            &json!({"script": script, "args": []}),
        )
    }

    /// The text that an element shows.
    ///
    /// # Panics
    /// If there is no such element.
    #[must_use]
    pub fn text(&self, selector: &str) -> String {
        let element = self.element(selector);
        let text = self.command("GET", &format!("/element/{element}/text"), &Value::Null);
        text.as_str().expect("text").to_owned()
    }

    /// Types into an element, as a user would.
    pub fn keys(&self, selector: &str, keys: &str) {
        let element = self.element(selector);
        self.command(
            "POST",
            &format!("/element/{element}/value"),
            &json!({ "text": keys }),
        );
    }

    /// Clicks an element.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.command("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Moves the mouse to a point of the window and clicks.
    pub fn click_at(&self, x: i64, y: i64) {
        let actions = json!({"actions": [{
            "type": "pointer",
            "id": "mouse",
            "parameters": {"pointerType": "mouse"},
            "actions": [
                {"type": "pointerMove", "duration": 0, "x": x, "y": y},
                {"type": "pointerDown", "button": 0},
                {"type": "pointerUp", "button": 0},
            ],
        }]});
        self.command("POST", "/actions", &actions);
    }

    /// Errors in the page's console.
    ///
    /// # Panics
    /// If the browser keeps no log.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        let log = self.command("POST", "/se/log", &json!({"type": "browser"}));
        let entries = log.as_array().expect("a log").iter();
        entries
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|entry| entry["message"].to_string())
            .collect()
    }

    /// Writes what the window shows to a PNG.
    ///
    /// # Panics
    /// If the file can't be written.
    pub fn screenshot(&self, file: &Path) {
        let image = self.command("GET", "/screenshot", &Value::Null);
        let bytes = base64(image.as_str().expect("base64"));
        std::fs::write(file, bytes).expect("a screenshot is written");
    }

    /// The page printed on A4: a PDF.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn print(&self) -> Vec<u8> {
        let paper = json!({"page": {"width": 21.0, "height": 29.7}});
        let pdf = self.command("POST", "/print", &paper);
        base64(pdf.as_str().expect("base64"))
    }

    fn element(&self, selector: &str) -> String {
        let found = self.command(
            "POST",
            "/element",
            &json!({"using": "css selector", "value": selector}),
        );
        let id = found.as_object().and_then(|found| found.values().next());
        id.and_then(Value::as_str).expect(selector).to_owned()
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.request(method, &format!("/session/{}{path}", self.session), body)
    }

    /// One WebDriver command: its `value`.
    fn request(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("chromedriver");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("a request");
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a response");
            if line.trim().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).expect("a whole response");
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        let value = &answer["value"];
        assert!(value["error"].is_null(), "{method} {path}: {value}");
        value.clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.command("DELETE", "", &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The port that chromedriver announces.
fn port(driver: &mut Child) -> u16 {
    let mut output = BufReader::new(driver.stdout.take().expect("a pipe"));
    loop {
        let mut line = String::new();
        let read = output.read_line(&mut line).expect("chromedriver's output");
        assert!(read > 0, "chromedriver says no port");
        let said = line
            .split("successfully on port ")
            .nth(1)
            .and_then(|rest| rest.trim().trim_end_matches('.').parse().ok());
        if let Some(port) = said {
            // Later output must not fill the pipe.
            std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
            return port;
        }
    }
}

/// Decodes WebDriver's base64: no line breaks, padding at the end.
fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let word = four
            .iter()
            .fold(0u32, |word, byte| word << 6 | u32::from(digit(*byte)));
        let word = word << (6 * (4 - four.len()));
        bytes.extend_from_slice(&word.to_be_bytes()[1..four.len()]);
    }
    bytes
}
