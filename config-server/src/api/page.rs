//! The page: applications, what one of them is to know with the place of each value, and what is
//! broken. Made here, without scripts and without anything of another host. Values that are or look
//! like secrets are not shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use http::{HeaderValue, StatusCode, header};

use super::reply::{Reply, with};
use super::{Api, Asked, route};
use crate::document::{Entry, Format, Secrecy};
use crate::environment::Environment;
use crate::environment::assemble::{EVERYBODY, Request};
use crate::secret::is_secret;
use crate::source::sources::Standing;

const STYLE: &str = include_str!("page.css");
const HTML: &str = "text/html;charset=UTF-8";
/// Scripts there are none; the style sheet comes from here.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";
/// Applications that are listed.
const LISTED_MAX: usize = 2000;

/// A page that grows.
struct Page(String);

impl Page {
    fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    fn text(&mut self, text: &str) {
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

    /// Writes an element with nothing but a text in it.
    fn element(&mut self, name: &str, class: &str, text: &str) {
        if class.is_empty() {
            let _written = write!(self.0, "<{name}>");
        } else {
            let _written = write!(self.0, "<{name} class=\"{class}\">");
        }
        self.text(text);
        let _written = write!(self.0, "</{name}>");
    }
}

/// Returns a part of the page that never changes.
pub(super) fn asset(asked: &Asked, name: &str) -> Reply {
    if name == route::STYLE {
        let mut reply = with(StatusCode::OK, "text/css;charset=UTF-8", STYLE);
        let age = HeaderValue::from_static("max-age=3600");
        reply.headers_mut().insert(header::CACHE_CONTROL, age);
        return reply;
    }
    super::reply::error(asked, StatusCode::NOT_FOUND, None)
}

impl Api {
    pub(super) async fn page(&self, asked: &Asked) -> Reply {
        let parameter = |name| asked.parameter(name).unwrap_or_default();
        let (application, profiles) = (parameter("application"), parameter("profiles"));
        let label = parameter("label");
        let mut page = Page(String::new());
        self.head(&mut page);
        self.form(&mut page, [&application, &profiles, &label]);
        if !application.is_empty() {
            let label = Some(&*label).filter(|label| !label.is_empty());
            match route::request(&application, &profiles, label) {
                Ok(request) => self.merged_table(&mut page, &request).await,
                Err(_) => page.element("p", "bad", "Such names can't be asked for."),
            }
        }
        self.troubles(&mut page);
        self.sources_table(&mut page);
        self.refreshes(&mut page);
        self.applications(&mut page);
        page.raw("</main></body></html>\n");
        let mut reply = with(StatusCode::OK, HTML, page.0);
        let headers = reply.headers_mut();
        let fixed = [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        reply
    }

    fn head(&self, page: &mut Page) {
        page.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
        page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
        page.raw("<meta name=\"color-scheme\" content=\"light dark\">");
        page.raw("<title>Configuration · Speargun</title><link rel=\"stylesheet\" href=\"");
        page.text(&format!("{}/{}", self.prefix, route::STYLE));
        page.raw("\"></head><body><header><h1>Configuration</h1></header><main>");
    }

    fn form(&self, page: &mut Page, values: [&str; 3]) {
        page.raw("<form method=\"get\" action=\"");
        page.text(&format!("{}/", self.prefix));
        page.raw("\">");
        let fields = [
            ("application", "Application", "service-1"),
            ("profiles", "Profiles", "dev,cloud"),
            ("label", "Label", "the default branch"),
        ];
        for ((name, title, hint), value) in fields.into_iter().zip(values) {
            let _written = write!(
                page.0,
                "<label>{title}<input name=\"{name}\" placeholder=\""
            );
            page.text(hint);
            page.raw("\" value=\"");
            page.text(value);
            page.raw("\"></label>");
        }
        page.raw("<button>Show</button></form>");
    }

    async fn merged_table(&self, page: &mut Page, request: &Request) {
        page.raw("<section><h2>");
        page.text(&format!(
            "{} for {}",
            request.application,
            shown(&request.profiles)
        ));
        page.raw("</h2>");
        match self.sources.environment(request).await {
            Ok(environment) => values(page, &environment),
            Err(problem) => page.element("p", "bad", &problem.to_string()),
        }
        page.raw("</section>");
    }

    /// What keeps something from being served.
    fn troubles(&self, page: &mut Page) {
        let mut troubles = Vec::new();
        for standing in self.sources.standings() {
            match standing {
                Standing::Git(repository) => {
                    let name = repository.shown();
                    if let Some(error) = repository.health().error {
                        troubles.push(format!("{name}: {error}; what was fetched last is served"));
                    }
                    for (label, served) in repository.served() {
                        let is_held_back = served.is_held_back();
                        let how = if is_held_back {
                            "is not served"
                        } else {
                            "is served"
                        };
                        let newest = served.newest.get(..10).unwrap_or_default();
                        let broken = served.broken.iter().map(ToString::to_string);
                        for why in broken.chain(served.refused) {
                            troubles.push(format!("{name}, {label}: commit {newest} {how}: {why}"));
                        }
                    }
                }
                Standing::Native(folder) => {
                    troubles.extend(folder.error());
                    let broken = folder.broken();
                    let lines = broken.iter().map(|file| format!("not served: {file}"));
                    troubles.extend(lines);
                }
            }
        }
        if troubles.is_empty() {
            return;
        }
        page.raw("<section><h2>Trouble</h2><ul>");
        for trouble in troubles {
            page.element("li", "bad", &trouble);
        }
        page.raw("</ul></section>");
    }

    fn sources_table(&self, page: &mut Page) {
        page.raw("<section><h2>Sources</h2><table><thead><tr><th>Where<th>Label<th>Commit");
        page.raw("<th>Files<th>Fetched</tr></thead><tbody>");
        let mut row = |cells: [&str; 5]| {
            page.raw("<tr>");
            for cell in cells {
                page.element("td", "", cell);
            }
            page.raw("</tr>");
        };
        for standing in self.sources.standings() {
            match standing {
                Standing::Git(repository) => {
                    let name = repository.shown();
                    let good = repository.health().good;
                    let fetched = match good {
                        Some(at) => format!("{} s ago", at.elapsed().as_secs()),
                        None => "never".to_owned(),
                    };
                    let served: BTreeMap<_, _> = repository.served().into_iter().collect();
                    if served.is_empty() {
                        row([&name, "", "nothing yet", "", &fetched]);
                    }
                    for (label, served) in served {
                        let version = served.snapshot.version.clone().unwrap_or_default();
                        let version = version.get(..10).unwrap_or_default();
                        let files = served.snapshot.files().count().to_string();
                        row([&name, &label, version, &files, &fetched]);
                    }
                }
                Standing::Native(folder) => {
                    let files = folder.snapshot().files().count().to_string();
                    row([&folder.shown(), "", "", &files, "watched"]);
                }
            }
        }
        page.raw("</tbody></table></section>");
    }

    fn refreshes(&self, page: &mut Page) {
        let reports = self.refresher.reports();
        if reports.is_empty() {
            return;
        }
        page.raw("<section><h2>Refreshes</h2><table><thead><tr><th>When<th>Application");
        page.raw("<th>Instance<th>Took<th>Outcome</tr></thead><tbody>");
        for report in reports.iter().take(50) {
            page.raw("<tr>");
            let when = httpdate::fmt_http_date(report.at);
            let took = format!("{} ms", report.took_ms);
            for cell in [&when, &report.application, &report.instance, &took] {
                page.element("td", "", cell);
            }
            match &report.outcome {
                Ok(keys) if keys.is_empty() => page.element("td", "", "nothing changed"),
                Ok(keys) => page.element("td", "", &keys.join(", ")),
                Err(error) => page.element("td", "bad", error),
            }
            page.raw("</tr>");
        }
        page.raw("</tbody></table></section>");
    }

    /// Lists what files there are by the application that their names begin with.
    fn applications(&self, page: &mut Page) {
        let mut stems: BTreeSet<String> = BTreeSet::new();
        for standing in self.sources.standings() {
            match standing {
                Standing::Git(repository) => {
                    for served in repository.served().into_values() {
                        stems.extend(served.snapshot.files().filter_map(|(path, _)| stem(path)));
                    }
                }
                Standing::Native(folder) => {
                    stems.extend(folder.snapshot().files().filter_map(|(path, _)| stem(path)));
                }
            }
        }
        let count = stems.len();
        page.raw("<section><h2>Files of configuration</h2><ul class=\"names\">");
        for stem in stems.iter().take(LISTED_MAX) {
            let (application, profile) = split(stem, &stems);
            page.raw("<li><a href=\"?application=");
            let escape =
                |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            page.text(&escape(application));
            if !profile.is_empty() {
                page.raw("&amp;profiles=");
                page.text(&escape(profile));
            }
            page.raw("\">");
            page.text(stem);
            page.raw("</a></li>");
        }
        page.raw("</ul>");
        if count > LISTED_MAX {
            let more = format!("and {} more", count - LISTED_MAX);
            page.element("p", "quiet", &more);
        }
        page.raw("</section>");
    }
}

/// Returns the name of a file of configuration, without its ending.
fn stem(path: &str) -> Option<String> {
    Format::of(path)?;
    let name = path.rsplit('/').next()?;
    Some(name.rsplit_once('.')?.0.to_owned())
}

/// Splits a name at a hyphen before which an application's name stands that has a file of its own.
fn split<'a>(stem: &'a str, stems: &BTreeSet<String>) -> (&'a str, &'a str) {
    let mut hyphens = stem
        .match_indices('-')
        .map(|(at, _)| at)
        .collect::<Vec<_>>();
    hyphens.reverse();
    for at in hyphens {
        let (application, profile) = stem.split_at(at);
        if stems.contains(application) || application == EVERYBODY {
            return (application, profile.trim_start_matches('-'));
        }
    }
    (stem, "")
}

fn shown(profiles: &str) -> &str {
    if profiles.is_empty() {
        "default"
    } else {
        profiles
    }
}

fn values(page: &mut Page, environment: &Environment) {
    if let Some(version) = &environment.version {
        page.element("p", "quiet", &format!("commit {version}"));
    }
    if environment.sources.is_empty() {
        page.element("p", "", "There is nothing for it.");
        return;
    }
    page.raw("<table><thead><tr><th>Key<th>Value<th>Where</tr></thead><tbody>");
    let mut rows: BTreeMap<&str, Vec<(&Entry, String)>> = BTreeMap::new();
    for source in &environment.sources {
        for entry in source.entries() {
            let place = if source.path.is_empty() {
                source.name.clone()
            } else {
                format!("{}:{}", source.path, entry.place)
            };
            rows.entry(&entry.key).or_default().push((entry, place));
        }
    }
    for (key, entries) in rows {
        page.raw("<tr>");
        page.element("td", "key", key);
        for (index, (entry, place)) in entries.iter().enumerate() {
            if index > 0 {
                page.raw("<tr class=\"hidden\"><td>");
            }
            page.raw("<td class=\"value\">");
            match &entry.secrecy {
                Secrecy::Undecryptable(why) => page.element("span", "bad", why),
                _ if is_secret(entry) => page.element("span", "quiet", "••••••"),
                _ => page.text(&entry.value.to_string()),
            }
            page.raw("</td>");
            page.element("td", "place", place);
            page.raw("</tr>");
        }
    }
    page.raw("</tbody></table>");
}
