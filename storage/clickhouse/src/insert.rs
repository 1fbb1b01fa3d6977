//! A list of spans into the tables, once: the list's name goes along, and the server leaves out
//! what came under it before. Names go first: one without spans does no harm.

use std::error::Error;

use clickhouse::Client;
use clickhouse::native::Block;
use clickhouse::native::builder::BlockBuilder;
use speargun_model::Span;
use speargun_storage::ListName;

use crate::columns::{self, Arrival};
use crate::fault::Fault;
use crate::names::{Known, News};
use crate::server::{Deadline, Failed, Server};

/// Stores a list; an empty one is nothing.
pub(crate) fn store(
    (server, known): (&Server, &Known),
    name: &ListName,
    spans: &[Span],
    (arrival, deadline): (Arrival, Deadline),
) -> Result<(), Fault> {
    if spans.is_empty() {
        return Ok(());
    }
    let built = |error: Box<dyn Error + Send + Sync>| Fault::Answer(error.to_string());
    let news = known.news(spans, arrival.ms);
    let names = names_block(&news, arrival).map_err(built)?;
    let block = columns::block(spans, arrival).map_err(built)?;
    let token = name.to_string();
    server.with_client(deadline, async |client| {
        if let Some(names) = &names {
            insert(&client, "names", names, None).await?;
        }
        insert(&client, "spans", &block, Some(&token)).await
    })?;
    known.remember(&news);
    Ok(())
}

async fn insert(
    client: &Client,
    table: &str,
    block: &Block,
    token: Option<&str>,
) -> Result<(), Failed> {
    let mut insert = client
        .insert_native(table)
        // Answered once the rows are in the table, on a cluster on each shard.
        .with_setting("async_insert", "0")
        .with_setting("insert_distributed_sync", "1");
    if let Some(token) = token {
        insert = insert
            .with_setting("insert_deduplication_token", token)
            .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1");
    }
    insert.write(block).await?;
    Ok(insert.end().await?)
}

fn names_block(
    news: &News<'_>,
    arrival: Arrival,
) -> Result<Option<Block>, Box<dyn Error + Send + Sync>> {
    if news.entries.is_empty() {
        return Ok(None);
    }
    let entries = || news.entries.iter();
    let mut builder = BlockBuilder::new();
    let what = entries().map(|entry| entry.what as u8);
    builder.upsert_column::<u8>("what")?.add_all(what)?;
    let owner = entries().map(|entry| entry.owner);
    builder.upsert_column::<&str>("owner")?.add_all(owner)?;
    let name = entries().map(|entry| entry.name);
    builder.upsert_column::<&str>("name")?.add_all(name)?;
    // A `DateTime` has 32 bits.
    let seconds = u32::try_from(arrival.ms / 1000).unwrap_or(u32::MAX);
    let seen = entries().map(|_| seconds);
    builder.upsert_column::<u32>("seen")?.add_all(seen)?;
    Ok(Some(builder.build()?))
}
