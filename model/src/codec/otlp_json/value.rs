//! Values in OTLP's JSON: ids, numbers in each of their forms, attributes. What is flat becomes a
//! text, what nests is written as JSON again.
//!
//! ```text
//! { "key": "k", "value": { "stringValue" | "boolValue" | "intValue" | "doubleValue" | "bytesValue"
//!                          | "arrayValue": { "values": [] } | "kvlistValue": { "values": [] } } }
//! ```

use super::Request;
use crate::batch::Text;
use crate::codec::json_v2::fault::{Fault, rule};
use crate::codec::otlp::value::{
    Value, push_number, too_deep, write_double, write_integer, write_json_double,
};
use crate::codec::otlp::{Draft, Id, VALUE_DEPTH_MAX, dropped, word};
use crate::codec::{scan, text};

/// Names of kinds, by their numbers.
pub(super) const KINDS: &[&[u8]] = &[
    b"SPAN_KIND_UNSPECIFIED",
    b"SPAN_KIND_INTERNAL",
    b"SPAN_KIND_SERVER",
    b"SPAN_KIND_CLIENT",
    b"SPAN_KIND_PRODUCER",
    b"SPAN_KIND_CONSUMER",
];

/// Names of statuses, by their numbers.
pub(super) const STATUSES: &[&[u8]] = &[
    b"STATUS_CODE_UNSET",
    b"STATUS_CODE_OK",
    b"STATUS_CODE_ERROR",
];

