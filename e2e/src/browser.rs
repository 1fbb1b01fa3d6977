//! A real browser that opens one page and tells what it did: what it logged, what it asked for, how
//! it looks and how it prints. It is driven by the protocol of its developer tools, over pipes.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

/// It talks to nobody but the test, and starts as if it were new.
const FLAGS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
    "--window-size=960,1200",
];
/// Messages that are read for one answer at most; a page that says more is broken.
const MESSAGES_MAX: usize = 10_000;
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A browser with one page. Dropping it ends it.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    into: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    number: u64,
    /// What happened, in order.
    events: VecDeque<Value>,
    _profile: TempDir,
}

/// What a page did while it opened.
#[derive(Debug, Default)]
pub struct Opened {
    /// What was logged and thrown.
    pub messages: Vec<String>,
    /// The addresses that were asked for, the page's own first.
    pub requests: Vec<String>,
    /// Requests that failed, and why.
    pub failures: Vec<String>,
}

impl Browser {
    /// Starts a browser with an empty page.
    pub fn start() -> Result<Self> {
        let profile = tempfile::tempdir()?;
        // It reads from descriptor 3 and writes to 4, which only a shell can arrange here.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null"])
            .arg(binary()?)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("start a shell")?;
        let (into, from) = (child.stdin.take(), child.stdout.take());
        let mut browser = Self {
            child,
            into: into.context("no way in")?,
            from: BufReader::new(from.context("no way out")?),
            session: None,
            number: 0,
            events: VecDeque::new(),
            _profile: profile,
        };
        let page = browser.call("Target.createTarget", &json!({"url": "about:blank"}))?;
        let id = &page["targetId"];
        let attach = json!({"targetId": id, "flatten": true});
        let attached = browser.call("Target.attachToTarget", &attach)?;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}))?;
        }
        Ok(browser)
    }

    /// Opens an address and waits until all of it is loaded.
    pub fn open(&mut self, url: &str) -> Result<Opened> {
        self.events.clear();
        let gone = self.call("Page.navigate", &json!({"url": url}))?;
        ensure!(gone["errorText"].is_null(), "{url}: {gone}");
        self.wait_for("Page.loadEventFired")?;
        // Whatever came with it was said before this is answered.
        self.call("Runtime.evaluate", &json!({"expression": "1"}))?;
        let mut opened = Opened::default();
        for event in self.events.drain(..) {
            let about = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded" => {
                    opened.messages.push(about.to_string());
                }
                "Network.requestWillBeSent" => {
                    let url = about["request"]["url"].as_str().unwrap_or_default();
                    opened.requests.push(url.to_owned());
                }
                "Network.loadingFailed" => opened.failures.push(about.to_string()),
                _ => {}
            }
        }
        Ok(opened)
    }

    /// Returns what a script gives.
    pub fn evaluate(&mut self, script: &str) -> Result<Value> {
        let words = json!({"expression": script, "returnByValue": true});
        let mut given = self.call("Runtime.evaluate", &words)?;
        ensure!(given["exceptionDetails"].is_null(), "{script}: {given}");
        Ok(given["result"]["value"].take())
    }

    /// Returns all of the page as a PNG.
    pub fn screenshot(&mut self) -> Result<Vec<u8>> {
        let words = json!({"format": "png", "captureBeyondViewport": true});
        let given = self.call("Page.captureScreenshot", &words)?;
        unpacked(&given["data"])
    }

    /// Returns the page as a PDF, on paper as the page asks for it.
    pub fn print(&mut self) -> Result<Vec<u8>> {
        let words = json!({"preferCSSPageSize": true, "printBackground": true});
        let given = self.call("Page.printToPDF", &words)?;
        unpacked(&given["data"])
    }

    fn call(&mut self, method: &str, words: &Value) -> Result<Value> {
        self.number += 1;
        let mut call = json!({"id": self.number, "method": method, "params": words});
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&call)?;
        bytes.push(0);
        self.into.write_all(&bytes)?;
        for _ in 0..MESSAGES_MAX {
            let mut message = self.message().with_context(|| method.to_owned())?;
            if message["id"] == self.number {
                ensure!(message["error"].is_null(), "{method}: {message}");
                return Ok(message["result"].take());
            }
            self.events.push_back(message);
        }
        bail!("{method} is not answered")
    }

    fn wait_for(&mut self, method: &str) -> Result<()> {
        let happened = |event: &Value| event["method"] == method;
        for _ in 0..MESSAGES_MAX {
            if self.events.iter().any(happened) {
                return Ok(());
            }
            let message = self.message().with_context(|| method.to_owned())?;
            self.events.push_back(message);
        }
        bail!("{method} does not happen")
    }

    fn message(&mut self) -> Result<Value> {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes)?;
        ensure!(bytes.len() < MESSAGE_BYTES_MAX, "a message without an end");
        ensure!(bytes.pop() == Some(0), "the browser has ended");
        Ok(serde_json::from_slice(&bytes)?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to close it ends its helpers too; killed it might leave them behind.
        let closed = self.call("Browser.close", &json!({})).is_ok();
        let ended = if closed {
            self.child.wait()
        } else {
            self.child.kill().and_then(|()| self.child.wait())
        };
        drop(ended);
    }
}

/// Returns how many pages a PDF has, as the browser writes them: each says what it is in plain
/// text.
pub fn pages(pdf: &[u8]) -> usize {
    const PAGE: &[u8] = b"/Type /Page";
    let starts = |at: &[u8]| at.starts_with(PAGE) && at.get(PAGE.len()) != Some(&b's');
    (0..pdf.len()).filter(|at| starts(&pdf[*at..])).count()
}

/// Returns the address of a file.
pub fn file_url(path: &Path) -> String {
    format!("file://{}", path.display())
}

fn binary() -> Result<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a setting of the tests alone")]
    if let Ok(path) = std::env::var("E2E_BROWSER") {
        return Ok(path.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let script = names.map(|name| format!("command -v {name}")).join(" || ");
    let found = Command::new("sh").args(["-c", &script]).output()?;
    let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    ensure!(
        !path.is_empty(),
        "no chromium: run cargo xtask tools, or name one by E2E_BROWSER"
    );
    Ok(path.into())
}

/// Returns bytes out of base 64.
fn unpacked(text: &Value) -> Result<Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = text.as_str().context("no bytes")?.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.bytes() {
        let value = DIGITS.iter().position(|it| *it == digit);
        bits = bits << 6 | value.context("no base 64")? as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_unpacked() {
        for (text, bytes) in [("", &b""[..]), ("Zg==", b"f"), ("Zm9vYg==", b"foob")] {
            assert_eq!(unpacked(&json!(text)).unwrap(), bytes);
        }
        assert!(unpacked(&json!("%")).is_err());
    }

    #[test]
    fn pages_are_counted_and_their_list_is_not() {
        assert_eq!(pages(b"/Type /Pages /Type /Page\n /Type /Page /"), 2);
        assert_eq!(pages(b""), 0);
    }
}
