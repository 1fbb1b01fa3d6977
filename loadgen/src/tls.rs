//! TLS towards the target: which certificates are believed, and what went wrong in plain words. The
//! connections themselves are opened by [`crate::line`].

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

/// Whose certificates are believed.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    /// Those of the authorities that this system knows.
    System,
    /// Those of the authorities in this file, and of no other.
    File(&'a Path),
    /// All, which protects from nobody.
    Anyone,
}

/// How to speak TLS with one target.
#[derive(Clone, Debug)]
pub struct Tls {
    /// For HTTP/1.1.
    pub(crate) http1: Arc<ClientConfig>,
    /// For gRPC, which needs HTTP/2.
    pub(crate) http2: Arc<ClientConfig>,
    /// What the certificate must be for.
    pub(crate) name: ServerName<'static>,
}

impl Tls {
    /// Prepares for a host. Errors are about what was asked: no connection is made.
    pub fn new(host: &str, trust: Trust<'_>) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("{host:?} is no name that a certificate can have"))?;
        let mut http1 = config(trust)?;
        let mut http2 = http1.clone();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        http2.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            http1: Arc::new(http1),
            http2: Arc::new(http2),
            name,
        })
    }
}

fn config(trust: Trust<'_>) -> Result<ClientConfig, String> {
    // Named here, so that what else is in the binary has no say in it.
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(match trust {
        Trust::Anyone => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Believing(algorithms)))
            .with_no_client_auth(),
        Trust::System => builder
            .with_root_certificates(system_roots()?)
            .with_no_client_auth(),
        Trust::File(path) => builder
            .with_root_certificates(roots_in(path)?)
            .with_no_client_auth(),
    })
}

fn system_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // A system has hundreds, and one that is odd is no reason to believe none.
    let (added, _odd) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(
            "this system knows no certificate authorities: name one with --ca, or say --insecure"
                .into(),
        );
    }
    Ok(roots)
}

fn roots_in(path: &Path) -> Result<RootCertStore, String> {
    let wrong = |what: &str| format!("--ca {}: {what}", path.display());
    let pem = std::fs::read(path).map_err(|error| wrong(&error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(&error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| wrong(&error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("no certificate in PEM is in it"));
    }
    Ok(roots)
}

/// Returns the host of an authority, without port and brackets.
pub(crate) fn host_of(authority: &str) -> &str {
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    // Brackets are there for addresses alone.
    bare.filter(|it| it.parse::<IpAddr>().is_ok())
        .unwrap_or(host)
}

/// Returns a failure of the first words with a server in words that say what to do.
pub(crate) fn no_handshake(error: io::Error) -> io::Error {
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => "it ended the connection",
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "it does not answer",
        _ => return in_words(error),
    };
    io::Error::new(error.kind(), format!("no TLS with the server: {why}"))
}

/// Returns a failure of TLS in words that say what to do; others as they are.
pub(crate) fn in_words(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(inner) = inner else { return error };
    io::Error::new(error.kind(), words(inner))
}

fn words(error: &Error) -> String {
    let why = match error {
        Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => {
                "nobody who is believed here has signed its certificate: name the authority with \
                 --ca, or say --insecure"
                    .into()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired".into()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet".into()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name".into()
            }
            other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
                "its certificate is one of an authority, which is not believed of a server: give \
                 it one that says CA:FALSE, or say --insecure"
                    .into()
            }
            other => format!("its certificate is not believed: {other:?}"),
        },
        Error::InvalidMessage(_) => "it does not speak TLS there: say http://".into(),
        Error::NoApplicationProtocol
        | Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "it does not speak HTTP/2, which gRPC needs".into()
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it wants a certificate of its clients, and there is none here".into()
        }
        Error::AlertReceived(alert) => format!("it broke off with {alert:?}"),
        other => other.to_string(),
    };
    format!("no TLS with the server: {why}")
}

/// Believes every certificate, but not that its key is where it is not.
#[derive(Debug)]
struct Believing(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Believing {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses() {
        for (authority, host) in [
            ("a.example:9411", "a.example"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("[::1]:9411", "::1"),
        ] {
            assert_eq!(host_of(authority), host);
            assert!(Tls::new(host, Trust::Anyone).is_ok(), "{host}");
        }
        assert!(Tls::new("a b", Trust::Anyone).is_err());
    }

    #[test]
    fn a_file_without_certificates_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let error = || Tls::new("a", Trust::File(&path)).unwrap_err();
        assert!(error().contains("ca.pem: No such file"), "{}", error());
        std::fs::write(&path, "nothing").unwrap();
        assert!(error().contains("no certificate"), "{}", error());
        std::fs::write(
            &path,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        assert!(error().contains("--ca"), "{}", error());
    }
}
