//! Markup as it grows. Texts are escaped where they come in, so none of them can become markup.

use crate::http::path;
use crate::model::Status;

/// Some markup.
#[derive(Debug, Default)]
pub(super) struct Html(String);

// === impl Html ===

impl Html {
    /// Appends markup of our own.
    pub(super) fn raw(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    /// Appends a text of anybody's.
    pub(super) fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
    }

    /// Appends other markup.
    pub(super) fn append(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// Appends an element with a text in it.
    pub(super) fn element(&mut self, begin: &'static str, text: &str, end: &'static str) {
        self.raw(begin);
        self.text(text);
        self.raw(end);
    }

    /// Appends a link within the page.
    pub(super) fn link(&mut self, href: &str, text: &str) {
        self.raw("<a href=\"");
        self.text(href);
        self.element("\">", text, "</a>");
    }

    /// Appends a link to a page of an instance's, if it is an address of the web, else its text.
    pub(super) fn outward(&mut self, url: &str, text: &str) {
        let is_web = url.starts_with("http://") || url.starts_with("https://");
        if is_web {
            self.raw("<a rel=\"noreferrer noopener\" target=\"_blank\" href=\"");
            self.text(url);
            self.element("\">", text, "</a>");
        } else {
            self.text(text);
        }
    }

    /// Appends a status as a badge.
    pub(super) fn badge(&mut self, status: Status) {
        self.raw(match status {
            Status::Up => "<span class=\"badge up\">",
            Status::Down => "<span class=\"badge down\">",
            Status::OutOfService => "<span class=\"badge out\">",
            Status::Starting => "<span class=\"badge starting\">",
            Status::Unknown => "<span class=\"badge unknown\">",
        });
        self.text(&status.name().replace('_', " "));
        self.raw("</span>");
    }

    /// Appends a name with its value, as a card.
    pub(super) fn fact(&mut self, name: &str, value: &str) {
        self.element("<div class=\"fact\"><dt>", name, "</dt>");
        self.element("<dd>", value, "</dd></div>");
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Returns the address of a page about an instance.
pub(super) fn about(page: &str, app: &str, id: &str) -> String {
    format!("{page}app={}&id={}", path::encoded(app), path::encoded(id))
}

/// Returns a span of time in words.
pub(super) fn span(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{} s", ms / 1000),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
        _ => format!("{} h {} min", ms / 3_600_000, ms / 60_000 % 60),
    }
}

/// Returns a time of day and date, in UTC, from milliseconds since the epoch.
pub(super) fn moment(ms: u64) -> String {
    let days = (ms / 86_400_000).cast_signed();
    let second = ms / 1000 % 86_400;
    // Days from civil, read backwards: years that begin in March, in eras of 400.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_never_become_markup() {
        let mut html = Html::default();
        html.text("<script>alert('\"&')</script>");
        html.outward("javascript:alert(1)", "x");
        html.outward("https://a/\"><b>", "y");
        let text = html.into_string();
        assert!(!text.contains("<script"), "{text}");
        assert!(!text.contains("javascript"), "{text}");
        assert!(!text.contains("<b>"), "{text}");
        assert!(
            text.ends_with("href=\"https://a/&quot;&gt;&lt;b&gt;\">y</a>"),
            "{text}"
        );
    }

    #[test]
    fn moments_are_told_in_utc() {
        assert_eq!(moment(0), "1970-01-01 00:00:00");
        assert_eq!(moment(951_782_400_000), "2000-02-29 00:00:00");
        assert_eq!(moment(1_700_000_000_123), "2023-11-14 22:13:20");
        assert_eq!(moment(4_102_444_799_000), "2099-12-31 23:59:59");
    }

    #[test]
    fn spans_are_told_in_two_units() {
        assert_eq!(span(5), "5 ms");
        assert_eq!(span(59_999), "59 s");
        assert_eq!(span(61_000), "1 min 1 s");
        assert_eq!(span(3_660_000), "1 h 1 min");
    }
}
