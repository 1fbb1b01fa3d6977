//! Which addresses the names of peers have now. A name with many addresses, as a headless service
//! of Kubernetes has, is many peers.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::courier::{self, Deps};
use super::{PEERS_MAX, Peer};

/// How often names are looked up again.
const AGAIN: Duration = Duration::from_secs(10);
/// How long a look-up may take.
const LOOKUP_WITHIN: Duration = Duration::from_secs(5);

/// Why a URL names no peer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{url:?} is no URL of a registry: {why}")]
pub struct BadUrl {
    url: String,
    why: &'static str,
}

/// A peer as settings name it, such as `http://name:password@registry:8761/eureka/`.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerUrl {
    /// Whether it speaks TLS.
    pub is_tls: bool,
    /// Name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// With a slash at both ends.
    pub path: String,
    /// Name and password, as the header says them.
    pub authorization: Option<String>,
}

impl std::fmt::Debug for PeerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.shown())
    }
}

// === impl PeerUrl ===

impl PeerUrl {
    /// Reads a URL.
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        let bad = |why| BadUrl {
            // Whatever it is, its password is not for logs.
            url: url.rsplit('@').next().unwrap_or_default().to_owned(),
            why,
        };
        let uri: Uri = url.parse().map_err(|_| bad("it can't be read"))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad("it begins with http:// or https://")),
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| bad("it has no host"))?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        let authorization = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            crate::http::auth::header(&decoded(name), &decoded(password))
        });
        let path = uri.path().trim_matches('/');
        Ok(Self {
            is_tls,
            host,
            port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            path: if path.is_empty() {
                "/".to_owned()
            } else {
                format!("/{path}/")
            },
            authorization,
        })
    }

    /// Returns host and port as a URL has them.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Returns it without name and password.
    pub fn shown(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), self.path)
    }
}

fn decoded(text: &str) -> String {
    crate::http::path::decoded(text).unwrap_or_else(|| text.to_owned())
}

/// Where a peer is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// As it was named.
    pub url: PeerUrl,
    /// Where that is.
    pub address: SocketAddr,
}

/// Keeps the peers and their couriers as the names say, until it ends.
pub async fn keep(urls: Vec<PeerUrl>, deps: Arc<Deps>, mut ends: watch::Receiver<bool>) {
    let mut known: HashMap<usize, Vec<SocketAddr>> = HashMap::new();
    let mut couriers: HashMap<String, (Arc<Peer>, watch::Sender<bool>)> = HashMap::new();
    let mut tasks = JoinSet::new();
    loop {
        for (index, url) in urls.iter().enumerate() {
            match look_up(url).await {
                Ok(addresses) => drop(known.insert(index, addresses)),
                Err(why) => {
                    // What was known is used on; a name server may be away for a while.
                    let now = deps.time.now();
                    let what = format!("{}: {why}", url.shown());
                    deps.desk.complaints.tell(&url.shown(), now, &what);
                }
            }
        }
        let places = places(&urls, &known);
        couriers.retain(|name, _| places.iter().any(|(other, _)| other == name));
        for (name, place) in places {
            couriers.entry(name).or_insert_with_key(|name| {
                let peer = Arc::new(Peer::new(name.clone(), place));
                let (stop, stops) = watch::channel(false);
                let courier = courier::run(Arc::clone(&peer), Arc::clone(&deps), stops);
                tasks.spawn(courier);
                (peer, stop)
            });
        }
        let mut peers: Vec<Arc<Peer>> = couriers
            .values()
            .map(|(peer, _)| Arc::clone(peer))
            .collect();
        peers.sort_by(|a, b| a.name.cmp(&b.name));
        deps.desk.peers().set(peers);
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            ended = ends.changed() => {
                debug_assert!(ended.is_ok(), "whoever says the end outlives us");
                break;
            }
        }
        // Couriers of peers that are gone have ended by themselves.
        while tasks.try_join_next().is_some() {}
    }
    for (_, stop) in couriers.values() {
        // A courier that has ended needs no word.
        stop.send(true).ok();
    }
    while tasks.join_next().await.is_some() {}
}

async fn look_up(url: &PeerUrl) -> Result<Vec<SocketAddr>, String> {
    let host = (url.host.as_str(), url.port);
    let found = timeout(LOOKUP_WITHIN, lookup_host(host)).await;
    let found = found.map_err(|_| "its name is not answered in time".to_owned())?;
    let mut all: Vec<SocketAddr> = found.map_err(|error| error.to_string())?.collect();
    // One host often has an address of each family; they are not two registries.
    let is_v4 = all.first().is_some_and(SocketAddr::is_ipv4);
    all.retain(|address| address.is_ipv4() == is_v4);
    all.sort_unstable();
    all.dedup();
    if all.is_empty() {
        return Err("its name has no address".to_owned());
    }
    Ok(all)
}

/// Returns a name for each address, and the place.
fn places(urls: &[PeerUrl], known: &HashMap<usize, Vec<SocketAddr>>) -> Vec<(String, Place)> {
    let mut places: Vec<(String, Place)> = Vec::new();
    for (index, url) in urls.iter().enumerate() {
        let addresses = known.get(&index).map_or(&[][..], Vec::as_slice);
        let is_address = url.host.parse::<IpAddr>().is_ok();
        for address in addresses {
            let name = if is_address {
                url.shown()
            } else {
                format!("{} ({})", url.shown(), address.ip())
            };
            let is_new = places.iter().all(|(other, _)| *other != name);
            if is_new && places.len() < PEERS_MAX {
                let (url, address) = (url.clone(), *address);
                places.push((name, Place { url, address }));
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_their_secrets_are_not_shown() {
        let url = PeerUrl::parse("https://me:s%40cret@registry:8762/eureka").unwrap();
        assert_eq!(format!("{url:?}"), "https://registry:8762/eureka/");
        assert_eq!(url.authorization.as_deref(), Some("Basic bWU6c0BjcmV0"));
        let url = PeerUrl::parse("http://[::1]/").unwrap();
        assert_eq!(
            (url.authority().as_str(), url.path.as_str()),
            ("[::1]:80", "/")
        );
        for bad in [
            "registry:8761",
            "ftp://a/",
            "http://",
            "/eureka",
            "http://u:p@",
        ] {
            let error = PeerUrl::parse(bad).unwrap_err().to_string();
            assert!(!error.contains("u:p"), "{error}");
        }
    }

    #[test]
    fn a_name_with_many_addresses_is_many_peers_and_none_twice() {
        let urls = [
            "http://registry:1/eureka/",
            "http://10.0.0.1:1/eureka/",
            "http://registry:1/eureka/",
        ];
        let urls = urls.map(|url| PeerUrl::parse(url).unwrap());
        let at = |last| SocketAddr::from(([10, 0, 0, last], 1));
        let known = HashMap::from([(0, vec![at(1), at(2)]), (1, vec![at(1)]), (2, vec![at(1)])]);
        let names: Vec<String> = places(&urls, &known)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(
            names,
            [
                "http://registry:1/eureka/ (10.0.0.1)",
                "http://registry:1/eureka/ (10.0.0.2)",
                "http://10.0.0.1:1/eureka/",
            ]
        );
    }
}
