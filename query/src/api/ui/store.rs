//! How much the engine holds and of which time, as far as it knows. Counters of the process are
//! the server's.

use serde::Serialize;
use speargun_storage::Extent;

use super::{Answered, Asked, UiApi, whole};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Store {
    spans: Option<u64>,
    bytes: Option<u64>,
    oldest_ms: Option<u64>,
    newest_ms: Option<u64>,
}

impl UiApi {
    pub(super) fn store(&self, asked: &Asked) -> Answered {
        let extent = self.reader.extent(&self.context(asked))?;
        Ok(whole(&Store::from(extent)))
    }
}

impl From<Extent> for Store {
    fn from(extent: Extent) -> Self {
        let (oldest_us, newest_us) = extent.times_us.unzip();
        Self {
            spans: extent.spans,
            bytes: extent.bytes,
            oldest_ms: oldest_us.map(|us| us / 1000),
            newest_ms: newest_us.map(|us| us / 1000),
        }
    }
}
