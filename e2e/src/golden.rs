//! Recorded requests with the answers that Zipkin gave to them, replayed against our binary. The
//! format is described in `golden/README.md`; no case is made up here.

mod clock;
mod compare;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::grpc;
use crate::http::{Answer, Connection, Request};
use crate::server::pause;

pub use clock::Clock;

/// How long what was written may take to be seen.
const SETTLE: Duration = Duration::from_secs(4);

/// One recorded conversation.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file's name without its ending.
    pub name: String,
    /// The server's environment, in the order of the file.
    pub environment: Vec<(String, String)>,
    /// Whether it needs an empty store of its own.
    pub fresh: bool,
    document: Value,
}

/// Reads all cases of a folder, sorted by name.
pub fn load(folder: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let case = read(&path).with_context(|| format!("read {}", path.display()))?;
            cases.push(case);
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

fn read(path: &Path) -> Result<Case> {
    let document: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let environment = document["env"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    Ok(Case {
        name: document["name"].as_str().context("no name")?.to_owned(),
        environment,
        fresh: document["fresh"].as_bool().unwrap_or(false),
        document,
    })
}

impl Case {
    /// Replays the case against the server on `port`; the error is the first difference.
    pub fn replay(&self, port: u16) -> Result<()> {
        let clock = Clock::new(self.document["minutes_back"].as_u64().unwrap_or(10));
        let steps = self.document["steps"].as_array().context("no steps")?;
        ensure!(!steps.is_empty(), "a case without steps proves nothing");
        let mut wrote = false;
        for (index, step) in steps.iter().enumerate() {
            let writes = step.get("grpc").is_some() || step["method"] == "POST";
            let patience = if wrote && step["method"] == "GET" {
                SETTLE
            } else {
                Duration::ZERO
            };
            let deadline = Instant::now() + patience;
            loop {
                let outcome = send(port, step, &clock)
                    .and_then(|answer| compare::answer(&step["expect"], &clock, &answer));
                match outcome {
                    Ok(()) => break,
                    Err(_) if Instant::now() < deadline => pause(),
                    Err(e) => bail!("step {} {}: {e:#}", index + 1, subject(step)),
                }
            }
            wrote |= writes;
        }
        Ok(())
    }
}

fn subject(step: &Value) -> String {
    let of = |key: &str| step[key].as_str().unwrap_or_default();
    match step.get("grpc") {
        Some(path) => format!("gRPC {path}"),
        None => format!("{} {}{:.120}", of("method"), of("path"), of("raw")),
    }
}

fn send(port: u16, step: &Value, clock: &Clock) -> Result<Answer> {
    if let Some(path) = step["grpc"].as_str() {
        let body = grpc::call(port, path, &body(step, clock)?)?;
        return Ok(Answer {
            status: 0,
            headers: Vec::new(),
            body,
        });
    }
    let method = step["method"].as_str().unwrap_or("GET");
    let mut connection = Connection::open(port)?;
    if let Some(raw) = step["raw"].as_str() {
        connection.send(clock.text(raw).as_bytes())?;
        return Ok(connection.answer(method)?);
    }
    let mut request = Request::get(clock.text(step["path"].as_str().context("no path")?));
    method.clone_into(&mut request.method);
    request.headers = headers(&step["headers"])?;
    request.body = body(step, clock)?;
    Ok(connection.ask(&request)?)
}

/// Headers are an object, or a list of pairs where a name occurs twice.
fn headers(value: &Value) -> Result<Vec<(String, String)>> {
    let text = |value: &Value| value.as_str().map(str::to_owned).context("header value");
    match value {
        Value::Object(all) => all
            .iter()
            .map(|(name, value)| Ok((name.clone(), text(value)?)))
            .collect(),
        Value::Array(all) => all
            .iter()
            .map(|pair| Ok((text(&pair[0])?, text(&pair[1])?)))
            .collect(),
        Value::Null => Ok(Vec::new()),
        other => bail!("headers are {other}"),
    }
}

fn body(step: &Value, clock: &Clock) -> Result<Vec<u8>> {
    let plain = if let Some(tree) = step.get("json") {
        clock.tree(tree).to_string().into_bytes()
    } else if let Some(text) = step["body_b64"].as_str() {
        let mut bytes = base64(text)?;
        for patch in step["patch"].as_array().into_iter().flatten() {
            apply_patch(&mut bytes, patch, clock)?;
        }
        bytes
    } else {
        clock
            .text(step["body"].as_str().unwrap_or_default())
            .into_bytes()
    };
    if step["gzip"].as_bool() != Some(true) {
        return Ok(plain);
    }
    let mut encoder =
        flate2::read::GzEncoder::new(plain.as_slice(), flate2::Compression::default());
    let mut packed = Vec::new();
    std::io::Read::read_to_end(&mut encoder, &mut packed)?;
    Ok(packed)
}

/// Puts a time into a binary body: eight bytes at an offset.
fn apply_patch(bytes: &mut [u8], patch: &Value, clock: &Clock) -> Result<()> {
    let at = patch["at"].as_u64().context("patch without offset")? as usize;
    let number = clock
        .tree(&patch["value"])
        .as_u64()
        .context("patch without number")?;
    let eight = match patch["as"].as_str() {
        Some("u64le") => number.to_le_bytes(),
        Some("i64be") => number.to_be_bytes(),
        other => bail!("patch as {other:?}"),
    };
    bytes
        .get_mut(at..at + 8)
        .context("patch behind the body")?
        .copy_from_slice(&eight);
    Ok(())
}

/// Decodes standard base64 (RFC 4648).
fn base64(text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => bail!("{byte} is no base64"),
        };
        bits = (bits << 6) | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_with_and_without_padding() {
        assert_eq!(base64("AAAAAAA=").unwrap(), [0; 5]);
        assert_eq!(base64("aGVsbG8h").unwrap(), b"hello!");
        assert_eq!(base64("+/8=").unwrap(), [0xfb, 0xff]);
        assert!(base64("a b").is_err());
    }

    #[test]
    fn a_patch_replaces_eight_bytes() {
        let clock = Clock::new(10);
        let mut bytes = [9; 10];
        let patch = serde_json::json!({"at": 1, "as": "u64le", "value": 258});
        apply_patch(&mut bytes, &patch, &clock).unwrap();
        assert_eq!(bytes, [9, 2, 1, 0, 0, 0, 0, 0, 0, 9]);
        let behind = serde_json::json!({"at": 3, "as": "i64be", "value": 1});
        assert!(apply_patch(&mut bytes, &behind, &clock).is_err());
    }
}
