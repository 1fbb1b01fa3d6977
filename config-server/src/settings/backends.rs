//! Sources as Spring's server is told of them: `git`, `native`, or `composite` with several.

use std::path::PathBuf;
use std::time::Duration;

use super::{Keys, SettingError};
use crate::source::config::{Access, Backend, GitConfig, NativeConfig};

const SERVER: &str = "spring.cloud.config.server";
/// More sources are nobody's.
const COMPOSITE_MAX: usize = 64;

/// Reads all sources, in their order.
pub(super) fn read(keys: &mut Keys) -> Result<Vec<Backend>, SettingError> {
    let profiles = keys.list("spring.profiles.active");
    let mut backends: Vec<(i64, Backend)> = Vec::new();
    for index in 0..COMPOSITE_MAX {
        let name = format!("{SERVER}.composite[{index}]");
        let Some(kind) = keys.text(&format!("{name}.type")) else {
            break;
        };
        backends.push((order(keys, &name)?, one(keys, &kind, &name)?));
    }
    if backends.is_empty() {
        for kind in ["git", "native"] {
            let name = format!("{SERVER}.{kind}");
            let is_active = profiles.iter().any(|profile| profile == kind);
            let is_said = match kind {
                "git" => keys.text(&format!("{name}.uri")).is_some(),
                _ => keys.has(&format!("{name}.search-locations")),
            };
            // Spring reads folders only with the profile; here saying which ones is enough.
            if is_said || is_active && kind == "native" {
                backends.push((order(keys, &name)?, one(keys, kind, &name)?));
            }
        }
    }
    if backends.is_empty() {
        return Err(SettingError::Unsupported {
            name: format!("{SERVER}.git.uri"),
            advice: "say where files come from: a repository with --git, a folder with --native, \
                     or either in a file with --config",
        });
    }
    backends.sort_by_key(|(order, _)| *order);
    let mut backends: Vec<Backend> = backends.into_iter().map(|(_, one)| one).collect();
    let label = keys.text(&format!("{SERVER}.default-label"));
    if let Some(label) = label.filter(|label| !label.is_empty()) {
        relabel(&mut backends, &label);
    }
    Ok(backends)
}

/// Gives all sources a default label: as in Spring that of the server is stronger than theirs, but
/// not than that of a repository for some applications.
fn relabel(backends: &mut [Backend], label: &str) {
    for backend in backends {
        match backend {
            Backend::Git { default, .. } => label.clone_into(&mut default.default_label),
            Backend::Native(native) => label.clone_into(&mut native.default_label),
        }
    }
}

fn order(keys: &mut Keys, name: &str) -> Result<i64, SettingError> {
    let order = keys.parsed(&format!("{name}.order"), "a whole number", |text| {
        text.parse().ok()
    })?;
    Ok(order.unwrap_or(i64::MAX))
}

fn one(keys: &mut Keys, kind: &str, name: &str) -> Result<Backend, SettingError> {
    match kind {
        "git" => {
            let default = git(keys, name, None)?;
            let mut others = Vec::new();
            for child in keys.children(&format!("{name}.repos")) {
                let of_child = format!("{name}.repos.{child}");
                others.push(git(keys, &of_child, Some((&child, &default)))?);
            }
            Ok(Backend::Git {
                default: Box::new(default),
                others,
            })
        }
        "native" => Ok(Backend::Native(native(keys, name)?)),
        _ => Err(SettingError::Unsupported {
            name: format!("{name}.type"),
            advice: "only git and native are read",
        }),
    }
}

/// Returns what a repository of several has of the default one: how it is reached, as in Spring,
/// and not what is read of it.
fn inherited(name: &str, default: &GitConfig) -> GitConfig {
    GitConfig {
        name: name.to_owned(),
        base: default.base.clone(),
        access: default.access.clone(),
        timeout: default.timeout,
        refresh: default.refresh,
        ..GitConfig::default()
    }
}

