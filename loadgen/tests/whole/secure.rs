//! A door that speaks TLS, with a certificate of an authority of its own: HTTP/1.1 goes on to a
//! server behind it, gRPC is answered at the door.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// A door that ends with the test.
pub(crate) struct Secure {
    port: u16,
    folder: tempfile::TempDir,
    _runtime: Runtime,
}

impl Secure {
    /// Opens a door to the server behind this port, for the name `localhost`.
    pub(crate) fn before(port: u16) -> Self {
        Self::open(port, Certificate::Signed)
    }

    /// The same with the certificate of an authority for the door's own.
    pub(crate) fn by_authority(port: u16) -> Self {
        Self::open(port, Certificate::Authority)
    }

    fn open(port: u16, certificate: Certificate) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), certificate);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_io()
            .enable_time()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let own = listener.local_addr().unwrap().port();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(acceptor.clone(), stream, port));
            }
        });
        Self {
            port: own,
            folder,
            _runtime: runtime,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the certificate of the authority.
    pub(crate) fn ca(&self) -> PathBuf {
        ca_in(self.folder.path())
    }
}

/// What a door shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Certificate {
    /// One that an authority signed.
    Signed,
    /// The authority's own.
    Authority,
}

/// Opens a port where nothing but errors of HTTP is spoken.
pub(crate) fn plain() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // All that comes in one piece is enough to say no.
            if stream.read(&mut [0; 4096]).is_ok() {
                drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
            }
        }
    });
    port
}

fn ca_in(folder: &Path) -> PathBuf {
    folder.join("ca.pem")
}

/// Makes an authority, whose certificate goes into the folder, and a certificate by it.
fn config(folder: &Path, certificate: Certificate) -> ServerConfig {
    let names = vec!["localhost".to_owned()];
    let mut authority = CertificateParams::new(names.clone()).unwrap();
    // Authorities of one name would be taken for each other.
    let name = folder.display().to_string();
    authority.distinguished_name.push(DnType::CommonName, name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let own = authority.self_signed(&key).unwrap();
    std::fs::write(ca_in(folder), own.pem()).unwrap();
    let (leaf, key) = if certificate == Certificate::Authority {
        (own, key)
    } else {
        let issuer = Issuer::new(authority, key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(names).unwrap();
        (leaf.signed_by(&key, &issuer).unwrap(), key)
    };
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

async fn pass(acceptor: TlsAcceptor, stream: TcpStream, port: u16) {
    // Clients that don't like the certificate go away, which is what some tests are about.
    let Ok(mut stream) = acceptor.accept(stream).await else {
        return;
    };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let serving = http2::Builder::new(TokioExecutor::new());
        let serving = serving.serve_connection(TokioIo::new(stream), service_fn(accept));
        // It ends when its client does.
        drop(serving.await);
        return;
    }
    let mut behind = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    drop(copy_bidirectional(&mut stream, &mut behind).await);
}

async fn accept(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    drop(request.into_body().collect().await);
    if path != "/zipkin.proto3.SpanService/Report" {
        return Ok(Response::builder().status(404).body(Empty::new()).unwrap());
    }
    let answer = Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", "0")
        .body(Empty::new());
    Ok(answer.unwrap())
}
