//! TLS: the certificate that clients see, and the authorities whose peers are believed. The
//! provider of cryptography is named, so that what else is in the binary has no say in it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::settings::TlsFiles;

/// Returns what accepts TLS with this certificate.
pub fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor> {
    let certificates = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("read the key in {}", files.key.display()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .context("certificate and key do not fit together")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config).into())
}

/// Returns how to speak with peers. Without a file the system's authorities are believed; a system
/// that knows none is no trouble until a peer shows a certificate.
pub fn peers(authorities: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            // A system has hundreds, and one that is odd is no reason to believe none.
            let (_added, _odd) = roots.add_parsable_certificates(found.certs);
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let shown = path.display();
    let all = CertificateDer::pem_file_iter(path).with_context(|| format!("read {shown}"))?;
    let all: Vec<_> = all
        .collect::<Result<_, _>>()
        .with_context(|| format!("read {shown}"))?;
    ensure!(!all.is_empty(), "no certificate in PEM is in {shown}");
    Ok(all)
}
