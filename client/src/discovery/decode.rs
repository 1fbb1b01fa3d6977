//! Answers of registries, read with patience: one object where a list should be, numbers as texts
//! and texts as numbers, fields that nobody knows. What is no instance at all is left out.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::instance::Status;

/// What happened to an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// It is there, as it says.
    Put,
    /// It is gone.
    Deleted,
}

/// An instance, of which only what callers need is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Registered {
    pub(super) id: String,
    pub(super) host_name: String,
    pub(super) ip_addr: String,
    pub(super) status: Status,
    /// Where plain HTTP is spoken.
    pub(super) port: Option<u16>,
    /// Where TLS is.
    pub(super) secure_port: Option<u16>,
    pub(super) vips: String,
    pub(super) secure_vips: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) action: Action,
}

/// The answer to a fetch, full or of changes.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Of the whole registry, also in an answer that has only changes.
    pub(super) hash: String,
    /// Names, upper-case, and instances.
    pub(super) applications: Vec<(String, Vec<Registered>)>,
}

/// Reads a body.
pub(super) fn decode(body: &[u8]) -> Result<Answer, String> {
    let root: Root = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let applications = root.applications.application.0.into_iter();
    Ok(Answer {
        hash: root.applications.apps__hashcode.0,
        applications: applications
            .map(|application| {
                let instances = application.instance.0.into_iter();
                let read = instances.filter_map(Instance::read).collect();
                (application.name.0.to_uppercase(), read)
            })
            .collect(),
    })
}

#[derive(serde::Deserialize)]
struct Root {
    applications: Applications,
}

#[derive(serde::Deserialize)]
#[expect(non_snake_case, reason = "the wire's names")]
struct Applications {
    #[serde(default)]
    apps__hashcode: Text,
    #[serde(default)]
    application: Many<Application>,
}

#[derive(serde::Deserialize)]
struct Application {
    #[serde(default)]
    name: Text,
    #[serde(default)]
    instance: Many<Instance>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    #[serde(default)]
    instance_id: Text,
    #[serde(default)]
    host_name: Text,
    #[serde(default)]
    ip_addr: Text,
    #[serde(default)]
    status: Text,
    #[serde(default)]
    port: Option<Port>,
    #[serde(default)]
    secure_port: Option<Port>,
    #[serde(default)]
    vip_address: Text,
    #[serde(default)]
    secure_vip_address: Text,
    #[serde(default)]
    metadata: Option<BTreeMap<String, Text>>,
    #[serde(default)]
    action_type: Text,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Port {
    Switched {
        #[serde(rename = "$", default)]
        number: Text,
        #[serde(rename = "@enabled", default)]
        enabled: Text,
    },
    Plain(Text),
}

impl Port {
    fn read(self) -> Option<u16> {
        let (number, is_enabled) = match self {
            Self::Switched { number, enabled } => {
                let is_enabled = enabled.0.eq_ignore_ascii_case("true");
                (number, is_enabled)
            }
            Self::Plain(number) => (number, true),
        };
        let number = number.0.parse().ok().filter(|port| *port != 0);
        number.filter(|_| is_enabled)
    }
}

impl Instance {
    fn read(self) -> Option<Registered> {
        let id = [self.instance_id.0, self.host_name.0.clone()];
        let metadata = self.metadata.unwrap_or_default().into_iter();
        Some(Registered {
            id: id.into_iter().find(|id| !id.is_empty())?,
            host_name: self.host_name.0,
            ip_addr: self.ip_addr.0,
            status: Status::of(&self.status.0),
            port: self.port.and_then(Port::read),
            secure_port: self.secure_port.and_then(Port::read),
            vips: self.vip_address.0,
            secure_vips: self.secure_vip_address.0,
            // An empty map tells its class in Java.
            metadata: metadata
                .filter(|(key, _)| !key.starts_with('@'))
                .map(|(key, value)| (key, value.0))
                .collect(),
            action: match &*self.action_type.0 {
                "DELETED" => Action::Deleted,
                _ => Action::Put,
            },
        })
    }
}

/// A text, or what can be written as one. Anything else is empty.
#[derive(Clone, Default)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads;
        impl<'de> Visitor<'de> for Reads {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<Text, E> {
                Ok(Text(text))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
            fn visit_bool<E>(self, is: bool) -> Result<Text, E> {
                Ok(Text(is.to_string()))
            }
            fn visit_unit<E>(self) -> Result<Text, E> {
                Ok(Text::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                use serde::de::IgnoredAny;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Text, A::Error> {
                while list.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Reads)
    }
}

/// A list, or the only element of one.
struct Many<T>(Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reads<T> {
            type Value = Many<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list or one element of it")
            }
            fn visit_unit<E>(self) -> Result<Many<T>, E> {
                Ok(Many::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Many<T>, A::Error> {
                let one = T::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Many(vec![one]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Many<T>, A::Error> {
                // Declared sizes are not believed.
                let mut all = Vec::new();
                while let Some(one) = list.next_element()? {
                    all.push(one);
                }
                Ok(Many(all))
            }
        }
        deserializer.deserialize_any(Reads(PhantomData))
    }
}
