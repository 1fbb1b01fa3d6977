//! Looks at sixteen bytes at once: where a string ends, whether it needs lower-casing, what
//! number sixteen hex digits are. One interface, two bodies: SSE2 (part of every x86-64, reached
//! through `safe_arch`, which is safe where a feature is part of the target) and plain 64-bit
//! arithmetic elsewhere. Nothing here reads memory: callers bring the bytes.

#[cfg(not(target_arch = "x86_64"))]
pub(super) use portable::{beyond_ascii, hex16, lowering, stops};
#[cfg(target_arch = "x86_64")]
pub(super) use sse2::{beyond_ascii, hex16, lowering, stops};

/// How many bytes are looked at together.
pub(super) const WINDOW: usize = 16;

/// Sixteen bytes of a body.
pub(super) type Window = [u8; WINDOW];

/// Where a string may stop inside a window: bit `i` stands for byte `i`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stops {
    /// Quotes and backslashes.
    pub(super) any: u32,
    /// Backslashes alone.
    pub(super) escape: u32,
}

/// Returns the window at `at`, or `None` near the end of the body.
#[inline(always)]
pub(super) fn window(bytes: &[u8], at: usize) -> Option<&Window> {
    bytes.get(at..)?.first_chunk()
}

/// Returns the eight bytes at `at` as a little-endian integer.
#[inline(always)]
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Returns whether `text` holds ASCII upper case or anything beyond ASCII, so that it may differ
/// from its lower case.
#[inline(always)]
pub(super) fn needs_lowering(text: &[u8]) -> bool {
    let mut chunks = text.chunks_exact(WINDOW);
    let mut found = 0;
    for chunk in &mut chunks {
        if let Some(window) = chunk.first_chunk() {
            found |= lowering(window);
        }
    }
    // What is left is looked at by the last window, which overlaps; a short text by words that do.
    if let Some(window) = text.last_chunk() {
        found |= lowering(window);
        return found != 0;
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let lowering = lowering_of(u64::from_le_bytes(*first));
        return lowering | lowering_of(u64::from_le_bytes(*last)) != 0;
    }
    let mut word = 0;
    for &byte in text {
        word = word << 8 | u64::from(byte);
    }
    lowering_of(word) != 0
}

/// Marks the bytes of a word that may differ from their lower case by their high bits.
#[inline(always)]
fn lowering_of(word: u64) -> u64 {
    let low = word & !HIGHS;
    // No sum runs into the next byte: 127 and these are less than 256.
    let from_a = low + ONES * u64::from(0x80 - b'A');
    let beyond_z = low + ONES * u64::from(0x7f - b'Z');
    (from_a & !beyond_z | word) & HIGHS
}

