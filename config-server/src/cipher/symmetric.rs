//! AES-256 in CBC mode with a key derived of a password. On the wire: the IV, 16 bytes, then the
//! blocks, padded as PKCS#7 says.

use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;

use super::CipherError;

/// Bytes of a derived key.
pub(super) const KEY_BYTES: usize = 32;
/// Bytes of the IV, and of a block.
pub(super) const IV_BYTES: usize = 16;
/// How often Spring derives.
const ROUNDS: std::num::NonZeroU32 = std::num::NonZeroU32::MIN.saturating_add(1023);

/// A key derived of a password.
#[derive(Clone)]
pub struct Symmetric {
    key: [u8; KEY_BYTES],
}

impl std::fmt::Debug for Symmetric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Symmetric")
    }
}

impl Symmetric {
    /// Derives a key. A salt that is not hexadecimal counts as its bytes.
    pub fn new(password: &str, salt: &str) -> Self {
        Self {
            key: derive(password, salt),
        }
    }

    pub(super) fn encrypt(&self, text: &[u8]) -> Result<Vec<u8>, CipherError> {
        let key = self.unbound()?;
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).map_err(|_| CipherError::Invalid)?;
        let mut blocks = text.to_vec();
        let context = key.encrypt(&mut blocks).map_err(|_| CipherError::Invalid)?;
        let iv: &[u8] = (&context).try_into().map_err(|_| CipherError::Invalid)?;
        Ok([iv, &blocks].concat())
    }

    pub(super) fn decrypt(&self, bytes: &[u8]) -> Result<Vec<u8>, CipherError> {
        let (iv, blocks) = bytes
            .split_first_chunk::<IV_BYTES>()
            .ok_or(CipherError::TooShort)?;
        if blocks.is_empty() || blocks.len() % IV_BYTES != 0 {
            return Err(CipherError::Invalid);
        }
        let key = self.unbound()?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| CipherError::Invalid)?;
        let mut blocks = blocks.to_vec();
        let context = DecryptionContext::Iv128(FixedLength::from(iv));
        let text = key
            .decrypt(&mut blocks, context)
            .map_err(|_| CipherError::Invalid)?;
        Ok(text.to_vec())
    }

    fn unbound(&self) -> Result<UnboundCipherKey, CipherError> {
        UnboundCipherKey::new(&AES_256, &self.key).map_err(|_| CipherError::Invalid)
    }
}

pub(super) fn derive(password: &str, salt: &str) -> [u8; KEY_BYTES] {
    let salt = unhex(salt).unwrap_or_else(|| salt.as_bytes().to_vec());
    let mut key = [0; KEY_BYTES];
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA1;
    pbkdf2::derive(algorithm, ROUNDS, &salt, password.as_bytes(), &mut key);
    key
}

/// Returns bytes in lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        crate::value::push(&mut out, format_args!("{byte:02x}"));
    }
    out
}

/// Reads hexadecimal digits.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0 && !digits.is_empty())?;
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| (pair[0] << 4 | pair[1]) as u8)
            .collect(),
    )
}
