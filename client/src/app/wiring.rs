//! The config server, the port, registries and what they are told, made of settings under the names
//! of Spring Boot's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use speargun_model::Endpoint;

use super::AppError;
use crate::call::{FixedInstances, Instance, Instances, Place};
use crate::config::{ServerSettings, SettingError, Settings};
use crate::discovery::{Eureka, EurekaSettings, OwnInstance};
use crate::trace::span::set_address;

/// Instances that are known from the start, and those of the registries.
#[derive(Debug)]
pub(super) struct Everywhere {
    fixed: FixedInstances,
    pub(super) found: Option<Arc<dyn Instances>>,
}

impl Everywhere {
    pub(super) fn new(fixed: FixedInstances, eureka: Option<&Eureka>) -> Self {
        Self {
            fixed,
            found: eureka.map(Eureka::instances),
        }
    }
}

impl Instances for Everywhere {
    fn of(&self, service: &str) -> Arc<[Arc<Instance>]> {
        let fixed = self.fixed.of(service);
        match &self.found {
            Some(found) if fixed.is_empty() => found.of(service),
            _ => fixed,
        }
    }
}

pub(super) fn wrong(name: &str, why: &dyn std::fmt::Display) -> SettingError {
    SettingError {
        name: name.to_owned(),
        why: why.to_string(),
    }
}

/// How long the lookup of a config server may take, when it is found by name.
const LOOKUP_WITHIN: Duration = Duration::from_secs(10);

/// Returns how the config server is asked, when there is one.
pub(super) async fn config_server(
    settings: &Settings,
    name: &str,
) -> Result<Option<ServerSettings>, AppError> {
    let prefix = "spring.cloud.config";
    let at = |part: &str| format!("{prefix}.{part}");
    let import = settings.text("spring.config.import")?.unwrap_or_default();
    let imported = import.split_once("configserver:").map(|(_, rest)| rest);
    let by_name = settings.flag_or(&at("discovery.enabled"), false)?;
    let uri = settings.text(&at("uri"))?;
    let wanted = imported.is_some() || by_name || uri.is_some();
    if !wanted || !settings.flag_or(&at("enabled"), true)? {
        return Ok(None);
    }
    let mut server = ServerSettings::new(&settings.text(&at("name"))?.unwrap_or(name.to_owned()));
    let imported = imported.map(|rest| rest.split('?').next().unwrap_or_default());
    if let Some(uris) = imported.filter(|uris| !uris.is_empty()).or(uri.as_deref()) {
        server.uris = uris.split(',').map(|uri| uri.trim().to_owned()).collect();
    }
    if by_name {
        let service = settings.text(&at("discovery.service-id"))?;
        server.uris = find_config_server(settings, service.as_deref()).await?;
    }
    let profiles = settings.list("spring.profiles.active")?;
    if !profiles.is_empty() {
        server.profiles = profiles;
    }
    server.labels = settings.list(&at("label"))?;
    server.username = settings.text(&at("username"))?;
    server.password = settings.text(&at("password"))?;
    server.token = settings.text(&at("token"))?;
    let fails_fast = settings.flag_or(&at("fail-fast"), false)?;
    server.optional = !fails_fast && (import.starts_with("optional:") || imported.is_none());
    server.attempts_max = settings.get_or(&at("retry.max-attempts"), server.attempts_max)?;
    server.wait = settings.duration_or(&at("retry.initial-interval"), server.wait)?;
    server.wait_max = settings.duration_or(&at("retry.max-interval"), server.wait_max)?;
    server.wait_factor = settings.get_or(&at("retry.multiplier"), server.wait_factor)?;
    let timeout = |part: &str, default| settings.duration_or(&at(part), default);
    server.connect_timeout = timeout("request-connect-timeout", server.connect_timeout)?;
    server.read_timeout = timeout("request-read-timeout", server.read_timeout)?;
    Ok(Some(server))
}

/// Looks the config server up, as Spring's client does before anything else.
async fn find_config_server(
    settings: &Settings,
    service: Option<&str>,
) -> Result<Vec<String>, AppError> {
    let service = service.unwrap_or("configserver");
    let urls = service_urls(settings)?;
    let eureka = Eureka::start(EurekaSettings::new(urls))?;
    let _asked = tokio::time::timeout(LOOKUP_WITHIN, eureka.first_fetch()).await;
    let found = eureka.instances().of(service);
    let uri = |instance: &Arc<Instance>| {
        let metadata = &instance.place.metadata;
        let path = metadata.get("configPath").map_or("", String::as_str);
        let origin = instance.origin();
        match (metadata.get("user"), metadata.get("password")) {
            (user, Some(password)) => {
                let escape = crate::http::escape;
                let user = user.map_or("user", String::as_str);
                let credentials = format!("{}:{}@", escape(user), escape(password));
                format!(
                    "{}{path}",
                    origin.replacen("://", &format!("://{credentials}"), 1)
                )
            }
            _ => format!("{origin}{path}"),
        }
    };
    if found.is_empty() {
        tracing::warn!(service, "no registry knows the config server");
        return Ok(vec!["http://localhost:8888".into()]);
    }
    Ok(found.iter().map(uri).collect())
}

