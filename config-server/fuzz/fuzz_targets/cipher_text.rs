//! Any text as an encrypted value or as a key: refused or read, never a panic, and what a key
//! encrypts it decrypts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use speargun_config_server::cipher::{Cipher, DEFAULT_SALT, Key, KeyText};

fn cipher(text: &str) -> Option<Cipher> {
    let key = KeyText {
        text: text.to_owned(),
        salt: DEFAULT_SALT.to_owned(),
        rsa: None,
    };
    Some(Cipher::new(Some(Key::new(&key).ok()?)))
}

fuzz_target!(|text: &str| {
    let Some(known) = cipher("key of the fuzzer") else {
        return;
    };
    known.decrypt(text).ok();
    let covered = known.encrypt(text).expect("a key is there");
    assert_eq!(known.decrypt(&covered).as_deref(), Ok(text));
    // PEM texts are read as keys of another kind.
    if text.contains("-----BEGIN")
        && let Some(other) = cipher(text)
    {
        other.decrypt(text).ok();
    }
});
