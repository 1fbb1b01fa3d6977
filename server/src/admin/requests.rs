//! How requests to the API were answered, and how fast, as Zipkin counts them: by method, status
//! and route. Each shard counts in cells of its own; they are added up when somebody looks. Paths
//! that do not exist share one name, so clients can't make it grow.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use speargun_query::{QueryApi, UiApi};

use super::exposition::Exposition;

/// The way in for spans, which shares its path with a list of names.
pub(crate) const SPANS: &str = "/api/v2/spans";
/// The way in for spans of version 1.
pub(crate) const SPANS_V1: &str = "/api/v1/spans";
/// What the page shows of the server itself.
pub(crate) const STATUS: &str = "/api/ui/v1/status";
const NOT_FOUND: &str = "NOT_FOUND";

static METHODS: [Method; 8] = [
    Method::POST,
    Method::GET,
    Method::HEAD,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
    Method::OPTIONS,
    Method::TRACE,
];
/// What the API's paths answer.
const STATUSES: [&str; 9] = [
    "202", "200", "400", "404", "405", "408", "413", "500", "503",
];
const ROUTES: [&str; 17] = [
    SPANS,
    SPANS_V1,
    "/api/v2/services",
    "/api/v2/remoteServices",
    "/api/v2/autocompleteKeys",
    "/api/v2/autocompleteValues",
    "/api/v2/traces",
    "/api/v2/trace/{traceId}",
    "/api/v2/traceMany",
    "/api/v2/dependencies",
    "/api/ui/v1/traces",
    "/api/ui/v1/overview",
    "/api/ui/v1/names",
    "/api/ui/v1/why",
    "/api/ui/v1/store",
    STATUS,
    NOT_FOUND,
];

/// Upper bounds of the histogram's buckets in nanoseconds, as Zipkin's; one more is for the rest.
#[rustfmt::skip]
const BOUNDS_NS: [u64; 68] = [
    1_000_000, 1_048_576, 1_398_101, 1_747_626, 2_097_151, 2_446_676, 2_796_201, 3_145_726,
    3_495_251, 3_844_776, 4_194_304, 5_592_405, 6_990_506, 8_388_607, 9_786_708, 11_184_809,
    12_582_910, 13_981_011, 15_379_112, 16_777_216, 22_369_621, 27_962_026, 33_554_431,
    39_146_836, 44_739_241, 50_331_646, 55_924_051, 61_516_456, 67_108_864, 89_478_485,
    111_848_106, 134_217_727, 156_587_348, 178_956_969, 201_326_590, 223_696_211, 246_065_832,
    268_435_456, 357_913_941, 447_392_426, 536_870_911, 626_349_396, 715_827_881, 805_306_366,
    894_784_851, 984_263_336, 1_073_741_824, 1_431_655_765, 1_789_569_706, 2_147_483_647,
    2_505_397_588, 2_863_311_529, 3_221_225_470, 3_579_139_411, 3_937_053_352, 4_294_967_296,
    5_726_623_061, 7_158_278_826, 8_589_934_591, 10_021_590_356, 11_453_246_121,
    12_884_901_886, 14_316_557_651, 15_748_213_416, 17_179_869_184, 22_906_492_245,
    28_633_115_306, 30_000_000_000,
];

/// The longest time is told of the window that is open and of the one before.
const WINDOW: Duration = Duration::from_mins(1);

/// What one shard counted of one method, status and route.
#[derive(Debug)]
struct Series {
    buckets: [AtomicU64; BOUNDS_NS.len() + 1],
    sum_ns: AtomicU64,
    /// The number of a window and the longest time in it, in turn.
    longest: [(AtomicU64, AtomicU64); 2],
}

/// The cells of one shard, filled in as they are needed.
type Cells = Box<[OnceLock<Box<Series>>]>;

/// The counts of all shards.
#[derive(Debug)]
pub(crate) struct Requests {
    shards: Box<[Cells]>,
    began: Instant,
}

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Its method.
    pub(crate) method: Method,
    /// Its route, from [`route`].
    pub(crate) route: &'static str,
    /// When it came.
    pub(crate) began: Instant,
}

/// Returns the name of a path's route; `None` for paths that are not counted.
pub(crate) fn route(path: &str) -> Option<&'static str> {
    let path = path.strip_prefix("/zipkin").unwrap_or(path);
    if path != "/api" && !path.starts_with("/api/") {
        return None;
    }
    Some(match path {
        SPANS_V1 => SPANS_V1,
        STATUS => STATUS,
        _ => QueryApi::route_name(path)
            .or_else(|| UiApi::route_name(path))
            .unwrap_or(NOT_FOUND),
    })
}

