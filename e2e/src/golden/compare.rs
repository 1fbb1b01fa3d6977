//! Whether an answer is the recorded one, and if not, where it first differs.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Clock, base64};
use crate::http::Answer;

const KNOWN: [&str; 8] = [
    "status",
    "headers",
    "body",
    "body_b64",
    "body_has",
    "json",
    "json_has",
    "unordered",
];

/// Compares an answer with a step's `expect`; the error names the first difference.
pub(super) fn answer(expect: &Value, clock: &Clock, answer: &Answer) -> Result<()> {
    let all = expect.as_object().context("a step expects nothing")?;
    for key in all.keys() {
        ensure!(KNOWN.contains(&key.as_str()), "unknown expectation {key}");
    }
    if let Some(status) = expect["status"].as_u64() {
        let got = u64::from(answer.status);
        let text = answer.text();
        ensure!(got == status, "status: want {status} got {got} {text:.200}");
    }
    for (name, want) in expect["headers"].as_object().into_iter().flatten() {
        header(name, want, answer)?;
    }
    if let Some(want) = expect["body"].as_str() {
        body(clock.text(want).as_bytes(), &answer.body)?;
    }
    if let Some(want) = expect["body_b64"].as_str() {
        body(&base64(want)?, &answer.body)?;
    }
    for part in expect["body_has"].as_array().into_iter().flatten() {
        let part = clock.text(part.as_str().context("body_has is no text")?);
        ensure!(answer.text().contains(&part), "the body lacks {part:?}");
    }
    json(expect, clock, answer)
}

/// A recorded null means that the header must be absent.
fn header(name: &str, want: &Value, answer: &Answer) -> Result<()> {
    let got = answer.header(name);
    match want.as_str() {
        None => ensure!(got.is_none(), "header {name}: want none got {got:?}"),
        Some(pattern) if pattern.starts_with('~') => bail!("patterns of headers are not known"),
        Some(want) => {
            let same = |a: &str| a.replace(", ", ",").to_lowercase();
            let equal = got.as_deref().is_some_and(|got| same(got) == same(want));
            ensure!(equal, "header {name}: want {want:?} got {got:?}");
        }
    }
    Ok(())
}

fn body(want: &[u8], got: &[u8]) -> Result<()> {
    if want == got {
        return Ok(());
    }
    let at = want.iter().zip(got).take_while(|(a, b)| a == b).count();
    let show = |bytes: &[u8]| {
        let rest = bytes.get(at..).unwrap_or_default();
        String::from_utf8_lossy(rest.get(..80).unwrap_or(rest)).into_owned()
    };
    bail!(
        "the body differs at byte {at}: want {:?} got {:?}",
        show(want),
        show(got)
    )
}

fn json(expect: &Value, clock: &Clock, answer: &Answer) -> Result<()> {
    if expect.get("json").is_none() && expect.get("json_has").is_none() {
        return Ok(());
    }
    let text = answer.text();
    let got: Value =
        serde_json::from_str(&text).with_context(|| format!("no JSON: {text:.200}"))?;
    if let Some(tree) = expect.get("json") {
        let want = clock.tree(tree);
        return if expect["unordered"].as_bool() == Some(true) {
            equal("$", &without_order(&want), &without_order(&got))
        } else {
            equal("$", &want, &got)
        };
    }
    for (key, part) in expect["json_has"].as_object().into_iter().flatten() {
        let got = got
            .get(key)
            .with_context(|| format!("$.{key} is missing"))?;
        equal(&format!("$.{key}"), &clock.tree(part), got)?;
    }
    Ok(())
}

/// Sorts a list and the lists directly in it; lists inside spans keep their order.
fn without_order(node: &Value) -> Value {
    let Value::Array(all) = node else {
        return node.clone();
    };
    let mut all: Vec<Value> = all.iter().map(without_order).collect();
    all.sort_by_cached_key(sort_key);
    Value::from(all)
}

/// Text that is the same for objects that differ only in the order of their keys.
fn sort_key(node: &Value) -> String {
    match node {
        Value::Object(all) => {
            let mut parts: Vec<String> = all
                .iter()
                .map(|(key, value)| format!("{key}={}", sort_key(value)))
                .collect();
            parts.sort();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(all) => {
            let parts: Vec<String> = all.iter().map(sort_key).collect();
            format!("[{}]", parts.join(","))
        }
        other => other.to_string(),
    }
}

fn equal(at: &str, want: &Value, got: &Value) -> Result<()> {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            for (key, value) in want {
                let other = got
                    .get(key)
                    .with_context(|| format!("{at}.{key} is missing"))?;
                equal(&format!("{at}.{key}"), value, other)?;
            }
            match got.keys().find(|key| !want.contains_key(*key)) {
                Some(key) => bail!("{at}.{key} is unexpected"),
                None => Ok(()),
            }
        }
        (Value::Array(want), Value::Array(got)) => {
            for (index, (a, b)) in want.iter().zip(got).enumerate() {
                equal(&format!("{at}[{index}]"), a, b)?;
            }
            let (want, got) = (want.len(), got.len());
            ensure!(want == got, "{at}: want {want} items got {got}");
            Ok(())
        }
        _ => {
            ensure!(want == got, "{at}: want {want:.300} got {got:.300}");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compared(expect: &Value, text: &str) -> Result<()> {
        let answer_of_test = Answer {
            status: 200,
            headers: vec![("vary".into(), "a, B".into())],
            body: text.into(),
        };
        answer(expect, &Clock::new(10), &answer_of_test)
    }

    #[test]
    fn traces_may_come_in_any_order_but_lists_in_spans_may_not() {
        let expect = json!({"unordered": true, "json": [[{"id": 1}, {"id": 2}], [{"a": [1, 2]}]]});
        compared(&expect, r#"[[{"a":[1,2]}],[{"id":2},{"id":1}]]"#).unwrap();
        compared(&expect, r#"[[{"a":[2,1]}],[{"id":2},{"id":1}]]"#).unwrap_err();
    }

    #[test]
    fn every_kind_of_difference_is_one() {
        compared(
            &json!({"status": 200, "headers": {"Vary": "a,b", "etag": null}}),
            "",
        )
        .unwrap();
        for expect in [
            json!({"status": 404}),
            json!({"headers": {"vary": "a"}}),
            json!({"headers": {"vary": null}}),
            json!({"headers": {"vary": "~a.*"}}),
            json!({"body": "[2]"}),
            json!({"body_b64": "AAAA"}),
            json!({"body_has": ["2"]}),
            json!({"json": [1, 2]}),
            json!({"json_has": {"a": 1}}),
            json!({"anything": 1}),
        ] {
            compared(&expect, "[1]").unwrap_err();
        }
        compared(
            &json!({"body": "[1]", "json": [1], "body_has": ["1"]}),
            "[1]",
        )
        .unwrap();
    }

    #[test]
    fn keys_that_were_not_recorded_are_a_difference() {
        let expect = json!({"json": {"a": 1}});
        compared(&expect, r#"{"a":1}"#).unwrap();
        compared(&expect, r#"{"a":1,"b":2}"#).unwrap_err();
        compared(&expect, "{}").unwrap_err();
    }
}
