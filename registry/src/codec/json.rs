//! Eureka's JSON, in the order and types of the reference server: switches and times at an
//! instance's end are texts, those of a lease are numbers. Clients fail on a field more, and on
//! `application` missing, so nothing is added and nothing of it left out.

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use super::value::{self, EMPTY_MAP};
use super::{Heading, ListWriter, ReadError, Shape};
use crate::model::{DataCenter, Instance, Port};

/// Writes lists of applications.
#[derive(Clone, Copy, Debug)]
pub struct List(pub Shape);

impl ListWriter for List {
    fn begin(&self, out: &mut String, heading: Heading<'_>) {
        out.push_str("{\"applications\":{");
        if self.0 == Shape::Full {
            write_heading(out, heading);
            out.push(',');
        }
        out.push_str("\"application\":[");
    }

    fn begin_app(&self, out: &mut String, name: &str, is_first: bool) {
        out.push_str(if is_first {
            "{\"name\":"
        } else {
            ",{\"name\":"
        });
        write_text(out, name);
        out.push_str(",\"instance\":[");
    }

    fn instances(&self, out: &mut String, instances: &[&Instance]) {
        for (index, instance) in instances.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_instance(out, self.0, instance);
        }
    }

    fn between(&self, out: &mut String) {
        out.push(',');
    }

    fn end_app(&self, out: &mut String) {
        out.push_str("]}");
    }

    fn end(&self, out: &mut String, heading: Heading<'_>) {
        out.push(']');
        if self.0 == Shape::Compact {
            out.push(',');
            write_heading(out, heading);
        }
        out.push_str("}}");
    }
}

/// Appends one application as a document of its own.
pub fn write_application(out: &mut String, shape: Shape, name: &str, instances: &[&Instance]) {
    let list = List(shape);
    out.push_str("{\"application\":");
    list.begin_app(out, name, true);
    list.instances(out, instances);
    list.end_app(out);
    out.push('}');
}

fn write_heading(out: &mut String, heading: Heading<'_>) {
    out.push_str("\"versions__delta\":\"");
    write_number(out, heading.version);
    out.push_str("\",\"apps__hashcode\":");
    write_text(out, heading.hash);
}

/// Appends an instance under its root.
pub fn write_root(out: &mut String, shape: Shape, instance: &Instance) {
    out.push_str("{\"instance\":");
    write_instance(out, shape, instance);
    out.push('}');
}

/// Appends an instance without root.
pub fn write_instance(out: &mut String, shape: Shape, instance: &Instance) {
    match shape {
        Shape::Full => write_full(out, instance),
        Shape::Compact => write_compact(out, instance),
    }
}

fn write_full(out: &mut String, it: &Instance) {
    let mut object = Object::begin(out);
    object.text("instanceId", it.instance_id.as_deref());
    object.text("hostName", it.host_name.as_deref());
    object.text("app", Some(&it.app));
    object.text("ipAddr", it.ip_addr.as_deref());
    object.text(
        "sid",
        it.sid
            .as_deref()
            .filter(|sid| !matches!(*sid, "na" | "unknown")),
    );
    object.word("status", it.status.name());
    object.word("overriddenStatus", it.overridden.name());
    object.port("port", it.port);
    object.port("securePort", it.secure_port);
    object.number("countryId", it.country_id);
    object.data_center(it.data_center.as_ref());
    write_lease(object.field("leaseInfo"), it);
    object.map("metadata", &it.metadata);
    object.text("appGroupName", it.app_group.as_deref());
    object.text("homePageUrl", it.home_page_url.as_deref());
    object.text("statusPageUrl", it.status_page_url.as_deref());
    object.text("healthCheckUrl", it.health_check_url.as_deref());
    object.text(
        "secureHealthCheckUrl",
        it.secure_health_check_url.as_deref(),
    );
    object.text("vipAddress", it.vip.as_deref());
    object.text("secureVipAddress", it.secure_vip.as_deref());
    object.word(
        "isCoordinatingDiscoveryServer",
        if it.is_registry { "true" } else { "false" },
    );
    object.quoted("lastUpdatedTimestamp", it.updated_ms);
    object.quoted("lastDirtyTimestamp", it.dirty_ms);
    if let Some(action) = it.action {
        object.word("actionType", action.name());
    }
    object.text("asgName", it.asg_name.as_deref());
    object.end();
}

fn write_compact(out: &mut String, it: &Instance) {
    let mut object = Object::begin(out);
    object.text("instanceId", it.instance_id.as_deref());
    object.text("app", Some(&it.app));
    object.text("ipAddr", it.ip_addr.as_deref());
    object.text("vipAddress", it.vip.as_deref());
    object.text("secureVipAddress", it.secure_vip.as_deref());
    object.data_center(it.data_center.as_ref());
    object.text("hostName", it.host_name.as_deref());
    object.word("status", it.status.name());
    object.number("lastUpdatedTimestamp", it.updated_ms);
    if let Some(action) = it.action {
        object.word("actionType", action.name());
    }
    object.text("asgName", it.asg_name.as_deref());
    object.port("port", it.port);
    object.port("securePort", it.secure_port);
    object.end();
}