impl Requests {
    /// Returns the counts of so many shards, all zero.
    pub(crate) fn new(shards: usize) -> Self {
        let cells = || (0..index((METHODS.len(), 0, 0))).map(|_| OnceLock::new());
        Self {
            shards: (0..shards).map(|_| cells().collect()).collect(),
            began: Instant::now(),
        }
    }

    /// Counts an answer. Only the shard's own thread calls it with its number.
    pub(crate) fn count(&self, shard: u32, asked: &Asked, status: StatusCode) {
        let route = match status {
            StatusCode::NOT_FOUND => NOT_FOUND,
            _ => asked.route,
        };
        let place = METHODS
            .iter()
            .position(|method| *method == asked.method)
            .zip(STATUSES.iter().position(|other| *other == status.as_str()))
            .zip(ROUTES.iter().position(|other| *other == route));
        let cell = place.and_then(|((method, status), route)| {
            let cells = self.shards.get(shard as usize)?;
            cells.get(index((method, status, route)))
        });
        if let Some(cell) = cell {
            let series = cell.get_or_init(|| Box::new(Series::new()));
            let now = Instant::now();
            series.count(now - asked.began, self.window_at(now));
        }
    }

    /// Adds the families to a text.
    pub(crate) fn expose(&self, text: &mut Exposition) {
        const FAMILY: &str = "http_server_requests_seconds";
        let window = self.window_at(Instant::now());
        text.family(FAMILY, "histogram", "Response time histogram");
        let mut longest = Vec::new();
        for (place, labels) in places() {
            let cells = self
                .shards
                .iter()
                .filter_map(|cells| cells.get(place)?.get());
            let all: Vec<&Series> = cells.map(AsRef::as_ref).collect();
            if all.is_empty() {
                continue;
            }
            expose_buckets(&all, &labels, text);
            let sum_ns = all.iter().map(|series| series.sum_ns.load(Relaxed)).sum();
            text.sample_text(&format!("{FAMILY}_sum"), &labels, seconds(sum_ns));
            let max_ns = all.iter().map(|series| series.longest_ns(window)).max();
            longest.push((labels, max_ns.unwrap_or(0)));
        }
        let family = format!("{FAMILY}_max");
        text.family(&family, "gauge", "Response time histogram");
        for (labels, max_ns) in longest {
            text.sample_text(&family, &labels, seconds(max_ns));
        }
    }

    /// Returns the number of the window; the first is 1, so that 0 can stand for none.
    fn window_at(&self, now: Instant) -> u64 {
        (now - self.began).as_secs() / WINDOW.as_secs() + 1
    }
}

fn expose_buckets(all: &[&Series], labels: &[(&str, &str); 3], text: &mut Exposition) {
    let mut count = 0;
    let [method, status, uri] = *labels;
    for bucket in 0..=BOUNDS_NS.len() {
        let here = all.iter().filter_map(|series| series.buckets.get(bucket));
        count += here.map(|cell| cell.load(Relaxed)).sum::<u64>();
        let bound = BOUNDS_NS
            .get(bucket)
            .map_or_else(|| "+Inf".to_owned(), |ns| seconds(*ns));
        let labels = [method, status, uri, ("le", bound.as_str())];
        text.sample("http_server_requests_seconds_bucket", &labels, count);
    }
    text.sample("http_server_requests_seconds_count", labels, count);
}

/// Every place with its labels.
fn places() -> impl Iterator<Item = (usize, [(&'static str, &'static str); 3])> {
    METHODS.iter().enumerate().flat_map(|(m, method)| {
        STATUSES.iter().enumerate().flat_map(move |(s, status)| {
            ROUTES.iter().enumerate().map(move |(r, route)| {
                let labels = [
                    ("method", method.as_str()),
                    ("status", *status),
                    ("uri", *route),
                ];
                (index((m, s, r)), labels)
            })
        })
    })
}

fn index((method, status, route): (usize, usize, usize)) -> usize {
    (method * STATUSES.len() + status) * ROUTES.len() + route
}

fn seconds(ns: u64) -> String {
    let (whole, rest) = (ns / 1_000_000_000, ns % 1_000_000_000);
    let digits = format!("{rest:09}");
    match digits.trim_end_matches('0') {
        "" => format!("{whole}.0"),
        digits => format!("{whole}.{digits}"),
    }
}

