//! A pair of keys: each text gets a random password, which RSA hides, and is encrypted with AES
//! under that. In Base64: the length of the hidden password in two bytes, that, then what AES
//! made: the IV of 16 bytes and the blocks, or in GCM mode the text and its tag.

use aes_gcm::aead::consts::U16;
use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Nonce};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey, PrivateDecryptingKey,
};

use super::symmetric::{IV_BYTES, Symmetric, derive, hex};
use super::{CipherError, KeyError, RsaForm, der};

/// Bytes of the random password.
const PASSWORD_BYTES: usize = 16;

/// How the password is padded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Padding {
    /// PKCS#1 version 1.5.
    Pkcs1,
    /// OAEP with SHA-1.
    Oaep,
}

enum Pair {
    Pkcs1(Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey),
    Oaep(OaepPrivateDecryptingKey, OaepPublicEncryptingKey),
}

/// A pair of keys.
pub struct Rsa {
    pair: Pair,
    key_bytes: usize,
    salt: String,
    strong: bool,
    public_text: String,
}

impl std::fmt::Debug for Rsa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rsa").field(&self.public_text).finish()
    }
}

impl Rsa {
    /// Reads a private key in PEM, of PKCS#1 or PKCS#8.
    pub fn new(pem: &str, form: &RsaForm) -> Result<Self, KeyError> {
        let pkcs8 = der::pkcs8(pem)?;
        let wrong =
            |_| KeyError("the private key is no usable RSA key of 2048 bits or more".into());
        let private = PrivateDecryptingKey::from_pkcs8(&pkcs8).map_err(wrong)?;
        let public = private.public_key();
        let key_bytes = private.key_size_bytes();
        let public_text = der::ssh_public_key(&pkcs8)?;
        let wrong = |_| KeyError("the private key can't be used".into());
        let pair = match form.padding {
            Padding::Pkcs1 => Pair::Pkcs1(
                Pkcs1PrivateDecryptingKey::new(private).map_err(wrong)?,
                Pkcs1PublicEncryptingKey::new(public).map_err(wrong)?,
            ),
            Padding::Oaep => Pair::Oaep(
                OaepPrivateDecryptingKey::new(private).map_err(wrong)?,
                OaepPublicEncryptingKey::new(public).map_err(wrong)?,
            ),
        };
        Ok(Self {
            pair,
            key_bytes,
            salt: form.salt.clone(),
            strong: form.strong,
            public_text,
        })
    }

    pub(super) fn public_text(&self) -> &str {
        &self.public_text
    }

    pub(super) fn encrypt(&self, text: &[u8]) -> Result<String, CipherError> {
        let failed = |_| CipherError::Invalid;
        let mut password = [0; PASSWORD_BYTES];
        rand::fill(&mut password).map_err(failed)?;
        let mut hidden = vec![0; self.key_bytes];
        let hidden = match &self.pair {
            Pair::Pkcs1(_, public) => public.encrypt(&password, &mut hidden).map_err(failed)?,
            Pair::Oaep(_, public) => public
                .encrypt(&OAEP_SHA1_MGF1SHA1, &password, &mut hidden, None)
                .map_err(failed)?,
        };
        let length = u16::try_from(hidden.len()).map_err(|_| CipherError::TooLong)?;
        let blocks = if self.strong {
            let mut iv = [0; IV_BYTES];
            rand::fill(&mut iv).map_err(failed)?;
            let key = self.gcm(&password);
            let sealed = key.encrypt(Nonce::<U16>::from_slice(&iv), text);
            [&iv[..], &sealed.map_err(|_| CipherError::Invalid)?].concat()
        } else {
            Symmetric::new(&hex(&password), &self.salt).encrypt(text)?
        };
        Ok(base64(
            [&length.to_be_bytes()[..], hidden, &blocks]
                .concat()
                .as_slice(),
        ))
    }

    pub(super) fn decrypt(&self, text: &str) -> Result<Vec<u8>, CipherError> {
        let bytes = unbase64(text).ok_or(CipherError::Invalid)?;
        let (length, rest) = bytes
            .split_first_chunk::<2>()
            .ok_or(CipherError::TooShort)?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length != self.key_bytes {
            return Err(CipherError::Invalid);
        }
        let (hidden, blocks) = rest.split_at_checked(length).ok_or(CipherError::TooShort)?;
        let password = self.password(hidden)?;
        if self.strong {
            let (iv, sealed) = blocks
                .split_first_chunk::<IV_BYTES>()
                .ok_or(CipherError::TooShort)?;
            let opened = self
                .gcm(&password)
                .decrypt(Nonce::<U16>::from_slice(iv), sealed);
            return opened.map_err(|_| CipherError::Invalid);
        }
        Symmetric::new(&hex(&password), &self.salt).decrypt(blocks)
    }

    /// Returns the password, or a random one when the padding is wrong: then what follows fails
    /// and takes as long, so that nobody learns which of both was wrong (Bleichenbacher's attack).
    fn password(&self, hidden: &[u8]) -> Result<Vec<u8>, CipherError> {
        let mut random = [0; PASSWORD_BYTES];
        rand::fill(&mut random).map_err(|_| CipherError::Invalid)?;
        let mut room = vec![0; self.key_bytes];
        let shown = match &self.pair {
            Pair::Pkcs1(private, _) => private.decrypt(hidden, &mut room),
            Pair::Oaep(private, _) => private.decrypt(&OAEP_SHA1_MGF1SHA1, hidden, &mut room, None),
        };
        Ok(shown.map_or_else(|_| random.to_vec(), |password| password.to_vec()))
    }

    fn gcm(&self, password: &[u8]) -> AesGcm<Aes256, U16> {
        let key = derive(&hex(password), &self.salt);
        AesGcm::new(&key.into())
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            if index <= chunk.len() {
                let letter = (bits >> (18 - 6 * index)) & 63;
                out.push(char::from(ALPHABET[letter as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

pub(super) fn unbase64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for byte in chunk {
            let value = ALPHABET.iter().position(|letter| letter == byte)?;
            bits = bits << 6 | value as u32;
        }
        let whole = match chunk.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        bits <<= 6 * (4 - chunk.len());
        out.extend_from_slice(bits.to_be_bytes().get(1..=whole)?);
    }
    Some(out)
}
