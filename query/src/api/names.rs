//! Lists to choose from: services, span names, remote services, tag keys and values.

use std::sync::atomic::Ordering;

use super::{Answer, Answered, Asked, NAMES_UNCACHED_MAX, QueryApi};
use crate::error::QueryError;
use crate::view;

impl QueryApi {
    pub(super) fn services(&self, asked: &Asked) -> Answered {
        let names = if self.config.search_enabled {
            self.reader.service_names(&asked.context)?
        } else {
            Vec::new()
        };
        self.services_count.store(names.len(), Ordering::Relaxed);
        Ok(self.names_answer(view::names(&names), self.are_names_cached()))
    }

    pub(super) fn span_names(&self, asked: &Asked) -> Answered {
        let names = match self.service(asked)? {
            Some(service) => self.reader.span_names(&service, &asked.context)?,
            None => Vec::new(),
        };
        Ok(self.names_answer(view::names(&names), self.are_names_cached()))
    }

    pub(super) fn remote_services(&self, asked: &Asked) -> Answered {
        let names = match self.service(asked)? {
            Some(service) => self.reader.remote_service_names(&service, &asked.context)?,
            None => Vec::new(),
        };
        Ok(self.names_answer(view::names(&names), self.are_names_cached()))
    }

    /// Answers from the configuration, search or no search, and always to be cached.
    pub(super) fn autocomplete_keys(&self) -> Answer {
        self.names_answer(view::names(&self.config.autocomplete_keys), true)
    }

    pub(super) fn autocomplete_values(&self, asked: &Asked) -> Answered {
        let key = asked.params.mandatory_text("key")?;
        if key.is_empty() {
            return Err(QueryError::refused("key was empty"));
        }
        let values = if self.config.search_enabled {
            self.reader.tag_values(key, &asked.context)?
        } else {
            Vec::new()
        };
        let cached = values.len() > NAMES_UNCACHED_MAX;
        Ok(self.names_answer(view::names(&values), cached))
    }

    /// Returns the service whose names are asked for, unless it has none.
    fn service(&self, asked: &Asked) -> Result<Option<String>, QueryError> {
        let service = asked.params.mandatory_text("serviceName")?;
        let has_names = !service.is_empty() && self.config.search_enabled;
        Ok(has_names.then(|| service.to_lowercase()))
    }
}
