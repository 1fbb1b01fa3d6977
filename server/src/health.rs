//! `speargun health`: asks a running process whether it is well, for images without a shell and for
//! scripts. It starts nothing.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use http::{Method, StatusCode};
use speargun_config_server::settings as config_server;
use speargun_runtime::environment;

use crate::registration::exchange::Order;
use crate::settings::{RegistryUrl, Settings, Sources, Texts};

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Whose settings tell where to ask.
    #[arg(default_value = "server")]
    part: Part,
    /// Where to ask instead, as <http://host:port/health>.
    #[arg(long)]
    url: Option<String>,
    /// The server's file of settings, when it has one.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Properties of Zipkin and Spring, which are taken out before the rest is read.
    #[arg(skip)]
    pub(crate) properties: Vec<(String, String)>,
}

/// What may run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Part {
    /// The backend.
    Server,
    /// The registry.
    Registry,
    /// The configuration server.
    ConfigServer,
}

/// Says how the process is; fails unless it answers 200 within five seconds.
pub(crate) fn ask(flags: Flags) -> anyhow::Result<()> {
    let url = match flags.url {
        Some(url) => url,
        None => url(flags.part, flags.config.as_deref(), flags.properties)?,
    };
    let place = RegistryUrl::parse(&url)
        .with_context(|| format!("--url: {url:?} is not as http://host:port/health"))?;
    let order = Order {
        method: Method::GET,
        path: String::new(),
        body: String::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answered = runtime.block_on(order.send(&place));
    // A name that is being looked up does not hold up the answer.
    runtime.shutdown_background();
    match answered {
        Ok(StatusCode::OK) => Ok(writeln!(std::io::stdout(), "{url} is well")?),
        Ok(status) => bail!("{url} answered {status}"),
        Err(error) => bail!("{url}: {error}"),
    }
}

fn url(
    part: Part,
    config: Option<&Path>,
    properties: Vec<(String, String)>,
) -> anyhow::Result<String> {
    let (address, number, path, secure) = match part {
        Part::Server => {
            let texts = Texts::merge(Sources::read(properties, config)?)?;
            let settings = Settings::parse(&texts)?;
            (settings.address, settings.port, "/health", false)
        }
        Part::Registry => {
            let settings =
                speargun_registry::Options::default().settings(environment::variables())?;
            let secure = settings.tls.is_some();
            (settings.address, settings.port, "/health", secure)
        }
        Part::ConfigServer => {
            let settings = of_config_server(properties, environment::variables().collect())?;
            let path = "/actuator/health/liveness";
            let secure = settings.tls.is_some();
            (settings.address, settings.port, path, secure)
        }
    };
    if secure {
        bail!("it speaks TLS, which is not spoken here: ask its port from outside");
    }
    Ok(format!(
        "http://{}{path}",
        SocketAddr::new(towards(address), number)
    ))
}

/// Returns the configuration server's settings. Where its files come from may have been told on its
/// command line alone, and is of no interest here.
fn of_config_server(
    flags: Vec<(String, String)>,
    environment: Vec<(String, String)>,
) -> anyhow::Result<config_server::Settings> {
    let mut sources = config_server::Sources {
        flags,
        environment,
        file: None,
    };
    let settings = config_server::Settings::read(&sources);
    let files = "spring.cloud.config.server.native.search-locations";
    sources.flags.push((files.to_owned(), "/".to_owned()));
    Ok(settings.or_else(|_| config_server::Settings::read(&sources))?)
}

/// Returns an address at which what listens on `address` can be reached from this machine.
fn towards(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with this status line; returns the path that was asked.
    fn answering(status: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/health", listener.local_addr().unwrap());
        let answer = std::thread::Builder::new().spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            let text = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(text.as_bytes()).unwrap();
            line
        });
        (url, answer.unwrap())
    }

    fn asked(url: &str) -> anyhow::Result<()> {
        ask(Flags {
            part: Part::Server,
            url: Some(url.to_owned()),
            config: None,
            properties: Vec::new(),
        })
    }

    #[test]
    fn only_200_is_well() {
        let (url, answer) = answering("200 OK");
        asked(&url).unwrap();
        assert_eq!(answer.join().unwrap(), "GET /health HTTP/1.1\r\n");
        for status in ["503 Service Unavailable", "204 No Content", "404 Not Found"] {
            let (url, answer) = answering(status);
            let error = asked(&url).unwrap_err().to_string();
            assert_eq!(error, format!("{url} answered {status}"));
            answer.join().unwrap();
        }
    }

    #[test]
    fn nobody_there_and_no_url_are_errors_that_name_it() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/health", free.local_addr().unwrap());
        drop(free);
        let error = format!("{:#}", asked(&url).unwrap_err());
        assert!(
            error.starts_with(&format!("{url}: it can't be reached")),
            "{error}"
        );
        let error = asked("localhost:9411").unwrap_err().to_string();
        assert!(error.contains("--url: \"localhost:9411\""), "{error}");
    }

    #[test]
    fn the_configuration_server_is_asked_without_its_files_being_known() {
        let port = |pairs: &[(&str, &str)]| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            of_config_server(Vec::new(), pairs.iter().map(owned).collect())
        };
        assert_eq!(port(&[]).unwrap().port, 8888);
        assert_eq!(port(&[("SERVER_PORT", "7")]).unwrap().port, 7);
        let git = (
            "SPRING_CLOUD_CONFIG_SERVER_GIT_URI",
            "https://example.org/a.git",
        );
        assert_eq!(port(&[("SERVER_PORT", "8"), git]).unwrap().port, 8);
        assert!(port(&[("SERVER_PORT", "many")]).is_err());
    }

    #[test]
    fn an_address_that_is_all_of_them_is_asked_on_the_machine_itself() {
        for (listens, asked) in [
            ("0.0.0.0", "127.0.0.1"),
            ("::", "::1"),
            ("10.1.2.3", "10.1.2.3"),
        ] {
            assert_eq!(towards(listens.parse().unwrap()).to_string(), asked);
        }
    }
}