/// Reads a repository, one of several with the default one.
fn git(
    keys: &mut Keys,
    name: &str,
    of: Option<(&str, &GitConfig)>,
) -> Result<GitConfig, SettingError> {
    let of_name = |part: &str| format!("{name}.{part}");
    let mut config = match of {
        Some((name, default)) => inherited(name, default),
        None => GitConfig::default(),
    };
    config.uri = keys
        .text(&of_name("uri"))
        // `repos.name=uri` is a short form.
        .or_else(|| of.and_then(|_| keys.text(name)))
        .unwrap_or_default();
    if of.is_some() {
        // Spring knows a name beside that of the map, and means nothing by it.
        keys.text(&of_name("name"));
    }
    config.patterns = keys.list(&of_name("pattern"));
    config.search_paths = keys.list(&of_name("search-paths"));
    if let Some(label) = keys.text(&of_name("default-label")) {
        config.default_label = label;
    }
    if let Some(tries) = keys.switch(&of_name("try-master-branch"))? {
        config.try_master = tries;
    }
    if let Some(folder) = keys.text(&of_name("basedir")) {
        config.base = Some(PathBuf::from(folder));
    }
    if let Some(timeout) = keys.duration(&of_name("timeout"))? {
        config.timeout = timeout.max(Duration::from_secs(1));
    }
    let allowed = "a whole number of seconds, or -1 for never";
    let rate = keys.parsed(&of_name("refresh-rate"), allowed, |text| {
        if text.starts_with('-') {
            return text.parse::<i64>().ok().map(|_| None);
        }
        // At every request means as often as is sensible.
        Some(Some(
            super::keys::duration(text)?.max(Duration::from_secs(1)),
        ))
    })?;
    if let Some(rate) = rate {
        config.refresh = rate;
    }
    access(keys, name, &mut config.access)?;
    Ok(config)
}

fn access(keys: &mut Keys, name: &str, access: &mut Access) -> Result<(), SettingError> {
    let of_name = |part: &str| format!("{name}.{part}");
    let [user, password] = ["username", "password"].map(|part| keys.text(&of_name(part)));
    // A password is for its user: one of the default repository would go to another host.
    if user.is_some() || password.is_some() {
        access.user = user.unwrap_or_default();
        access.password = password.unwrap_or_default();
    }
    if let Some(key) = keys.text(&of_name("private-key")) {
        access.private_key = key;
    }
    access.private_key = access.private_key.replace("\\n", "\n");
    if let Some(path) = keys.text(&of_name("known-hosts-file")) {
        access.known_hosts = Some(PathBuf::from(path));
    }
    if let Some(strict) = keys.switch(&of_name("strict-host-key-checking"))? {
        access.any_host = !strict;
    }
    if let Some(skips) = keys.switch(&of_name("skip-ssl-validation"))? {
        access.any_certificate = skips;
    }
    if keys
        .text(&of_name("passphrase"))
        .is_some_and(|text| !text.is_empty())
    {
        return Err(SettingError::Unsupported {
            name: of_name("passphrase"),
            advice: "a private key with a passphrase is not read: use an agent, or a key without",
        });
    }
    Ok(())
}

fn native(keys: &mut Keys, name: &str) -> Result<NativeConfig, SettingError> {
    let default = NativeConfig::default();
    let mut locations = keys.list(&format!("{name}.search-locations"));
    let of_class_path = |one: &&String| {
        let place = one.strip_prefix("optional:").unwrap_or(one);
        place.starts_with("classpath:")
    };
    if let Some(location) = locations.iter().find(of_class_path) {
        return Err(SettingError::Wrong {
            name: format!("{name}.search-locations"),
            value: location.clone(),
            allowed: "folders of this machine; there is no class path here",
        });
    }
    if locations.is_empty() {
        let default = ["optional:file:./", "optional:file:./config/"];
        locations = default.map(str::to_owned).to_vec();
    }
    Ok(NativeConfig {
        search_locations: locations,
        label_locations: keys
            .switch(&format!("{name}.add-label-locations"))?
            .unwrap_or(default.label_locations),
        default_label: keys
            .text(&format!("{name}.default-label"))
            .unwrap_or(default.default_label),
        version: keys.text(&format!("{name}.version")),
        refresh: default.refresh,
    })
}
