//! Structs made of settings: a field is what is set below the prefix under the field's name, in any
//! spelling of it.

use std::time::Duration;

use serde::de::value::{Error, StringDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::settings::{SettingError, Settings};

/// Structs within structs.
const DEPTH_MAX: usize = 32;

/// Reads all that is set below a prefix.
pub(super) fn read<T: DeserializeOwned>(
    settings: &Settings,
    prefix: &str,
) -> Result<T, SettingError> {
    let at = At {
        settings,
        name: prefix.to_owned(),
        depth: 0,
    };
    T::deserialize(at).map_err(|error| SettingError {
        name: prefix.to_owned(),
        why: error.to_string(),
    })
}

/// Reads `true` and `false` as YAML 1.1 and Spring's conversion know them.
pub(super) fn read_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// Reads `500ms`, `5s`, `PT1M30S`, or milliseconds as a number.
pub(super) fn read_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Some(iso) = text.strip_prefix(['P', 'p']) {
        return read_iso(iso);
    }
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let nanoseconds: u64 = match unit.trim() {
        "ns" => 1,
        "us" => 1_000,
        "" | "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    number.checked_mul(nanoseconds).map(Duration::from_nanos)
}

/// Reads what follows the P: days, then behind a T hours, minutes and seconds.
fn read_iso(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let (days, time) = match text.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (text.as_str(), None),
    };
    let mut seconds = 0.0;
    let mut any = false;
    let mut part = |text: &str, units: &[(char, f64)]| -> Option<()> {
        let mut rest = text;
        for (unit, worth) in units {
            if let Some((number, behind)) = rest.split_once(*unit) {
                seconds += number.parse::<f64>().ok()? * worth;
                rest = behind;
                any = true;
            }
        }
        rest.is_empty().then_some(())
    };
    part(days, &[('D', 86_400.0)])?;
    if let Some(time) = time {
        part(time, &[('H', 3_600.0), ('M', 60.0), ('S', 1.0)])?;
    }
    any.then(|| Duration::try_from_secs_f64(seconds).ok())
        .flatten()
}

/// Reads a duration in a struct, with
/// `#[serde(deserialize_with = "speargun_client::config::duration")]`.
///
/// # Errors
///
/// When the value is no duration.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text: String = serde::Deserialize::deserialize(deserializer)?;
    read_duration(&text).ok_or_else(|| D::Error::custom("no duration such as 500ms, 5s or PT5S"))
}

/// A name among the settings, at which something is to be read.
struct At<'a> {
    settings: &'a Settings,
    name: String,
    depth: usize,
}

