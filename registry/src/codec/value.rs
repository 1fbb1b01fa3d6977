//! An instance out of a parsed document. XML is brought into the same form first, as Java's own
//! converter does it: attributes are fields beginning with `@`, text beside attributes is `$`.
//!
//! It is liberal where Java's servers are: numbers may be texts and the other way round, what is
//! unknown is left alone. It is strict where they are: a data centre has a class, a port an object.

use serde_json::{Map, Value};

use super::ReadError;
use crate::model::{Action, DataCenter, Instance, LeaseInfo, Port, Status};

/// Java's mark for a map without entries.
pub const EMPTY_MAP: &str = "java.util.Collections$EmptyMap";

type Fields = Map<String, Value>;

/// Returns the instance that these fields describe.
pub fn instance(value: &Value) -> Result<Instance, ReadError> {
    let fields = value.as_object().ok_or(ReadError::Field("instance"))?;
    let app = text(fields, "app").ok_or(ReadError::Field("app"))?;
    let mut it = Instance::new(&app);
    it.instance_id = text(fields, "instanceId");
    it.host_name = text(fields, "hostName");
    it.ip_addr = text(fields, "ipAddr");
    it.status = status(fields, "status").unwrap_or(Status::Up);
    it.overridden = status(fields, "overriddenStatus")
        .or_else(|| status(fields, "overriddenstatus"))
        .unwrap_or_default();
    it.port = port(fields, "port", it.port)?;
    it.secure_port = port(fields, "securePort", it.secure_port)?;
    if let Some(id) = number(fields, "countryId")? {
        it.country_id = i32::try_from(id).map_err(|_| ReadError::Field("countryId"))?;
    }
    it.data_center = data_center(fields)?;
    it.lease = lease(fields)?;
    it.metadata = match fields.get("metadata") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) if text.trim().is_empty() => Vec::new(),
        Some(value) => entries(value).ok_or(ReadError::Field("metadata"))?,
    };
    it.sid = text(fields, "sid");
    it.app_group = text(fields, "appGroupName").map(|group| group.to_uppercase());
    it.home_page_url = text(fields, "homePageUrl");
    it.status_page_url = text(fields, "statusPageUrl");
    it.health_check_url = text(fields, "healthCheckUrl");
    it.secure_health_check_url = text(fields, "secureHealthCheckUrl");
    it.vip = text(fields, "vipAddress");
    it.secure_vip = text(fields, "secureVipAddress");
    it.is_registry = flag(fields, "isCoordinatingDiscoveryServer")?.unwrap_or(false);
    it.updated_ms = number(fields, "lastUpdatedTimestamp")?.unwrap_or(0);
    it.dirty_ms = number(fields, "lastDirtyTimestamp")?.unwrap_or(0);
    it.action = text(fields, "actionType").and_then(|word| Action::parse(&word));
    it.asg_name = text(fields, "asgName");
    Ok(it)
}

/// Returns a field that is text, number or truth value, as text.
pub fn text(fields: &Fields, name: &str) -> Option<String> {
    scalar(fields.get(name)?)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns a status; a word that none has is [`Status::Unknown`].
fn status(fields: &Fields, name: &str) -> Option<Status> {
    let word = text(fields, name).filter(|word| !word.is_empty())?;
    Some(Status::parse(word.trim()).unwrap_or_default())
}

/// Returns a whole number that is written as one or as text.
pub fn number(fields: &Fields, name: &'static str) -> Result<Option<u64>, ReadError> {
    let found = match fields.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    found.map(Some).ok_or(ReadError::Field(name))
}

fn flag(fields: &Fields, name: &'static str) -> Result<Option<bool>, ReadError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(truth)) => Ok(Some(*truth)),
        // As Java reads it: what is not "true" is false.
        Some(Value::String(text)) => Ok(Some(text.trim().eq_ignore_ascii_case("true"))),
        Some(_) => Err(ReadError::Field(name)),
    }
}

fn port(fields: &Fields, name: &'static str, otherwise: Port) -> Result<Port, ReadError> {
    let wrong = ReadError::Field(name);
    match fields.get(name) {
        None | Some(Value::Null) => Ok(otherwise),
        Some(Value::Object(inner)) => {
            let number = number(inner, "$").map_err(|_| wrong.clone())?;
            let enabled = flag(inner, "@enabled").map_err(|_| wrong.clone())?;
            let number = number.map(u32::try_from).transpose();
            Ok(Port {
                number: number.map_err(|_| wrong)?.unwrap_or(otherwise.number),
                enabled: enabled.unwrap_or(otherwise.enabled),
            })
        }
        Some(_) => Err(wrong),
    }
}

fn data_center(fields: &Fields) -> Result<Option<DataCenter>, ReadError> {
    const NAME: &str = "dataCenterInfo";
    let inner = match fields.get(NAME) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(inner)) => inner,
        Some(_) => return Err(ReadError::Field(NAME)),
    };
    let metadata = match inner.get("metadata") {
        None | Some(Value::Null) => Vec::new(),
        Some(value) => entries(value).ok_or(ReadError::Field("dataCenterInfo.metadata"))?,
    };
    Ok(Some(DataCenter {
        class: text(inner, "@class").ok_or(ReadError::Field("dataCenterInfo.@class"))?,
        name: text(inner, "name"),
        metadata,
    }))
}

fn lease(fields: &Fields) -> Result<LeaseInfo, ReadError> {
    let otherwise = LeaseInfo::default();
    let inner = match fields.get("leaseInfo") {
        None | Some(Value::Null) => return Ok(otherwise),
        Some(Value::Object(inner)) => inner,
        Some(_) => return Err(ReadError::Field("leaseInfo")),
    };
    let seconds = |name, otherwise| match number(inner, name) {
        Ok(Some(0) | None) => Ok(otherwise),
        Ok(Some(seconds)) => u32::try_from(seconds).map_err(|_| ReadError::Field(name)),
        Err(error) => Err(error),
    };
    let renewed = match number(inner, "lastRenewalTimestamp")? {
        None => number(inner, "renewalTimestamp")?,
        found => found,
    };
    Ok(LeaseInfo {
        renewal_interval_s: seconds("renewalIntervalInSecs", otherwise.renewal_interval_s)?,
        duration_s: seconds("durationInSecs", otherwise.duration_s)?,
        registered_ms: number(inner, "registrationTimestamp")?.unwrap_or(0),
        renewed_ms: renewed.unwrap_or(0),
        evicted_ms: number(inner, "evictionTimestamp")?.unwrap_or(0),
        up_ms: number(inner, "serviceUpTimestamp")?.unwrap_or(0),
    })
}

/// Returns the entries of a map. Java's class of it is no entry, and neither is what has no text.
fn entries(value: &Value) -> Option<Vec<(String, String)>> {
    let own = |(key, value): (&String, &Value)| match (key.as_str(), value) {
        ("@class", _) => None,
        (_, Value::Null) => Some((key.clone(), String::new())),
        _ => Some((key.clone(), scalar(value)?)),
    };
    Some(value.as_object()?.iter().filter_map(own).collect())
}
