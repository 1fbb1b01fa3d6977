//! Encrypted connections: to a server whose certificate is known, and to none that is not.

use std::path::Path;
use std::process::Command;

use speargun_e2e::mariadb::MariaDb;
use speargun_mysql::Config;
use speargun_mysql::config::Tls;
use speargun_storage::contract::span;

use crate::{config, open, store};

/// Makes an authority, and a certificate of it for 127.0.0.1.
const CERTIFICATES: &str = r#"
set -e
cd "$1"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout key.pem -out request.pem
printf 'subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' > extensions
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
  -extfile extensions -out server.pem
"#;

fn certificates(folder: &Path) {
    let made = Command::new("sh")
        .args(["-c", CERTIFICATES, "sh"])
        .arg(folder)
        .output();
    let made = made.unwrap();
    let errors = String::from_utf8_lossy(&made.stderr);
    assert!(
        made.status.success(),
        "this test makes certificates with openssl: {errors}"
    );
}

#[test]
fn a_servers_certificate_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let server = MariaDb::start(&[
        &format!("--ssl-cert={}", path("server.pem")),
        &format!("--ssl-key={}", path("key.pem")),
        "--require-secure-transport=1",
    ]);
    let server = server.unwrap();
    let database = server.database().unwrap();
    let with = |tls| Config {
        tls,
        ..config(&server, &database)
    };
    for tls in [Tls::Verified(Some(path("ca.pem").into())), Tls::Unverified] {
        store(&open(with(tls)), &[span(1, 1)]).unwrap();
    }
    let unknown = store(&open(with(Tls::Verified(None))), &[span(2, 1)]);
    let text = unknown.unwrap_err().to_string();
    assert!(text.contains("UnknownIssuer"), "{text}");
    // This server lets nobody in who does not encrypt: those above did.
    assert!(store(&open(with(Tls::Off)), &[span(3, 1)]).is_err());
}
