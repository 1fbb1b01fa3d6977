//! The addresses that Java's drivers take: `jdbc:mariadb://host:port/database?key=value&..`. Of
//! the keys only those are looked at that say who we are and how connections are encrypted.

use super::{Config, Tls, parse_port};

/// Sets what the address says; what it does not say is left.
pub(super) fn apply(url: &str, config: &mut Config) -> Result<(), String> {
    let rest = url.strip_prefix("jdbc:").unwrap_or(url);
    let rest = ["mysql://", "mariadb://"]
        .iter()
        .find_map(|scheme| rest.strip_prefix(scheme))
        .ok_or("does not start with jdbc:mysql:// or jdbc:mariadb://")?;
    let (rest, keys) = rest.split_once('?').unwrap_or((rest, ""));
    let (server, database) = rest.split_once('/').unwrap_or((rest, ""));
    if server.contains(',') {
        return Err("names several servers, and one is used".into());
    }
    apply_server(server, config)?;
    if !database.is_empty() {
        config.database = decoded(database)?;
    }
    let mut ssl = Ssl::default();
    for pair in keys.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value)?;
        match key {
            "user" => config.user = value,
            "password" => config.password = value,
            _ => ssl.see(key, value)?,
        }
    }
    if let Some(tls) = ssl.tls() {
        config.tls = tls;
    }
    Ok(())
}

fn apply_server(server: &str, config: &mut Config) -> Result<(), String> {
    let server = match server.rsplit_once('@') {
        Some((who, server)) => {
            let (user, password) = who.split_once(':').unwrap_or((who, ""));
            config.user = decoded(user)?;
            config.password = decoded(password)?;
            server
        }
        None => server,
    };
    // An IPv6 address has brackets.
    let (host, port) = match server.strip_prefix('[').and_then(|s| s.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match server.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    if !host.is_empty() {
        host.clone_into(&mut config.host);
    }
    if let Some(port) = port {
        config.port = parse_port(port).ok_or("its port is none")?;
    }
    Ok(())
}

/// What keys say of encryption, in the words of both drivers.
#[derive(Default)]
struct Ssl {
    on: Option<bool>,
    trusting: bool,
    certificate: Option<String>,
}

impl Ssl {
    fn see(&mut self, key: &str, value: String) -> Result<(), String> {
        match key {
            "useSSL" | "useSsl" => self.on = Some(value == "true"),
            "trustServerCertificate" => self.trusting = value == "true",
            "serverSslCert" => self.certificate = Some(value),
            "sslMode" => match value.to_ascii_lowercase().replace('_', "-").as_str() {
                "disable" | "disabled" => self.on = Some(false),
                "trust" | "required" => (self.on, self.trusting) = (Some(true), true),
                "verify-ca" | "verify-full" | "verify-identity" => self.on = Some(true),
                other => return Err(format!("sslMode {other:?} is none")),
            },
            _ => {}
        }
        Ok(())
    }

    fn tls(self) -> Option<Tls> {
        let tls = match (self.on?, self.trusting) {
            (false, _) => Tls::Off,
            (true, true) => Tls::Unverified,
            (true, false) => Tls::Verified(self.certificate.map(Into::into)),
        };
        Some(tls)
    }
}

/// Returns the text without its `%xx`.
fn decoded(text: &str) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        match (digit(), digit()) {
            (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
            _ => return Err("has a % without two hex digits".into()),
        }
    }
    String::from_utf8(out).map_err(|_| "is no UTF-8".into())
}
