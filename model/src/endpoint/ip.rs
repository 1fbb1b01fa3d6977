//! IP addresses as Zipkin reads and writes them as text. Not the standard library's rules: Zipkin
//! folds addresses that embed IPv4, takes longer hex groups, and has a compression of its own.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An address of either family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IpAddress {
    /// A plain IPv4 address, or one that was embedded in IPv6 text or bytes.
    V4(Ipv4Addr),
    /// Any other IPv6 address.
    V6(Ipv6Addr),
}

const GROUPS: usize = 8;

/// Returns the address that `text` says, or `None` where Zipkin drops it silently: host names,
/// scope ids, ports, blanks.
#[inline]
pub fn parse_ip(text: &[u8]) -> Option<IpAddress> {
    match parse_ipv4(text) {
        Some(address) => Some(IpAddress::V4(address)),
        None => parse_other(text),
    }
}

/// Reads what is no plain IPv4 address.
fn parse_other(text: &[u8]) -> Option<IpAddress> {
    // Nothing longer is an address; eight groups may carry any number of leading zeros, but a
    // bound keeps the work small for text that a sender chose.
    if text.len() > 255
        || !text
            .iter()
            .all(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':'))
    {
        return None;
    }
    let last_colon = text.iter().rposition(|&b| b == b':');
    let has_dot = text.contains(&b'.');
    match (last_colon, has_dot) {
        (Some(colon), true) => parse_embedded(text, colon).map(IpAddress::V4),
        (Some(_), false) => parse_groups(text).map(IpAddress::V6),
        (None, _) => None,
    }
}

/// Returns the address in these bytes: 4 are IPv4, 16 are IPv6, other lengths are none. Sixteen
/// that begin with twelve zeros are IPv4, but for localhost; those of `::ffff:0:0/96` are not,
/// though the same address as text is.
pub fn ip_from_bytes(bytes: &[u8]) -> Option<IpAddress> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddress::V4(v4.into()));
    }
    let v6 = u128::from_be_bytes(bytes.try_into().ok()?);
    Some(match u32::try_from(v6) {
        Ok(v4) if v4 != 1 => IpAddress::V4(v4.into()),
        _ => IpAddress::V6(v6.into()),
    })
}

/// Four decimal words of one to three digits, each at most 255; leading zeros are fine.
#[inline]
fn parse_ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut address, mut octet, mut digits, mut dots) = (0_u32, 0_u32, 0, 0);
    for &byte in text {
        if byte == b'.' && digits > 0 {
            address = address << 8 | octet;
            (octet, digits, dots) = (0, 0, dots + 1);
        } else {
            let digit = byte.wrapping_sub(b'0');
            octet = octet * 10 + u32::from(digit);
            digits += 1;
            if digit > 9 || digits > 3 || octet > 255 {
                return None;
            }
        }
    }
    (dots == 3 && digits > 0).then(|| (address << 8 | octet).into())
}

/// `::1.2.3.4` and `::ffff:1.2.3.4`, the latter with any mix of four `f`, `F` and `0`.
fn parse_embedded(text: &[u8], last_colon: usize) -> Option<Ipv4Addr> {
    let (prefix, v4) = text.split_at_checked(last_colon + 1)?;
    let group = match prefix {
        b"::" => &[][..],
        [b':', b':', group @ .., b':'] if group.len() == 4 => group,
        _ => return None,
    };
    if !group.iter().all(|b| matches!(b, b'f' | b'F' | b'0')) {
        return None;
    }
    parse_ipv4(v4)
}

/// Eight groups, or fewer around one `::`.
fn parse_groups(text: &[u8]) -> Option<Ipv6Addr> {
    let gap = text.windows(2).position(|pair| pair == b"::");
    let (head, tail) = match gap {
        Some(at) => (text.get(..at)?, text.get(at + 2..)?),
        None => (text, &[][..]),
    };
    let mut groups = [0_u16; GROUPS];
    let high = fill(head, &mut groups)?;
    let mut low_groups = [0_u16; GROUPS];
    let low = fill(tail, &mut low_groups)?;
    let complete = if gap.is_some() {
        high + low < GROUPS
    } else {
        high == GROUPS
    };
    if !complete {
        return None;
    }
    for (slot, group) in groups
        .iter_mut()
        .rev()
        .zip(low_groups.iter().take(low).rev())
    {
        *slot = *group;
    }
    Some(groups.into())
}

/// Reads groups between single colons into `into`; returns how many. No text is no group.
fn fill(text: &[u8], into: &mut [u16; GROUPS]) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let mut count = 0;
    for part in text.split(|&b| b == b':') {
        *into.get_mut(count)? = hex_group(part)?;
        count += 1;
    }
    Some(count)
}

fn hex_group(part: &[u8]) -> Option<u16> {
    if part.is_empty() {
        return None;
    }
    let mut value = 0_u32;
    for &digit in part {
        value = value << 4 | char::from(digit).to_digit(16)?;
        if value > 0xffff {
            return None;
        }
    }
    Some(value as u16)
}

