//! How a round of a pool differs from the first: a mask over the ids of traces and spans, a shift
//! of times, and other values of tags that are to be new each time. All have the length that they
//! had, so they are written over where they are.

use std::borrow::Cow;

use crate::workload::{FRESH_DIGITS, Format, Knobs, Marks, Random, is_fresh};

/// What becomes of the values of added tags in a later round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Values {
    /// They are the same again: the pool has all there are to be.
    Kept,
    /// They are new: hex digits.
    New,
    /// They are others of so many: decimal digits.
    Of(u64),
}

impl Values {
    /// Returns what the knobs ask for in a pool of so many spans.
    pub(super) fn of(knobs: &Knobs, spans: usize) -> Self {
        match knobs.cardinality {
            _ if knobs.extra_tags == 0 => Self::Kept,
            0 => Self::New,
            many if knobs.counts_on(spans) => Self::Of(many),
            _ => Self::Kept,
        }
    }
}

/// A round of a pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Round {
    /// Over span ids and the lower half of trace ids.
    low: u64,
    /// Over the upper half of trace ids, and over new values.
    high: u64,
    /// Wraps where times become earlier.
    shift_us: u64,
    values: Values,
}

impl Round {
    /// The first round keeps the ids of the workload.
    pub(super) fn new((seed, round): (u64, u64), shift_us: u64, values: Values) -> Self {
        let mut random = Random::new(seed ^ round.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut mask = || if round == 0 { 0 } else { random.bits() };
        Self {
            low: mask(),
            high: mask(),
            shift_us,
            values,
        }
    }

    /// Returns a trace id of the pool as it is in the round.
    pub fn trace_id(&self, in_pool: u128) -> u128 {
        let high = if in_pool >> 64 == 0 { 0 } else { self.high };
        in_pool ^ (u128::from(high) << 64 | u128::from(self.low))
    }

    /// Returns a span id of the round as it is in the pool.
    pub fn span_id_in_pool(&self, id: u64) -> u64 {
        id ^ self.low
    }

    /// Returns a time of the round as it is in the pool.
    pub fn time_in_pool(&self, at_us: u64) -> u64 {
        at_us.wrapping_sub(self.shift_us)
    }

    /// Returns the value of a tag of the round as it is in the pool.
    pub fn value_in_pool<'a>(&self, key: &str, value: &'a str) -> Cow<'a, str> {
        let digits: Result<[u8; FRESH_DIGITS], _> = value.as_bytes().try_into();
        let (Ok(mut digits), true) = (digits, is_fresh(key, value)) else {
            return value.into();
        };
        match self.values {
            Values::Kept => return value.into(),
            Values::New => mask_digits(&mut digits, spread(self.high)),
            Values::Of(many) => add_digits_of(&mut digits, many - self.high % many, many),
        }
        String::from_utf8_lossy(&digits).into_owned().into()
    }

    /// Writes over what is marked in the bytes of a body.
    pub(super) fn renew(&self, format: Format, bytes: &mut [u8], marks: &Marks) {
        match format {
            Format::Proto => {
                change(bytes, &marks.low_ids, |id| mask_bytes(id, self.low));
                change(bytes, &marks.high_ids, |id| mask_bytes(id, self.high));
                change(bytes, &marks.times, |time: &mut [u8; 8]| {
                    let at = u64::from_le_bytes(*time).wrapping_add(self.shift_us);
                    *time = at.to_le_bytes();
                });
            }
            Format::Json | Format::JsonV1 => {
                let (low, high) = (spread(self.low), spread(self.high));
                change(bytes, &marks.low_ids, |id| mask_digits(id, low));
                change(bytes, &marks.high_ids, |id| mask_digits(id, high));
                let more = in_digits(self.shift_us);
                change(bytes, &marks.times, |time| add_digits(time, more));
            }
        }
        // Values are text in every format.
        match self.values {
            Values::Kept => {}
            Values::New => {
                let mask = spread(self.high);
                change(bytes, &marks.values, |value| mask_digits(value, mask));
            }
            Values::Of(many) => {
                let more = self.high % many;
                change(bytes, &marks.values, |value| {
                    add_digits_of(value, more, many);
                });
            }
        }
    }
}

