//! HTTP basic: one name and password for everything, or none.

use http::HeaderMap;
use http::header::AUTHORIZATION;

const SCHEME: usize = "Basic ".len();

/// Who may ask, as the header says it. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(String);

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

// === impl Credentials ===

impl Credentials {
    /// Returns those of a name and a password.
    pub fn new(name: &str, password: &str) -> Self {
        Self(header(name, password))
    }

    /// Returns whether a request has them. It takes as long for a wrong password as for another.
    pub fn are_in(&self, headers: &HeaderMap) -> bool {
        let Some(given) = headers.get(AUTHORIZATION) else {
            return false;
        };
        let (given, own) = (given.as_bytes(), self.0.as_bytes());
        // The scheme's letters may have any case.
        let (Some((scheme, given)), Some((own_scheme, own))) =
            (given.split_at_checked(SCHEME), own.split_at_checked(SCHEME))
        else {
            return false;
        };
        let differs = own.len() ^ given.len();
        let pairs = own.iter().zip(given.iter().chain(std::iter::repeat(&0)));
        let differs = pairs.fold(differs, |all, (a, b)| all | usize::from(a ^ b));
        scheme.eq_ignore_ascii_case(own_scheme) & (std::hint::black_box(differs) == 0)
    }
}

/// Returns the header's value for a name and a password.
pub fn header(name: &str, password: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut header = "Basic ".to_owned();
    for three in format!("{name}:{password}").as_bytes().chunks(3) {
        let byte = |at| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4_usize {
            let digit = (bits >> (18 - 6 * place)) as usize & 63;
            let is_there = place <= three.len();
            header.push(if is_there {
                char::from(DIGITS[digit])
            } else {
                '='
            });
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_password_are_written_as_the_header_has_them() {
        assert_eq!(
            header("Aladdin", "open sesame"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(header("a", ""), "Basic YTo=");
        assert_eq!(header("ab", "cde"), "Basic YWI6Y2Rl");
    }

    #[test]
    fn only_the_same_name_and_password_are_let_in() {
        let own = Credentials::new("me", "secret");
        let asks = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            own.are_in(&headers)
        };
        assert!(asks(&header("me", "secret")));
        assert!(asks(&header("me", "secret").replace("Basic", "basic")));
        let wrong = [
            header("me", "secre"),
            header("me", "secret2"),
            header("", ""),
            "Basic ".to_owned(),
            "x".to_owned(),
            header("me", "secret").replace("Basic", "Bearr"),
        ];
        for wrong in wrong {
            assert!(!asks(&wrong), "{wrong}");
        }
        assert!(!own.are_in(&HeaderMap::new()));
        assert_eq!(format!("{own:?}"), "Credentials(..)");
    }
}
