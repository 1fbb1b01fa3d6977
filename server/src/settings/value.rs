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
        // The words that Spring takes.
        match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(true),
            "false" | "off" | "no" | "0" => Some(false),
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

/// Milliseconds of at least 1, as many as Zipkin takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Milliseconds(pub(crate) u64);

impl Value for Milliseconds {
    const ALLOWED: &'static str = "milliseconds, 1 or more";

    fn parse(text: &str) -> Option<Self> {
        let number = text.parse().ok().filter(|number| *number > 0)?;
        i64::try_from(number).ok().map(|_| Self(number))
    }
}

/// How long spans are kept. Less would delete them before anyone sees them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RetentionAge(pub(crate) Duration);

impl Value for RetentionAge {
    const ALLOWED: &'static str = "a number with s, m, h or d, as in 7d, of at least 1m";

    fn parse(text: &str) -> Option<Self> {
        Duration::parse(text)
            .filter(|age| *age >= Duration::from_mins(1))
            .map(Self)
    }
}

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RetentionBytes(pub(crate) u64);

impl Value for RetentionBytes {
    const ALLOWED: &'static str = "bytes, or a number with KB, MB or GB, of at least 10MB";

    fn parse(text: &str) -> Option<Self> {
        ByteCount::parse(text)
            .filter(|bytes| bytes.0 >= 10_000_000)
            .map(|bytes| Self(bytes.0))
    }
}

impl Value for Duration {
    const ALLOWED: &'static str = "a number with ms, s, m, h or d, as in 11s, or PT11S";

    fn parse(text: &str) -> Option<Self> {
        if text.starts_with(['p', 'P']) {
            return iso(text);
        }
        let (number, unit) = split(text)?;
        let nanos: u64 = match unit.to_ascii_lowercase().as_str() {
            "ns" => 1,
            "us" => 1000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            "" if number == 0 => 0,
            _ => return None,
        };
        number.checked_mul(nanos).map(Self::from_nanos)
    }
}

/// A duration in which a number without a unit is milliseconds, as Spring has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SpringDuration(pub(crate) Duration);

impl Value for SpringDuration {
    const ALLOWED: &'static str =
        "a number with ms, s, m, h or d, as in 11s, or PT11S, or milliseconds";

    fn parse(text: &str) -> Option<Self> {
        let millis = text.parse().ok().map(Duration::from_millis);
        millis.or_else(|| Duration::parse(text)).map(Self)
    }
}

/// A number of seconds, or a duration with its unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seconds(pub(crate) Duration);

impl Value for Seconds {
    const ALLOWED: &'static str = "a number of seconds, 1 to 3600";

    fn parse(text: &str) -> Option<Self> {
        let seconds = text.parse().ok().map(Duration::from_secs);
        let duration = seconds.or_else(|| Duration::parse(text))?;
        let allowed = Duration::from_secs(1)..=Duration::from_hours(1);
        allowed.contains(&duration).then_some(Self(duration))
    }
}

/// Reads the form of ISO 8601 that Java prints: days, hours, minutes, seconds, each at most once
/// and in this order.
fn iso(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    let mut seconds = 0_f64;
    let mut parts = 0;
    for (mut rest, units) in [
        (days, &[('D', 86_400.0)][..]),
        (time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)]),
    ] {
        for (unit, length) in units {
            let Some((number, after)) = rest.split_once(*unit) else {
                continue;
            };
            let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            let whole = *unit == 'S' || !number.contains('.');
            let number: f64 = number.parse().ok().filter(|_| plain && whole)?;
            seconds += number * length;
            parts += 1;
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    (parts > 0).then(|| Duration::try_from_secs_f64(seconds).ok())?
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
    fn what_would_delete_all_at_once_is_refused() {
        assert_eq!(RetentionAge::parse("59s"), None);
        assert!(RetentionAge::parse("1m").is_some());
        assert_eq!(RetentionBytes::parse("0"), None);
        assert_eq!(RetentionBytes::parse("9999999"), None);
        assert!(RetentionBytes::parse("10MB").is_some());
        assert_eq!(Milliseconds::parse("0"), None);
        let thirty_days = Milliseconds::parse("2592000000");
        assert_eq!(thirty_days, Some(Milliseconds(2_592_000_000)));
        assert_eq!(Milliseconds::parse("9223372036854775808"), None);
    }

    #[test]
    fn durations_come_in_springs_forms() {
        let is = |text, ms| {
            assert_eq!(
                SpringDuration::parse(text),
                Some(SpringDuration(Duration::from_millis(ms))),
                "{text}"
            );
        };
        is("11s", 11_000);
        is("11S", 11_000);
        is("11000", 11_000);
        is("0", 0);
        is("PT11S", 11_000);
        is("pt1m0.5s", 60_500);
        is("P1DT1H", 90_000_000);
        is("P2D", 172_800_000);
        for bad in [
            "", "P", "PT", "P1", "PT11", "PT1S1M", "P1H", "PT-1S", "PT1.5M", "PT1e3S", "-1", "P1DT",
        ] {
            assert_eq!(SpringDuration::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn seconds_need_no_unit() {
        let five = Some(Seconds(Duration::from_secs(5)));
        assert_eq!(Seconds::parse("5"), five);
        assert_eq!(Seconds::parse("PT5S"), five);
        for bad in ["0", "3601", "10ms", "x"] {
            assert_eq!(Seconds::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn switches_are_the_words_of_spring() {
        for on in ["TRUE", "true", "On", "yes", "1"] {
            assert_eq!(bool::parse(on), Some(true), "{on}");
        }
        for off in ["FALSE", "off", "No", "0"] {
            assert_eq!(bool::parse(off), Some(false), "{off}");
        }
        assert_eq!(bool::parse("maybe"), None);
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
