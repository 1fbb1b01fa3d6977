//! What spans have in common: the resource that reported them and the scope that made them. It
//! reads neither of them.

use super::value::Value;
use super::word::Word;
use crate::batch::{SpanBatch, Text};
use crate::codec::{DecodeError, check_fields, text};

/// What the spans at hand have from their resource and scope.
#[derive(Debug, Default)]
pub(in crate::codec) struct Origin {
    /// In lower case.
    pub(super) service_name: Option<Text>,
    /// Tags of every span: the resource's, then the scope's.
    pub(super) tags: Vec<(Text, Text)>,
    resource_tags: usize,
    /// Bytes of the tags, and of those of the resource alone.
    tag_bytes: usize,
    resource_bytes: usize,
    /// Attributes of all scopes of the body.
    scope_attributes: usize,
    pub(super) scope_name: Text,
    pub(super) scope_version: Text,
}

impl Origin {
    /// Forgets everything: another resource begins.
    pub(in crate::codec) fn begin_resource(&mut self) {
        self.tags.clear();
        (self.resource_tags, self.resource_bytes) = (0, 0);
        self.service_name = None;
        self.begin_scope();
    }

    /// Forgets the scope: another one begins.
    pub(in crate::codec) fn begin_scope(&mut self) {
        self.tags.truncate(self.resource_tags);
        self.tag_bytes = self.resource_bytes;
        self.scope_name = Text::default();
        self.scope_version = Text::default();
    }

    /// Notes an attribute of the resource; all of them come before the first scope.
    pub(in crate::codec) fn resource_attribute(
        &mut self,
        out: &mut SpanBatch,
        (key, value): (Text, Value),
    ) -> Result<(), DecodeError> {
        if out.bytes(key) == b"service.name"
            && let Value::Text(name) = value
        {
            let name = text::lower_case(out, name)?;
            // The first counts.
            self.service_name.get_or_insert(name);
            return Ok(());
        }
        self.tag(key, value.text())?;
        self.end_resource();
        Ok(())
    }

    /// Notes something else about the resource, if there is anything to say.
    pub(in crate::codec) fn resource_tag(
        &mut self,
        word: Word,
        value: Text,
    ) -> Result<(), DecodeError> {
        if !value.is_empty() {
            self.tag(word.text(), value)?;
            self.end_resource();
        }
        Ok(())
    }

    fn end_resource(&mut self) {
        (self.resource_tags, self.resource_bytes) = (self.tags.len(), self.tag_bytes);
    }

    /// Returns the bytes of all texts that each span has from here.
    #[inline(always)]
    pub(super) fn bytes(&self) -> usize {
        let service_name = self.service_name.map_or(0, Text::len);
        self.tag_bytes + service_name + self.scope_name.len() + self.scope_version.len()
    }

    /// Notes an attribute of the scope.
    pub(in crate::codec) fn scope_attribute(
        &mut self,
        out: &mut SpanBatch,
        (key, value): (Text, Value),
    ) -> Result<(), DecodeError> {
        // Each makes text of its own, also of a scope without spans. No release took more.
        check_fields(self.scope_attributes)?;
        self.scope_attributes += 1;
        let start = out.extra.len();
        out.extra.extend_from_slice(b"otel.scope.attributes.");
        text::copy_into_extra(out, key);
        let key = text::finish_extra(&mut out.extra, start)?;
        self.tag(key, value.text())
    }

    /// Notes what the scope is called.
    pub(in crate::codec) fn scope_name(&mut self, name: Text) {
        self.scope_name = name;
    }

    /// Notes the version of the scope.
    pub(in crate::codec) fn scope_version(&mut self, version: Text) {
        self.scope_version = version;
    }

    /// Notes something else about the scope, if there is anything to say.
    pub(in crate::codec) fn scope_tag(
        &mut self,
        word: Word,
        value: Text,
    ) -> Result<(), DecodeError> {
        if value.is_empty() {
            return Ok(());
        }
        self.tag(word.text(), value)
    }

    fn tag(&mut self, key: Text, value: Text) -> Result<(), DecodeError> {
        check_fields(self.tags.len())?;
        self.tags.push((key, value));
        self.tag_bytes += key.len() + value.len();
        Ok(())
    }
}
