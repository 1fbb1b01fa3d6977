//! Eureka's formats: JSON and XML, each in full and compact. The same verbs in each: `write_*`
//! appends, `read_*` takes bytes from strangers.
//!
//! # Layout
//!
//! - [`json`], [`xml`]: one format a file.
//! - [`value`]: an instance out of what either was parsed into.
//! - [`batch`]: what registries send each other.

pub mod batch;
pub mod json;
pub mod value;
pub mod xml;

use crate::model::Instance;

/// JSON or XML.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    /// `application/json`.
    Json,
    /// `application/xml`, which is also what clients get that name none.
    Xml,
}

/// All fields, or those that a caller of the service needs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shape {
    /// All.
    Full,
    /// Those of `X-Eureka-Accept: compact`.
    Compact,
}

/// How an answer is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Encoding {
    /// JSON or XML.
    pub format: Format,
    /// Full or compact.
    pub shape: Shape,
}

impl Encoding {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::new(Format::Json, Shape::Full),
        Self::new(Format::Json, Shape::Compact),
        Self::new(Format::Xml, Shape::Full),
        Self::new(Format::Xml, Shape::Compact),
    ];

    /// Returns the encoding.
    pub const fn new(format: Format, shape: Shape) -> Self {
        Self { format, shape }
    }

    /// Returns the place in [`Self::ALL`].
    pub fn index(self) -> usize {
        usize::from(self.format == Format::Xml) * 2 + usize::from(self.shape == Shape::Compact)
    }

    /// Returns the type of the body.
    pub fn content_type(self) -> &'static str {
        match self.format {
            Format::Json => "application/json",
            Format::Xml => "application/xml",
        }
    }
}

/// What stands around lists: version and hash code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heading<'a> {
    /// `versions__delta`.
    pub version: i64,
    /// `apps__hashcode`.
    pub hash: &'a str,
}

/// Appends one instance with its root.
pub fn write_instance(out: &mut String, encoding: Encoding, instance: &Instance) {
    match encoding.format {
        Format::Json => json::write_root(out, encoding.shape, instance),
        Format::Xml => xml::write_root(out, encoding.shape, instance),
    }
}

/// The parts of a list of applications, which are written one by one so that most of them can be
/// kept from answer to answer.
pub trait ListWriter {
    /// Appends what stands in front of the first application.
    fn begin(&self, out: &mut String, heading: Heading<'_>);
    /// Appends what stands in front of an application's instances. `is_first` is about the list.
    fn begin_app(&self, out: &mut String, name: &str, is_first: bool);
    /// Appends some instances of an application.
    fn instances(&self, out: &mut String, instances: &[&Instance]);
    /// Appends what stands between two runs of instances.
    fn between(&self, out: &mut String);
    /// Appends what stands behind an application's instances.
    fn end_app(&self, out: &mut String);
    /// Appends what stands behind the last application.
    fn end(&self, out: &mut String, heading: Heading<'_>);
}

/// Returns the writer of an encoding.
pub fn list_writer(encoding: Encoding) -> &'static dyn ListWriter {
    match (encoding.format, encoding.shape) {
        (Format::Json, Shape::Full) => &json::List(Shape::Full),
        (Format::Json, Shape::Compact) => &json::List(Shape::Compact),
        (Format::Xml, Shape::Full) => &xml::List(Shape::Full),
        (Format::Xml, Shape::Compact) => &xml::List(Shape::Compact),
    }
}

/// Appends a whole list of applications.
pub fn write_applications(
    out: &mut String,
    encoding: Encoding,
    heading: Heading<'_>,
    apps: &[(&str, Vec<&Instance>)],
) {
    let writer = list_writer(encoding);
    writer.begin(out, heading);
    for (index, (name, instances)) in apps.iter().enumerate() {
        writer.begin_app(out, name, index == 0);
        writer.instances(out, instances);
        writer.end_app(out);
    }
    writer.end(out, heading);
}

/// Appends one application as a document of its own.
pub fn write_application(out: &mut String, encoding: Encoding, name: &str, them: &[&Instance]) {
    match encoding.format {
        Format::Json => json::write_application(out, encoding.shape, name, them),
        Format::Xml => xml::write_application(out, encoding.shape, name, them),
    }
}

/// Why bytes are no instance, list or batch.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// They are not even the format.
    #[error("the body is no {0}")]
    Syntax(&'static str),
    /// The outermost object has another name, or there is none.
    #[error("the root element {0:?} is missing")]
    Root(&'static str),
    /// A field is not what it should be.
    #[error("the field {0:?} is not understood")]
    Field(&'static str),
}
