//! Which process does the background work. Nothing goes wrong when two do: chunks of links fork,
//! and one branch counts. The lease saves the work of the other.
//!
//! ```text
//! leases   a process that works says since when it does, and until when it will, in a row of its
//!          own. The one that works for longest has the lease; others wait until its row is over
//! ```

use std::time::Duration;

use clickhouse::Row;
use serde::Deserialize;

use crate::fault::Fault;
use crate::server::{Deadline, Server, query};

/// How long a process has the lease after it last asked for it.
pub(super) const LEASE: Duration = Duration::from_mins(2);

const NAME: &str = "links";

/// The time of the server, which counts: the clocks of the processes may differ.
const NOW_MS: &str = "toUInt64(toUnixTimestamp64Milli(now64(3)))";

#[derive(Row, Deserialize)]
struct HolderRow {
    owner: String,
    since: u64,
    now: u64,
}

#[derive(Row, Deserialize)]
struct NowRow {
    now: u64,
}

/// A lease that somebody may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease<'a> {
    pub(super) server: &'a Server,
    pub(super) owner: &'a str,
    pub(super) deadline: Deadline,
}

impl Lease<'_> {
    /// Asks for the lease; returns the server's milliseconds if this process has it.
    pub(super) fn ask(self) -> Result<Option<u64>, Fault> {
        let now = match self.holder()? {
            Some(holder) if holder.owner != self.owner => return Ok(None),
            Some(holder) => {
                self.put(&holder.since.to_string(), LEASE)?;
                return Ok(Some(holder.now));
            }
            None => {
                self.put(NOW_MS, LEASE)?;
                self.now()?
            }
        };
        // Another one may have asked at the same time.
        let holder = self.holder()?;
        Ok(holder
            .is_some_and(|holder| holder.owner == self.owner)
            .then_some(now))
    }

    /// Gives the lease back.
    pub(super) fn release(self) -> Result<(), Fault> {
        match self.holder()? {
            Some(holder) if holder.owner == self.owner => self.put("0", Duration::ZERO),
            _ => Ok(()),
        }
    }

    fn holder(self) -> Result<Option<HolderRow>, Fault> {
        let text = format!(
            "SELECT owner, argMax(since_ms, asked_ms) AS since, {NOW_MS} AS now FROM leases WHERE \
             name = '{NAME}' GROUP BY owner HAVING argMax(until_ms, asked_ms) > now ORDER BY \
             since, owner LIMIT 1"
        );
        self.server.with_client(self.deadline, async |client| {
            let query = query(&client, &text, self.deadline)?;
            Ok(query.fetch_optional::<HolderRow>().await?)
        })
    }

    fn now(self) -> Result<u64, Fault> {
        let text = format!("SELECT {NOW_MS} AS now");
        self.server.with_client(self.deadline, async |client| {
            let query = query(&client, &text, self.deadline)?;
            Ok(query.fetch_one::<NowRow>().await?.now)
        })
    }

    fn put(self, since: &str, time: Duration) -> Result<(), Fault> {
        // What is said last counts, within a millisecond too.
        let asked = u64::from(time.is_zero());
        let text = format!(
            "INSERT INTO leases SELECT '{NAME}', {{owner:String}}, {since}, {NOW_MS} + {}, \
             {NOW_MS} + {asked}",
            time.as_millis()
        );
        self.server.with_client(self.deadline, async |client| {
            let query = query(&client, &text, self.deadline)?.param("owner", self.owner);
            Ok(query.execute().await?)
        })
    }
}
