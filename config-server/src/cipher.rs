//! Encrypted values: `{cipher}` and a text that a key makes a value of. The forms are those of
//! Spring's encryptors. It says nothing of a text that would help to guess it.
//!
//! # Layout
//!
//! - `symmetric`: a password, AES in CBC mode.
//! - `rsa`: a pair of keys, AES with a password of its own for each text.
//! - `der`: what of keys' encodings is needed.

mod der;
mod rsa;
mod symmetric;

use indexmap::IndexMap;

use crate::document::{Entry, Secrecy};
use crate::value::Value;

pub use rsa::{Padding, Rsa};
pub use symmetric::Symmetric;

/// What an encrypted value begins with.
pub const MARK: &str = "{cipher}";

/// Why a text can't be encrypted or decrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CipherError {
    /// No key is set.
    #[error("no key is set")]
    NoKey,
    /// The text was made with another key, or with none.
    #[error("it was not encrypted with the key that is set")]
    Invalid,
    /// The text is shorter than any that was encrypted.
    #[error("it is too short")]
    TooShort,
    /// The text is longer than any that is decrypted.
    #[error("it is too long")]
    TooLong,
}

/// Why a key can't be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub(crate) String);

/// A key.
pub enum Key {
    /// A password.
    Symmetric(Symmetric),
    /// A pair.
    Rsa(Box<Rsa>),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Symmetric(_) => "Symmetric",
            Self::Rsa(_) => "Rsa",
        })
    }
}

/// How a key is made.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText {
    /// A password, or a private key in PEM.
    pub text: String,
    /// `encrypt.salt`.
    pub salt: String,
    /// `encrypt.rsa.salt`, `encrypt.rsa.strong` and `encrypt.rsa.algorithm`, which count for a key
    /// of a file; `None` for one of `encrypt.key`.
    pub rsa: Option<RsaForm>,
}

impl std::fmt::Debug for KeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyText")
    }
}

/// How texts are encrypted with a pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RsaForm {
    /// Hexadecimal, or a text.
    pub salt: String,
    /// AES in GCM mode.
    pub strong: bool,
    /// How the password is padded.
    pub padding: Padding,
}

impl Default for RsaForm {
    fn default() -> Self {
        Self {
            salt: DEFAULT_SALT.to_owned(),
            strong: false,
            padding: Padding::Pkcs1,
        }
    }
}

/// What Spring salts with unless it is told.
pub const DEFAULT_SALT: &str = "deadbeef";

impl Key {
    /// Makes a key of what is set.
    pub fn new(key: &KeyText) -> Result<Self, KeyError> {
        // Variables of an environment often hold a PEM in one line.
        let text = if key.text.contains("-----BEGIN") {
            key.text.replace("\\n", "\n")
        } else {
            key.text.clone()
        };
        if text.contains("PRIVATE KEY-----") {
            let form = key.rsa.clone().unwrap_or_default();
            return Ok(Self::Rsa(Box::new(Rsa::new(&text, &form)?)));
        }
        Ok(Self::Symmetric(Symmetric::new(&text, &key.salt)))
    }
}

/// What is done with encrypted values.
#[derive(Debug, Default)]
pub struct Cipher {
    /// `None` when there is none.
    key: Option<Key>,
    /// Whether values are given as they stand, for clients to decrypt.
    leaves: bool,
}

impl Cipher {
    /// Returns what decrypts with a key.
    pub fn new(key: Option<Key>) -> Self {
        Self { key, leaves: false }
    }

    /// Returns what leaves encrypted values of files as they are.
    #[must_use]
    pub fn leaving_values(self) -> Self {
        Self {
            leaves: true,
            ..self
        }
    }

    /// Encrypts a text, without a mark in front.
    pub fn encrypt(&self, text: &str) -> Result<String, CipherError> {
        match self.key.as_ref().ok_or(CipherError::NoKey)? {
            Key::Symmetric(key) => Ok(symmetric::hex(&key.encrypt(text.as_bytes())?)),
            Key::Rsa(key) => key.encrypt(text.as_bytes()),
        }
    }

    /// Decrypts a text without its mark.
    pub fn decrypt(&self, text: &str) -> Result<String, CipherError> {
        let key = self.key.as_ref().ok_or(CipherError::NoKey)?;
        if text.len() > TEXT_BYTES_MAX {
            return Err(CipherError::TooLong);
        }
        let bytes = match key {
            Key::Symmetric(key) => {
                key.decrypt(&symmetric::unhex(text).ok_or(CipherError::Invalid)?)?
            }
            // Spring tells no more of a text that is too short.
            Key::Rsa(key) => key.decrypt(text).map_err(|_| CipherError::Invalid)?,
        };
        String::from_utf8(bytes).map_err(|_| CipherError::Invalid)
    }

    /// Returns the public key as `ssh-rsa ... application`.
    pub fn public_key(&self) -> Option<&str> {
        match &self.key {
            Some(Key::Rsa(key)) => Some(key.public_text()),
            _ => None,
        }
    }

    /// Returns whether there is a key.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Decrypts the value of an entry, when it is marked.
    pub(crate) fn uncover(&self, entry: &mut Entry) {
        let Some(marked) = entry
            .value
            .as_text()
            .and_then(|text| text.strip_prefix(MARK))
        else {
            return;
        };
        if self.leaves {
            return;
        }
        match self.decrypt(without_prefixes(marked)) {
            Ok(text) => {
                entry.value = Value::text(&text);
                entry.secrecy = Secrecy::Decrypted;
            }
            Err(error) => entry.secrecy = Secrecy::Undecryptable(error.to_string()),
        }
    }
}

/// Bytes of a text to decrypt.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// What ends the names in front of a text that may itself begin with braces.
const PLAIN: &str = "{plain}";

/// Cuts `{key:alias}` and the like, which choose among keys where there are several.
pub(crate) fn without_prefixes(text: &str) -> &str {
    if let Some((_, plain)) = text.split_once(PLAIN) {
        return plain;
    }
    let mut rest = text;
    while let Some((name, behind)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        if !name.contains(':') {
            break;
        }
        rest = behind;
    }
    rest
}

/// Returns the names in front of a text as Spring puts them in front of what it makes of it: those
/// of the application and its profiles are left out, since who decrypts knows them.
pub(crate) fn prefixes(text: &str) -> String {
    let cut = match text.split_once(PLAIN) {
        Some((before, _)) => before,
        None => text
            .strip_suffix(without_prefixes(text))
            .unwrap_or_default(),
    };
    let closed = cut.rsplit_once('}').map_or("", |(closed, _)| closed);
    let mut found = IndexMap::new();
    for part in closed.split('}') {
        let Some(inner) = part.trim().strip_prefix('{') else {
            continue;
        };
        let pair = inner.split_once(':').filter(|(_, value)| !value.is_empty());
        let (name, value) = pair.unwrap_or((inner, ""));
        if !matches!(name, "name" | "profiles") {
            found.insert(name, value);
        }
    }
    let names = found
        .iter()
        .map(|(name, value)| format!("{{{name}:{value}}}"));
    names.collect()
}

/// Reads Base64, with or without its padding.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    rsa::unbase64(text)
}

/// Writes hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    symmetric::hex(bytes)
}

/// Reads hexadecimal digits.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    symmetric::unhex(text)
}

/// Writes Base64.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    rsa::base64(bytes)
}

#[cfg(test)]
mod tests;
