//! Eureka's XML: pretty in full, one line in compact, as the reference server writes either. It is
//! read without entities and document types, so that nothing grows that was not sent.

mod read;

use super::value::EMPTY_MAP;
use super::{Heading, ListWriter, Shape};
use crate::model::{DataCenter, Instance, Port};

pub use read::{read_applications, read_instance};

/// Writes lists of applications.
#[derive(Clone, Copy, Debug)]
pub struct List(pub Shape);

impl ListWriter for List {
    fn begin(&self, out: &mut String, heading: Heading<'_>) {
        out.push_str("<applications>");
        if self.0 == Shape::Full {
            self.heading(out, heading);
        }
    }

    fn begin_app(&self, out: &mut String, name: &str, _is_first: bool) {
        self.begin_at(out, name, 1);
    }

    fn instances(&self, out: &mut String, instances: &[&Instance]) {
        for instance in instances {
            Tags::at(out, self.0, 2).instance(instance);
        }
    }

    fn between(&self, _out: &mut String) {}

    fn end_app(&self, out: &mut String) {
        Tags::at(out, self.0, 1).close("application");
    }

    fn end(&self, out: &mut String, heading: Heading<'_>) {
        if self.0 == Shape::Compact {
            self.heading(out, heading);
        }
        Tags::at(out, self.0, 0).close("applications");
    }
}

impl List {
    fn heading(self, out: &mut String, heading: Heading<'_>) {
        let mut tags = Tags::at(out, self.0, 1);
        tags.text(
            "versions__delta",
            Some(itoa::Buffer::new().format(heading.version)),
        );
        tags.text("apps__hashcode", Some(heading.hash));
    }

    fn begin_at(self, out: &mut String, name: &str, depth: usize) {
        let mut tags = Tags::at(out, self.0, depth);
        tags.open("application", "");
        tags.text("name", Some(name));
    }
}

/// Appends one application as a document of its own.
pub fn write_application(out: &mut String, shape: Shape, name: &str, instances: &[&Instance]) {
    List(shape).begin_at(out, name, 0);
    for instance in instances {
        Tags::at(out, shape, 1).instance(instance);
    }
    Tags::at(out, shape, 0).close("application");
}

/// Appends an instance, which is its own root.
pub fn write_root(out: &mut String, shape: Shape, instance: &Instance) {
    Tags::at(out, shape, 0).instance(instance);
}

/// Elements that are being written, at a depth.
struct Tags<'a> {
    out: &'a mut String,
    shape: Shape,
    depth: usize,
}

// === impl Tags ===

impl<'a> Tags<'a> {
    fn at(out: &'a mut String, shape: Shape, depth: usize) -> Self {
        Self { out, shape, depth }
    }

    fn line(&mut self) {
        // Only the root begins without a line's end.
        if self.shape == Shape::Full && !(self.depth == 0 && self.out.is_empty()) {
            self.out.push('\n');
            for _ in 0..self.depth {
                self.out.push_str("  ");
            }
        }
    }

    /// Begins an element that has elements; `attributes` begin with a space.
    fn open(&mut self, name: &str, attributes: &str) {
        self.line();
        push_tag(self.out, name, attributes);
        self.depth += 1;
    }

    /// Ends an element that has elements. The depth is that of the element itself.
    fn close(&mut self, name: &str) {
        self.line();
        push_end(self.out, name);
    }

    fn end(&mut self, name: &str) {
        self.depth -= 1;
        self.close(name);
    }

    fn leaf(&mut self, name: &str, attributes: &str, text: &str) {
        self.line();
        push_tag(self.out, name, attributes);
        push_escaped(self.out, text);
        push_end(self.out, name);
    }

