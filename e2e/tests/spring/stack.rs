//! Our three servers and the applications that live with them, for one train.

use anyhow::{Context, Result, ensure};
use speargun_e2e::config::ConfigServer;
use speargun_e2e::eureka::{Eureka, wait_until};
use speargun_e2e::server::free_port;
use speargun_e2e::spring::train::Source;
use speargun_e2e::spring::{Application, Train};
use speargun_e2e::{Options, Request, Server, Tap};

/// What the configuration server encrypts.
pub(crate) const WORD: &str = "open sesame";

/// An application and the tap between it and the registry.
pub(crate) struct App {
    pub(crate) java: Application,
    pub(crate) tap: Tap,
    pub(crate) id: String,
}

/// Everything that runs.
pub(crate) struct Stack {
    pub(crate) train: Train,
    pub(crate) registry: Eureka,
    pub(crate) config: ConfigServer,
    pub(crate) config_tap: Tap,
    pub(crate) server: Server,
    front: Option<App>,
    backs: Vec<App>,
}

impl Stack {
    /// Starts the servers; applications follow as groups need them.
    pub(crate) fn start(train: Train) -> Result<Self> {
        let registry = Eureka::start(&["--data", "none"])?;
        let zone = format!("--eureka.client.service-url.defaultZone={}", registry.url());
        let config = ConfigServer::start(
            FILES,
            &[
                "--encrypt.key=a key",
                "--eureka.instance.hostname=127.0.0.1",
                &zone,
            ],
        )?;
        let cipher = config.ask(&Request {
            headers: vec![("Content-Type".to_owned(), "text/plain".to_owned())],
            ..Request::json("POST", "/encrypt", WORD)
        })?;
        ensure!(cipher.status == 200, "{}", cipher.text());
        let secret = format!("word: '{{cipher}}{}'\ntitle: shared\n", cipher.text());
        config.commit(&[("application.yml", &secret)])?;
        wait_until("the configuration server has the cipher", || {
            Ok(config.get("/back/dev")?.text().contains(WORD))
        })?;
        wait_until("the configuration server is found by its name", || {
            let found = |it: &(String, String, String)| it.0 == "CONFIGSERVER" && it.2 == "UP";
            Ok(registry.listed()?.iter().any(found))
        })?;
        Ok(Self {
            train,
            config_tap: Tap::start(config.port())?,
            registry,
            config,
            server: Server::start(Options::default())?,
            front: None,
            backs: Vec::new(),
        })
    }

    /// Returns the settings of an application, registered through a tap.
    fn arguments(&self, name: &str, tap: &Tap, source: Source<'_>) -> Vec<String> {
        let mut all = self.train.arguments(name, tap.port(), self.server.port());
        all.extend(self.train.configured_by(source));
        all
    }

    /// Starts an application of a module under a name, and waits until it is registered.
    pub(crate) fn launch(&self, module: &str, name: &str, source: Source<'_>) -> Result<App> {
        let tap = Tap::start(self.registry.port())?;
        let arguments = self.arguments(name, &tap, source);
        let java = Application::start(&self.train, module, &arguments)?;
        let id = format!("{name}:{}", java.port());
        let app = App { java, tap, id };
        wait_until(&format!("{} is registered", app.id), || {
            Ok(self.status_of(&app.id)?.as_deref() == Some("UP"))
        })
        .with_context(|| app.java.log())?;
        Ok(app)
    }

    /// Starts an application whose configuration server is not there, and returns the process.
    pub(crate) fn launch_unconfigured(&self) -> Result<Application> {
        let nowhere = format!("http://127.0.0.1:{}", free_port()?);
        let tap = Tap::start(self.registry.port())?;
        let arguments = self.arguments("back", &tap, Source::Uri(&nowhere));
        Application::spawn(&self.train, "back", free_port()?, &arguments)
    }

    /// Starts one more of the service behind, configured through the tap.
    pub(crate) fn start_back(&mut self) -> Result<()> {
        let uri = format!("http://127.0.0.1:{}", self.config_tap.port());
        let back = self.launch("back", "back", Source::Uri(&uri))?;
        self.backs.push(back);
        Ok(())
    }

    /// Starts the service in front, which finds its configuration server by name.
    pub(crate) fn start_front(&mut self) -> Result<()> {
        self.front = Some(self.launch("front", "front", Source::Discovery)?);
        Ok(())
    }

    /// Returns the service in front.
    pub(crate) fn front(&self) -> Result<&App> {
        self.front
            .as_ref()
            .context("the service in front did not start")
    }

    /// Returns the services behind, in the order of their starts.
    pub(crate) fn backs(&mut self) -> &mut Vec<App> {
        &mut self.backs
    }

    /// Returns the first service behind.
    pub(crate) fn back(&self) -> Result<&App> {
        self.backs.first().context("no service behind did start")
    }

    /// Returns the status of an instance in the registry's list.
    pub(crate) fn status_of(&self, id: &str) -> Result<Option<String>> {
        let mut listed = self.registry.listed()?.into_iter();
        Ok(listed.find(|(_, other, _)| other == id).map(|it| it.2))
    }

    /// Returns which services behind answered that many calls, by their ports.
    pub(crate) fn who_answers(&self, calls: usize) -> Result<Vec<String>> {
        let front = self.front()?;
        let port = |_| {
            let said = front.java.text("/hello/someone")?;
            Ok(said.rsplit(' ').next().unwrap_or_default().to_owned())
        };
        (0..calls).map(port).collect()
    }

    /// Waits until calls alternate over all services behind.
    pub(crate) fn wait_until_alternating(&self) -> Result<()> {
        let mut last = Vec::new();
        let done = wait_until("calls alternate", || {
            last = self.who_answers(10)?;
            let pairs = || last.iter().zip(&last[1..]);
            let ports = |port: &String| self.backs.iter().any(|it| it.id.ends_with(port.as_str()));
            Ok(pairs().all(|(one, next)| one != next) && last.iter().all(ports))
        });
        done.with_context(|| format!("{last:?}"))
    }

    /// Waits until one service alone answers.
    pub(crate) fn wait_until_alone(&self, port: u16) -> Result<()> {
        let mut last = Vec::new();
        let done = wait_until("one service alone answers", || {
            last = self.who_answers(8)?;
            Ok(last.iter().all(|it| *it == port.to_string()))
        });
        done.with_context(|| format!("{last:?}"))
    }
}

const FILES: &[(&str, &str)] = &[
    ("application.yml", "title: shared\n"),
    ("application-dev.yml", "stage: development\nmode: 0777\n"),
    ("back.yml", "greeting: hi\ntitle: back\n"),
    ("back-dev.yml", "# of one stage\ngreeting: hello\n"),
    ("front.yml", "title: front\n"),
];
