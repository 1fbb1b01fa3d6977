//! Links between services. They are answered whether or not search is enabled.

use super::{Answer, Answered, Asked, QueryApi};
use crate::{search, view};

impl QueryApi {
    pub(super) fn dependencies(&self, asked: &Asked) -> Answered {
        let window = search::link_window(&asked.params, self.config.lookback_default_ms)?;
        let links = self.reader.dependencies(window, &asked.context)?;
        Ok(Answer::json(view::links(&links)))
    }
}
