//! Values that mention others: `${name}` and `${name:what holds else}`, one within the other.
//! `\${` is none.

/// Mentions within mentions, and mentions of values that mention others.
const DEPTH_MAX: usize = 16;
/// Bytes that a value may become.
const BYTES_MAX: usize = 1 << 20;

/// Why a value can't be said.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum PlaceholderError {
    #[error("there is no value for ${{{0}}}")]
    Missing(String),
    #[error("placeholders are too deep")]
    TooDeep,
    #[error("the value becomes too large")]
    TooLarge,
}

/// Returns the value with all that it mentions.
pub(super) fn resolve<'a>(
    text: &str,
    find: &dyn Fn(&str) -> Option<&'a str>,
) -> Result<String, PlaceholderError> {
    within(text, find, 0)
}

fn within<'a>(
    text: &str,
    find: &dyn Fn(&str) -> Option<&'a str>,
    depth: usize,
) -> Result<String, PlaceholderError> {
    if depth > DEPTH_MAX {
        return Err(PlaceholderError::TooDeep);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        if let Some(plain) = before.strip_suffix('\\') {
            out.push_str(plain);
            out.push_str("${");
            rest = behind;
            continue;
        }
        let Some(end) = closing(behind) else {
            break;
        };
        out.push_str(before);
        let (inside, after) = (behind.get(..end), behind.get(end + 1..));
        let inside = within(inside.unwrap_or_default(), find, depth + 1)?;
        out.push_str(&value(&inside, find, depth)?);
        if out.len() > BYTES_MAX {
            return Err(PlaceholderError::TooLarge);
        }
        rest = after.unwrap_or_default();
    }
    out.push_str(rest);
    Ok(out)
}

/// Returns where the brace is that closes the one in front of the text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if at > 0 && bytes.get(at - 1) == Some(&b'$') => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn value<'a>(
    inside: &str,
    find: &dyn Fn(&str) -> Option<&'a str>,
    depth: usize,
) -> Result<String, PlaceholderError> {
    // A name may have a colon, so the whole is tried first.
    if let Some(found) = find(inside) {
        return within(found, find, depth + 1);
    }
    let Some((name, default)) = inside.split_once(':') else {
        return Err(PlaceholderError::Missing(inside.to_owned()));
    };
    match find(name) {
        Some(found) => within(found, find, depth + 1),
        None => Ok(default.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn find(name: &str) -> Option<&'static str> {
        match name {
            "a" => Some("1"),
            "b" => Some("${a}${a}"),
            "name" => Some("a"),
            "endless" => Some("x${endless}"),
            "wide" => Some("${b}${b}${b}${b}${b}${b}${b}${b}"),
            _ => None,
        }
    }

    #[test]
    fn values_mention_others() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${a}-${b}", "1-11"),
            ("${missing:default}", "default"),
            ("${missing:}", ""),
            ("${missing:${a}}", "1"),
            ("${${name}}", "1"),
            ("${missing:http://x:1}", "http://x:1"),
            ("\\${a}", "${a}"),
            ("${a", "${a"),
            ("$a } {", "$a } {"),
        ] {
            assert_eq!(resolve(text, &find).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_has_no_value_or_no_end_is_told() {
        let error = resolve("x ${missing}", &find).unwrap_err();
        assert_eq!(error.to_string(), "there is no value for ${missing}");
        assert_eq!(resolve("${endless}", &find), Err(PlaceholderError::TooDeep));
    }

    proptest! {
        #[test]
        fn any_text_is_resolved_or_refused(text in "[a${}:\\\\bé]{0,60}") {
            let _either = resolve(&text, &find);
        }
    }
}
