//! Which repository an application has: patterns of `application/profile` with `*`.

/// Returns whether a text matches a pattern, in which `*` is any text.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// Returns the patterns that one stands for, as Spring has it: without a profile it is for all of
/// them, and one profile may have others behind it.
fn variants(pattern: &str) -> Vec<String> {
    let mut all = vec![pattern.to_owned()];
    if !pattern.contains('/') {
        all.push(format!("{pattern}/*"));
    }
    if !pattern.ends_with('*') {
        all.push(format!("{pattern},*"));
    }
    all
}

/// Returns whether any pattern is for these applications and profiles. Either may be a list with
/// commas between, which Spring matches as a whole: `spec*/prod` is not for `spec/dev,prod`.
pub fn any_matches(patterns: &[String], applications: &str, profiles: &str) -> bool {
    let profiles = if profiles.is_empty() {
        "default"
    } else {
        profiles
    };
    let text = format!("{applications}/{profiles}");
    let mut variants = patterns.iter().flat_map(|one| variants(one.trim()));
    variants.any(|pattern| matches(&pattern, &text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_are_any_text() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "acb", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "ac", false),
            ("*ab", "aab", true),
            ("a", "ab", false),
            ("ab*ab", "ab", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_are_those_of_spring() {
        let any = |pattern: &str, application: &str, profiles: &str| {
            any_matches(&[pattern.to_owned()], application, profiles)
        };
        assert!(any("simple", "simple", ""));
        assert!(any("simple", "simple", "dev"));
        assert!(!any("simple", "simpler", "dev"));
        assert!(any("local*", "local-x", "dev,cloud"));
        assert!(any("*/dev*", "x", "dev"));
        assert!(any("*/dev", "x", "dev,cloud"));
        assert!(!any("*/dev", "x", "cloud,dev"));
        assert!(!any("spec*/prod", "spec", "dev,prod"));
        assert!(any("spec*/prod", "spec", "prod,dev"));
        assert!(!any("*/dev", "x", "prod"));
        assert!(!any("b/*", "a,b", "dev"));
        assert!(!any("other*", "shop,other", "dev"));
        assert!(any("shop*", "shop,other", "dev"));
    }
}