fn write_lease(out: &mut String, it: &Instance) {
    let mut object = Object::begin(out);
    object.number("renewalIntervalInSecs", it.lease.renewal_interval_s);
    object.number("durationInSecs", it.lease.duration_s);
    object.number("registrationTimestamp", it.lease.registered_ms);
    object.number("lastRenewalTimestamp", it.lease.renewed_ms);
    object.number("evictionTimestamp", it.lease.evicted_ms);
    object.number("serviceUpTimestamp", it.lease.up_ms);
    object.end();
}

/// Appends a map, or what Java writes for an empty one.
fn write_map(out: &mut String, entries: &[(String, String)]) {
    let mut object = Object::begin(out);
    if entries.is_empty() {
        object.word("@class", EMPTY_MAP);
    }
    for (key, value) in entries {
        object.text(key, Some(value));
    }
    object.end();
}

/// An object that is being written.
pub(super) struct Object<'a> {
    out: &'a mut String,
    is_empty: bool,
}

// === impl Object ===

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut String) -> Self {
        out.push('{');
        Self {
            out,
            is_empty: true,
        }
    }

    /// Appends a field's name; the value follows.
    pub(super) fn field(&mut self, name: &str) -> &mut String {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        write_text(self.out, name);
        self.out.push(':');
        self.out
    }

    pub(super) fn text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            write_text(self.field(name), text);
        }
    }

    /// Appends a word that needs no escapes.
    pub(super) fn word(&mut self, name: &str, word: &str) {
        let out = self.field(name);
        out.push('"');
        out.push_str(word);
        out.push('"');
    }

    pub(super) fn number(&mut self, name: &str, number: impl itoa::Integer) {
        write_number(self.field(name), number);
    }

    fn quoted(&mut self, name: &str, number: u64) {
        self.word(name, itoa::Buffer::new().format(number));
    }

    fn port(&mut self, name: &str, port: Port) {
        let mut object = Object::begin(self.field(name));
        object.number("$", port.number);
        object.word("@enabled", if port.enabled { "true" } else { "false" });
        object.end();
    }

    fn map(&mut self, name: &str, entries: &[(String, String)]) {
        write_map(self.field(name), entries);
    }

    fn data_center(&mut self, center: Option<&DataCenter>) {
        let Some(center) = center else { return };
        let mut object = Object::begin(self.field("dataCenterInfo"));
        object.text("@class", Some(&center.class));
        object.text("name", center.name.as_deref());
        if !center.metadata.is_empty() {
            object.map("metadata", &center.metadata);
        }
        object.end();
    }

    pub(super) fn end(self) {
        self.out.push('}');
    }
}

fn write_number(out: &mut String, number: impl itoa::Integer) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// Appends a quoted text.
pub(crate) fn write_text(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        // The found character has one byte: it is one of ASCII's.
        let (special, behind) = special.split_at(1);
        match special.as_bytes() {
            b"\n" => out.push_str("\\n"),
            b"\r" => out.push_str("\\r"),
            b"\t" => out.push_str("\\t"),
            [byte @ (b'"' | b'\\')] => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            bytes => {
                for byte in bytes {
                    out.push_str("\\u00");
                    out.push(char::from(HEX[usize::from(byte >> 4)]));
                    out.push(char::from(HEX[usize::from(byte & 15)]));
                }
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    out.push('"');
}

/// Reads an instance under its root.
pub fn read_instance(bytes: &[u8]) -> Result<Instance, ReadError> {
    let value = parse(bytes)?;
    value::instance(value.get("instance").ok_or(ReadError::Root("instance"))?)
}

/// Parses within the parser's own limit of depth.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, ReadError> {
    serde_json::from_slice(bytes).map_err(|_| ReadError::Syntax("JSON"))
}

/// Reads all instances of a list of applications, one by one, so that a large list is never there
/// twice. A list that is no array stands for its only element, as the oldest servers write it.
pub fn read_applications(bytes: &[u8]) -> Result<Vec<Instance>, ReadError> {
    #[derive(Deserialize)]
    struct Root {
        applications: Applications,
    }
    #[derive(Deserialize)]
    struct Applications {
        #[serde(default)]
        application: OneOrMany<Application>,
    }
    #[derive(Deserialize)]
    struct Application {
        #[serde(default)]
        instance: OneOrMany<Read>,
    }
    struct Read(Result<Instance, ReadError>);
    impl<'de> Deserialize<'de> for Read {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Value::deserialize(deserializer).map(|value| Self(value::instance(&value)))
        }
    }
    let root: Root = serde_json::from_slice(bytes).map_err(|_| ReadError::Syntax("JSON list"))?;
    let apps = root.applications.application.0.into_iter();
    apps.flat_map(|app| app.instance.0)
        .map(|read| read.0)
        .collect()
}

/// A list, or an element that stands alone.
struct OneOrMany<T>(Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list or one element")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(OneOrMany(all))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<Self::Value, A::Error> {
                let one = T::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(OneOrMany(vec![one]))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(OneOrMany::default())
            }
        }
        deserializer.deserialize_any(Either(std::marker::PhantomData))
    }
}
