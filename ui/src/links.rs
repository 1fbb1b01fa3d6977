//! Links in bookmarks, logs and chats that were made for Jaeger's page, as links to ours. It
//! checks no ids and asks no server: a link that says nothing useful leads to the page itself.

use form_urlencoded::{Serializer, parse};

/// How far back the page can be told to look by one word.
const LOOKBACKS: [&str; 12] = [
    "1m", "5m", "15m", "30m", "1h", "2h", "3h", "6h", "12h", "1d", "2d", "7d",
];
/// Jaeger's word for any operation.
const ANY: &str = "all";
/// Ids have so many digits at most.
const ID_DIGITS_MAX: usize = 32;

/// Returns where a path and query of Jaeger's page lead, below the address of ours; `None` for a
/// path that is none of them.
pub fn of_jaeger(path: &str, query: Option<&str>) -> Option<String> {
    let asked = Asked(query.unwrap_or_default());
    match path {
        "/search" => Some(search(&asked)),
        "/dependencies" => Some("dependency".to_owned()),
        "/deep-dependencies" => Some(asked.first("service").map_or_else(
            || "dependency".to_owned(),
            |service| {
                let mut to = Serializer::new(String::new());
                to.append_pair("focus", &service);
                format!("dependency?{}", to.finish())
            },
        )),
        "/monitor" => {
            let mut to = Serializer::new(String::new());
            to.extend_pairs(asked.first("service").map(|s| ("serviceName", s)));
            to.append_pair("lookback", "1h");
            Some(format!("?{}", to.finish()))
        }
        _ => trace(path.strip_prefix("/trace/")?, &asked),
    }
}

/// Returns where the singular form of a trace's address leads, which some logs have.
pub fn of_trace(id: &str, query: Option<&str>) -> Option<String> {
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    is_id(id).then(|| format!("traces/{id}{query}"))
}

fn trace(ids: &str, asked: &Asked<'_>) -> Option<String> {
    // Of two that are compared the first is shown.
    let id = ids.split("...").next().filter(|id| is_id(id))?;
    let mut to = Serializer::new(String::new());
    to.extend_pairs(asked.first("uiFind").map(|text| ("find", text)));
    if asked.first("uiEmbed").is_some() {
        to.append_pair("embed", "1");
    }
    let query = to.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    Some(format!("traces/{}{mark}{query}", id.to_ascii_lowercase()))
}

