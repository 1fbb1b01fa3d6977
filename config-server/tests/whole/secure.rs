//! A repository over HTTP that wants a password, served by git's own program for that; and the
//! server with TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use speargun_config_server::server::ConfigServer;
use speargun_config_server::settings::{Settings, Sources};

use crate::repository::{Work, git};

/// Base64 of `me:token`.
const AUTHORIZATION: &str = "Basic bWU6dG9rZW4=";

/// Serves the folder of a repository over HTTP to whoever has this, if it is asked for, and to
/// everybody else nothing; returns the port.
fn serve(work: &Work, authorization: Option<&'static str>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = work.folder().parent().unwrap().to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            // A client that goes away is no failure of the server.
            std::thread::spawn(move || answer(&stream, &folder, authorization).ok());
        }
    });
    port
}

/// Answers one request by way of `git http-backend`, a program of CGI; what is below `/moved`,
/// `/round` or `/away/{port}` is elsewhere.
fn answer(stream: &TcpStream, folder: &Path, authorization: Option<&str>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = std::collections::HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let get = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let mut body = vec![0; get("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut stream = stream;
    let elsewhere = match path.strip_prefix("/moved") {
        Some(rest) => Some(rest.to_owned()),
        None => Some(path.to_owned()).filter(|path| path.starts_with("/round")),
    };
    let away = path
        .strip_prefix("/away/")
        .and_then(|rest| rest.split_once('/'));
    let elsewhere =
        elsewhere.or(away.map(|(port, rest)| format!("https://localhost:{port}/{rest}")));
    if let Some(place) = elsewhere {
        let answer = format!(
            "HTTP/1.1 301 Moved Permanently\r\nLocation: {place}?{query}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
        );
        return stream.write_all(answer.as_bytes());
    }
    if authorization.is_some_and(|expected| get("authorization") != expected) {
        let refusal = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\n\
                       Content-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(refusal.as_bytes());
    }
    let mut backend = git()
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", get("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", get("content-encoding"))
        .env("GIT_PROTOCOL", get("git-protocol"))
        .env("REMOTE_USER", "me")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    backend.stdin.take().unwrap().write_all(&body)?;
    let output = backend.wait_with_output()?.stdout;
    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")?;
    stream.write_all(&output)
}

async fn start(file: String, folder: &Path) -> ConfigServer {
    let sources = Sources {
        file: Some(("config.yml".to_owned(), file.into_bytes())),
        ..Sources::default()
    };
    let settings = Settings::read(&sources).unwrap();
    ConfigServer::start(settings, Some(folder.to_owned()))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_over_http_is_read_with_its_password() {
    let work = Work::new(&[("app.yml", "a: over http\n")]);
    // Of many parts, since it can't be made smaller.
    let noise = (0..2_000_000u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    let noise: Vec<u8> = noise.map(|bytes| bytes[7]).collect();
    std::fs::write(work.folder().join("noise.bin"), noise).unwrap();
    work.commit("more.yml", "b: 1\n");
    work.push();
    let port = serve(&work, Some(AUTHORIZATION));
    let folder = tempfile::tempdir().unwrap();
    let file = |password: &str| {
        format!(
            "server: {{address: 127.0.0.1, port: 0}}\nspring.cloud.config.server.git:\n  \
             uri: http://127.0.0.1:{port}/origin.git\n  username: me\n  password: {password}\n  \
             timeout: 60\n"
        )
    };
    let server = start(file("token"), folder.path()).await;
    let url = format!("http://{}/app/default", server.address());
    let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
    let name = format!("\"name\":\"http://127.0.0.1:{port}/origin.git/app.yml\"");
    assert!(text.contains("over http") && text.contains(&name), "{text}");
    server.end().await;

    let other = tempfile::tempdir().unwrap();
    let server = start(file("wrong"), other.path()).await;
    let url = format!("http://{}/app/default", server.address());
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!(answer.status(), 404);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("can't be read") && !text.contains("wrong"),
        "{text}"
    );
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_moved_is_followed_unless_a_password_would_be() {
    let work = Work::new(&[("app.yml", "a: there\n")]);
    let value = async |port: u16, path: &str, more: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = format!(
            "server: {{address: 127.0.0.1, port: 0}}\nspring.cloud.config.server.git:\n  \
             uri: http://127.0.0.1:{port}{path}/origin.git\n  timeout: 60\n{more}"
        );
        let server = start(file, folder.path()).await;
        let url = format!("http://{}/app/default", server.address());
        let answer = reqwest::get(&url).await.unwrap().text().await.unwrap();
        server.end().await;
        answer
    };
    let open = serve(&work, None);
    for path in ["", "/moved", "/moved/moved"] {
        let answer = value(open, path, "").await;
        assert!(answer.contains("\"a\":\"there\""), "{path}: {answer}");
    }
    let answer = value(open, "/round", "").await;
    assert!(answer.contains("too many addresses"), "{answer}");
    let closed = serve(&work, Some(AUTHORIZATION));
    let access = "  username: me\n  password: token\n";
    let answer = value(closed, "/moved", access).await;
    assert!(answer.contains("it answered 301"), "{answer}");
    let answer = value(closed, "", access).await;
    assert!(answer.contains("\"a\":\"there\""), "{answer}");
}

/// Speaks TLS in front of a port, by a certificate that nobody knows; returns its own port.
async fn secured(behind: u16) -> u16 {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not trust it goes away.
                let mut near = acceptor.accept(stream).await.ok()?;
                let mut far = tokio::net::TcpStream::connect(("127.0.0.1", behind))
                    .await
                    .ok()?;
                tokio::io::copy_bidirectional(&mut near, &mut far)
                    .await
                    .ok()
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_over_tls_is_read_with_its_password_when_it_asks() {
    let work = Work::new(&[("app.yml", "a: over tls\n")]);
    let port = secured(serve(&work, Some(AUTHORIZATION))).await;
    let answer = async |uri: &str, more: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = format!(
            "server: {{address: 127.0.0.1, port: 0}}\nspring.cloud.config.server.git:\n  \
             uri: {uri}\n  timeout: 60\n{more}"
        );
        let server = start(file, folder.path()).await;
        let url = format!("http://{}/app/default", server.address());
        let answer = reqwest::get(&url).await.unwrap().text().await.unwrap();
        server.end().await;
        answer
    };
    let uri = format!("https://localhost:{port}/origin.git");
    let access = "  username: me\n  password: token\n";
    let any = format!("{access}  skip-ssl-validation: true\n");
    let told = answer(&uri, &any).await;
    assert!(told.contains("over tls"), "{told}");
    let told = answer(
        &uri.replace("://", "://me:token@"),
        "  skip-ssl-validation: true\n",
    )
    .await;
    assert!(told.contains("over tls"), "{told}");
    for (more, reason) in [
        (access, "certificate"),
        ("  skip-ssl-validation: true\n", "can't be read"),
        (
            "  skip-ssl-validation: true\n  password: wrong\n",
            "can't be read",
        ),
    ] {
        let told = answer(&uri, more).await;
        assert!(
            told.contains(reason) && !told.contains("over tls"),
            "{more}: {told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_not_given_to_where_a_repository_leads() {
    let work = Work::new(&[("app.yml", "a: elsewhere\n")]);
    let answer = async |from: u16, path: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = format!(
            "server: {{address: 127.0.0.1, port: 0}}\nspring.cloud.config.server.git:\n  \
             uri: https://localhost:{from}{path}/origin.git\n  timeout: 60\n  username: me\n  \
             password: token\n  skip-ssl-validation: true\n"
        );
        let server = start(file, folder.path()).await;
        let url = format!("http://{}/app/default", server.address());
        let answer = reqwest::get(&url).await.unwrap().text().await.unwrap();
        server.end().await;
        answer
    };
    let near = secured(serve(&work, None)).await;
    let (open, closed) = (serve(&work, None), serve(&work, Some(AUTHORIZATION)));
    let (open, closed) = (secured(open).await, secured(closed).await);
    let told = answer(near, &format!("/away/{open}")).await;
    assert!(told.contains("elsewhere"), "{told}");
    // It would let in whoever has the password, and is not told.
    let told = answer(near, &format!("/away/{closed}")).await;
    assert!(
        told.contains("can't be read") && !told.contains("elsewhere"),
        "{told}"
    );
    // Within the same place it is given.
    let told = answer(closed, "/moved").await;
    assert!(told.contains("elsewhere"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_speaks_tls() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.path().join("app.yml"), "a: secure\n").unwrap();
    let file = format!(
        "server:\n  address: 127.0.0.1\n  port: 0\n  ssl: {{certificate: {}, certificate-private-key: {}}}\n\
         spring.cloud.config.server.native.search-locations: {}\n",
        certificate.display(),
        key.display(),
        folder.path().display()
    );
    let server = start(file, folder.path()).await;
    let trusted = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([trusted])
        .resolve("localhost", server.address())
        .build()
        .unwrap();
    let url = format!("https://localhost:{}/app/default", server.address().port());
    let answer = client.get(url).send().await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert!(answer.text().await.unwrap().contains("secure"));
    server.end().await;
}