/// Appends the address as Zipkin writes it: lower case, the longest run of zero groups (also of
/// one) as `::`, the first of equals; a run at the end counts only when there is no other.
pub fn write_ipv6(address: Ipv6Addr, out: &mut Vec<u8>) {
    let groups = address.segments();
    let (start, end) = zero_run(&groups);
    for (index, &group) in groups.iter().enumerate() {
        if index == start {
            out.extend_from_slice(b"::");
        }
        if (start..end).contains(&index) {
            continue;
        }
        if index != 0 && index != end {
            out.push(b':');
        }
        write_group(group, out);
    }
}

fn zero_run(groups: &[u16; GROUPS]) -> (usize, usize) {
    let mut best = (GROUPS, GROUPS);
    let mut open = None;
    for (index, &group) in groups.iter().enumerate() {
        if group == 0 {
            open.get_or_insert(index);
        } else if let Some(start) = open.take()
            && (best.0 == GROUPS || index - start > best.1 - best.0)
        {
            best = (start, index);
        }
    }
    match open {
        Some(start) if best.0 == GROUPS => (start, GROUPS),
        _ => best,
    }
}

fn write_group(group: u16, out: &mut Vec<u8>) {
    let mut started = false;
    for shift in [12, 8, 4, 0] {
        let nibble = (group >> shift & 0xf) as u8;
        started |= nibble != 0 || shift == 0;
        if started {
            out.push(if nibble < 10 {
                b'0' + nibble
            } else {
                b'a' + nibble - 10
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads and writes back; `-` when the text is dropped.
    fn canonical(text: &str) -> String {
        match parse_ip(text.as_bytes()) {
            None => "-".into(),
            Some(IpAddress::V4(v4)) => v4.to_string(),
            Some(IpAddress::V6(v6)) => {
                let mut out = Vec::new();
                write_ipv6(v6, &mut out);
                String::from_utf8(out).unwrap()
            }
        }
    }

    #[test]
    fn addresses_come_back_in_zipkins_form() {
        for (given, written) in [
            ("1.2.3.4", "1.2.3.4"),
            ("01.2.3.004", "1.2.3.4"),
            ("::", "::"),
            ("::1", "::1"),
            ("2001:DB8::C001", "2001:db8::c001"),
            ("2001:DB8::00001", "2001:db8::1"),
            ("1:0:2:3:4:5:6:7", "1::2:3:4:5:6:7"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7::"),
            ("::2:3:4:5:6:7:8", "::2:3:4:5:6:7:8"),
            ("2001:0:0:4:0:0:0:8", "2001:0:0:4::8"),
            ("2001:0:0:4:0:0:7:8", "2001::4:0:0:7:8"),
            ("::ffff:102:304", "::ffff:102:304"),
        ] {
            assert_eq!(canonical(given), written, "{given}");
        }
    }

    #[test]
    fn a_trailing_zero_run_yields_to_any_earlier_one() {
        assert_eq!(canonical("2001:0:0:4:0:0:0:0"), "2001::4:0:0:0:0");
        assert_eq!(canonical("2001::"), "2001::");
    }

    #[test]
    fn embedded_ipv4_text_is_ipv4() {
        assert_eq!(canonical("::1.2.3.4"), "1.2.3.4");
        assert_eq!(canonical("::ffff:1.2.3.4"), "1.2.3.4");
        assert_eq!(canonical("::F0f0:1.2.3.4"), "1.2.3.4");
        assert_eq!(canonical("1::1.2.3.4"), "-");
        assert_eq!(canonical("::fff:1.2.3.4"), "-");
    }

    #[test]
    fn text_that_is_no_address_is_dropped() {
        for text in [
            "",
            "x",
            "1",
            "abcd",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "1..2.3",
            "1.2.3.4:80",
            ":",
            ":::",
            "1::2::3",
            ":1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3",
            "1:2:3:4:5:6:7:8::",
            "12345::",
            "fe80::1%eth0",
            " ::1",
            "[::1]",
            "-1.2.3.4",
        ] {
            assert_eq!(canonical(text), "-", "{text}");
        }
    }

    #[test]
    fn bytes_that_embed_ipv4_are_ipv4_but_for_localhost() {
        let bytes = |low: u128| ip_from_bytes(&low.to_be_bytes()).unwrap();
        assert_eq!(
            bytes(0xffff_0102_0304),
            IpAddress::V6(0xffff_0102_0304.into())
        );
        assert_eq!(bytes(0x0102_0304), IpAddress::V4([1, 2, 3, 4].into()));
        assert_eq!(bytes(1), IpAddress::V6(Ipv6Addr::LOCALHOST));
        assert_eq!(ip_from_bytes(&[1, 2, 3]), None);
    }
}