/// Returns whether all of `text` is ASCII. The last window overlaps the one before; in a short text
/// words do.
#[inline(always)]
pub(super) fn is_ascii(text: &[u8]) -> bool {
    if let Some(last) = text.last_chunk() {
        let mut found = beyond_ascii(last);
        let mut rest = text;
        while let Some((window, after)) = rest.split_first_chunk() {
            found |= beyond_ascii(window);
            rest = after;
        }
        return found == 0;
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return (u64::from_le_bytes(*first) | u64::from_le_bytes(*last)) & HIGHS == 0;
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let found = u32::from_le_bytes(*first) | u32::from_le_bytes(*last);
        return found & HIGHS as u32 == 0;
    }
    text.iter().fold(0, |found, byte| found | byte) < 0x80
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Returns how many of the eight bytes of `word`, first byte lowest, are digits before the first
/// that is not, and their value.
#[inline(always)]
pub(super) fn leading_digits(word: u64) -> (usize, u64) {
    let digits = word ^ (ONES * u64::from(b'0'));
    let not_digit = (digits.wrapping_add(ONES * 0x76) | digits) & HIGHS;
    if not_digit == 0 {
        return (8, eight_digits(digits));
    }
    let count = (not_digit.trailing_zeros() / 8) as usize;
    if count == 0 {
        return (0, 0);
    }
    // Pushing the digits to the end leaves zeros, which are digits too, in front.
    (count, eight_digits(digits << (64 - 8 * count)))
}

/// Returns the value of eight digits (0 to 9, not their characters), the first in the lowest byte:
/// pairs, then fours, then all, by multiplication.
#[inline(always)]
fn eight_digits(digits: u64) -> u64 {
    const FOURS: u64 = 0x0000_00ff_0000_00ff;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let outer = (pairs & FOURS).wrapping_mul(100 + (1_000_000 << 32));
    let inner = (pairs >> 16 & FOURS).wrapping_mul(1 + (10_000 << 32));
    outer.wrapping_add(inner) >> 32
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use safe_arch::{
        bitand_m128i, bitandnot_m128i, bitor_m128i, cmp_eq_mask_i8_m128i, get_i64_from_m128i_s,
        load_unaligned_m128i, m128i, min_u8_m128i, move_mask_i8_m128i, pack_i16_to_u8_m128i,
        set_splat_i8_m128i, set_splat_i16_m128i, shl_imm_u16_m128i, shr_imm_u16_m128i,
        sub_i8_m128i,
    };

    use super::{Stops, Window};

    #[inline(always)]
    fn splat(byte: u8) -> m128i {
        set_splat_i8_m128i(byte.cast_signed())
    }

    #[inline(always)]
    fn mask(lanes: m128i) -> u32 {
        move_mask_i8_m128i(lanes).cast_unsigned()
    }

    #[inline(always)]
    pub(in super::super) fn stops(window: &Window) -> Stops {
        let bytes = load_unaligned_m128i(window);
        let escape = mask(cmp_eq_mask_i8_m128i(bytes, splat(b'\\')));
        let quote = mask(cmp_eq_mask_i8_m128i(bytes, splat(b'"')));
        Stops {
            any: escape | quote,
            escape,
        }
    }

    /// Marks bytes beyond ASCII.
    #[inline(always)]
    pub(in super::super) fn beyond_ascii(window: &Window) -> u32 {
        mask(load_unaligned_m128i(window))
    }

    #[inline(always)]
    pub(in super::super) fn lowering(window: &Window) -> u32 {
        let bytes = load_unaligned_m128i(window);
        let from_a = sub_i8_m128i(bytes, splat(b'A'));
        let upper = cmp_eq_mask_i8_m128i(min_u8_m128i(from_a, splat(25)), from_a);
        mask(bitor_m128i(upper, bytes))
    }

    #[inline(always)]
    pub(in super::super) fn hex16(window: &Window) -> Option<u64> {
        let bytes = load_unaligned_m128i(window);
        let digit = sub_i8_m128i(bytes, splat(b'0'));
        let is_digit = cmp_eq_mask_i8_m128i(min_u8_m128i(digit, splat(9)), digit);
        let letter = sub_i8_m128i(bytes, splat(b'a'));
        let is_letter = cmp_eq_mask_i8_m128i(min_u8_m128i(letter, splat(5)), letter);
        if mask(bitor_m128i(is_digit, is_letter)) != 0xffff {
            return None;
        }
        let letter = sub_i8_m128i(bytes, splat(b'a' - 10));
        let nibbles = bitor_m128i(
            bitand_m128i(is_digit, digit),
            bitandnot_m128i(is_digit, letter),
        );
        // Two nibbles a 16-bit lane, the upper one in the lower byte: put them side by side.
        let joined = bitor_m128i(
            shl_imm_u16_m128i::<4>(nibbles),
            shr_imm_u16_m128i::<8>(nibbles),
        );
        let bytes = bitand_m128i(joined, set_splat_i16_m128i(0xff));
        let packed = get_i64_from_m128i_s(pack_i16_to_u8_m128i(bytes, bytes));
        Some(packed.cast_unsigned().swap_bytes())
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::{HIGHS, ONES, Stops, Window};

    /// Calls `of` for both halves and joins the two masks; `of` marks bytes by their high bits.
    #[inline(always)]
    fn both(window: &Window, of: impl Fn(u64) -> u64) -> u32 {
        let value = u128::from_le_bytes(*window);
        let mask = |half: u64| {
            (((of(half) & HIGHS) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
        };
        mask(value as u64) | mask((value >> 64) as u64) << 8
    }

    /// Marks bytes equal to `byte`, exactly: no borrow runs from one byte to the next.
    #[inline(always)]
    fn equal(half: u64, byte: u8) -> u64 {
        let difference = half ^ (ONES * u64::from(byte));
        let low = !HIGHS;
        !(((difference & low) + low) | difference | low)
    }

    #[inline(always)]
    pub(in super::super) fn stops(window: &Window) -> Stops {
        let escape = both(window, |half| equal(half, b'\\'));
        let quote = both(window, |half| equal(half, b'"'));
        Stops {
            any: escape | quote,
            escape,
        }
    }

    #[inline(always)]
    pub(in super::super) fn beyond_ascii(window: &Window) -> u32 {
        both(window, |half| half)
    }

    #[inline(always)]
    pub(in super::super) fn lowering(window: &Window) -> u32 {
        both(window, |half| {
            let low = half & !HIGHS;
            let at_least_a = low + ONES * u64::from(0x80 - b'A');
            let beyond_z = low + ONES * u64::from(0x80 - b'Z' - 1);
            (at_least_a & !beyond_z) | half
        })
    }

    #[inline(always)]
    pub(in super::super) fn hex16(window: &Window) -> Option<u64> {
        crate::id::lower_hex(window).map(|value| value as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(window: &Window, of: impl Fn(u8) -> bool) -> u32 {
        (0..WINDOW).fold(0, |mask, i| mask | u32::from(of(window[i])) << i)
    }

    proptest! {
        #[test]
        fn windows_are_read_alike_by_every_body(
            window in prop::array::uniform16(
                prop_oneof![any::<u8>(), b' '..=b'~', Just(b'"'), Just(b'\\')]
            ),
        ) {
            let expected = Stops {
                any: naive(&window, |b| b == b'"' || b == b'\\'),
                escape: naive(&window, |b| b == b'\\'),
            };
            prop_assert_eq!(stops(&window), expected);
            prop_assert_eq!(portable::stops(&window), expected);
            let lower = naive(&window, |b| b.is_ascii_uppercase() || !b.is_ascii());
            prop_assert_eq!(lowering(&window), lower);
            prop_assert_eq!(portable::lowering(&window), lower);
            let beyond = naive(&window, |b| !b.is_ascii());
            prop_assert_eq!(beyond_ascii(&window), beyond);
            prop_assert_eq!(portable::beyond_ascii(&window), beyond);
        }

        #[test]
        fn sixteen_hex_digits_are_their_number(value: u64, at in 0..WINDOW, other: u8) {
            let mut window: Window = format!("{value:016x}").into_bytes().try_into().unwrap();
            prop_assert_eq!(hex16(&window), Some(value));
            window[at] = other;
            let expected = crate::id::lower_hex(&window).map(|v| v as u64);
            prop_assert_eq!(hex16(&window), expected);
            prop_assert_eq!(portable::hex16(&window), expected);
        }

        #[test]
        fn leading_digits_stop_at_the_first_other(text in "[0-9]{0,8}[^0-9]{8}") {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count().min(8);
            let expected = text.get(..digits).unwrap().parse().unwrap_or(0);
            prop_assert_eq!(leading_digits(word(text.as_bytes(), 0).unwrap()), (digits, expected));
        }

        #[test]
        fn texts_of_any_length_are_ascii_or_not(text in "[a-z]{0,40}[\\x7fä]?[a-z]{0,40}") {
            prop_assert_eq!(is_ascii(text.as_bytes()), text.is_ascii());
        }

        #[test]
        fn lowering_is_needed_iff_a_byte_asks_for_it(
            text in "[a-z0-9 ]{0,40}[A-Zäa-z]?[a-z]{0,20}"
        ) {
            let expected = text.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii());
            prop_assert_eq!(needs_lowering(text.as_bytes()), expected);
        }
    }
}
