//! Against texts that other implementations made.

use super::*;
use crate::document::Place;

const VECTORS: &str = include_str!("../../testdata/cipher-vectors.txt");
const PKCS1: &str = include_str!("../../testdata/rsa/key-pkcs1.pem");
const PKCS8: &str = include_str!("../../testdata/rsa/key-pkcs8.pem");

fn symmetric(password: &str, salt: &str) -> Cipher {
    Cipher::new(Some(Key::Symmetric(Symmetric::new(password, salt))))
}

fn rsa(pem: &str, form: RsaForm) -> Cipher {
    let key = KeyText {
        text: pem.to_owned(),
        salt: DEFAULT_SALT.to_owned(),
        rsa: Some(form),
    };
    Cipher::new(Some(Key::new(&key).unwrap()))
}

#[test]
fn symmetric_texts_of_spring_are_decrypted() {
    let mut cases = 0;
    for line in VECTORS.lines().filter(|line| line.starts_with("key=")) {
        let mut words = line.split_whitespace();
        let password = words.next().unwrap().strip_prefix("key=").unwrap();
        let salt = words.next().unwrap().strip_prefix("salt=").unwrap();
        let text = words.next().unwrap();
        let cipher = symmetric(password, salt);
        assert_eq!(cipher.decrypt(text).as_deref(), Ok(words.last().unwrap()));
        assert_eq!(
            symmetric("other", salt).decrypt(text),
            Err(CipherError::Invalid)
        );
        cases += 1;
    }
    assert_eq!(cases, 3);
}

#[test]
fn texts_that_were_never_encrypted_are_refused() {
    let cipher = symmetric("s3cret-key", DEFAULT_SALT);
    assert_eq!(cipher.decrypt("not hex"), Err(CipherError::Invalid));
    assert_eq!(cipher.decrypt("abcd"), Err(CipherError::TooShort));
    assert_eq!(cipher.decrypt("abc"), Err(CipherError::Invalid));
    assert_eq!(cipher.decrypt(""), Err(CipherError::Invalid));
    assert_eq!(cipher.decrypt(&"ab".repeat(17)), Err(CipherError::Invalid));
    assert_eq!(Cipher::default().decrypt("abcd"), Err(CipherError::NoKey));
}

#[test]
fn what_was_encrypted_is_decrypted_and_never_looks_the_same() {
    let strong = RsaForm {
        strong: true,
        salt: "not hex".to_owned(),
        padding: Padding::Oaep,
    };
    for cipher in [
        symmetric("k", "a salt"),
        rsa(PKCS8, RsaForm::default()),
        rsa(PKCS1, strong),
    ] {
        for text in ["", "a", "exactly sixteen!", "é 漢字 😀"] {
            let (one, two) = (cipher.encrypt(text).unwrap(), cipher.encrypt(text).unwrap());
            assert_ne!(one, two);
            assert_eq!(cipher.decrypt(&one).as_deref(), Ok(text));
            assert_eq!(cipher.decrypt(&two).as_deref(), Ok(text));
        }
    }
}

#[test]
fn rsa_texts_of_openssl_are_decrypted() {
    let oaep = RsaForm {
        padding: Padding::Oaep,
        salt: "pepper".to_owned(),
        ..RsaForm::default()
    };
    let strong = RsaForm {
        strong: true,
        ..RsaForm::default()
    };
    let cases = [
        (
            include_str!("../../testdata/rsa/pkcs1.txt"),
            RsaForm::default(),
            "open sesame",
        ),
        (
            include_str!("../../testdata/rsa/oaep.txt"),
            oaep,
            "schlüssel",
        ),
        (
            include_str!("../../testdata/rsa/strong.txt"),
            strong,
            "strong sesame",
        ),
    ];
    for (text, form, expected) in cases {
        for pem in [PKCS1, PKCS8] {
            let cipher = rsa(pem, form.clone());
            assert_eq!(cipher.decrypt(text.trim()).as_deref(), Ok(expected));
        }
    }
}

