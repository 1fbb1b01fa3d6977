//! The reading half: each answer is made of what waits here and what the database holds. What waits
//! is looked at first: a span that is moved meanwhile is then seen twice, and answered once, while
//! the other way round it could be missed. When the database can't answer there is no answer, since
//! one without most of what is stored would be a wrong one.

use speargun_model::span::java_order;
use speargun_model::{DependencyLink, Span, TraceId};
use speargun_storage::{ReadContext, ReadError, SpanReader, TraceRequest, Window};

use crate::spool::Spool;
use crate::whole::join;
use crate::{dependencies, search};

impl SpanReader for Spool {
    fn describe(&self) -> String {
        self.database.describe()
    }

    fn check(&self) -> Result<(), ReadError> {
        self.trouble()
    }

    fn trace(&self, id: TraceId, context: &ReadContext) -> Result<Vec<Span>, ReadError> {
        let waiting = self.local.trace(id, context)?;
        let stored = self.database.trace(id, context)?;
        Ok(if waiting.is_empty() {
            stored
        } else {
            join(stored, waiting)
        })
    }

    fn search(
        &self,
        request: &TraceRequest,
        context: &ReadContext,
    ) -> Result<Vec<Vec<Span>>, ReadError> {
        search::search(self, request, context)
    }

    fn service_names(&self, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        let waiting = self.local.service_names(context)?;
        Ok(union(self.database.service_names(context)?, waiting))
    }

    fn span_names(&self, service: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        let waiting = self.local.span_names(service, context)?;
        Ok(union(self.database.span_names(service, context)?, waiting))
    }

    fn remote_service_names(
        &self,
        service: &str,
        context: &ReadContext,
    ) -> Result<Vec<String>, ReadError> {
        let waiting = self.local.remote_service_names(service, context)?;
        let stored = self.database.remote_service_names(service, context)?;
        Ok(union(stored, waiting))
    }

    fn tag_values(&self, key: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        let waiting = self.local.tag_values(key, context)?;
        Ok(union(self.database.tag_values(key, context)?, waiting))
    }

    fn dependencies(
        &self,
        window: Window,
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError> {
        dependencies::links(self, window, context)
    }
}

/// Returns both lists as one, sorted, each name once.
fn union(mut stored: Vec<String>, waiting: Vec<String>) -> Vec<String> {
    stored.extend(waiting);
    stored.sort_unstable_by(|a, b| java_order(a, b));
    stored.dedup();
    stored
}
