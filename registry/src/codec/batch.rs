//! What registries send each other: changes in batches, and an answer to each. Java's registries
//! refuse an item with a field they do not know, and so is it here.

use serde_json::{Map, Value};

use super::json::{self, Object};
use super::{ReadError, Shape, value};
use crate::model::{Instance, Status};

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verb {
    /// Renew a lease.
    Heartbeat,
    /// Register an instance, which comes with it.
    Register,
    /// Forget an instance.
    Cancel,
    /// Set an override.
    StatusUpdate,
    /// Take an override away.
    DeleteStatusOverride,
}

impl Verb {
    /// All.
    pub const ALL: [Self; 5] = [
        Self::Heartbeat,
        Self::Register,
        Self::Cancel,
        Self::StatusUpdate,
        Self::DeleteStatusOverride,
    ];

    /// Returns Eureka's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heartbeat => "Heartbeat",
            Self::Register => "Register",
            Self::Cancel => "Cancel",
            Self::StatusUpdate => "StatusUpdate",
            Self::DeleteStatusOverride => "DeleteStatusOverride",
        }
    }
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// What is to be done.
    pub verb: Verb,
    /// The application.
    pub app: String,
    /// The instance.
    pub id: String,
    /// The sender's `lastDirtyTimestamp`.
    pub dirty_ms: Option<u64>,
    /// The sender's status, or the one to set.
    pub status: Option<Status>,
    /// The sender's override.
    pub overridden: Option<Status>,
    /// For [`Verb::Register`].
    pub instance: Option<Box<Instance>>,
}

/// What became of one change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// An HTTP status.
    pub status: u16,
    /// The receiver's instance, where it is newer (409).
    pub instance: Option<Box<Instance>>,
}

/// Appends a batch.
pub fn write_items<'a>(out: &mut String, items: impl Iterator<Item = &'a Item>) {
    out.push_str("{\"replicationList\":[");
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        let mut object = Object::begin(out);
        object.text("appName", Some(&item.app));
        object.text("id", Some(&item.id));
        if let Some(dirty_ms) = item.dirty_ms {
            object.number("lastDirtyTimestamp", dirty_ms);
        }
        object.text("overriddenStatus", item.overridden.map(Status::name));
        object.text("status", item.status.map(Status::name));
        if let Some(instance) = &item.instance {
            json::write_instance(object.field("instanceInfo"), Shape::Full, instance);
        }
        object.word("action", item.verb.name());
        object.end();
    }
    out.push_str("]}");
}

/// Appends the answers to a batch.
pub fn write_responses(out: &mut String, responses: &[Response]) {
    out.push_str("{\"responseList\":[");
    for (index, response) in responses.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let mut object = Object::begin(out);
        object.number("statusCode", response.status);
        if let Some(instance) = &response.instance {
            json::write_instance(object.field("responseEntity"), Shape::Full, instance);
        }
        object.end();
    }
    out.push_str("]}");
}

/// Reads a batch; `None` when it has no list, which Java's registries fail on.
pub fn read_items(bytes: &[u8]) -> Result<Option<Vec<Item>>, ReadError> {
    let value = json::parse(bytes)?;
    let fields = object(&value)?;
    known(fields, &["replicationList"])?;
    match fields.get("replicationList") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => items.iter().map(item).collect::<Result<_, _>>().map(Some),
        Some(_) => Err(ReadError::Field("replicationList")),
    }
}

fn item(value: &Value) -> Result<Item, ReadError> {
    const FIELDS: [&str; 7] = [
        "appName",
        "id",
        "lastDirtyTimestamp",
        "overriddenStatus",
        "status",
        "instanceInfo",
        "action",
    ];
    let fields = object(value)?;
    known(fields, &FIELDS)?;
    let action = value::text(fields, "action");
    let verb = Verb::ALL
        .into_iter()
        .find(|verb| Some(verb.name()) == action.as_deref());
    let status = |name: &'static str| match value::text(fields, name) {
        None => Ok(None),
        Some(word) => Status::parse(&word).map(Some).ok_or(ReadError::Field(name)),
    };
    let instance = match fields.get("instanceInfo") {
        None | Some(Value::Null) => None,
        Some(value) => Some(Box::new(value::instance(value)?)),
    };
    Ok(Item {
        verb: verb.ok_or(ReadError::Field("action"))?,
        app: value::text(fields, "appName").ok_or(ReadError::Field("appName"))?,
        id: value::text(fields, "id").ok_or(ReadError::Field("id"))?,
        dirty_ms: value::number(fields, "lastDirtyTimestamp")?,
        status: status("status")?,
        overridden: status("overriddenStatus")?,
        instance,
    })
}

/// Reads the answers to a batch.
pub fn read_responses(bytes: &[u8]) -> Result<Vec<Response>, ReadError> {
    let value = json::parse(bytes)?;
    let list = value.get("responseList").and_then(Value::as_array);
    let one = |value: &Value| {
        let fields = object(value)?;
        let status = value::number(fields, "statusCode")?;
        let status = status.and_then(|status| u16::try_from(status).ok());
        let instance = match fields.get("responseEntity") {
            None | Some(Value::Null) => None,
            Some(value) => Some(Box::new(value::instance(value)?)),
        };
        Ok(Response {
            status: status.ok_or(ReadError::Field("statusCode"))?,
            instance,
        })
    };
    list.ok_or(ReadError::Root("responseList"))?
        .iter()
        .map(one)
        .collect()
}

fn object(value: &Value) -> Result<&Map<String, Value>, ReadError> {
    value.as_object().ok_or(ReadError::Syntax("JSON object"))
}

fn known(fields: &Map<String, Value>, names: &[&str]) -> Result<(), ReadError> {
    let all_known = fields.keys().all(|name| names.contains(&name.as_str()));
    all_known
        .then_some(())
        .ok_or(ReadError::Field("of another kind"))
}
