//! Variables in, configurations out. No server is asked.

use super::*;

fn of(variables: &[(&'static str, &str)]) -> Result<Config, ConfigError> {
    Config::from_variables(|name| {
        let found = variables.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn nothing_set_is_zipkins_default() {
    let config = of(&[("MYSQL_HOST", ""), ("MYSQL_TCP_PORT", "")]).unwrap();
    let Config {
        host,
        port,
        user,
        database,
        ..
    } = config;
    let all = (host.as_str(), port, user.as_str(), database.as_str());
    assert_eq!(all, ("localhost", 3306, "", "zipkin"));
    assert_eq!((config.connections_max, config.tls), (10, Tls::Off));
}

#[test]
fn the_jdbc_url_overrides_the_rest() {
    let url = "jdbc:mariadb://db.example:3307/traces?user=me&password=p%26w&useSSL=true\
               &trustServerCertificate=true&autoReconnect=true";
    let config = of(&[
        ("MYSQL_HOST", "other"),
        ("MYSQL_USER", "other"),
        ("MYSQL_MAX_CONNECTIONS", "3"),
        ("MYSQL_JDBC_URL", url),
    ])
    .unwrap();
    assert_eq!((config.host.as_str(), config.port), ("db.example", 3307));
    assert_eq!(
        (config.user.as_str(), config.password.as_str()),
        ("me", "p&w")
    );
    assert_eq!(
        (config.database.as_str(), config.connections_max),
        ("traces", 3)
    );
    assert_eq!(config.tls, Tls::Unverified);
}

#[test]
fn what_the_jdbc_url_does_not_say_is_left() {
    let config = of(&[
        ("MYSQL_TCP_PORT", "1"),
        ("MYSQL_DB", "d"),
        ("MYSQL_PASS", "p"),
        ("MYSQL_JDBC_URL", "jdbc:mysql://[::1]"),
    ])
    .unwrap();
    assert_eq!((config.host.as_str(), config.port), ("::1", 1));
    assert_eq!(
        (config.database.as_str(), config.password.as_str()),
        ("d", "p")
    );
    let full = of(&[(
        "MYSQL_JDBC_URL",
        "mysql://u:p%40@h:9/d?sslMode=VERIFY_CA&serverSslCert=/c",
    )]);
    let full = full.unwrap();
    assert_eq!((full.user.as_str(), full.password.as_str()), ("u", "p@"));
    assert_eq!(full.tls, Tls::Verified(Some("/c".into())));
}

#[test]
fn what_is_wrong_is_named_and_no_password_shown() {
    for (name, value) in [
        ("MYSQL_TCP_PORT", "0"),
        ("MYSQL_TCP_PORT", "x"),
        ("MYSQL_MAX_CONNECTIONS", "0"),
        ("MYSQL_MAX_CONNECTIONS", "1001"),
        ("MYSQL_USE_SSL", "yes"),
        ("MYSQL_JDBC_URL", "jdbc:postgresql://h/d?password=secret"),
        ("MYSQL_JDBC_URL", "jdbc:mysql://h:0/d?password=secret"),
        ("MYSQL_JDBC_URL", "jdbc:mysql://a,b/d?password=secret"),
        ("MYSQL_JDBC_URL", "jdbc:mysql://a/d?password=secret%zz"),
        (
            "MYSQL_JDBC_URL",
            "jdbc:mysql://a/d?sslMode=maybe&password=secret",
        ),
    ] {
        let error = of(&[(name, value)]).unwrap_err();
        assert_eq!(error.name, name);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let config = of(&[("MYSQL_PASS", "secret")]).unwrap();
    assert!(!format!("{config:?}").contains("secret"));
}
