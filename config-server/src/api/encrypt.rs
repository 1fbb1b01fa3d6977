//! Encrypting and decrypting for people, who often send a text as a form because curl does.

use http::{StatusCode, header};

use super::reply::{JSON, Reply, TEXT_UTF8, error, with};
use super::{Api, Asked};
use crate::cipher::{self, CipherError};

fn status(code: StatusCode, description: &str, status: &str) -> Reply {
    let body = format!("{{\"description\":\"{description}\",\"status\":\"{status}\"}}");
    with(code, JSON, body)
}

fn no_key() -> Reply {
    let what = "No key was installed for encryption service";
    status(StatusCode::NOT_FOUND, what, "NO_KEY")
}

impl Api {
    pub(super) fn encrypt(&self, asked: &Asked) -> Reply {
        let Some(text) = text(asked).filter(|text| !text.is_empty()) else {
            return error(asked, StatusCode::BAD_REQUEST, None);
        };
        let text = without_form(asked, &text, false);
        match self.cipher.encrypt(cipher::without_prefixes(&text)) {
            Ok(made) => with(StatusCode::OK, TEXT_UTF8, cipher::prefixes(&text) + &made),
            Err(CipherError::NoKey) => no_key(),
            Err(_) => error(asked, StatusCode::INTERNAL_SERVER_ERROR, None),
        }
    }

    pub(super) fn decrypt(&self, asked: &Asked) -> Reply {
        let Some(text) = text(asked).filter(|text| !text.is_empty()) else {
            return error(asked, StatusCode::BAD_REQUEST, None);
        };
        let text = without_form(asked, &text, true);
        match self.cipher.decrypt(cipher::without_prefixes(&text)) {
            Ok(text) => with(StatusCode::OK, TEXT_UTF8, text),
            Err(CipherError::NoKey) => no_key(),
            Err(CipherError::TooShort) => error(asked, StatusCode::INTERNAL_SERVER_ERROR, None),
            Err(CipherError::Invalid | CipherError::TooLong) => {
                let what = "Text not encrypted with this key";
                status(StatusCode::BAD_REQUEST, what, "INVALID")
            }
        }
    }

    pub(super) fn encrypt_status(&self) -> Reply {
        if self.cipher.has_key() {
            with(StatusCode::OK, JSON, "{\"status\":\"OK\"}")
        } else {
            no_key()
        }
    }

    pub(super) fn key(&self) -> Reply {
        match self.cipher.public_key() {
            Some(key) => with(StatusCode::OK, TEXT_UTF8, key.to_owned()),
            None => status(
                StatusCode::NOT_FOUND,
                "No public key available",
                "NOT_FOUND",
            ),
        }
    }
}

fn is_form(asked: &Asked) -> bool {
    let media_type = asked.header(header::CONTENT_TYPE);
    media_type.starts_with("application/x-www-form-urlencoded")
}

/// Returns the body as Spring sees it: that of a form is put together again of what was read.
/// There is none without a type.
fn text(asked: &Asked) -> Option<String> {
    if asked.header(header::CONTENT_TYPE).is_empty() {
        return None;
    }
    if !is_form(asked) {
        return String::from_utf8(asked.body.to_vec()).ok();
    }
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(&asked.body) {
        out.append_pair(&name, &value);
    }
    Some(out.finish())
}

/// Undoes what a client did to a text that it took for a form: a sign at the end, and escapes. As
/// in Spring only a text without parameters of its type is sure to be none.
fn without_form(asked: &Asked, text: &str, encrypted: bool) -> String {
    let media_type = asked.header(header::CONTENT_TYPE).trim();
    let is_text = media_type.eq_ignore_ascii_case("text/plain");
    let Some(candidate) = text.strip_suffix('=').filter(|_| !is_text) else {
        return text.to_owned();
    };
    let unescape = |text: &str| {
        let spaced = text.replace('+', " ");
        let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
        decoded.map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
    };
    if !encrypted {
        return unescape(candidate);
    }
    let whole = unescape(text).replace(' ', "+");
    match whole.strip_suffix('=') {
        // The sign is one too many for hexadecimal digits, and for Base64 when the length says so.
        Some(cut) if whole.len() % 2 == 1 && is_encoded(cut) => cut.to_owned(),
        _ => whole,
    }
}

fn is_encoded(text: &str) -> bool {
    let digit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    text.bytes().all(digit)
}
