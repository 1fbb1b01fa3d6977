//! What must not be shown: values whose keys speak of secrets, or that look like some whatever
//! their keys. Too much is hidden rather than too little; nothing is kept from clients here.

use crate::document::{Entry, Secrecy};

/// Words that speak of secrets wherever they stand in a key, also within longer ones.
const WORDS_WITHIN: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "bearer",
    "private",
];
/// Those that do as words of their own; within others (`author`, `monkey`) they mean nothing.
const WORDS: [&str; 8] = [
    "pass",
    "auth",
    "oauth",
    "authorization",
    "jwt",
    "pem",
    "jaas",
    "sas",
];
/// Words that end as a word for a secret does and mean something else.
const NO_PASSES: [&str; 7] = [
    "bypass",
    "compass",
    "encompass",
    "overpass",
    "surpass",
    "trespass",
    "underpass",
];
/// What stands beside a key that opens something, before or behind it.
const BESIDE_KEY: [&str; 12] = [
    "api",
    "access",
    "encrypt",
    "encryption",
    "sign",
    "signing",
    "account",
    "shared",
    "master",
    "ssh",
    "aes",
    "rsa",
];
/// Names in connection strings and the like, before `=` or `:`, whatever joins their words.
const NAMES: [&str; 12] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "accountkey",
    "accesskey",
    "apikey",
    "secretkey",
    "privatekey",
    "authorization",
];
/// What stands for a secret.
const HIDDEN: &str = "***";

/// Returns whether the value of an entry must not be shown.
pub(crate) fn is_secret(entry: &Entry) -> bool {
    entry.secrecy != Secrecy::Open
        || is_secret_key(&entry.key)
        || is_secret_value(&entry.value.to_string())
}

fn is_secret_key(key: &str) -> bool {
    let words = words(key);
    let whole = words.concat();
    // The last part of a key that is called so is one: `client.key`, `tls.server-key`.
    let last = key.rsplit('.').next().unwrap_or(key).to_lowercase();
    if WORDS_WITHIN.iter().any(|word| whole.contains(word)) || last.ends_with("key") {
        return true;
    }
    let opens = |word: &str| BESIDE_KEY.contains(&word);
    let is_key = |word: &str| matches!(word, "key" | "keys");
    let compound = |word: &str| {
        let stem = word.strip_suffix('s').unwrap_or(word).strip_suffix("key");
        stem.is_some_and(opens)
    };
    let beside = |pair: &[String]| match pair {
        [one, other] => opens(one) && is_key(other) || is_key(one) && opens(other),
        _ => false,
    };
    let alone = |word: &String| WORDS.contains(&&**word) || compound(word) || ends_in_pass(word);
    words.iter().any(alone) || words.windows(2).any(beside)
}

/// Returns whether a word is one as `dbpass`.
fn ends_in_pass(word: &str) -> bool {
    let is_one = |word: &str| word.ends_with("pass") && !NO_PASSES.contains(&word);
    is_one(word) || word.strip_suffix("es").is_some_and(is_one)
}

/// Splits a key at what is no letter or digit, and where small letters become large ones.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in key.chars() {
        let begins = was_small && c.is_uppercase();
        was_small = c.is_lowercase();
        if begins || !c.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn is_secret_value(value: &str) -> bool {
    let lower = value.to_lowercase();
    let mut schemes = ["bearer ", "basic "].into_iter();
    let is_header = schemes.any(|scheme| {
        let mut places = lower.match_indices(scheme);
        // Alone, or behind the name of a header.
        places.any(|(at, _)| {
            let before = lower.get(..at).unwrap_or_default().trim_end();
            before.is_empty() || before.ends_with([':', '='])
        })
    });
    is_header
        || lower.contains("-----begin") && lower.contains("private key")
        || Credentials::of(value).next().is_some()
        || names_a_secret(&lower)
        || is_oracle(&lower)
}

