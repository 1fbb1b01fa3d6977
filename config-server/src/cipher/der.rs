//! Keys in PEM, which is Base64 of DER: PKCS#8 as it is, PKCS#1 wrapped into it, and the public
//! half in the form of `ssh-rsa`.

use super::KeyError;
use super::rsa::{base64, unbase64};

/// The algorithm of an RSA key in PKCS#8: `rsaEncryption` and nothing.
const RSA: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

fn wrong(what: &str) -> KeyError {
    KeyError(format!("the private key {what}"))
}

/// Reads a private key in PEM; returns it in PKCS#8.
pub(super) fn pkcs8(pem: &str) -> Result<Vec<u8>, KeyError> {
    let (body, is_pkcs1) = match (block(pem, "RSA PRIVATE KEY"), block(pem, "PRIVATE KEY")) {
        (Some(body), _) => (body, true),
        (None, Some(body)) => (body, false),
        (None, None) => {
            return Err(wrong(
                "is neither an RSA PRIVATE KEY nor a PRIVATE KEY in PEM",
            ));
        }
    };
    if body.contains("ENCRYPTED") {
        return Err(wrong("is encrypted; decrypt it with `openssl pkey`"));
    }
    let packed: String = body.split_whitespace().collect();
    let bytes = unbase64(&packed).ok_or_else(|| wrong("is no Base64"))?;
    if !is_pkcs1 {
        return Ok(bytes);
    }
    let version = element(0x02, &[0]);
    let key = element(0x04, &bytes);
    Ok(element(0x30, &[&version[..], &RSA, &key].concat()))
}

fn block<'a>(pem: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = pem.split_once(&format!("-----BEGIN {name}-----"))?;
    Some(rest.split_once(&format!("-----END {name}-----"))?.0)
}

/// Writes an element.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let mut out = vec![tag];
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        out.push(0x80 | (bytes.len() - zeros) as u8);
        out.extend(bytes.iter().skip(zeros));
    }
    out.extend_from_slice(contents);
    out
}

/// Splits an element of a kind from what follows it.
fn read(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first().filter(|_| *found == tag)?;
    if *first < 0x80 {
        return rest.split_at_checked(usize::from(*first));
    }
    let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
    let mut length = 0usize;
    for digit in digits {
        length = length.checked_mul(256)?.checked_add(usize::from(*digit))?;
    }
    rest.split_at_checked(length)
}

/// Returns the public half, as Spring shows it.
pub(super) fn ssh_public_key(pkcs8: &[u8]) -> Result<String, KeyError> {
    let numbers = || {
        let (outer, _) = read(pkcs8, 0x30)?;
        let (_, outer) = read(outer, 0x02)?;
        let (_, outer) = read(outer, 0x30)?;
        let (key, _) = read(outer, 0x04)?;
        let (key, _) = read(key, 0x30)?;
        let (_, key) = read(key, 0x02)?;
        let (modulus, key) = read(key, 0x02)?;
        let (exponent, _) = read(key, 0x02)?;
        Some((modulus, exponent))
    };
    let (modulus, exponent) = numbers().ok_or_else(|| wrong("is no RSA key"))?;
    let mut blob = Vec::new();
    for part in [b"ssh-rsa".as_slice(), exponent, modulus] {
        let length = u32::try_from(part.len()).map_err(|_| wrong("is too long"))?;
        blob.extend_from_slice(&length.to_be_bytes());
        blob.extend_from_slice(part);
    }
    Ok(format!("ssh-rsa {} application", base64(&blob)))
}