impl Series {
    fn new() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            sum_ns: AtomicU64::new(0),
            longest: std::array::from_fn(|_| (AtomicU64::new(0), AtomicU64::new(0))),
        }
    }

    fn count(&self, took: Duration, window: u64) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NS.partition_point(|bound| *bound < ns);
        if let Some(cell) = self.buckets.get(bucket) {
            cell.fetch_add(1, Relaxed);
        }
        self.sum_ns.fetch_add(ns, Relaxed);
        let [even, odd] = &self.longest;
        let (number, longest) = if window.is_multiple_of(2) { even } else { odd };
        if number.swap(window, Relaxed) == window {
            longest.fetch_max(ns, Relaxed);
        } else {
            longest.store(ns, Relaxed);
        }
    }

    fn longest_ns(&self, window: u64) -> u64 {
        self.longest
            .iter()
            .filter(|(number, _)| number.load(Relaxed) + 1 >= window)
            .map(|(_, longest)| longest.load(Relaxed))
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::exposition::Form;

    fn asked(method: Method, path: &str) -> Asked {
        Asked {
            method,
            route: route(path).unwrap(),
            began: Instant::now(),
        }
    }

    fn exposed(requests: &Requests) -> Vec<String> {
        let mut text = Exposition::new(Form::Plain);
        requests.expose(&mut text);
        text.end().lines().map(str::to_owned).collect()
    }

    #[test]
    fn only_the_api_is_counted_and_by_its_routes() {
        assert_eq!(route("/api/v2/trace/abc"), Some("/api/v2/trace/{traceId}"));
        assert_eq!(route("/zipkin/api/v2/spans"), Some(SPANS));
        assert_eq!(route("/api/v1/spans"), Some(SPANS_V1));
        assert_eq!(route("/api/no/such"), Some(NOT_FOUND));
        for path in [
            "/health",
            "/zipkin/",
            "/apis",
            "/prometheus",
            "/zipkin/config.json",
        ] {
            assert_eq!(route(path), None, "{path}");
        }
    }

    #[test]
    fn shards_are_added_up() {
        let requests = Requests::new(2);
        let post = asked(Method::POST, "/api/v2/spans");
        requests.count(0, &post, StatusCode::ACCEPTED);
        requests.count(1, &post, StatusCode::ACCEPTED);
        requests.count(
            1,
            &asked(Method::GET, "/api/v2/trace/1"),
            StatusCode::NOT_FOUND,
        );
        let lines = exposed(&requests);
        let has = |line: &str| assert!(lines.iter().any(|other| other == line), "{line}");
        let spans = "method=\"POST\",status=\"202\",uri=\"/api/v2/spans\",";
        let unknown = "method=\"GET\",status=\"404\",uri=\"NOT_FOUND\",";
        has(&format!(
            "http_server_requests_seconds_count{{{spans}}} 2.0"
        ));
        has(&format!(
            "http_server_requests_seconds_bucket{{{spans}le=\"30.0\",}} 2.0"
        ));
        has(&format!(
            "http_server_requests_seconds_bucket{{{spans}le=\"+Inf\",}} 2.0"
        ));
        has(&format!(
            "http_server_requests_seconds_count{{{unknown}}} 1.0"
        ));
        let counts = lines.iter().filter(|line| line.contains("_count{")).count();
        assert_eq!(counts, 2, "{lines:?}");
    }

    #[test]
    fn bounds_rise_and_are_told_in_seconds() {
        assert!(BOUNDS_NS.is_sorted());
        assert_eq!(seconds(1_000_000), "0.001");
        assert_eq!(seconds(28_633_115_306), "28.633115306");
        assert_eq!(seconds(30_000_000_000), "30.0");
        assert_eq!(seconds(0), "0.0");
    }

    #[test]
    fn the_longest_time_is_forgotten_after_two_windows() {
        let series = Series::new();
        series.count(Duration::from_nanos(70), 1);
        series.count(Duration::from_nanos(50), 1);
        assert_eq!(series.longest_ns(1), 70);
        series.count(Duration::from_nanos(20), 2);
        assert_eq!(series.longest_ns(2), 70);
        assert_eq!(series.longest_ns(3), 20);
        series.count(Duration::from_nanos(30), 3);
        assert_eq!(series.longest_ns(3), 30);
        assert_eq!(series.longest_ns(9), 0);
    }

    #[test]
    fn a_time_falls_into_the_first_bucket_that_holds_it() {
        let series = Series::new();
        for ns in [0, 1_000_000, 1_000_001, 31_000_000_000] {
            series.count(Duration::from_nanos(ns), 1);
        }
        let at = |bucket: usize| series.buckets[bucket].load(Relaxed);
        assert_eq!((at(0), at(1), at(BOUNDS_NS.len())), (2, 1, 1));
    }
}