/// Returns whether `password=` or the like stands in a text, also as JSON has it.
fn names_a_secret(lower: &str) -> bool {
    let is_name = |behind: &str| {
        let behind = behind.trim_start_matches(['"', '\'', ' ']);
        behind.starts_with(['=', ':'])
    };
    let joined = lower.replace(['_', '-'], "");
    let named = |name: &&str| {
        let mut places = joined.match_indices(*name);
        places.any(|(at, _)| is_name(joined.get(at + name.len()..).unwrap_or_default()))
    };
    let passes = || {
        let mut words = lower.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
        let mut end = 0;
        words.any(|word| {
            end += word.len();
            let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            ends_in_pass(bare) && is_name(lower.get(end + bare.len() - word.len()..).unwrap_or(""))
        })
    };
    NAMES.iter().any(named) || passes()
}

/// Returns whether a text is Oracle's form of an address: `jdbc:oracle:thin:user/password@host`.
fn is_oracle(lower: &str) -> bool {
    let rest = lower.strip_prefix("jdbc:oracle:");
    let user = rest.and_then(|rest| rest.split_once('@'));
    user.is_some_and(|(user, _)| user.contains('/'))
}

/// Where addresses in a text have a password or token, which is what is before `@host`: the places
/// of both ends, found in one go however many addresses there are. A name alone is a token for
/// HTTP, but none for ssh.
struct Credentials<'a> {
    text: &'a str,
    /// Where to look on.
    from: usize,
    /// Where the word ends that was looked at last, and where its last `@` is.
    word: (usize, Option<usize>),
}

impl<'a> Credentials<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            text,
            from: 0,
            word: (0, None),
        }
    }

    /// Returns the end of the word around a place, and where its last `@` is.
    fn word(&mut self, at: usize) -> (usize, Option<usize>) {
        if at >= self.word.0 {
            let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`');
            let rest = self.text.get(at..).unwrap_or_default();
            let word = rest.split(ends).next().unwrap_or_default();
            let last = word.rfind('@').map(|sign| at + sign);
            self.word = (at + word.len(), last);
        }
        self.word
    }

    /// Returns where the credentials end that begin at a place behind `://`.
    fn end(&mut self, begins: usize) -> Option<usize> {
        let (word_end, last) = self.word(begins);
        let word = self.text.get(begins..word_end)?;
        let authority = word.split(['/', '?', '#']).next().unwrap_or_default();
        let at = match authority.rfind('@') {
            Some(at) => begins + at,
            // A password with a slash that is not escaped: behind the colon there is no port.
            None => {
                let (_, port) = authority.split_once(':')?;
                let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
                last.filter(|at| !is_port && *at > begins)?
            }
        };
        let before = self.text.get(..begins - 3).unwrap_or_default().as_bytes();
        let is_web = ["http", "https"].iter().any(|scheme| {
            let tail = before
                .len()
                .checked_sub(scheme.len())
                .and_then(|at| before.get(at..));
            tail.is_some_and(|tail| tail.eq_ignore_ascii_case(scheme.as_bytes()))
        });
        let user = self.text.get(begins..at)?;
        let counts = match user.split_once(':') {
            Some((_, password)) => password != HIDDEN,
            None => is_web && !user.is_empty() && user != HIDDEN,
        };
        counts.then_some(at)
    }
}

impl Iterator for Credentials<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        loop {
            let mark = self.text.get(self.from..)?.find("://")?;
            let begins = self.from + mark + 3;
            self.from = begins;
            if let Some(end) = self.end(begins) {
                self.from = end;
                return Some((begins, end));
            }
        }
    }
}