pub(super) fn listen_address(settings: &Settings) -> Result<SocketAddr, SettingError> {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let address = settings.get_or("server.address", any)?;
    Ok(SocketAddr::new(
        address,
        settings.get_or("server.port", 8080)?,
    ))
}

fn service_urls(settings: &Settings) -> Result<Vec<String>, SettingError> {
    let urls = settings.list("eureka.client.service-url.defaultZone")?;
    if urls.is_empty() {
        return settings.list("eureka.client.serviceUrl");
    }
    Ok(urls)
}

/// Returns how registries are used, when any is named.
pub(super) fn eureka(
    settings: &Settings,
    name: &str,
    address: SocketAddr,
) -> Result<Option<EurekaSettings>, SettingError> {
    let urls = service_urls(settings)?;
    if urls.is_empty() || !settings.flag_or("eureka.client.enabled", true)? {
        return Ok(None);
    }
    let mut eureka = EurekaSettings::new(urls);
    let seconds = |name: &str, default: Duration| -> Result<Duration, SettingError> {
        Ok(Duration::from_secs(
            settings.get_or(name, default.as_secs())?.max(1),
        ))
    };
    eureka.fetch_interval = seconds(
        "eureka.client.registry-fetch-interval-seconds",
        eureka.fetch_interval,
    )?;
    eureka.renewal_interval = seconds(
        "eureka.instance.lease-renewal-interval-in-seconds",
        eureka.renewal_interval,
    )?;
    eureka.lease_duration = seconds(
        "eureka.instance.lease-expiration-duration-in-seconds",
        eureka.lease_duration,
    )?;
    eureka.connect_timeout = seconds(
        "eureka.client.eureka-server-connect-timeout-seconds",
        eureka.connect_timeout,
    )?;
    eureka.read_timeout = seconds(
        "eureka.client.eureka-server-read-timeout-seconds",
        eureka.read_timeout,
    )?;
    if settings.flag_or("eureka.client.register-with-eureka", true)? {
        eureka.register = Some(own_instance(settings, name, address)?);
    }
    Ok(Some(eureka))
}

fn own_instance(
    settings: &Settings,
    name: &str,
    address: SocketAddr,
) -> Result<OwnInstance, SettingError> {
    let ip = own_address(address.ip()).to_string();
    let ip = settings.text("eureka.instance.ip-address")?.unwrap_or(ip);
    // An address is always understood, a name only where it can be resolved.
    let host = settings.text("eureka.instance.hostname")?;
    let by_ip = settings.flag_or("eureka.instance.prefer-ip-address", false)?;
    let host = host.filter(|_| !by_ip).unwrap_or_else(|| ip.clone());
    let mut own = OwnInstance::new(name, &host, &ip, address.port());
    if let Some(id) = settings.text("eureka.instance.instance-id")? {
        own.instance_id = id;
    }
    let metadata: std::collections::BTreeMap<String, String> =
        settings.read("eureka.instance.metadata-map")?;
    own.metadata.extend(metadata);
    Ok(own)
}

/// An address that belongs to nobody (RFC 5737). Nothing is sent there.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// Returns the address under which others reach us: the one we listen on, or the one towards the
/// world. Connecting a datagram socket sends nothing, but makes the system choose the way.
fn own_address(listening: IpAddr) -> IpAddr {
    if !listening.is_unspecified() {
        return listening;
    }
    let towards = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect(ANYWHERE).ok()?;
        socket.local_addr().ok()
    };
    towards().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |own| own.ip())
}

pub(super) fn local_endpoint(name: &str, address: SocketAddr) -> Endpoint {
    let mut endpoint = Endpoint {
        service_name: Some(name.to_owned()),
        ..Endpoint::default()
    };
    let own = own_address(address.ip());
    set_address(&mut endpoint, SocketAddr::new(own, address.port()));
    endpoint
}

/// Adds the instances of Spring's simple discovery client.
pub(super) fn simple_instances(
    settings: &Settings,
    mut fixed: FixedInstances,
) -> Result<FixedInstances, SettingError> {
    let prefix = "spring.cloud.discovery.client.simple.instances";
    for service in settings.below(prefix) {
        let mut places = Vec::new();
        for index in 0..1000 {
            let name = format!("{prefix}.{service}[{index}].uri");
            let Some(text) = settings.text(&name)? else {
                break;
            };
            places.push(place(&text).ok_or_else(|| wrong(&name, &"no address of a server"))?);
        }
        fixed = fixed.with(&service, places);
    }
    Ok(fixed)
}

fn place(text: &str) -> Option<Place> {
    let uri: Uri = text.trim().parse().ok()?;
    let secure = uri.scheme_str()? == "https";
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    Some(Place {
        id: format!("{host}:{port}"),
        host,
        port,
        secure,
        ..Place::default()
    })
}
