//! Where the load goes: an address with a scheme, resolved once, and refused when it may not be the
//! caller's own. It opens no connection.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use crate::tls::{self, Tls, Trust};

/// Why a target is not used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TargetError {
    /// What was given can't be used, whatever the network.
    Unusable(String),
    /// There is no such host.
    Unknown(String),
}

/// A Zipkin-compatible server.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where to connect.
    pub address: SocketAddr,
    /// Where else the name leads.
    others: Vec<SocketAddr>,
    /// As in a Host header.
    pub authority: String,
    /// What comes before `/api/v2/spans`; without a slash at its end.
    pub base: String,
    /// How to speak TLS with it, if that is spoken.
    pub tls: Option<Tls>,
}

impl Target {
    /// Reads `http://host:port/base`; scheme, port (9411, with `https` 443) and base may be left
    /// out. Whose certificates are believed matters for `https` alone.
    pub fn parse(text: &str, trust: Trust<'_>) -> Result<Self, TargetError> {
        let unusable = |why: &str| TargetError::Unusable(format!("target {text:?}: {why}"));
        let (secure, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some(_) => return Err(unusable("only http:// and https:// are known")),
            None => (false, text),
        };
        let (authority, base) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if authority.is_empty() || authority.contains(['@', ' ', '?', '#']) {
            return Err(unusable("no host"));
        }
        let port = authority.rsplit_once(':').map(|(_, port)| port);
        let port = port.filter(|port| !port.contains(']'));
        if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
            return Err(unusable("its port is none"));
        }
        let has_port = port.is_some();
        let authority = if has_port {
            authority.to_owned()
        } else {
            let port = if secure { 443 } else { 9411 };
            format!("{authority}:{port}")
        };
        let tls = secure.then(|| Tls::new(tls::host_of(&authority), trust));
        let tls = tls.transpose().map_err(|why| unusable(&why))?;
        let found = authority
            .to_socket_addrs()
            .map_err(|error| TargetError::Unknown(format!("{authority}: {error}")))?;
        // Of a name's addresses first the older kind, on which servers nearly always listen.
        let mut others: Vec<SocketAddr> = found.collect();
        others.sort_by_key(|address| !address.is_ipv6());
        others.dedup();
        let address = others
            .pop()
            .ok_or_else(|| TargetError::Unknown(format!("{authority}: no address")))?;
        Ok(Self {
            address,
            others,
            authority,
            base: base.trim_end_matches('/').to_owned(),
            tls,
        })
    }

    /// Goes on to another address of the name; returns false when there is none.
    pub fn next_address(&mut self) -> bool {
        let next = self.others.pop();
        self.address = next.unwrap_or(self.address);
        next.is_some()
    }

    /// Returns whether all its addresses are on this machine or in a private network.
    pub fn is_private(&self) -> bool {
        let mut all = self.others.iter().chain([&self.address]);
        all.all(|address| is_private(address.ip()))
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        // Not 169.254.0.0/16: clouds answer there for the machine.
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_unspecified(),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => is_private(ip.into()),
            None => {
                ip.is_loopback()
                    || ip.is_unique_local()
                    || ip.is_unicast_link_local()
                    || ip == Ipv6Addr::UNSPECIFIED
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Target, TargetError> {
        Target::parse(text, Trust::Anyone)
    }

    #[test]
    fn scheme_port_and_base_may_be_left_out() {
        let full = parsed("http://127.0.0.1:9411/zipkin/").unwrap();
        assert_eq!(full.base, "/zipkin");
        assert_eq!(full.authority, "127.0.0.1:9411");
        let short = parsed("127.0.0.1").unwrap();
        assert_eq!(short.address, full.address);
        assert_eq!(short.base, "");
        assert_eq!(parsed("[::1]").unwrap().address.port(), 9411);
        let secure = parsed("https://[::1]/base").unwrap();
        assert_eq!(secure.address.port(), 443);
        assert!(secure.tls.is_some() && full.tls.is_none());
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_a_reason() {
        for (text, word) in [
            ("https://a..b:1/", "certificate"),
            ("ftp://127.0.0.1", "http://"),
            ("http://", "no host"),
            ("http://me@127.0.0.1", "no host"),
            ("127.0.0.1:99999", "port"),
            ("127.0.0.1:0", "port"),
            ("127.0.0.1:x", "port"),
        ] {
            match parsed(text) {
                Err(TargetError::Unusable(why)) => assert!(why.contains(word), "{why}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn only_own_addresses_are_private() {
        for (ip, private) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("192.168.0.9", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("8.8.8.8", false),
            ("169.254.169.254", false),
            ("::1", true),
            ("fd00::1", true),
            ("::ffff:10.0.0.1", true),
            ("::ffff:8.8.8.8", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(ip.parse().unwrap()), private, "{ip}");
        }
    }
}