/// Returns a text, as of an error, without the passwords and tokens of addresses in it.
pub(crate) fn without_credentials(text: &str) -> String {
    let mut out = String::new();
    let mut told = 0;
    for (begins, ends) in Credentials::of(text) {
        let user = text.get(begins..ends).unwrap_or_default();
        out.push_str(text.get(told..begins).unwrap_or_default());
        if let Some((name, _)) = user.split_once(':') {
            out.push_str(name);
            out.push(':');
        }
        out.push_str(HIDDEN);
        told = ends;
    }
    out.push_str(text.get(told..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_speak_of_secrets_hide_their_values() {
        for key in [
            "password",
            "password.value",
            "secrets.a",
            "db.passphrase",
            "db.pwd",
            "db.dbPwd",
            "dbpass",
            "db.userpass",
            "MYSQL_ROOTPASS",
            "redis.userPasses[0]",
            "api.key.value",
            "api.keys[0]",
            "apikey.value",
            "access-key.id",
            "key.private.x",
            "encrypt.key",
            "encryptionKey.current",
            "auth.bearer",
            "auth.value",
            "oauth.client",
            "client.credentials.x",
            "my_token",
            "tokens[0]",
            "MAIL_PASSWORD",
            "spring.datasource.hikari.passwd",
            "tls.server-key",
        ] {
            assert!(is_secret_key(key), "{key}");
        }
        for key in [
            "port",
            "author",
            "authors[0]",
            "spring.application.name",
            "key.store.type",
            "monkeys",
            "compass.url",
            "encompass",
            "app.compasses",
            "passenger",
            "foo.keys",
            "bypass",
        ] {
            assert!(!is_secret_key(key), "{key}");
        }
    }

    #[test]
    fn values_that_look_like_secrets_are_hidden() {
        for value in [
            "-----BEGIN RSA PRIVATE KEY-----\nx",
            "-----BEGIN PRIVATE KEY-----",
            "jdbc:mysql://h/d?user=x&password=topsecret",
            "Server=x;Password=abc",
            "Server=x; PWD = abc",
            "AccountName=x;AccountKey=abc",
            "{\"password\": \"x\"}",
            "https://token@host/x",
            "HTTP://token@host/x",
            "see Https://token@host/x",
            "user=x;dbpass=abc",
            "pass: abc",
            "https://u:p@host",
            "see https://h/x and amqp://u:p@h",
            "postgres://u:pa/ss@h",
            "jdbc:oracle:thin:scott/tiger@h:1521",
            "Bearer abc",
            "x; api_key=abc",
            "x; Api-Key: abc",
            "secret_key: abc",
            "aws_secret_access_key = abc",
            "aws_secret_access_key=abc aws_access_key_id=x",
            "PRIVATE_KEY=abc",
            "accept: x, Authorization: Bearer abc",
            "X-Auth: Bearer abc",
            "{\"x-auth\": bearer abc",
            "org.x.Login required password=\"x\";",
        ] {
            assert!(is_secret_value(value), "{value}");
        }
        for value in [
            "8080",
            "https://host/x@y",
            "https://host:8080/x@y",
            "ssh://git@host/x",
            "git@host:x/y",
            "jdbc:oracle:thin:@h:1521",
            "-----BEGIN CERTIFICATE-----",
            "a password is needed",
            "the bearer is known",
            "visual basic",
            "compass: north",
            "SSH://git@host/x",
        ] {
            assert!(!is_secret_value(value), "{value}");
        }
    }

    #[test]
    fn errors_are_told_without_credentials() {
        for (text, told) in [
            ("no git://u:p@h/x, no", "no git://u:***@h/x, no"),
            (
                "https://t@h/x and 'https://u:p:q@h'",
                "https://***@h/x and 'https://u:***@h'",
            ),
            ("https://u:***@h", "https://u:***@h"),
            ("ssh://git@h/x", "ssh://git@h/x"),
            ("é://é:é@é", "é://é:***@é"),
            ("HTTPS://t@h/x", "HTTPS://***@h/x"),
            ("a://u:p@h/b://u:p@h", "a://u:***@h/b://u:***@h"),
            ("a://u:p/q@h,b://u:p@h", "a://u:***@h"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(text), told);
        }
    }

    #[test]
    fn long_texts_are_gone_through_once() {
        // Each would take minutes if every address looked at all that is behind it.
        let n = 200_000;
        for text in [
            "a://".repeat(n),
            "a://b:c/".repeat(n),
            "a://b:c@".repeat(n),
            "a://b:***@d/".repeat(n),
            format!("{}@", "a://b:***@/".repeat(n)),
        ] {
            let told = without_credentials(&text);
            assert!(told.len() <= text.len() + 4 * n);
            let _either = is_secret_value(&text);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_told(text in "([a:/@é ?*]|://|https){0,40}") {
            let told = without_credentials(&text);
            proptest::prop_assert_eq!(without_credentials(&told), told);
            let _either = is_secret_value(&text) || is_secret_key(&text);
        }
    }
}
