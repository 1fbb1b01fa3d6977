//! The engine over `ClickHouse`: its settings.

use std::sync::Arc;

use anyhow::Context;
use speargun_clickhouse::{ClickHouse, Config, Secret, TagIndex};
use speargun_storage::Inspect;

use super::Connected;
use crate::settings::Settings;

pub(super) fn connect(settings: &Settings) -> anyhow::Result<Connected> {
    Ok(Connected::plain(Arc::new(ClickHouse::new(config(
        settings,
    )?)?)))
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
        id_mode: settings.query.id_mode,
        autocomplete_keys: settings.query.autocomplete_keys.clone(),
        ..Config::new("")
    };
    config.validate()?;
    Ok(config)
}