/// Changes the `N` bytes at each place.
fn change<const N: usize>(bytes: &mut [u8], places: &[u32], one: impl Fn(&mut [u8; N])) {
    for at in places {
        let rest = bytes.get_mut(*at as usize..);
        if let Some(part) = rest.and_then(|rest| rest.first_chunk_mut::<N>()) {
            one(part);
        }
    }
}

fn mask_bytes(id: &mut [u8; 8], mask: u64) {
    *id = (u64::from_be_bytes(*id) ^ mask).to_be_bytes();
}

/// Returns a mask with each half byte in a byte of its own, for digits.
fn spread(mask: u64) -> u128 {
    (0..16).fold(0, |all, place| {
        all | u128::from(mask >> (4 * place) & 0xf) << (8 * place)
    })
}

/// A number in each byte.
const fn each(byte: u8) -> u128 {
    u128::from_be_bytes([byte; 16])
}

/// Digits are masked one by one, which is the same as masking the number; all at once, which is
/// faster. No byte ever spills into the next.
fn mask_digits(digits: &mut [u8; 16], mask: u128) {
    let text = u128::from_be_bytes(*digits);
    let is_letter = text >> 6 & each(1);
    let value = (text & each(0xf)) + is_letter * 9;
    let masked = value ^ mask;
    let is_letter = (masked + each(6)) >> 4 & each(1);
    let text = masked + each(b'0') + is_letter * u128::from(b'a' - 10 - b'0');
    *digits = text.to_be_bytes();
}

/// All that fits into the digits of a time.
const DIGITS_END: u64 = 10_u64.pow(16);

/// Returns what to add to digits for a shift that may wrap: what is carried beyond them is lost.
fn in_digits(shift_us: u64) -> u64 {
    let shift = shift_us.cast_signed();
    if shift < 0 {
        DIGITS_END.saturating_sub(shift.unsigned_abs())
    } else {
        shift_us
    }
}

/// The sum has 16 digits too until the year 2286.
fn add_digits(digits: &mut [u8; 16], mut more: u64) {
    for digit in digits.iter_mut().rev() {
        let sum = u64::from(*digit & 0xf) + more;
        *digit = b'0' + (sum % 10) as u8;
        more = sum / 10;
        if more == 0 {
            break;
        }
    }
}

/// Adds to digits that stand for one of so many numbers.
fn add_digits_of(digits: &mut [u8; 16], more: u64, many: u64) {
    let number = digits.iter().fold(0, |number: u64, digit| {
        number.wrapping_mul(10) + u64::from(*digit & 0xf)
    });
    let mut rest = (number + more) % many;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn digits_are_changed_as_numbers_are(
            value: u64,
            mask: u64,
            time in 2 * 10_u64.pow(15)..9 * 10_u64.pow(15),
            more in -(10_i64.pow(15))..10_i64.pow(15),
        ) {
            let mut digits = [0; 16];
            digits.copy_from_slice(format!("{value:016x}").as_bytes());
            mask_digits(&mut digits, spread(mask));
            let masked = format!("{:016x}", value ^ mask);
            prop_assert_eq!(std::str::from_utf8(&digits).unwrap(), masked);
            digits.copy_from_slice(time.to_string().as_bytes());
            add_digits(&mut digits, in_digits(more.cast_unsigned()));
            let sum = time.wrapping_add_signed(more).to_string();
            prop_assert_eq!(std::str::from_utf8(&digits).unwrap(), sum);
        }

        #[test]
        fn one_of_many_stays_one_of_them(many in 1..10_u64.pow(12), at: u64, more: u64) {
            let (at, more) = (at % many, more % many);
            let mut digits = [0; 16];
            digits.copy_from_slice(format!("{at:016}").as_bytes());
            add_digits_of(&mut digits, more, many);
            let sum = format!("{:016}", (at + more) % many);
            prop_assert_eq!(std::str::from_utf8(&digits).unwrap(), sum);
        }
    }
}
