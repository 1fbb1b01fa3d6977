//! The engine over MySQL or MariaDB: its settings, and its background work.

use std::sync::Arc;
use std::time::Duration;

use speargun_mysql::config::Texts;
use speargun_mysql::housekeeping::{Chores, Housekeeping, Told};
use speargun_mysql::{Config, MySqlStore};
use speargun_runtime::SystemClock;
use speargun_storage::{Database, Inspect};

use super::background::{Background, Pause};
use super::{Connected, owner};
use crate::admin::Component;
use crate::settings::Settings;
use crate::wiring::engine::{Figure, Figures, Parts};

/// Between passes of background work; after a long one, ten times as long as it took.
const PAUSE: Duration = Duration::from_mins(1);

pub(super) fn connect(settings: &Settings) -> anyhow::Result<Connected> {
    let store = Arc::new(MySqlStore::open(config(settings)?)?);
    let chores = Chores {
        links: settings.database.mysql_links,
        retention_ms: settings
            .database
            .mysql_retention
            .map(|age| age.as_millis() as u64),
    };
    let mut connected = Connected::plain(Arc::clone(&store) as Arc<dyn Database>);
    if chores.links || chores.retention_ms.is_some() {
        let house = Arc::new(Housekeeping::new(
            store,
            owner()?,
            chores,
            Arc::new(SystemClock),
        ));
        connected.background = Some(keep(&house)?);
        let figures = Arc::clone(&house);
        connected.figures = Figures::new(move || house_figures(&figures.told()).to_vec());
        connected.parts = Parts::new(move || vec![component(house.told())]);
    }
    Ok(connected)
}

/// Returns what health tells of background work. Spans are stored and read without it.
fn component(told: Told) -> Component {
    Component {
        warning: told.trouble,
        ..Component::new("MySQLHousekeeping{}".to_owned(), None)
    }
}

#[rustfmt::skip]
fn house_figures(told: &Told) -> [Figure; 4] {
    [
        ("speargun_mysql_house_failing", "gauge", u64::from(told.trouble.is_some()),
            "1 while background work in MySQL fails"),
        ("speargun_mysql_house_failures_total", "counter", told.failures,
            "passes of background work that failed"),
        ("speargun_mysql_linked_days_total", "counter", told.days_linked,
            "days whose links this process wrote"),
        ("speargun_mysql_deleted_spans_total", "counter", told.spans_deleted,
            "span rows that this process deleted for their age"),
    ]
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
        new_texts: if settings.database.mysql_exact_texts {
            Texts::Exact
        } else {
            Texts::Zipkins
        },
        id_mode: settings.query.id_mode,
        autocomplete_keys: settings.query.autocomplete_keys.clone(),
        ..Config::from_variables(text)?
    })
}

fn keep(house: &Arc<Housekeeping>) -> std::io::Result<Background> {
    let (worker, ender) = (Arc::clone(house), Arc::clone(house));
    let pass = move || {
        // It tells itself how it went, for the log, health and metrics.
        worker.pass().ok();
        Pause::AtLeast(PAUSE)
    };
    Background::start("mysql-house", pass, move || ender.end())
}
