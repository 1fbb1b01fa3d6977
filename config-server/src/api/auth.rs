//! Who may ask: a user with a password, or whoever has a token. Without either everybody may.
//! Secrets are compared in a time that does not tell how much of them was right.

use aws_lc_rs::constant_time::verify_slices_are_equal;

/// What lets in.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Auth {
    /// Users with their passwords.
    pub users: Vec<(String, String)>,
    /// Tokens.
    pub tokens: Vec<String>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let users: Vec<&String> = self.users.iter().map(|(name, _)| name).collect();
        f.debug_struct("Auth")
            .field("users", &users)
            .finish_non_exhaustive()
    }
}

pub(crate) fn is_same(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

impl Auth {
    /// Returns whether anybody is kept out.
    pub fn is_set(&self) -> bool {
        !self.users.is_empty() || !self.tokens.is_empty()
    }

    /// Returns whether an `Authorization` header lets in.
    pub fn allows(&self, header: &str) -> bool {
        if !self.is_set() {
            return true;
        }
        let Some((scheme, rest)) = header.split_once(' ') else {
            return false;
        };
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            // One that is empty would let in whoever says nothing.
            if rest.is_empty() {
                return false;
            }
            // All are compared, so that the time does not tell which one was near.
            let same = self.tokens.iter().filter(|token| is_same(token, rest));
            return same.count() > 0;
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return false;
        }
        let decoded = crate::cipher::from_base64(rest);
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((name, password)) = text.as_deref().and_then(|text| text.split_once(':')) else {
            return false;
        };
        if password.is_empty() {
            return false;
        }
        let same = self.users.iter().filter(|(own_name, own_password)| {
            let (name, password) = (is_same(own_name, name), is_same(own_password, password));
            name & password
        });
        same.count() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_tokens_let_in_and_nothing_else() {
        let auth = Auth {
            users: vec![("user".to_owned(), "pass:word".to_owned())],
            tokens: vec!["t0ken".to_owned()],
        };
        assert!(auth.allows("Basic dXNlcjpwYXNzOndvcmQ="));
        assert!(auth.allows("basic dXNlcjpwYXNzOndvcmQ="));
        assert!(auth.allows("Bearer t0ken"));
        for header in [
            "",
            "Basic",
            "Basic dXNlcjpwYXNz",
            "Basic ####",
            "Bearer t0ke",
            "Bearer ",
            "Digest x",
            "Bearer t0ken2",
            "t0ken",
        ] {
            assert!(!auth.allows(header), "{header}");
        }
        assert!(Auth::default().allows(""));
        let empty = Auth {
            users: vec![("user".to_owned(), String::new())],
            tokens: vec![String::new()],
        };
        for header in ["Basic dXNlcjo=", "Bearer ", "Bearer", ""] {
            assert!(!empty.allows(header), "{header}");
        }
        assert!(!format!("{auth:?}").contains("word"));
    }
}
