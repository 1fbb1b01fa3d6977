//! Webhooks: who pushed what, whether it is really them, and which applications it concerns. The
//! answer is the names, as Spring's; fetching and refreshing go on behind it.

use aws_lc_rs::hmac;
use http::{StatusCode, header};
use serde_json::Value;

use super::auth::is_same;
use super::reply::{JSON, Reply, error, with};
use super::{Api, Asked};
use crate::cipher;
use crate::refresh::Names;

/// The secrets of webhooks, by who sends them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Webhooks {
    /// GitHub's, and of those that sign as it does: Gitea and Gogs.
    pub github: Option<String>,
    /// GitLab's token.
    pub gitlab: Option<String>,
    /// Gitee's password or key.
    pub gitee: Option<String>,
    /// Bitbucket's.
    pub bitbucket: Option<String>,
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhooks")
    }
}

/// Who sends a webhook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sender {
    Github,
    Gitlab,
    Gitee,
    Bitbucket,
    /// Nobody in particular: a script.
    Other,
}

/// Commits, paths and changes that are looked at.
const ITEMS_MAX: usize = 100_000;

impl Webhooks {
    /// Returns whether any sender has a secret: then none is believed without.
    pub fn are_checked(&self) -> bool {
        [&self.github, &self.gitlab, &self.gitee, &self.bitbucket]
            .iter()
            .any(|secret| secret.is_some())
    }

    /// Returns whether a webhook comes from whom it says.
    fn believe(&self, sender: Sender, asked: &Asked) -> bool {
        match sender {
            Sender::Github => self.github.as_ref().is_some_and(|secret| {
                let sent = asked.header("x-hub-signature-256");
                let sent = if sent.is_empty() {
                    asked.header("x-gitea-signature")
                } else {
                    sent
                };
                let sent = if sent.is_empty() {
                    asked.header("x-gogs-signature")
                } else {
                    sent
                };
                is_signed(secret, &asked.body, sent)
            }),
            Sender::Gitlab => self
                .gitlab
                .as_ref()
                .is_some_and(|secret| is_same(secret, asked.header("x-gitlab-token"))),
            Sender::Gitee => self
                .gitee
                .as_ref()
                .is_some_and(|secret| is_gitee(secret, asked)),
            Sender::Bitbucket => self.bitbucket.as_ref().is_some_and(|secret| {
                is_signed(secret, &asked.body, asked.header("x-hub-signature"))
            }),
            Sender::Other => false,
        }
    }
}

/// Compares an HMAC with SHA-256 in hexadecimal digits, `sha256=` in front or not.
fn is_signed(secret: &str, body: &[u8], sent: &str) -> bool {
    let digits = sent.strip_prefix("sha256=").unwrap_or(sent);
    let Some(sent) = cipher::from_hex(digits) else {
        return false;
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, body, &sent).is_ok()
}

/// Gitee sends the password itself, or, with a key, a signature of its own time.
fn is_gitee(secret: &str, asked: &Asked) -> bool {
    let token = asked.header("x-gitee-token");
    if is_same(secret, token) {
        return true;
    }
    let time = asked.header("x-gitee-timestamp");
    let escaped = percent_encoding::percent_decode_str(token).decode_utf8_lossy();
    let Some(sent) = cipher::from_base64(&escaped).filter(|_| !time.is_empty()) else {
        return false;
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, format!("{time}\n{secret}").as_bytes(), &sent).is_ok()
}

impl Api {
    pub(super) fn monitor(&self, asked: &Asked) -> Reply {
        let sender = sender(asked);
        let by_user = self.auth.is_set() && self.auth.allows(asked.header(header::AUTHORIZATION));
        let believed = !self.webhooks.are_checked() || by_user;
        if !believed && !self.webhooks.believe(sender, asked) {
            self.metrics.webhook_refused();
            tracing::warn!(?sender, "a webhook without a valid signature");
            return error(asked, StatusCode::UNAUTHORIZED, None);
        }
        let names = names(asked);
        let list: Vec<&str> = names.iter().collect();
        tracing::info!(?sender, names = ?list, "a webhook");
        if !names.is_empty() {
            self.refresher.push(&names);
        }
        let body = serde_json::to_string(&list).unwrap_or_default();
        with(StatusCode::OK, JSON, body)
    }
}

