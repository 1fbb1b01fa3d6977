//! Settings from flags and variables.

use super::*;

fn read(flags: Options, variables: &[(&str, &str)]) -> Result<Settings, SettingError> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    flags.settings(variables.iter().map(owned))
}

#[test]
fn flags_win_over_variables_and_those_over_defaults() {
    let settings = read(Options::default(), &[("PATH", "/bin")]).unwrap();
    assert_eq!((settings.port, settings.peers.len()), (8761, 0));
    assert_eq!(settings.data.unwrap().to_str(), Some("speargun-registry"));
    let variables = [
        ("SPEARGUN_REGISTRY_PORT", "1"),
        (
            "SPEARGUN_REGISTRY_PEERS",
            "http://a/eureka/, http://b:2/eureka",
        ),
        ("SPEARGUN_REGISTRY_DATA", "none"),
        ("SPEARGUN_REGISTRY_SELF_PRESERVATION", "false"),
        ("SPEARGUN_REGISTRY_USER", "me"),
        ("SPEARGUN_REGISTRY_PASSWORD", "secret"),
    ];
    let flags = Options {
        port: Some("2".into()),
        ..Options::default()
    };
    let settings = read(flags, &variables).unwrap();
    assert_eq!(settings.port, 2);
    assert_eq!(settings.peers[1].shown(), "http://b:2/eureka/");
    assert_eq!(settings.data, None);
    assert!(!settings.rules.self_preservation);
    assert!(!format!("{settings:?}").contains("secret"));
    assert!(settings.credentials.is_some());
}

#[test]
fn wrong_values_are_told_by_the_name_of_their_setting() {
    let wrong = [
        ("SPEARGUN_REGISTRY_PORT", "many"),
        ("SPEARGUN_REGISTRY_ADDRESS", "here"),
        ("SPEARGUN_REGISTRY_PEERS", "registry:8761"),
        ("SPEARGUN_REGISTRY_INSTANCES_MAX", "0"),
        ("SPEARGUN_REGISTRY_RENEWAL_SHARE", "85"),
        ("SPEARGUN_REGISTRY_READ_ONLY", "perhaps"),
        ("SPEARGUN_REGISTRY_USER", "me"),
        ("SPEARGUN_REGISTRY_PASSWORD", "x"),
        ("SPEARGUN_REGISTRY_TLS_CERT", "a.pem"),
        ("SPEARGUN_REGISTRY_TLS_KEY", "a.pem"),
        ("SPEARGUN_REGISTRY_PROT", "8761"),
    ];
    for (name, value) in wrong {
        let error = read(Options::default(), &[(name, value)]).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn where_kubernetes_says_that_services_are_is_no_setting() {
    let links = [
        ("SPEARGUN_REGISTRY_PORT", "tcp://10.0.0.7:8761"),
        ("SPEARGUN_REGISTRY_SERVICE_HOST", "10.0.0.7"),
        ("SPEARGUN_REGISTRY_SERVICE_PORT", "8761"),
        ("SPEARGUN_REGISTRY_SERVICE_PORT_HTTP", "8761"),
        (
            "SPEARGUN_REGISTRY_PEERS_PORT_8761_TCP",
            "tcp://10.0.0.7:8761",
        ),
        ("SPEARGUN_REGISTRY_PEERS_PORT_8761_TCP_PORT", "8761"),
    ];
    assert_eq!(read(Options::default(), &links).unwrap().port, 8761);
}
