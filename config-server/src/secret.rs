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
/// Names in connection strings and the like, before `=` or `:`.
const NAMES: [&str; 9] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "accountkey",
    "accesskey",
    "apikey",
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
    let alone = |word: &String| WORDS.contains(&&**word) || compound(word);
    words.iter().any(alone) || words.windows(2).any(beside)
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
    let is_header = ["bearer ", "basic "]
        .iter()
        .any(|scheme| lower.starts_with(scheme));
    is_header
        || lower.contains("-----begin") && lower.contains("private key")
        || next_credentials(value).is_some()
        || names_a_secret(&lower)
        || is_oracle(&lower)
}

/// Returns whether `password=` or the like stands in a text, also as JSON has it.
fn names_a_secret(lower: &str) -> bool {
    NAMES.iter().any(|name| {
        lower.match_indices(name).any(|(at, _)| {
            let behind = lower.get(at + name.len()..).unwrap_or_default();
            let behind = behind.trim_start_matches(['"', '\'', ' ']);
            behind.starts_with(['=', ':'])
        })
    })
}

/// Returns whether a text is Oracle's form of an address: `jdbc:oracle:thin:user/password@host`.
fn is_oracle(lower: &str) -> bool {
    let rest = lower.strip_prefix("jdbc:oracle:");
    let user = rest.and_then(|rest| rest.split_once('@'));
    user.is_some_and(|(user, _)| user.contains('/'))
}

/// Returns where the first address in a text has a password or token, which is what is before
/// `@host`: the places of both ends. A name alone is a token for HTTP, but none for ssh.
fn next_credentials(text: &str) -> Option<(usize, usize)> {
    let mut marks = text.match_indices("://");
    marks.find_map(|(mark, _)| {
        let begins = mark + 3;
        let rest = text.get(begins..)?;
        let ends_word = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`');
        let word = rest.split(ends_word).next().unwrap_or_default();
        let end = word.find(['/', '?', '#']).unwrap_or(word.len());
        let (authority, path) = word.split_at(end);
        let at = match authority.rfind('@') {
            Some(at) => at,
            // A password with a slash that is not escaped: behind the colon there is no port.
            None => {
                let (_, port) = authority.split_once(':')?;
                let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
                (!is_port).then(|| path.rfind('@')).flatten()? + end
            }
        };
        let before = text.get(..mark).unwrap_or_default();
        let is_web = ["http", "https"]
            .iter()
            .any(|scheme| before.ends_with(scheme));
        let user = word.get(..at).unwrap_or_default();
        let counts = match user.split_once(':') {
            Some((_, password)) => password != HIDDEN,
            None => is_web && !user.is_empty() && user != HIDDEN,
        };
        counts.then_some((begins, begins + at))
    })
}

/// Returns a text, as of an error, without the passwords and tokens of addresses in it.
pub(crate) fn without_credentials(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((begins, ends)) = next_credentials(rest) {
        let user = rest.get(begins..ends).unwrap_or_default();
        out.push_str(rest.get(..begins).unwrap_or_default());
        if let Some((name, _)) = user.split_once(':') {
            out.push_str(name);
            out.push(':');
        }
        out.push_str(HIDDEN);
        rest = rest.get(ends..).unwrap_or_default();
    }
    out.push_str(rest);
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
            "https://u:p@host",
            "see https://h/x and amqp://u:p@h",
            "postgres://u:pa/ss@h",
            "jdbc:oracle:thin:scott/tiger@h:1521",
            "Bearer abc",
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
            ("", ""),
        ] {
            assert_eq!(without_credentials(text), told);
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
