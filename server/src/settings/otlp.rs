//! What concerns OTLP: which of its two ways in are open, and on which ports besides the one of
//! everything.

use super::{SettingError, Texts};

/// Whether and where OTLP is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OtlpSettings {
    /// Whether `POST /v1/traces` is there.
    pub(crate) http: bool,
    /// Whether `TraceService/Export` is there.
    pub(crate) grpc: bool,
    /// The port for HTTP.
    pub(crate) http_port: OtlpPort,
    /// The port for gRPC.
    pub(crate) grpc_port: OtlpPort,
}

/// A port that only OTLP has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OtlpPort {
    /// None.
    Off,
    /// The usual one. Two servers on a machine can't both have it, so who asked for nothing also
    /// starts without.
    Usual(u16),
    /// This one, or the start fails.
    Given(u16),
}

const HTTP_PORT: u16 = 4318;
const GRPC_PORT: u16 = 4317;

impl OtlpSettings {
    /// Reads the texts.
    pub(super) fn parse(texts: &Texts) -> Result<Self, SettingError> {
        let (http, grpc) = (
            texts.get("COLLECTOR_OTEL_HTTP_ENABLED")?,
            texts.get("COLLECTOR_OTEL_GRPC_ENABLED")?,
        );
        let port = |name, usual, enabled| {
            let allowed = "a port, 0 for any that is free, or off";
            let port = texts.get_with(name, allowed, |text| OtlpPort::parse(text, usual))?;
            Ok(if enabled { port } else { OtlpPort::Off })
        };
        Ok(Self {
            http,
            grpc,
            http_port: port("SPEARGUN_OTLP_HTTP_PORT", HTTP_PORT, http)?,
            grpc_port: port("SPEARGUN_OTLP_GRPC_PORT", GRPC_PORT, grpc)?,
        })
    }
}

impl OtlpPort {
    fn parse(text: &str, usual: u16) -> Option<Self> {
        match text {
            "" => Some(Self::Usual(usual)),
            "off" => Some(Self::Off),
            _ => text.parse().ok().map(Self::Given),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_a_number_or_off() {
        let of = |text| OtlpPort::parse(text, 4318);
        assert_eq!(of(""), Some(OtlpPort::Usual(4318)));
        assert_eq!(of("off"), Some(OtlpPort::Off));
        assert_eq!(of("4319"), Some(OtlpPort::Given(4319)));
        assert_eq!(of("0"), Some(OtlpPort::Given(0)));
        for bad in ["65536", "-1", "http", "on"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
