//! The engine over MySQL or MariaDB: its settings, and a thread for its background work.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use speargun_mysql::housekeeping::{Chores, Housekeeping};
use speargun_mysql::{Config, MySqlStore};
use speargun_runtime::SystemClock;
use speargun_storage::{Database, Inspect};

use crate::settings::Settings;

/// Between passes of background work; after a long one, ten times as long as it took.
const PAUSE: Duration = Duration::from_mins(1);

pub(super) fn connect(settings: &Settings) -> anyhow::Result<Arc<dyn Database>> {
    let store = Arc::new(MySqlStore::open(config(settings)?)?);
    let chores = Chores {
        links: settings.database.mysql_links,
        retention_ms: settings
            .database
            .mysql_retention
            .map(|age| age.as_millis() as u64),
    };
    if chores.links || chores.retention_ms.is_some() {
        keep_house(&store, chores)?;
    }
    Ok(store)
}

pub(super) fn inspector(settings: &Settings) -> anyhow::Result<Box<dyn Inspect>> {
    Ok(Box::new(config(settings)?))
}

fn config(settings: &Settings) -> anyhow::Result<Config> {
    let text = |name| {
        let text = settings.database.text(name);
        // A switch comes in any case, as Spring takes it.
        Some(match name {
            "MYSQL_USE_SSL" => text.to_ascii_lowercase(),
            _ => text.to_owned(),
        })
    };
    Ok(Config {
        creates_tables: settings.database.mysql_schema,
        id_mode: settings.query.id_mode,
        autocomplete_keys: settings.query.autocomplete_keys.clone(),
        ..Config::from_variables(text)?
    })
}

/// Works in the background for as long as the process lives. It may end anywhere: what was not done
/// is done by the next pass, of this process or another.
fn keep_house(store: &Arc<MySqlStore>, chores: Chores) -> anyhow::Result<()> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let owner = format!("{}-{}", std::process::id(), since.as_nanos());
    let clock = Arc::new(SystemClock);
    let house = Housekeeping::new(Arc::clone(store), owner, chores, clock);
    let work = move || {
        loop {
            let begin = Instant::now();
            if let Err(error) = house.pass() {
                // The spool tells of a database that is away.
                tracing::debug!(%error, "background work in MySQL failed");
            }
            std::thread::sleep(PAUSE.max(begin.elapsed() * 10));
        }
    };
    std::thread::Builder::new()
        .name("mysql-house".to_owned())
        .spawn(work)?;
    Ok(())
}
