//! The variables of the process, and which of them are meant for nobody.

/// Returns name and value of each variable. A value that is no text is a wrong value, not an absent
/// one, so that it is there with what can be read of it.
pub fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let value = value.to_string_lossy().into_owned();
        Some((name.into_string().ok()?, value))
    })
}

/// Returns whether a variable is not a setting but where another service is: Kubernetes gives every
/// container such variables, named after the services of its namespace, unless it is told not to.
pub fn is_service_link(name: &str, value: &str) -> bool {
    let link = |value: &str| {
        let kinds = ["tcp://", "udp://", "sctp://"];
        kinds.into_iter().any(|kind| value.starts_with(kind))
    };
    let of_port = |rest: &str| {
        let rest = rest.trim_start_matches(|character: char| character.is_ascii_digit());
        ["_TCP", "_UDP", "_SCTP"]
            .into_iter()
            .any(|kind| rest.starts_with(kind))
    };
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && link(value))
        || name.split("_PORT_").skip(1).any(of_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_from_where_kubernetes_says_that_services_are() {
        for (name, value) in [
            ("A_PORT", "tcp://10.0.0.7:8761"),
            ("A_SERVICE_HOST", "10.0.0.7"),
            ("A_SERVICE_PORT_HTTP", "8761"),
            ("A_B_PORT_8761_TCP", "tcp://10.0.0.7:8761"),
            ("A_B_PORT_8761_TCP_PORT", "8761"),
        ] {
            assert!(is_service_link(name, value), "{name}");
        }
        for (name, value) in [("A_PORT", "8761"), ("A_PORT_8761", "1"), ("A_SERVICE", "1")] {
            assert!(!is_service_link(name, value), "{name}");
        }
    }
}
