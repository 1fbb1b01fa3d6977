//! A list of spans into the tables, once: the list's name goes along, and the server leaves out
//! what came under it before. Names go first: one without spans does no harm.

use bytes::Bytes;
use clickhouse::Client;
use speargun_model::Span;
use speargun_storage::ListName;

use crate::columns::{self, Arrival};
use crate::fault::Fault;
use crate::names::{Known, News};
use crate::native::{self, Block, Numbers, Texts};
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
    let news = known.news(spans, arrival.ms);
    let names = names_block(&news, arrival).map(Bytes::from);
    let block = Bytes::from(columns::block(spans, arrival));
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
    block: &Bytes,
    token: Option<&str>,
) -> Result<(), Failed> {
    let mut settings = vec![
        // Answered once the rows are in the table, on a cluster on each shard.
        ("async_insert", "0"),
        ("insert_distributed_sync", "1"),
    ];
    if let Some(token) = token {
        settings.extend([
            ("insert_deduplication_token", token),
            ("deduplicate_blocks_in_dependent_materialized_views", "1"),
        ]);
    }
    Ok(native::insert(client.clone(), table, block, &settings).await?)
}

fn names_block(news: &News<'_>, arrival: Arrival) -> Option<Vec<u8>> {
    if news.entries.is_empty() {
        return None;
    }
    // A `DateTime` has 32 bits.
    let seconds = u32::try_from(arrival.ms / 1000).unwrap_or(u32::MAX);
    let (mut what, mut seen) = (Numbers::default(), Numbers::default());
    let (mut owner, mut name) = (Texts::default(), Texts::default());
    for entry in &news.entries {
        what.push([entry.what as u8]);
        owner.push(entry.owner);
        name.push(entry.name);
        seen.push(seconds.to_le_bytes());
    }
    let mut block = Block::new((4, news.entries.len()), 0);
    block.add("what", "UInt8", &what);
    block.add("owner", "String", &owner);
    block.add("name", "String", &name);
    block.add("seen", "DateTime", &seen);
    Some(block.into_bytes())
}