    fn text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.leaf(name, "", text);
        }
    }

    fn number(&mut self, name: &str, number: impl itoa::Integer) {
        self.leaf(name, "", itoa::Buffer::new().format(number));
    }

    fn port(&mut self, name: &str, port: Port) {
        let enabled = if port.enabled {
            " enabled=\"true\""
        } else {
            " enabled=\"false\""
        };
        self.leaf(name, enabled, itoa::Buffer::new().format(port.number));
    }

    fn data_center(&mut self, center: Option<&DataCenter>) {
        let Some(center) = center else { return };
        let mut class = " class=\"".to_owned();
        push_escaped(&mut class, &center.class);
        class.push('"');
        self.open("dataCenterInfo", &class);
        self.text("name", center.name.as_deref());
        if !center.metadata.is_empty() {
            self.map("metadata", &center.metadata);
        }
        self.end("dataCenterInfo");
    }

    fn map(&mut self, name: &str, entries: &[(String, String)]) {
        if entries.is_empty() {
            self.line();
            self.out.push('<');
            self.out.push_str(name);
            self.out.push_str(" class=\"");
            self.out.push_str(EMPTY_MAP);
            self.out.push_str("\"/>");
            return;
        }
        self.open(name, "");
        for (key, value) in entries.iter().filter(|(key, _)| !key.is_empty()) {
            self.leaf(&escaped_name(key), "", value);
        }
        self.end(name);
    }

    fn instance(&mut self, it: &Instance) {
        self.open("instance", "");
        match self.shape {
            Shape::Full => self.full(it),
            Shape::Compact => self.compact(it),
        }
        self.end("instance");
    }

    fn full(&mut self, it: &Instance) {
        self.text("instanceId", it.instance_id.as_deref());
        self.text("hostName", it.host_name.as_deref());
        self.text("app", Some(&it.app));
        self.text("ipAddr", it.ip_addr.as_deref());
        self.text(
            "sid",
            it.sid
                .as_deref()
                .filter(|sid| !matches!(*sid, "na" | "unknown")),
        );
        self.text("status", Some(it.status.name()));
        self.text("overriddenstatus", Some(it.overridden.name()));
        self.port("port", it.port);
        self.port("securePort", it.secure_port);
        self.number("countryId", it.country_id);
        self.data_center(it.data_center.as_ref());
        self.open("leaseInfo", "");
        self.number("renewalIntervalInSecs", it.lease.renewal_interval_s);
        self.number("durationInSecs", it.lease.duration_s);
        self.number("registrationTimestamp", it.lease.registered_ms);
        self.number("lastRenewalTimestamp", it.lease.renewed_ms);
        self.number("evictionTimestamp", it.lease.evicted_ms);
        self.number("serviceUpTimestamp", it.lease.up_ms);
        self.end("leaseInfo");
        self.map("metadata", &it.metadata);
        self.text("appGroupName", it.app_group.as_deref());
        self.text("homePageUrl", it.home_page_url.as_deref());
        self.text("statusPageUrl", it.status_page_url.as_deref());
        self.text("healthCheckUrl", it.health_check_url.as_deref());
        self.text(
            "secureHealthCheckUrl",
            it.secure_health_check_url.as_deref(),
        );
        self.text("vipAddress", it.vip.as_deref());
        self.text("secureVipAddress", it.secure_vip.as_deref());
        let is_registry = if it.is_registry { "true" } else { "false" };
        self.text("isCoordinatingDiscoveryServer", Some(is_registry));
        self.number("lastUpdatedTimestamp", it.updated_ms);
        self.number("lastDirtyTimestamp", it.dirty_ms);
        self.text("actionType", it.action.map(crate::model::Action::name));
        self.text("asgName", it.asg_name.as_deref());
    }

    fn compact(&mut self, it: &Instance) {
        self.text("instanceId", it.instance_id.as_deref());
        self.text("app", Some(&it.app));
        self.text("ipAddr", it.ip_addr.as_deref());
        self.text("vipAddress", it.vip.as_deref());
        self.text("secureVipAddress", it.secure_vip.as_deref());
        self.data_center(it.data_center.as_ref());
        self.text("hostName", it.host_name.as_deref());
        self.text("status", Some(it.status.name()));
        self.number("lastUpdatedTimestamp", it.updated_ms);
        self.text("actionType", it.action.map(crate::model::Action::name));
        self.text("asgName", it.asg_name.as_deref());
        self.port("port", it.port);
        self.port("securePort", it.secure_port);
    }
}

fn push_tag(out: &mut String, name: &str, attributes: &str) {
    out.push('<');
    out.push_str(name);
    out.push_str(attributes);
    out.push('>');
}

fn push_end(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// Appends a text. What XML cannot say at all becomes the mark of a lost character: a reference to
/// it would break the whole list for everybody.
fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\r' => out.push_str("&#xd;"),
            '\t' | '\n' => out.push(c),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}

fn may_begin_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || ('\u{c0}'..='\u{ffff}').contains(&c) && c.is_alphabetic()
}

fn may_be_in_name(c: char) -> bool {
    may_begin_name(c) || c.is_ascii_digit() || matches!(c, '-' | '.')
}

/// Returns a key as the name of an element. Java's converter doubles underscores and has a number
/// for what no name may have.
fn escaped_name(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for c in key.chars() {
        match c {
            '_' => name.push_str("__"),
            '$' => name.push_str("_-"),
            c if name.is_empty() && may_begin_name(c) || !name.is_empty() && may_be_in_name(c) => {
                name.push(c);
            }
            c => {
                let number = format!("_.{:04x}", u32::from(c));
                name.push_str(&number);
            }
        }
    }
    name
}
