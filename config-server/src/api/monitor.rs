//! Webhooks: who pushed what, whether it is really them, and which applications it concerns. The
//! answer is the names, as Spring's; fetching and refreshing go on behind it.

use aws_lc_rs::hmac;
use http::{StatusCode, header};
use serde_json::Value;

use super::auth::is_same;
use super::reply::{JSON, Reply, error, with};
use super::serve::Who;
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

    /// Returns whether a webhook may come from whom it says, as far as its headers tell: those that
    /// can't are refused before anything else of them is read.
    fn may_believe(&self, sender: Sender, asked: &Asked) -> bool {
        let is_one = |sent: &str| signature(sent).is_some();
        match sender {
            Sender::Github => self.github.is_some() && is_one(github_signature(asked)),
            Sender::Bitbucket => {
                self.bitbucket.is_some() && is_one(asked.header("x-hub-signature"))
            }
            Sender::Gitlab | Sender::Gitee | Sender::Other => self.believe(sender, asked),
        }
    }

    /// Returns whether a webhook comes from whom it says.
    fn believe(&self, sender: Sender, asked: &Asked) -> bool {
        match sender {
            Sender::Github => self
                .github
                .as_ref()
                .is_some_and(|secret| is_signed(secret, &asked.body, github_signature(asked))),
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

/// Returns the signature that GitHub, or one of those like it, sends.
fn github_signature(asked: &Asked) -> &str {
    let names = [
        "x-hub-signature-256",
        "x-gitea-signature",
        "x-gogs-signature",
    ];
    let mut sent = names.iter().map(|name| asked.header(*name));
    sent.find(|text| !text.is_empty()).unwrap_or_default()
}

/// Reads an HMAC with SHA-256 in hexadecimal digits, `sha256=` in front or not.
fn signature(sent: &str) -> Option<Vec<u8>> {
    let digits = sent.strip_prefix("sha256=").unwrap_or(sent);
    cipher::from_hex(digits)
        .filter(|bytes| bytes.len() == hmac::HMAC_SHA256.digest_algorithm().output_len())
}

fn is_signed(secret: &str, body: &[u8], sent: &str) -> bool {
    let Some(sent) = signature(sent) else {
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
    /// Returns the refusal of a webhook that is not worth reading, or else who sends it.
    pub(super) fn sends(&self, asked: &Asked) -> Result<Who, Box<Reply>> {
        let by_user = self.auth.is_set() && self.auth.allows(asked.header(header::AUTHORIZATION));
        if by_user || !self.webhooks.are_checked() {
            return Ok(Who::Known);
        }
        let sender = sender(asked);
        if self.webhooks.may_believe(sender, asked) {
            return Ok(Who::Stranger);
        }
        Err(Box::new(self.refuse_webhook(sender, asked)))
    }

    fn refuse_webhook(&self, sender: Sender, asked: &Asked) -> Reply {
        self.metrics.webhook_refused();
        tracing::warn!(?sender, "a webhook without a valid signature");
        error(asked, StatusCode::UNAUTHORIZED, None)
    }

    pub(super) fn monitor(&self, asked: &Asked) -> Reply {
        let sender = sender(asked);
        if asked.who == Who::Stranger && !self.webhooks.believe(sender, asked) {
            return self.refuse_webhook(sender, asked);
        }
        let names = match names(asked) {
            Ok(names) => names,
            Err(status) => {
                tracing::warn!(
                    ?sender,
                    "a webhook as a form without a path: JSON is understood"
                );
                return error(asked, status, None);
            }
        };
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
fn names(asked: &Asked) -> Result<Names, StatusCode> {
    let media_type = asked.header(header::CONTENT_TYPE);
    if media_type.starts_with("application/x-www-form-urlencoded") {
        return form(asked);
    }
    match serde_json::from_slice(&asked.body) {
        Ok(body @ Value::Object(_)) => Ok(of_json(asked, &body)),
        _ => Err(StatusCode::BAD_REQUEST),
    }
}

/// Returns the names of a form. As in Spring it has a path, also in the address, and is no webhook
/// of GitHub's without one; a single path may be a list.
fn form(asked: &Asked) -> Result<Names, StatusCode> {
    let query = form_urlencoded::parse(asked.query.as_bytes());
    let all = query.chain(form_urlencoded::parse(&asked.body));
    let paths = all.filter(|(key, _)| key == "path").map(|(_, path)| path);
    let paths: Vec<_> = paths.take(ITEMS_MAX).collect();
    let mut names = Names::default();
    match &*paths {
        [] => return Err(StatusCode::BAD_REQUEST),
        [list] => list.split(',').for_each(|path| names.add_path(path.trim())),
        several => several.iter().for_each(|path| names.add_path(path)),
    }
    Ok(names)
}

/// Returns the names of a webhook in JSON; what says nothing of its sender's kind may have a path.
fn of_json(asked: &Asked, body: &Value) -> Names {
    let mut names = Names::default();
    let is = |name: &str, event: &str| asked.header(name).eq_ignore_ascii_case(event);
    let is_push = is("x-github-event", "push")
        || is("x-gitlab-event", "Push Hook")
        || is("x-git-oschina-event", "Push Hook")
        || is("x-gitee-event", "Push Hook")
        || is("x-gogs-event", "push");
    let of_push = body.get("commits").and_then(Value::as_array);
    if is("x-gitea-event", "push") || bitbucket(asked, body) {
        names.add_everybody();
    } else if let Some(all) = of_push.filter(|_| is_push) {
        commits(all, &mut names);
    } else {
        paths(body.get("path"), &mut names);
    }
    names
}

/// Adds what commits of GitHub and those like it added, removed or modified.
fn commits(all: &[Value], names: &mut Names) {
    for commit in all.iter().take(ITEMS_MAX) {
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
            who: Who::Stranger,
        }
    }

    fn listed(headers: &[(&'static str, &str)], body: &str) -> Vec<String> {
        names(&asked(headers, body))
            .unwrap()
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
    }

    #[test]
    fn what_is_no_object_of_json_is_a_bad_request() {
        for body in ["no JSON", "[]", "", "1"] {
            assert_eq!(
                names(&asked(&[], body)),
                Err(StatusCode::BAD_REQUEST),
                "{body}"
            );
        }
        assert!(listed(&[], "{}").is_empty());
        let push = [("x-github-event", "push")];
        assert_eq!(listed(&push, r#"{"path": "x.yml"}"#), ["x"]);
        let both = r#"{"path": "x.yml", "commits": [{"added": ["a.yml"]}]}"#;
        assert_eq!(listed(&push, both), ["a"]);
        assert!(listed(&push, r#"{"commits": []}"#).is_empty());
    }

    #[test]
    fn a_form_has_a_path_or_is_a_bad_request() {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-github-event", "push"),
        ];
        let push = "payload=%7B%22commits%22%3A%5B%7B%22modified%22%3A%5B%22a.yml%22%5D%7D%5D%7D";
        for body in [push, "", "paths=a"] {
            let refused = names(&asked(&headers, body));
            assert_eq!(refused, Err(StatusCode::BAD_REQUEST), "{body}");
        }
        assert_eq!(listed(&headers, "path=a.yml&payload=x"), ["a"]);
        assert_eq!(listed(&headers, "path=a.yml,%20b.yml"), ["a", "b"]);
        assert_eq!(listed(&headers, "path=a,b.yml&path=c"), ["a,b", "c"]);
        assert!(listed(&headers, "path=").is_empty());
        let mut by_query = asked(&headers, "");
        by_query.query = "path=a.yml".to_owned();
        assert_eq!(names(&by_query).unwrap().iter().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn what_headers_tell_to_be_false_is_not_read() {
        let webhooks = Webhooks {
            github: Some("secret".to_owned()),
            gitlab: Some("token".to_owned()),
            ..Webhooks::default()
        };
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let may = |sender, headers: &[(&'static str, &str)]| {
            webhooks.may_believe(sender, &asked(headers, ""))
        };
        assert!(may(Sender::Github, &[("x-hub-signature-256", signature)]));
        assert!(may(Sender::Gitlab, &[("x-gitlab-token", "token")]));
        assert!(!may(Sender::Gitlab, &[("x-gitlab-token", "other")]));
        for sent in [
            "",
            "sha256=00",
            "sha1=757107ea0eb2509fc211221cce984b8a37570b6d",
        ] {
            assert!(
                !may(Sender::Github, &[("x-hub-signature-256", sent)]),
                "{sent}"
            );
        }
        assert!(!may(Sender::Bitbucket, &[("x-hub-signature", signature)]));
        assert!(!may(Sender::Gitee, &[("x-gitee-token", "")]));
        assert!(!may(Sender::Other, &[]));
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
