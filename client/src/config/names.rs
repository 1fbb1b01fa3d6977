//! One name in many spellings: `spring.zipkin.base-url`, `spring.zipkin.baseUrl`,
//! `spring.zipkin.base_url` and `SPRING_ZIPKIN_BASEURL` are the same.

/// Returns the spelling that all others share: lower case, without hyphens and underscores.
pub(super) fn uniform(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Returns the name that a variable stands for: `A_0_B` is `a[0].b`.
pub(super) fn of_variable(variable: &str) -> String {
    let mut name = String::with_capacity(variable.len());
    for part in variable.split('_').filter(|part| !part.is_empty()) {
        let is_index = part.bytes().all(|b| b.is_ascii_digit());
        if is_index && !name.is_empty() {
            name.push('[');
            name.push_str(part);
            name.push(']');
            continue;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(part.chars().flat_map(char::to_lowercase));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_one() {
        let spellings = [
            "spring.zipkin.base-url",
            "spring.zipkin.baseUrl",
            "Spring.Zipkin.BASE_URL",
        ];
        for spelling in spellings {
            assert_eq!(uniform(spelling), "spring.zipkin.baseurl");
        }
        assert_eq!(
            of_variable("SPRING_ZIPKIN_BASEURL"),
            "spring.zipkin.baseurl"
        );
        assert_eq!(of_variable("MY_LIST_0_NAME"), "my.list[0].name");
        assert_eq!(of_variable("__A__"), "a");
        assert_eq!(of_variable("0_A"), "0.a");
    }
}
