//! What health says of sources: what is wrong is said, and is no reason to send clients away while
//! there is something to serve.

use serde_json::Value;

use crate::repository::Work;
use speargun_config_server::server::ConfigServer;
use speargun_config_server::settings::{Settings, Sources};

async fn start(git: &str, folder: &std::path::Path) -> ConfigServer {
    let file = format!(
        "server: {{address: 127.0.0.1, port: 0}}\n\
         spring.cloud.config.server.git: {{{git}}}\n"
    );
    let sources = Sources {
        file: Some(("config.yml".to_owned(), file.into_bytes())),
        ..Sources::default()
    };
    let settings = Settings::read(&sources).unwrap();
    let base = Some(folder.to_owned());
    ConfigServer::start(settings, base).await.unwrap()
}

/// Returns the status of an answer and its body.
async fn get(server: &ConfigServer, path: &str) -> (u16, Value) {
    let url = format!("http://{}{path}", server.address());
    let answer = reqwest::get(url).await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_has_no_repository_is_no_reason_to_be_down() {
    let work = Work::new(&[("app.yml", "a: one\n")]);
    let folder = tempfile::tempdir().unwrap();
    let uri = work.origin().replace("/origin.git", "/{application}.git");
    let server = start(&format!("uri: '{uri}', timeout: 20"), folder.path()).await;
    assert_eq!(get(&server, "/typo/default").await.0, 404);
    assert_eq!(get(&server, "/origin/default").await.0, 200);
    let (status, health) = get(&server, "/actuator/health/configServer").await;
    assert_eq!(status, 200, "{health}");
    let sources = health["details"]["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 1, "{health}");
    server.end().await;
}