fn sender(asked: &Asked) -> Sender {
    let has = |name: &str| !asked.header(name).is_empty();
    if has("x-github-event") || has("x-gitea-event") || has("x-gogs-event") {
        Sender::Github
    } else if has("x-gitlab-event") {
        Sender::Gitlab
    } else if has("x-git-oschina-event") || has("x-gitee-event") {
        Sender::Gitee
    } else if has("x-event-key") {
        Sender::Bitbucket
    } else {
        Sender::Other
    }
}

/// Returns the names that a webhook is about.
fn names(asked: &Asked) -> Names {
    let mut names = Names::default();
    let media_type = asked.header(header::CONTENT_TYPE);
    if media_type.starts_with("application/x-www-form-urlencoded") {
        for (key, value) in form_urlencoded::parse(&asked.body) {
            if key == "path" {
                names.add_path(&value);
            }
        }
        return names;
    }
    let Ok(body) = serde_json::from_slice::<Value>(&asked.body) else {
        return names;
    };
    let is = |name: &str, event: &str| asked.header(name).eq_ignore_ascii_case(event);
    if is("x-gitea-event", "push") {
        names.add_everybody();
    } else if is("x-github-event", "push")
        || is("x-gitlab-event", "Push Hook")
        || is("x-git-oschina-event", "Push Hook")
        || is("x-gitee-event", "Push Hook")
        || is("x-gogs-event", "push")
    {
        commits(&body, &mut names);
    } else if !asked.header("x-event-key").is_empty() {
        if bitbucket(asked, &body) {
            names.add_everybody();
        }
    } else if sender(asked) == Sender::Other {
        paths(body.get("path"), &mut names);
    }
    names
}

/// Adds what commits of GitHub and those like it added, removed or modified.
fn commits(body: &Value, names: &mut Names) {
    let commits = body.get("commits").and_then(Value::as_array);
    for commit in commits.into_iter().flatten().take(ITEMS_MAX) {
        for kind in ["added", "removed", "modified"] {
            paths(commit.get(kind), names);
        }
    }
}

fn paths(value: Option<&Value>, names: &mut Names) {
    match value {
        Some(Value::String(path)) => names.add_path(path),
        Some(Value::Array(paths)) => {
            for path in paths.iter().filter_map(Value::as_str).take(ITEMS_MAX) {
                names.add_path(path);
            }
        }
        _ => {}
    }
}

