//! The HTTP client that everything here sends with: HTTP/1.1, kept connections, TLS by rustls with
//! ring. What is asked and what answers mean is the caller's matter.

use std::fmt::Write;
use std::io::Read;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// A client with a pool of connections.
pub(crate) type Wire = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Idle connections kept for one host.
const IDLE_PER_HOST_MAX: usize = 64;
/// How long an idle connection is kept; less than the minute that servers often wait.
const IDLE_FOR: Duration = Duration::from_secs(20);
/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Returns a client that gives up connecting after this time.
pub(crate) fn wire(connect_within: Duration) -> Wire {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(connect_within));
    connector.set_nodelay(true);
    connector.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls().as_ref().clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_FOR)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .http1_max_buf_size(HEAD_BYTES_MAX)
        .build(connector)
}

/// The system's authorities are read once a process. Without any, every certificate is refused.
fn tls() -> &'static Arc<ClientConfig> {
    static TLS: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    TLS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (_added, _odd) = roots.add_parsable_certificates(found.certs);
        // Named here, so that what else is in the binary has no say in it.
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions();
        #[expect(
            clippy::expect_used,
            reason = "ring has the suites of both versions: rustls' own default is made the same way"
        )]
        let builder = builder.expect("ring speaks TLS 1.2 and 1.3");
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    })
}

/// Returns an error with those behind it, in one line.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}

/// Makes one exchange with a server of the infrastructure: the answer is read whole, within a time
/// and a bound, and unpacked. Errors are for people.
pub(crate) async fn exchange(
    wire: &Wire,
    request: Request<Full<Bytes>>,
    within: Duration,
    bytes_max: usize,
) -> Result<Response<Bytes>, String> {
    let exchange = async {
        let answer = wire
            .request(request)
            .await
            .map_err(|error| in_full(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, bytes_max).collect().await;
        let body = body.map_err(|error| in_full(&*error))?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    let answer = tokio::time::timeout(within, exchange).await;
    let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {within:?}")))?;
    let packed = answer
        .headers()
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| coding == "gzip");
    if !packed {
        return Ok(answer);
    }
    let (head, body) = answer.into_parts();
    Ok(Response::from_parts(head, unpack(&body, bytes_max)?))
}

fn unpack(packed: &[u8], bytes_max: usize) -> Result<Bytes, String> {
    let mut plain = Vec::new();
    let reader = flate2::read::MultiGzDecoder::new(packed);
    let mut bounded = reader.take(bytes_max as u64 + 1);
    bounded
        .read_to_end(&mut plain)
        .map_err(|error| error.to_string())?;
    if plain.len() > bytes_max {
        return Err(format!("the answer is larger than {bytes_max} bytes"));
    }
    Ok(plain.into())
}

/// An address with the credentials that stood in it, which are never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    /// Without credentials, and without a slash at the end.
    pub(crate) url: String,
    /// `Basic ...`.
    pub(crate) authorization: Option<HeaderValue>,
}

impl BaseUrl {
    /// Reads `http(s)://[user:password@]host[:port][/path]`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{:?} is no address of a server", without_credentials(text));
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(wrong)?;
        let authority = rest.split('/').next().unwrap_or_default();
        let credentials = authority
            .rsplit_once('@')
            .map(|(credentials, _)| credentials);
        let rest = match credentials {
            Some(credentials) => rest.get(credentials.len() + 1..).unwrap_or_default(),
            None => rest,
        };
        let url = format!("{scheme}://{}", rest.trim_end_matches('/'));
        let uri: http::Uri = url.parse().map_err(|_| wrong())?;
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        if !known || uri.host().is_none_or(str::is_empty) {
            return Err(wrong());
        }
        let authorization = credentials.map(|credentials| match credentials.split_once(':') {
            Some((user, password)) => basic(&unescape(user), &unescape(password)),
            None => basic(&unescape(credentials), ""),
        });
        Ok(Self {
            url,
            authorization: authorization.flatten(),
        })
    }
}

impl std::fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.url)
    }
}

fn without_credentials(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, rest)| rest)
}

/// Returns the value of an `Authorization` header.
pub(crate) fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let text = speargun_model::codec::base64_text(format!("{user}:{password}").as_bytes());
    let mut value = HeaderValue::from_str(&format!("Basic {text}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Escapes a segment of a path: what is not unreserved (RFC 3986, 2.3).
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _written = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Reads `%41` as `A`; what is no escape stays.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
        if let Some(escaped) = digits.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            out.push(escaped);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_address() {
        let base = BaseUrl::parse("http://us%40er:p%3Aw@host:8761/eureka/").unwrap();
        assert_eq!(base.url, "http://host:8761/eureka");
        assert_eq!(base.authorization.as_ref().unwrap(), "Basic dXNAZXI6cDp3");
        assert_eq!(format!("{base:?}"), "http://host:8761/eureka");
        assert_eq!(BaseUrl::parse(" https://a ").unwrap().authorization, None);
        for wrong in [
            "",
            "host:8761",
            "ftp://a",
            "http://",
            "http:///x",
            "http://a b/",
        ] {
            assert!(BaseUrl::parse(wrong).is_err(), "{wrong}");
        }
        let error = BaseUrl::parse("ftp://user:secret@host").unwrap_err();
        assert!(!error.contains("secret"));
    }

    #[test]
    fn unpacking_is_bounded() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut packed, &vec![b' '; 100_000]).unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(unpack(&packed, 100_000).unwrap().len(), 100_000);
        assert!(unpack(&packed, 99_999).is_err());
        assert!(unpack(&packed[..packed.len() / 2], 100_000).is_err());
    }
}