impl Request<'_> {
    /// Reads an id in hex digits of either case.
    pub(super) fn id(&mut self, id: Id, span: &mut Draft) -> Result<(), Fault> {
        let (body, at) = (self.cursor.body, self.cursor.at + 1);
        if self.cursor.peek_token() == b'"'
            && at == self.cursor.at + 1
            && let Some(first) = scan::window(body, at).and_then(scan::hex16)
        {
            if id != Id::Trace && body.get(at + 16) == Some(&b'"') {
                self.cursor.at = at + 17;
                span.id(id, &first.to_be_bytes());
                return Ok(());
            }
            if id == Id::Trace
                && let Some(second) = scan::window(body, at + 16).and_then(scan::hex16)
                && body.get(at + 32) == Some(&b'"')
            {
                self.cursor.at = at + 33;
                let value = u128::from(first) << 64 | u128::from(second);
                span.id(id, &value.to_be_bytes());
                return Ok(());
            }
        }
        self.odd_id(id, span)
    }

    #[cold]
    #[inline(never)]
    fn odd_id(&mut self, id: Id, span: &mut Draft) -> Result<(), Fault> {
        let text = self.cursor.text()?;
        match from_hex(self.cursor.out.bytes(text)) {
            Some(bytes) => span.id(id, &bytes),
            None => span.leave_out("an id is not in hex digits"),
        }
        Ok(())
    }

    /// Reads a number of an enum, or its name.
    pub(super) fn number_of(&mut self, names: &[&[u8]]) -> Result<u64, Fault> {
        let text = self.cursor.text()?;
        let bytes = self.cursor.out.bytes(text);
        if let [digit @ b'0'..=b'9'] = bytes {
            return Ok(u64::from(digit - b'0'));
        }
        if let Some(number) = names.iter().position(|name| *name == bytes) {
            return Ok(number as u64);
        }
        let number = std::str::from_utf8(bytes)
            .ok()
            .and_then(|t| t.parse::<i32>().ok());
        // What is not known counts as not said; a negative number is not known.
        number.map_or_else(
            || Err(rule(format!("no enum value: {}", text::lossy(bytes)))),
            |number| Ok(u64::from(number.cast_unsigned())),
        )
    }

    /// Reads a whole number that is not negative.
    pub(super) fn unsigned(&mut self) -> Result<u64, Fault> {
        let value = self.whole()?;
        u64::try_from(value).map_err(|_| rule(format!("no unsigned number: {value}")))
    }

    /// Reads how many of something were dropped; empty when none were.
    pub(super) fn dropped(&mut self) -> Result<Text, Fault> {
        let count = self.unsigned()?;
        Ok(dropped(self.cursor.out, count)?)
    }

    /// Reads a whole number, within quotes or not.
    fn whole(&mut self) -> Result<i128, Fault> {
        let quoted = self.cursor.peek_token() == b'"';
        let body = self.cursor.body;
        let sign = self.cursor.at + usize::from(quoted);
        let negative = body.get(sign) == Some(&b'-');
        let start = sign + usize::from(negative);
        let (mut at, mut value) = (start, 0_u64);
        // Nineteen digits surely fit; more are read the long way.
        for _ in 0..2 {
            let Some(word) = scan::word(body, at) else {
                break;
            };
            let (count, digits) = scan::leading_digits(word);
            value = value * 10_u64.pow(count as u32) + digits;
            at += count;
            if count < 8 {
                break;
            }
        }
        while let Some(digit @ b'0'..=b'9') = body.get(at)
            && at < start + 19
        {
            value = value * 10 + u64::from(digit - b'0');
            at += 1;
        }
        let ends = match body.get(at) {
            Some(b'"') => quoted,
            Some(b',' | b'}' | b']') => !quoted,
            _ => false,
        };
        if ends && at > start {
            self.cursor.at = at + usize::from(quoted);
            let value = i128::from(value);
            return Ok(if negative { -value } else { value });
        }
        self.odd_whole()
    }

    #[cold]
    #[inline(never)]
    fn odd_whole(&mut self) -> Result<i128, Fault> {
        let text = self.cursor.text()?;
        let text = text::lossy(self.cursor.out.bytes(text));
        if let Ok(value) = text.parse::<i128>() {
            return Ok(value);
        }
        match text.parse::<f64>() {
            // 1.5e18 is whole, and so is 2.0.
            Ok(real) if real.is_finite() && real.fract() == 0.0 && real.abs() < 1e20 => {
                Ok(real as i128)
            }
            _ => Err(rule(format!("no whole number: {text}"))),
        }
    }

    fn real(&mut self) -> Result<f64, Fault> {
        let text = self.cursor.text()?;
        let text = text::lossy(self.cursor.out.bytes(text));
        match text.as_str() {
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            "NaN" => Ok(f64::NAN),
            _ => text.parse().map_err(|_| rule(format!("no number: {text}"))),
        }
    }

    fn signed(&mut self) -> Result<i64, Fault> {
        let value = self.whole()?;
        i64::try_from(value).map_err(|_| rule(format!("no 64-bit number: {value}")))
    }

    /// Reads an attribute.
    pub(super) fn attribute(&mut self) -> Result<(Text, Value), Fault> {
        let mut key_text = Text::default();
        let mut value = Value::none();
        self.fields(|this, key| {
            match this.name_of(key) {
                b"key" => key_text = this.cursor.text()?,
                b"value" => value = this.value()?,
                _ => this.cursor.skip_value(1)?,
            }
            Ok(())
        })?;
        Ok((key_text, value))
    }

    fn value(&mut self) -> Result<Value, Fault> {
        let mut value = Value::none();
        self.fields(|this, key| {
            value = match this.name_of(key) {
                b"stringValue" | b"string_value" => Value::Text(this.cursor.text()?),
                b"intValue" | b"int_value" => {
                    let number = this.signed()?;
                    push_number(this.cursor.out, number)?
                }
                b"boolValue" | b"bool_value" => {
                    let word = if this.cursor.boolean()? {
                        word::TRUE
                    } else {
                        word::FALSE
                    };
                    Value::Other(word.text())
                }
                b"doubleValue" | b"double_value" => {
                    let number = this.real()?;
                    let start = this.cursor.out.extra.len();
                    write_double(number, &mut this.cursor.out.extra);
                    Value::Other(text::finish_extra(&mut this.cursor.out.extra, start)?)
                }
                b"bytesValue" | b"bytes_value" => Value::Other(this.cursor.text()?),
                b"arrayValue" | b"array_value" => this.nested(Self::write_array)?,
                b"kvlistValue" | b"kvlist_value" => this.nested(Self::write_map)?,
                _ => {
                    this.cursor.skip_value(1)?;
                    value
                }
            };
            Ok(())
        })?;
        Ok(value)
    }

    fn nested(
        &mut self,
        write: impl FnOnce(&mut Self, usize) -> Result<(), Fault>,
    ) -> Result<Value, Fault> {
        self.json.clear();
        write(self, 1)?;
        let extra = &mut self.cursor.out.extra;
        let start = extra.len();
        extra.extend_from_slice(&self.json);
        Ok(Value::Other(text::finish_extra(extra, start)?))
    }

    /// Begins the attributes of an event or a link, an object of JSON.
    pub(super) fn begin_attributes(&mut self) {
        self.json.clear();
        self.json.push(b'{');
    }

    /// Writes a list of them into the object that was begun.
    pub(super) fn write_attributes(&mut self) -> Result<(), Fault> {
        self.items(|this| this.write_pair(1, 0))
    }

    /// Ends the object.
    pub(super) fn finish_attributes(&mut self, dropped: u64) {
        if dropped > 0 {
            self.separate(1);
            self.json
                .extend_from_slice(b"\"otel.dropped_attributes_count\":");
            write_integer(dropped.cast_signed(), &mut self.json);
        }
        self.json.push(b'}');
    }

    fn separate(&mut self, start: usize) {
        if self.json.len() > start {
            self.json.push(b',');
        }
    }

    /// Writes an attribute of the object that began at `object`.
    fn write_pair(&mut self, object: usize, depth: usize) -> Result<(), Fault> {
        self.separate(object);
        let start = self.json.len();
        let mut key_text = Text::default();
        self.fields(|this, key| {
            match this.name_of(key) {
                b"key" => key_text = this.cursor.text()?,
                b"value" => {
                    this.json.truncate(start);
                    this.write_value(depth)?;
                }
                _ => this.cursor.skip_value(1)?,
            }
            Ok(())
        })?;
        if self.json.len() == start {
            self.json.extend_from_slice(b"null");
        }
        // The value may come first, so the key always moves to the front.
        let value_bytes = self.json.len() - start;
        text::write_json_string(self.cursor.out.bytes(key_text), &mut self.json);
        self.json.push(b':');
        if let Some(pair) = self.json.get_mut(start..) {
            pair.rotate_left(value_bytes);
        }
        Ok(())
    }

    fn write_value(&mut self, depth: usize) -> Result<(), Fault> {
        let start = self.json.len();
        if !self.cursor.take_null() {
            self.fields(|this, key| this.write_field(key, (start, depth)))?;
        }
        if self.json.len() == start {
            self.json.extend_from_slice(b"null");
        }
        Ok(())
    }

    /// Writes the value in this field in the place of one before.
    fn write_field(&mut self, key: Text, (start, depth): (usize, usize)) -> Result<(), Fault> {
        match self.name_of(key) {
            b"stringValue" | b"string_value" | b"bytesValue" | b"bytes_value" => {
                self.json.truncate(start);
                let extra = self.cursor.out.extra.len();
                let text = self.cursor.text()?;
                text::write_json_string(self.cursor.out.bytes(text), &mut self.json);
                self.cursor.out.extra.truncate(extra);
            }
            b"boolValue" | b"bool_value" => {
                self.json.truncate(start);
                let text: &[u8] = if self.cursor.boolean()? {
                    b"true"
                } else {
                    b"false"
                };
                self.json.extend_from_slice(text);
            }
            b"intValue" | b"int_value" => {
                self.json.truncate(start);
                let number = self.signed()?;
                write_integer(number, &mut self.json);
            }
            b"doubleValue" | b"double_value" => {
                self.json.truncate(start);
                let number = self.real()?;
                write_json_double(number, &mut self.json);
            }
            b"arrayValue" | b"array_value" => {
                self.json.truncate(start);
                self.write_array(depth + 1)?;
            }
            b"kvlistValue" | b"kvlist_value" => {
                self.json.truncate(start);
                self.write_map(depth + 1)?;
            }
            _ => self.cursor.skip_value(1)?,
        }
        Ok(())
    }

    fn write_array(&mut self, depth: usize) -> Result<(), Fault> {
        self.json.push(b'[');
        let start = self.json.len();
        self.write_values(depth, |this| {
            this.separate(start);
            this.write_value(depth)
        })?;
        self.json.push(b']');
        Ok(())
    }

    fn write_map(&mut self, depth: usize) -> Result<(), Fault> {
        self.json.push(b'{');
        let start = self.json.len();
        self.write_values(depth, |this| this.write_pair(start, depth))?;
        self.json.push(b'}');
        Ok(())
    }

    fn write_values(
        &mut self,
        depth: usize,
        mut each: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if depth > VALUE_DEPTH_MAX {
            return Err(too_deep().into());
        }
        self.fields(|this, key| match this.name_of(key) {
            b"values" => this.items(&mut each),
            _ => this.cursor.skip_value(1),
        })
    }
}

/// Returns the bytes of these digits, no more than an id has and one.
fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    const BYTES_MAX: usize = 17;
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    let pairs = digits.chunks(2).take(BYTES_MAX);
    pairs
        .map(|pair| match pair {
            [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
            _ => None,
        })
        .collect()
}