/// Returns whether a webhook of Bitbucket tells of a push; it does not say which files.
fn bitbucket(asked: &Asked, body: &Value) -> bool {
    let has_changes = |value: Option<&Value>| {
        let changes = value.and_then(Value::as_array);
        changes.is_some_and(|changes| !changes.is_empty())
    };
    match asked.header("x-event-key") {
        "pr:merged" | "pullrequest:fulfilled" => true,
        "repo:push" => has_changes(body.get("push").and_then(|push| push.get("changes"))),
        "repo:refs_changed" => has_changes(body.get("changes")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn asked(headers: &[(&'static str, &str)], body: &str) -> Asked {
        let mut map = http::HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Asked {
            method: http::Method::POST,
            path: "/monitor".to_owned(),
            query: String::new(),
            headers: map,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn listed(headers: &[(&'static str, &str)], body: &str) -> Vec<String> {
        names(&asked(headers, body))
            .iter()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn recorded_webhooks_give_the_same_names() {
        let recorded = include_str!("../../testdata/recorded/2025/08-config-monitor.txt");
        let mut compared = 0;
        for part in recorded.split("# config\n").skip(1) {
            let (request, answer) = part.split_once("\n< ").unwrap();
            let (head, body) = request.split_once("\n>\n> ").unwrap();
            let mut headers = Vec::new();
            for name in ["Content-Type", "X-Github-Event", "X-Gitlab-Event"] {
                let line = head
                    .lines()
                    .find_map(|line| line.strip_prefix(&format!("> {name}: ")));
                let lower: &'static str = match name {
                    "Content-Type" => "content-type",
                    "X-Github-Event" => "x-github-event",
                    _ => "x-gitlab-event",
                };
                headers.extend(line.map(|value| (lower, value)));
            }
            let expected = answer
                .lines()
                .filter_map(|line| line.strip_prefix("< "))
                .next_back()
                .unwrap();
            let ours = serde_json::to_string(&listed(&headers, body)).unwrap();
            assert_eq!(ours, expected, "{body}");
            compared += 1;
        }
        assert_eq!(compared, 7);
    }

    #[test]
    fn those_that_do_not_say_which_files_mean_everybody() {
        let everybody = ["*"];
        assert_eq!(listed(&[("x-gitea-event", "push")], "{}"), everybody);
        let bitbucket = [("x-event-key", "repo:push"), ("x-hook-uuid", "1")];
        assert_eq!(
            listed(&bitbucket, r#"{"push": {"changes": [{}]}}"#),
            everybody
        );
        assert!(listed(&bitbucket, r#"{"push": {"changes": []}}"#).is_empty());
        let server = [("x-event-key", "repo:refs_changed"), ("x-request-id", "1")];
        assert_eq!(listed(&server, r#"{"changes": [{}]}"#), everybody);
        assert_eq!(listed(&[("x-event-key", "pr:merged")], "{}"), everybody);
        assert!(listed(&[("x-event-key", "pr:opened")], "{}").is_empty());
        assert!(listed(&[], "no JSON").is_empty());
    }

    #[test]
    fn only_signed_webhooks_are_believed() {
        let webhooks = Webhooks {
            github: Some("It's a Secret to Everybody".to_owned()),
            gitlab: Some("token".to_owned()),
            gitee: Some("key".to_owned()),
            bitbucket: Some("It's a Secret to Everybody".to_owned()),
        };
        // The example of GitHub's documentation.
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let body = "Hello, World!";
        let believe = |sender, headers: &[(&'static str, &str)], body: &str| {
            webhooks.believe(sender, &asked(headers, body))
        };
        assert!(believe(
            Sender::Github,
            &[("x-hub-signature-256", signature)],
            body
        ));
        assert!(!believe(
            Sender::Github,
            &[("x-hub-signature-256", signature)],
            "Hello, World"
        ));
        assert!(!believe(Sender::Github, &[], body));
        assert!(believe(
            Sender::Bitbucket,
            &[("x-hub-signature", signature)],
            body
        ));
        assert!(!believe(
            Sender::Bitbucket,
            &[("x-hub-signature", "sha256=00")],
            body
        ));
        assert!(believe(
            Sender::Gitlab,
            &[("x-gitlab-token", "token")],
            body
        ));
        assert!(!believe(
            Sender::Gitlab,
            &[("x-gitlab-token", "tokens")],
            body
        ));
        assert!(believe(Sender::Gitee, &[("x-gitee-token", "key")], body));
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let signed = cipher::to_base64(hmac::sign(&key, b"1700000000000\nkey").as_ref());
        let sent = [
            ("x-gitee-token", &*signed),
            ("x-gitee-timestamp", "1700000000000"),
        ];
        assert!(believe(Sender::Gitee, &sent, body));
        let later = [
            ("x-gitee-token", &*signed),
            ("x-gitee-timestamp", "1700000000001"),
        ];
        assert!(!believe(Sender::Gitee, &later, body));
        assert!(!believe(Sender::Other, &[], body));
    }
}
