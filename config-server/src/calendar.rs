//! Days and times as Java counts and writes them, in UTC:
//! <https://howardhinnant.github.io/date_algorithms.html>.

const DAY_MS: i64 = 86_400_000;

/// Returns a time since 1970 as `2026-11-23T12:37:50.866+00:00`, which is Spring Boot's form.
pub(crate) fn text(ms: i64) -> String {
    let (year, month, day) = date(ms.div_euclid(DAY_MS));
    let of_day = ms.rem_euclid(DAY_MS);
    let (second, ms) = (of_day / 1000, of_day % 1000);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}+00:00")
}

/// Returns the milliseconds of a day since 1970. As in Java a month of 13 is the next January, and
/// a day of 32 one of the next month.
pub(crate) fn day_ms(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * month + 2) / 5 + day - 1;
    let of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (era * 146_097 + of_era - 719_468) * DAY_MS
}

/// Returns the date of a day since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_spring_boot_writes_them() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000+00:00");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999+00:00");
        assert_eq!(text(951_827_696_789), "2000-02-29T12:34:56.789+00:00");
        assert_eq!(text(1_795_437_470_866), "2026-11-23T12:37:50.866+00:00");
    }

    #[test]
    fn days_are_those_of_dates() {
        for days in (-800_000..800_000).step_by(7) {
            let (year, month, day) = date(days);
            assert_eq!(day_ms(year, month, day), days * DAY_MS);
        }
        assert_eq!(day_ms(2024, 13, 1), day_ms(2025, 1, 1));
        assert_eq!(day_ms(2024, 2, 30), day_ms(2024, 3, 1));
        assert_eq!(day_ms(2024, 0, 1), day_ms(2023, 12, 1));
    }
}