#[test]
fn rsa_texts_that_were_changed_are_refused() {
    let cipher = rsa(PKCS1, RsaForm::default());
    let text = include_str!("../../testdata/rsa/pkcs1.txt").trim();
    for at in [3, 100, 380] {
        let mut changed = text.to_owned().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(cipher.decrypt(&changed), Err(CipherError::Invalid));
    }
    for end in 0..text.trim_end_matches('=').len() {
        let cut = cipher.decrypt(text.get(..end).unwrap());
        assert_eq!(cut, Err(CipherError::Invalid), "{end}");
    }
}

#[test]
fn the_public_key_is_that_of_ssh_keygen() {
    let expected = include_str!("../../testdata/rsa/ssh-rsa.txt").trim();
    for pem in [PKCS1, PKCS8, &PKCS1.replace('\n', "\\n")] {
        let cipher = rsa(pem, RsaForm::default());
        assert_eq!(
            cipher.public_key(),
            Some(&*format!("{expected} application"))
        );
    }
    assert_eq!(symmetric("a", "b").public_key(), None);
}

#[test]
fn keys_that_are_none_are_refused_and_never_shown() {
    for text in [
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\n####\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----",
    ] {
        let key = KeyText {
            text: text.to_owned(),
            salt: String::new(),
            rsa: None,
        };
        assert!(Key::new(&key).is_err());
    }
    assert!(!format!("{:?}", symmetric("hidden", "salt")).contains("hidden"));
}

#[test]
fn names_in_front_of_a_text_are_cut() {
    let cases = [
        ("abc", "abc"),
        ("{key:alias}abc", "abc"),
        ("{name:a}{profiles:b,c}abc", "abc"),
        ("{key:a}{plain}{key:b}abc", "{key:b}abc"),
        ("{plain}x", "x"),
        ("{no}x", "{no}x"),
        ("{key:", "{key:"),
    ];
    for (text, rest) in cases {
        assert_eq!(without_prefixes(text), rest);
    }
}

#[test]
fn marked_values_are_uncovered() {
    let text = "6defc102cd76752fcf4c78231ed82ead85133a09741d9a1442595b4800e2b3d1";
    let entry = |value: &str| Entry {
        key: "k".into(),
        value: Value::text(value),
        place: Place::default(),
        secrecy: Secrecy::Open,
    };
    let uncovered = |cipher: &Cipher, value: &str| {
        let mut entry = entry(value);
        cipher.uncover(&mut entry);
        entry
    };
    let cipher = symmetric("mykey", DEFAULT_SALT);
    let good = uncovered(&cipher, &format!("{MARK}{{key:x}}{text}"));
    assert_eq!(
        (good.value, good.secrecy),
        (Value::text("password"), Secrecy::Decrypted)
    );
    let bad = uncovered(&cipher, &format!("{MARK}00{text}"));
    assert!(matches!(bad.secrecy, Secrecy::Undecryptable(_)));
    assert_eq!(uncovered(&cipher, text).secrecy, Secrecy::Open);
    let left = uncovered(
        &Cipher::default().leaving_values(),
        &format!("{MARK}{text}"),
    );
    assert_eq!(left.secrecy, Secrecy::Open);
}

#[test]
fn base64_is_that_of_the_rfc() {
    let cases = [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
    ];
    for (text, packed) in cases {
        assert_eq!(rsa::base64(text.as_bytes()), packed);
        assert_eq!(rsa::unbase64(packed).unwrap(), text.as_bytes());
    }
    assert_eq!(rsa::unbase64("A"), None);
    assert_eq!(rsa::unbase64("Zm9?"), None);
}

#[test]
fn names_in_front_of_a_text_are_put_in_front_of_what_is_made_of_it() {
    for (text, expected) in [
        ("hello", ""),
        ("{key:a1}hello", "{key:a1}"),
        ("{key:a1}{secret:s}hello", "{key:a1}{secret:s}"),
        ("{name:x}{key:a1}{profiles:p}hello", "{key:a1}"),
        ("{key:a1}{plain}{b:c}hello", "{key:a1}"),
        ("{key:a1}{key:a2}x", "{key:a2}"),
        ("{plain}{key:a1}", ""),
        ("{key}{plain}x", "{key:}"),
        ("{no}x", ""),
        ("x{key:a1}", ""),
        ("{key:a1}", "{key:a1}"),
    ] {
        assert_eq!(prefixes(text), expected, "{text}");
    }
}
