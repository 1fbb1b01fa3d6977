//! The engine over `ClickHouse`: its settings, and its background work.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use speargun_clickhouse::housekeeping::{Housekeeping, Told};
use speargun_clickhouse::{ClickHouse, Config, LinkAnswers, Secret, TagIndex};
use speargun_storage::{Database, Inspect};

use super::background::{Background, Pause};
use super::{Connected, owner};
use crate::admin::Component;
use crate::settings::Settings;
use crate::wiring::engine::{Figure, Figures, Parts};

/// Between passes of background work when nothing waits; after a long one, ten times as long as it
/// took.
const PAUSE: Duration = Duration::from_secs(20);

pub(super) fn connect(settings: &Settings) -> anyhow::Result<Connected> {
    let config = config(settings)?;
    let links = config.links;
    let store = Arc::new(ClickHouse::new(config)?);
    let mut connected = Connected::plain(Arc::clone(&store) as Arc<dyn Database>);
    if links {
        let house = Arc::new(Housekeeping::new(Arc::clone(&store), owner()?));
        connected.background = Some(keep(&house)?);
        let figures = Arc::clone(&house);
        connected.figures =
            Figures::new(move || house_figures(&figures.told(), store.link_answers()).to_vec());
        connected.parts = Parts::new(move || vec![component(house.told())]);
    }
    Ok(connected)
}

/// Returns what health tells of background work. Spans are stored and read without it.
fn component(told: Told) -> Component {
    Component {
        warning: told.trouble,
        ..Component::new("ClickHouseHousekeeping{}".to_owned(), None)
    }
}

#[rustfmt::skip]
fn house_figures(told: &Told, answers: LinkAnswers) -> [Figure; 9] {
    [
        ("speargun_clickhouse_house_failing", "gauge", u64::from(told.trouble.is_some()),
            "1 while background work in ClickHouse fails"),
        ("speargun_clickhouse_house_failures_total", "counter", told.failures,
            "passes of background work that failed"),
        ("speargun_clickhouse_house_held", "gauge", u64::from(told.held),
            "1 while this process has the lease and links spans"),
        ("speargun_clickhouse_linked_spans_total", "counter", told.spans_linked,
            "spans that this process linked"),
        ("speargun_clickhouse_linked_chunks_total", "counter", told.chunks,
            "chunks of links that this process wrote"),
        ("speargun_clickhouse_unlinked_spans", "gauge", told.spans_waiting,
            "spans that waited to be linked behind the last chunk"),
        ("speargun_clickhouse_link_lag_seconds", "gauge", told.lag_ms / 1000,
            "how long the oldest span of the last chunk had waited"),
        ("speargun_clickhouse_links_read_total", "counter", answers.read,
            "questions for links that were answered from their table"),
        ("speargun_clickhouse_links_computed_total", "counter", answers.computed,
            "questions for links that were answered from all spans of the window"),
    ]
}

fn keep(house: &Arc<Housekeeping>) -> std::io::Result<Background> {
    let (worker, ender) = (Arc::clone(house), Arc::clone(house));
    // It tells itself how it went, for the log, health and metrics.
    let pass = move || match worker.pass() {
        Ok(report) if report.spans_waiting > 0 => Pause::None,
        _ => Pause::AtLeast(PAUSE),
    };
    Background::start("clickhouse-house", pass, move || ender.end())
}

pub(super) fn inspector(settings: &Settings) -> anyhow::Result<Box<dyn Inspect>> {
    Ok(Box::new(config(settings)?))
}

fn config(settings: &Settings) -> anyhow::Result<Config> {
    let text = |name: &str| settings.database.text(name);
    let own = |name: &str| text(name).to_owned();
    let flag = |name: &str| {
        let parsed = text(name).to_ascii_lowercase().parse::<bool>();
        parsed.with_context(|| format!("{name} holds {:?}, but must be true or false", text(name)))
    };
    let urls = text("CLICKHOUSE_URL").split(',').map(str::trim);
    let urls = urls.filter(|url| !url.is_empty()).map(str::to_owned);
    let days = text("CLICKHOUSE_RETENTION_DAYS");
    let config = Config {
        urls: urls.collect(),
        user: own("CLICKHOUSE_USER"),
        password: Secret(own("CLICKHOUSE_PASSWORD")),
        database: own("CLICKHOUSE_DATABASE"),
        cluster: Some(own("CLICKHOUSE_CLUSTER")).filter(|name| !name.is_empty()),
        manage_schema: flag("CLICKHOUSE_SCHEMA")?,
        retention_days: match days {
            "off" => None,
            _ => Some(days.parse().with_context(|| {
                format!(
                    "CLICKHOUSE_RETENTION_DAYS holds {days:?}, but must be a number of days or off"
                )
            })?),
        },
        sync: flag("CLICKHOUSE_SYNC")?,
        tag_index: TagIndex::parse(text("CLICKHOUSE_TAG_INDEX"))
            .context("CLICKHOUSE_TAG_INDEX must be bloom or none")?,
        links: flag("CLICKHOUSE_LINKS")?,
        id_mode: settings.query.id_mode,
        autocomplete_keys: settings.query.autocomplete_keys.clone(),
        ..Config::new("")
    };
    config.validate()?;
    Ok(config)
}
