//! Paths and queries: split first and decoded then, so that an id may have any character.

/// More parts than any operation has.
const PARTS_MAX: usize = 16;

/// Returns the parts of a path, decoded; empty parts, such as the one behind a last slash, are left
/// out. `None` when it is no path that somebody can mean.
pub fn parts(path: &str) -> Option<Vec<String>> {
    let given = path.split('/').filter(|part| !part.is_empty());
    let parts: Vec<String> = given
        .take(PARTS_MAX + 1)
        .map(decoded)
        .collect::<Option<_>>()?;
    (parts.len() <= PARTS_MAX).then_some(parts)
}

/// Returns a text with its `%xx` decoded; a plus is a plus.
pub fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, behind)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        let digits = behind.get(..2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = behind.get(2..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

/// Returns a text that stands for itself as a part of a path.
pub fn encoded(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// The parameters of a query, or of a form.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

/// More parameters are left alone.
const PARAMETERS_MAX: usize = 256;

// === impl Query ===

impl Query {
    /// Reads a query.
    pub fn parse(text: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(text).into_owned();
        Self(pairs.take(PARAMETERS_MAX).collect())
    }

    /// Returns the first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the first value of each parameter.
    pub fn firsts(self) -> Vec<(String, String)> {
        let mut firsts: Vec<(String, String)> = Vec::new();
        for (name, value) in self.0 {
            if firsts.iter().all(|(other, _)| *other != name) {
                firsts.push((name, value));
            }
        }
        firsts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_split_first_and_decoded_then() {
        let all = |path| parts(path).unwrap();
        assert_eq!(all("/eureka/apps/"), ["eureka", "apps"]);
        assert_eq!(all("//eureka//apps"), ["eureka", "apps"]);
        assert_eq!(all("/a/127.0.0.1%3Apy%3A9"), ["a", "127.0.0.1:py:9"]);
        assert_eq!(all("/a/b%2Fc+d%20e"), ["a", "b/c+d e"]);
        assert_eq!(all("/"), [""; 0]);
        for bad in ["/%", "/%4", "/%zz", "/%+1", "/%ff", "/%é"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
        assert_eq!(parts(&"/a".repeat(17)), None);
    }

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let text = "a b/ü?#%+:";
        assert_eq!(encoded(text), "a%20b%2F%C3%BC%3F%23%25%2B:");
        assert_eq!(decoded(&encoded(text)).as_deref(), Some(text));
    }

    #[test]
    fn the_first_value_of_a_parameter_counts() {
        let query = Query::parse(b"a=1&b=x+y%26&a=2&c");
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!(query.get("b"), Some("x y&"));
        assert_eq!(query.get("c"), Some(""));
        assert_eq!(query.get("d"), None);
        let names: Vec<String> = query.firsts().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
}
