//! How texts become values: numbers, switches, durations, sizes. It knows no setting by name.

use std::time::Duration;

/// A text that becomes a value, or what would.
pub(crate) trait Value: Sized {
    /// What is allowed, for the error.
    const ALLOWED: &'static str;

    /// Returns the value.
    fn parse(text: &str) -> Option<Self>;
}

impl Value for bool {
    const ALLOWED: &'static str = "true or false";

    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}

impl Value for u16 {
    const ALLOWED: &'static str = "a port, 0 to 65535";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for u32 {
    const ALLOWED: &'static str = "a whole number, 0 to 4294967295";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for u64 {
    const ALLOWED: &'static str = "a whole number, 0 or more";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A whole number of at least 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AtLeastOne(pub(crate) usize);

impl Value for AtLeastOne {
    const ALLOWED: &'static str = "a whole number, 1 to 1000000000";

    fn parse(text: &str) -> Option<Self> {
        let number = text.parse().ok()?;
        (1..=1_000_000_000)
            .contains(&number)
            .then_some(Self(number))
    }
}

impl Value for Duration {
    const ALLOWED: &'static str = "a number with ms, s, m, h or d, as in 11s";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let ms = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" if number == 0 => 0,
            _ => return None,
        };
        number.checked_mul(ms).map(Self::from_millis)
    }
}

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ByteCount(pub(crate) u64);

impl Value for ByteCount {
    const ALLOWED: &'static str = "a number of bytes, or one with KB, MB, GB or TB, as in 20GB";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let shift = match unit {
            "" | "B" => 0,
            "KB" | "KiB" => 10,
            "MB" | "MiB" => 20,
            "GB" | "GiB" => 30,
            "TB" | "TiB" => 40,
            _ => return None,
        };
        number.checked_mul(1 << shift).map(Self)
    }
}

/// A share, 0 to 1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Share(pub(crate) f32);

impl Value for Share {
    const ALLOWED: &'static str = "a number from 0 to 1";

    fn parse(text: &str) -> Option<Self> {
        let number = text.parse().ok()?;
        (0.0..=1.0).contains(&number).then_some(Self(number))
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(Duration::parse("11s"), Some(Duration::from_secs(11)));
        assert_eq!(Duration::parse("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(Duration::parse("7d"), Some(Duration::from_hours(168)));
        assert_eq!(Duration::parse("0"), Some(Duration::ZERO));
        for bad in [
            "",
            "11",
            "s",
            "-1s",
            "1.5s",
            "11 weeks",
            "99999999999999999d",
        ] {
            assert_eq!(Duration::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_powers_of_two() {
        assert_eq!(ByteCount::parse("20GB"), Some(ByteCount(20 << 30)));
        assert_eq!(ByteCount::parse("10485760"), Some(ByteCount(10 << 20)));
        assert_eq!(ByteCount::parse("1 KB"), Some(ByteCount(1024)));
        for bad in ["", "GB", "1gigabyte", "-1", "99999999999TB"] {
            assert_eq!(ByteCount::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn shares_end_at_one() {
        assert_eq!(Share::parse("0.1"), Some(Share(0.1)));
        for bad in ["1.1", "-0.1", "NaN", "ten"] {
            assert_eq!(Share::parse(bad), None, "{bad:?}");
        }
    }
}