fn is_id(text: &str) -> bool {
    (1..=ID_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn search(asked: &Asked<'_>) -> String {
    let service = asked.first("service");
    if service.is_none()
        && let Some(id) = asked.first("traceID").filter(|id| is_id(id))
    {
        return format!("traces/{}", id.to_ascii_lowercase());
    }
    let mut to = Serializer::new(String::new());
    to.extend_pairs(service.map(|service| ("serviceName", service)));
    let operation = asked.first("operation").filter(|name| name != ANY);
    to.extend_pairs(operation.map(|name| ("spanName", name)));
    let terms = terms(asked);
    if !terms.is_empty() {
        to.append_pair("annotationQuery", &terms.join(" and "));
    }
    let duration = |name| asked.first(name).as_deref().and_then(micros);
    let (least, most) = (duration("minDuration"), duration("maxDuration"));
    // A most without a least is none for Zipkin.
    if let Some(least) = least.or(most.map(|_| 1)) {
        to.append_pair("minDuration", &format!("{least}us"));
    }
    to.extend_pairs(most.map(|most| ("maxDuration", format!("{most}us"))));
    times(asked, &mut to);
    let limit = asked.first("limit").filter(|text| is_number(text));
    to.extend_pairs(limit.map(|limit| ("limit", limit)));
    format!("?{}", to.finish())
}

/// Says when: between two times, or so long back.
fn times(asked: &Asked<'_>, to: &mut Serializer<'_, String>) {
    let millis = |name| Some(asked.first(name)?.parse::<u64>().ok()? / 1000);
    if let (Some(start), Some(end)) = (millis("start"), millis("end")) {
        to.append_pair("lookback", "range");
        to.append_pair("startTs", &start.to_string());
        to.append_pair("endTs", &end.to_string());
        return;
    }
    let lookback = asked.first("lookback").unwrap_or_default();
    if LOOKBACKS.contains(&lookback.as_str()) {
        to.append_pair("lookback", &lookback);
    } else if let Some(us) = micros(&lookback) {
        to.append_pair("lookback", "millis");
        to.append_pair("millis", &(us / 1000).to_string());
    } else {
        to.append_pair("lookback", "1h");
    }
}

/// Returns the tags, which are a JSON object or pairs with a colon between.
fn terms(asked: &Asked<'_>) -> Vec<String> {
    let mut terms = Vec::new();
    let objects = asked.all("tags");
    for (key, value) in objects
        .filter_map(|text| serde_json::from_str(&text).ok())
        .flat_map(|object: serde_json::Map<String, serde_json::Value>| object)
    {
        let value = match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        terms.push(term(&key, &value));
    }
    let pairs = asked.all("tag");
    terms.extend(pairs.filter_map(|pair| {
        Some(pair.split_once(':'))
            .flatten()
            .map(|(k, v)| term(k, v))
    }));
    terms
}

/// Returns a tag as Zipkin asks for it, where an error is one whatever it says.
fn term(key: &str, value: &str) -> String {
    match (key, value) {
        ("error", "true") => "error".to_owned(),
        _ => format!("{key}={value}"),
    }
}

/// Returns the microseconds of a length as Jaeger writes it: `1.2s`, `100ms`, `500us`, `2d`.
fn micros(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(unit)?;
    let unit_us: u64 = match unit {
        "us" | "\u{b5}s" | "\u{3bc}s" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        "w" => 604_800_000_000,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let whole_us = whole.parse::<u64>().ok()?.checked_mul(unit_us)?;
    // More digits than a microsecond has say nothing.
    let digits: String = part.chars().take(6).collect();
    let scale = 10_u64.checked_pow(u32::try_from(digits.len()).ok()?)?;
    let part_us = digits.parse::<u64>().ok()?.checked_mul(unit_us)? / scale;
    whole_us.checked_add(part_us).filter(|us| *us > 0)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The query of a link.
struct Asked<'q>(&'q str);

impl Asked<'_> {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = String> + 'a {
        let named = parse(self.0.as_bytes()).filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.into_owned())
    }

    /// Returns the first text of a parameter that is not empty.
    fn first(&self, name: &str) -> Option<String> {
        self.all(name).find(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(target: &str) -> Option<String> {
        let (path, query) = target.split_once('?').unzip();
        of_jaeger(path.unwrap_or(target), query)
    }

    fn leads(target: &str, to: &str) {
        assert_eq!(lead(target).as_deref(), Some(to), "{target}");
    }

    #[test]
    fn traces_of_jaeger_are_traces_here() {
        leads("/trace/5AF7183fb1d4cf5f", "traces/5af7183fb1d4cf5f");
        leads(
            "/trace/1?uiFind=a%26b&uiEmbed=v0",
            "traces/1?find=a%26b&embed=1",
        );
        leads("/trace/1...2?cohort=1&cohort=2", "traces/1");
        for none in [
            "/trace/",
            "/trace/xyz",
            "/trace/1/2",
            "/trace",
            "/other",
            "/",
        ] {
            assert_eq!(lead(none), None, "{none}");
        }
        assert_eq!(lead(&format!("/trace/{}", "1".repeat(33))), None);
    }

    #[test]
    fn searches_of_jaeger_are_searches_here() {
        leads(
            "/search?service=a+b&operation=GET%20%2F&lookback=1h&limit=20&minDuration=1.2s\
             &maxDuration=&tags=%7B%22error%22%3A%22true%22%2C%22k%22%3A\
             %22v%26w%22%2C%22n%22%3A5%7D",
            "?serviceName=a+b&spanName=GET+%2F&annotationQuery=error+and+k%3Dv%26w+and+n%3D5\
             &minDuration=1200000us&lookback=1h&limit=20",
        );
        leads(
            "/search?service=s&operation=all&start=1700000000000000&end=1700000060000999\
             &lookback=custom",
            "?serviceName=s&lookback=range&startTs=1700000000000&endTs=1700000060000",
        );
        leads("/search?traceID=AB&traceID=cd", "traces/ab");
        leads("/search?service=s&traceID=ab", "?serviceName=s&lookback=1h");
        leads(
            "/search?service=s&lookback=4h&tag=a:b:c&tag=error:true&tag=x&maxDuration=5ms&limit=x",
            "?serviceName=s&annotationQuery=a%3Db%3Ac+and+error&minDuration=1us&maxDuration=5000us\
             &lookback=millis&millis=14400000",
        );
        leads("/search?tags=nonsense&lookback=-", "?lookback=1h");
        leads("/search", "?lookback=1h");
    }

    #[test]
    fn other_pages_of_jaeger_lead_to_the_nearest_here() {
        leads("/dependencies", "dependency");
        leads("/deep-dependencies?service=a+b", "dependency?focus=a+b");
        leads("/deep-dependencies", "dependency");
        leads(
            "/monitor?service=a%2Fb&timeframe=3600000",
            "?serviceName=a%2Fb&lookback=1h",
        );
        leads("/monitor", "?lookback=1h");
    }

    #[test]
    fn lengths_are_read_and_those_that_are_none_are_not() {
        for (text, us) in [
            ("1us", 1),
            ("1.5ms", 1500),
            ("0.000001s", 1),
            ("2.0000019s", 2_000_001),
            (" 3\u{3bc}s ", 3),
            ("1w", 604_800_000_000),
        ] {
            assert_eq!(micros(text), Some(us), "{text}");
        }
        for none in [
            "",
            "5",
            "ms",
            "1.ms.",
            "-1s",
            "0s",
            "99999999999999999999s",
            "9999999999999999999d",
        ] {
            assert_eq!(micros(none), None, "{none}");
        }
    }

    #[test]
    fn the_singular_form_of_a_trace_leads_to_the_plural() {
        assert_eq!(
            of_trace("1a", Some("x=y")).as_deref(),
            Some("traces/1a?x=y")
        );
        assert_eq!(of_trace("1A", None).as_deref(), Some("traces/1A"));
        assert_eq!(of_trace("..", None), None);
    }
}