impl At<'_> {
    fn text(&self) -> Result<String, Error> {
        let text = self.settings.text(&self.name).map_err(Error::custom)?;
        text.ok_or_else(|| Error::custom(format!("{} is not set", self.name)))
    }

    fn parse<T: std::str::FromStr>(&self) -> Result<T, Error>
    where
        T::Err: std::fmt::Display,
    {
        let text = self.text()?;
        let wrong = |error: T::Err| Error::custom(format!("{}: {error}", self.name));
        text.trim().parse().map_err(wrong)
    }

    fn below(&self, part: &str) -> Result<Self, Error> {
        if self.depth >= DEPTH_MAX {
            return Err(Error::custom("too deep"));
        }
        let name = if self.name.is_empty() || part.starts_with('[') {
            format!("{}{part}", self.name)
        } else {
            format!("{}.{part}", self.name)
        };
        Ok(Self {
            settings: self.settings,
            name,
            depth: self.depth + 1,
        })
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.parse()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for At<'_> {
    type Error = Error;

    numbers! {
        deserialize_i8 visit_i8, deserialize_i16 visit_i16, deserialize_i32 visit_i32,
        deserialize_i64 visit_i64, deserialize_u8 visit_u8, deserialize_u16 visit_u16,
        deserialize_u32 visit_u32, deserialize_u64 visit_u64, deserialize_f32 visit_f32,
        deserialize_f64 visit_f64, deserialize_char visit_char,
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let read = read_bool(&self.text()?);
        let wrong = || Error::custom(format!("{}: neither true nor false", self.name));
        visitor.visit_bool(read.ok_or_else(wrong)?)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.settings.raw(&self.name).is_some() {
            return visitor.visit_string(self.text()?);
        }
        if self.settings.has(&format!("{}[0]", self.name)) {
            return self.deserialize_seq(visitor);
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.settings.has(&self.name) {
            visitor.visit_some(self)
        } else {
            visitor.visit_none()
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text = self.text()?;
        let same = |variant: &&&str| super::names::uniform(variant) == super::names::uniform(&text);
        let variant = variants.iter().find(same).copied().unwrap_or(&text);
        visitor.visit_enum(variant.to_owned().into_deserializer())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.settings.has(&format!("{}[0]", self.name)) {
            return visitor.visit_seq(Elements { at: self, index: 0 });
        }
        let texts = self.settings.list(&self.name).map_err(Error::custom)?;
        visitor.visit_seq(Texts(texts.into_iter()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let names = self.settings.below(&self.name);
        visitor.visit_map(Fields {
            at: self,
            names: names.into_iter(),
            value: None,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut names = Vec::new();
        for field in fields {
            if self.settings.has(&self.below(field)?.name) {
                names.push((*field).to_owned());
            }
        }
        visitor.visit_map(Fields {
            at: self,
            names: names.into_iter(),
            value: None,
        })
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// Fields of a struct or entries of a map.
struct Fields<'a> {
    at: At<'a>,
    names: std::vec::IntoIter<String>,
    value: Option<String>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(name) = self.names.next() else {
            return Ok(None);
        };
        self.value = Some(name.clone());
        let name: StringDeserializer<Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let name = self.value.take().unwrap_or_default();
        seed.deserialize(self.at.below(&name)?)
    }
}

/// Elements that have indices.
struct Elements<'a> {
    at: At<'a>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let element = self.at.below(&format!("[{}]", self.index))?;
        if !element.settings.has(&element.name) {
            return Ok(None);
        }
        self.index += 1;
        seed.deserialize(element).map(Some)
    }
}

/// Elements that stood between commas. They are read as if each were set by itself.
struct Texts(std::vec::IntoIter<String>);

impl<'de> SeqAccess<'de> for Texts {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(text) = self.0.next() else {
            return Ok(None);
        };
        let source = super::Source::new("", [("element".to_owned(), text)]);
        let settings = Settings::new(vec![source]);
        let at = At {
            settings: &settings,
            name: "element".into(),
            depth: 0,
        };
        seed.deserialize(at).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::config::Source;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Shop {
        base_url: String,
        port: u16,
        #[serde(default)]
        ratio: f64,
        open: bool,
        note: Option<String>,
        tags: Vec<String>,
        limits: BTreeMap<String, u32>,
        items: Vec<Item>,
        kind: Kind,
        #[serde(deserialize_with = "duration")]
        patience: Duration,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Item {
        name: String,
        price: Option<u32>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Kind {
        CornerShop,
    }

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let own = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Settings::new(vec![Source::new("test", own)])
    }

    #[test]
    fn structs_are_made_of_settings() {
        let settings = settings(&[
            ("my.shop.base-url", "http://${host}"),
            ("host", "h"),
            ("my.shop.port", "80"),
            ("my.shop.open", "yes"),
            ("my.shop.tags", "a, b"),
            ("my.shop.limits.perDay", "3"),
            ("my.shop.limits.perHour", "1"),
            ("my.shop.items[0].name", "tea"),
            ("my.shop.items[1].name", "milk"),
            ("my.shop.items[1].price", "2"),
            ("my.shop.kind", "corner-shop"),
            ("my.shop.patience", "2s"),
            ("my.shopping", "else"),
        ]);
        let item = |name: &str, price| Item {
            name: name.into(),
            price,
        };
        assert_eq!(
            settings.read::<Shop>("my.shop").unwrap(),
            Shop {
                base_url: "http://h".into(),
                port: 80,
                ratio: 0.0,
                open: true,
                note: None,
                tags: vec!["a".into(), "b".into()],
                limits: BTreeMap::from([("perDay".into(), 3), ("perHour".into(), 1)]),
                items: vec![item("tea", None), item("milk", Some(2))],
                kind: Kind::CornerShop,
                patience: Duration::from_secs(2),
            }
        );
        let error = settings.read::<Item>("my.shop.items").unwrap_err();
        assert!(
            error.to_string().contains("missing field `name`"),
            "{error}"
        );
        let error = settings.read::<Vec<u32>>("my.shop.tags").unwrap_err();
        assert!(error.to_string().contains("invalid digit"), "{error}");
    }

    #[test]
    fn durations_come_in_springs_forms() {
        for (text, ms) in [
            ("250", 250),
            ("500ms", 500),
            ("5s", 5_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("PT5S", 5_000),
            ("pt1m30.5s", 90_500),
            ("P1DT1H", 90_000_000),
        ] {
            assert_eq!(
                read_duration(text),
                Some(Duration::from_millis(ms)),
                "{text}"
            );
        }
        let large = "9".repeat(20);
        for wrong in [
            "",
            "s",
            "-1s",
            "5 parsecs",
            "P",
            "PT",
            "PT5X",
            &large,
            "PT-1S",
        ] {
            assert_eq!(read_duration(wrong), None, "{wrong}");
        }
    }
}
