//! What a path asks for. Spring's paths are read as Spring reads them: a document's name is split
//! at its last hyphen, and `(_)` stands for a slash.

use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::Asked;
use crate::environment::assemble::Request;

/// A document's form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Yaml,
    Properties,
    Json,
}

/// What of health is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Health {
    Summary,
    Liveness,
    Details,
}

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Route {
    Environment(Request),
    Merged(Request, Form),
    Plain(Request, String),
    Encrypt,
    Decrypt,
    EncryptStatus,
    Key,
    Monitor,
    Health(Health),
    Metrics,
    Page,
    PageAsset(&'static str),
}

impl Route {
    /// Returns whether what is sent with the request matters.
    pub(super) fn reads_body(&self) -> bool {
        matches!(self, Self::Encrypt | Self::Decrypt | Self::Monitor)
    }

    /// Returns its name in metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Environment(_) => "environment",
            Self::Merged(..) => "document",
            Self::Plain(..) => "file",
            Self::Encrypt | Self::Decrypt | Self::EncryptStatus | Self::Key => "encryption",
            Self::Monitor => "monitor",
            Self::Health(_) => "health",
            Self::Metrics => "metrics",
            Self::Page | Self::PageAsset(_) => "page",
        }
    }
}

/// The page's style sheet.
pub(super) const STYLE: &str = "speargun-config.css";

/// Bytes of an application, a profile or a label.
const NAME_BYTES_MAX: usize = 1024;

/// Reads a path and its method. Health, metrics and webhooks are also outside the prefix, as they
/// are in Spring.
pub(super) fn of(asked: &Asked, prefix: &str) -> Result<Route, StatusCode> {
    let segments = segments(&asked.path)?;
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let prefix: Vec<&str> = prefix.split('/').filter(|part| !part.is_empty()).collect();
    match parts.strip_prefix(&*prefix) {
        Some(within) => of_parts(asked, within),
        None => match of_parts(asked, &parts) {
            Ok(route @ (Route::Health(_) | Route::Metrics | Route::Monitor)) => Ok(route),
            _ => Err(StatusCode::NOT_FOUND),
        },
    }
}

fn of_parts(asked: &Asked, parts: &[&str]) -> Result<Route, StatusCode> {
    let is_post = asked.method == Method::POST;
    let route = match (parts, is_post) {
        (["encrypt"] | ["encrypt", _, _], true) => Route::Encrypt,
        (["decrypt"] | ["decrypt", _, _], true) => Route::Decrypt,
        (["monitor"], true) => Route::Monitor,
        (_, true) => return Err(StatusCode::METHOD_NOT_ALLOWED),
        _ if !matches!(asked.method, Method::GET | Method::HEAD) => {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        ([], _) => Route::Page,
        ([STYLE], _) => Route::PageAsset(STYLE),
        (["actuator", "health"] | ["actuator", "health", "readiness"], _) => {
            Route::Health(Health::Summary)
        }
        (["actuator", "health", "liveness"], _) => Route::Health(Health::Liveness),
        (["actuator", "health", "configServer"], _) => Route::Health(Health::Details),
        (["actuator", "prometheus"] | ["metrics"], _) => Route::Metrics,
        (["encrypt", "status"], _) => Route::EncryptStatus,
        (["key"] | ["key", _, _], _) => Route::Key,
        ([name], _) => document(name, None)?,
        ([label, name], _) if form_of(name).is_some() => document(name, Some(label))?,
        ([application, profiles], _) => Route::Environment(request(application, profiles, None)?),
        ([application, profiles, path @ ..], _) if asked.parameter("useDefaultLabel").is_some() => {
            plain(request(application, profiles, None)?, path)?
        }
        ([application, profiles, label], _) => {
            Route::Environment(request(application, profiles, Some(label))?)
        }
        ([application, profiles, label, path @ ..], _) => {
            plain(request(application, profiles, Some(label))?, path)?
        }
    };
    Ok(route)
}

/// Returns the methods of a path that was asked for with another one.
pub(super) fn methods(path: &str, prefix: &str) -> &'static str {
    let segments = segments(path).unwrap_or_default();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let prefix: Vec<&str> = prefix.split('/').filter(|part| !part.is_empty()).collect();
    match parts.strip_prefix(&*prefix).unwrap_or(&parts) {
        ["encrypt" | "decrypt" | "monitor"] => "POST",
        ["encrypt" | "decrypt", _, _] => "GET, HEAD, POST",
        _ => "GET, HEAD",
    }
}

/// Splits a path; empty segments are none. A slash that is percent-encoded is refused: what it
/// means differs from server to server.
fn segments(path: &str) -> Result<Vec<String>, StatusCode> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let decode = |part: &str| {
        let text = percent_decode_str(part).decode_utf8().ok();
        let text = text.filter(|text| !text.contains(['/', '\\', '\0']));
        text.map(std::borrow::Cow::into_owned)
            .ok_or(StatusCode::BAD_REQUEST)
    };
    parts.map(decode).collect()
}

/// Returns the name without its ending, and the form, of a document.
fn form_of(name: &str) -> Option<(&str, Form)> {
    let (stem, ending) = name.rsplit_once('.')?;
    let form = match ending {
        "yml" | "yaml" => Form::Yaml,
        "properties" => Form::Properties,
        "json" => Form::Json,
        _ => return None,
    };
    Some((stem, form))
}

fn document(name: &str, label: Option<&str>) -> Result<Route, StatusCode> {
    let (stem, form) = form_of(name).ok_or(StatusCode::NOT_FOUND)?;
    let (application, profiles) = stem.rsplit_once('-').ok_or(StatusCode::NOT_FOUND)?;
    if application.is_empty() || profiles.is_empty() {
        return Err(StatusCode::NOT_FOUND);
    }
    Ok(Route::Merged(request(application, profiles, label)?, form))
}

fn plain(request: Request, path: &[&str]) -> Result<Route, StatusCode> {
    if path.is_empty() || path.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(StatusCode::NOT_FOUND);
    }
    if path.iter().any(|part| part.contains('#')) {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(Route::Plain(request, path.join("/")))
}

/// Puts a request together of valid parts.
pub(super) fn request(
    application: &str,
    profiles: &str,
    label: Option<&str>,
) -> Result<Request, StatusCode> {
    let name = |text: &str| {
        let valid = !text.contains("..")
            && !text.contains(['#', '\\', '\0'])
            && !text.starts_with("(_)")
            && !text.starts_with('/')
            && text.len() <= NAME_BYTES_MAX;
        valid
            .then(|| text.replace("(_)", "/"))
            .ok_or(StatusCode::BAD_REQUEST)
    };
    if profiles.len() > NAME_BYTES_MAX || !profiles.split(',').all(is_profile) {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(Request {
        application: name(application)?,
        profiles: profiles.to_owned(),
        label: label.map(name).transpose()?,
    })
}

/// Returns whether a text may be a profile: letters, digits and `-_.+@`, the first and the last a
/// letter or digit.
fn is_profile(text: &str) -> bool {
    let text = text.trim();
    let plain = |c: char| c.is_alphanumeric();
    let inner = |c: char| plain(c) || "-_.+@".contains(c);
    text.is_empty()
        || text.starts_with(plain)
            && text.ends_with(plain)
            && text.chars().all(inner)
            && !text.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: Method, target: &str) -> Result<Route, StatusCode> {
        within("", method, target)
    }

    fn within(prefix: &str, method: Method, target: &str) -> Result<Route, StatusCode> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let asked = Asked {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
            who: crate::api::serve::Who::Known,
        };
        of(&asked, prefix)
    }

    fn get(target: &str) -> Result<Route, StatusCode> {
        route(Method::GET, target)
    }

    fn wanted(application: &str, profiles: &str, label: Option<&str>) -> Request {
        Request {
            application: application.to_owned(),
            profiles: profiles.to_owned(),
            label: label.map(str::to_owned),
        }
    }

    #[test]
    fn environments_have_two_or_three_parts() {
        let environment = |target| match get(target) {
            Ok(Route::Environment(request)) => request,
            other => panic!("{target}: {other:?}"),
        };
        assert_eq!(environment("/foo/dev"), wanted("foo", "dev", None));
        assert_eq!(environment("//foo//dev/"), wanted("foo", "dev", None));
        assert_eq!(
            environment("/foo/dev,cloud/main"),
            wanted("foo", "dev,cloud", Some("main"))
        );
        assert_eq!(
            environment("/foo/dev/a(_)b"),
            wanted("foo", "dev", Some("a/b"))
        );
        assert_eq!(environment("/a(_)b/dev"), wanted("a/b", "dev", None));
        assert_eq!(
            environment("/foo/dev/a.yml"),
            wanted("foo", "dev", Some("a.yml"))
        );
        assert_eq!(environment("/f%C3%B6%20o/dev"), wanted("fö o", "dev", None));
        assert_eq!(
            environment("/actuator/info"),
            wanted("actuator", "info", None)
        );
    }

    #[test]
    fn prefixes_are_whole_and_not_for_probes_and_webhooks() {
        let get = |target| within("/config", Method::GET, target);
        let environment = Ok(Route::Environment(wanted("a", "dev", None)));
        assert_eq!(get("/config/a/dev"), environment);
        assert_eq!(get("//config//a/dev"), environment);
        for target in [
            "/a/dev",
            "/configuration/default",
            "/",
            "/actuator/info",
            "/configa-dev.yml",
        ] {
            assert_eq!(get(target), Err(StatusCode::NOT_FOUND), "{target}");
        }
        for target in ["/actuator/health", "/config/actuator/health"] {
            assert_eq!(get(target), Ok(Route::Health(Health::Summary)), "{target}");
        }
        assert_eq!(get("/actuator/prometheus"), Ok(Route::Metrics));
        let post = |target| within("/config", Method::POST, target);
        assert_eq!(post("/monitor"), Ok(Route::Monitor));
        assert_eq!(post("/config/monitor"), Ok(Route::Monitor));
        assert_eq!(post("/encrypt"), Err(StatusCode::NOT_FOUND));
        assert_eq!(get("/config"), Ok(Route::Page));
        let deep = within("/a/b", Method::GET, "/a/b/c/dev");
        assert_eq!(deep, Ok(Route::Environment(wanted("c", "dev", None))));
    }

    #[test]
    fn documents_split_at_the_last_hyphen() {
        let document = |target| match get(target) {
            Ok(Route::Merged(request, form)) => (request, form),
            other => panic!("{target}: {other:?}"),
        };
        assert_eq!(
            document("/foo-dev.yml"),
            (wanted("foo", "dev", None), Form::Yaml)
        );
        assert_eq!(
            document("/a-b-dev.yaml"),
            (wanted("a-b", "dev", None), Form::Yaml)
        );
        let json = (wanted("a", "x,y", Some("l/m")), Form::Json);
        assert_eq!(document("/l(_)m/a-x,y.json"), json);
        let properties = (wanted("service", "1", None), Form::Properties);
        assert_eq!(document("/service-1.properties"), properties);
        for target in ["/foo.yml", "/foo", "/-dev.yml", "/foo-.yml", "/l/foo.yml"] {
            assert_eq!(get(target), Err(StatusCode::NOT_FOUND), "{target}");
        }
    }

    #[test]
    fn files_have_a_label_or_ask_for_the_default() {
        let file = |target| match get(target) {
            Ok(Route::Plain(request, path)) => (request, path),
            other => panic!("{target}: {other:?}"),
        };
        let path = |path: &str| path.to_owned();
        assert_eq!(
            file("/a/dev/main/x/y.txt"),
            (wanted("a", "dev", Some("main")), path("x/y.txt"))
        );
        assert_eq!(
            file("/a/dev/y.txt?useDefaultLabel"),
            (wanted("a", "dev", None), path("y.txt"))
        );
        assert_eq!(
            file("/a/dev/x/y.txt?useDefaultLabel=true"),
            (wanted("a", "dev", None), path("x/y.txt"))
        );
        assert_eq!(get("/a/dev/main/%2e%2e/x"), Err(StatusCode::NOT_FOUND));
        assert_eq!(get("/a/dev/main/..%2Fx"), Err(StatusCode::BAD_REQUEST));
        assert_eq!(get("/a/dev/main/x%23y"), Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for target in [
            "/../dev",
            "/a..b/dev",
            "/a/../main",
            "/a/dev/..",
            "/(_)a/dev",
            "/a/dev/(_)x",
            "/a%23/dev",
            "/a/dev/x%23",
            "/%2e%2e/dev",
            "/a/-dev",
            "/a/dev!",
            "/a/d..v",
            "/a%00/dev",
            "/%ff/dev",
            "/a/dev/x%5cy",
            "/%28_%29a/dev",
        ] {
            assert_eq!(get(target), Err(StatusCode::BAD_REQUEST), "{target}");
        }
        let long = format!("/{}/dev", "a".repeat(2000));
        assert_eq!(get(&long), Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn methods_matter() {
        assert_eq!(route(Method::POST, "/encrypt"), Ok(Route::Encrypt));
        assert_eq!(route(Method::POST, "/decrypt/a/dev"), Ok(Route::Decrypt));
        assert_eq!(route(Method::POST, "/monitor"), Ok(Route::Monitor));
        assert_eq!(
            route(Method::POST, "/a/dev"),
            Err(StatusCode::METHOD_NOT_ALLOWED)
        );
        assert_eq!(
            route(Method::DELETE, "/a/dev"),
            Err(StatusCode::METHOD_NOT_ALLOWED)
        );
        assert_eq!(methods("/a/dev", ""), "GET, HEAD");
        assert_eq!(methods("/c/encrypt", "/c"), "POST");
        assert_eq!(methods("/encrypt/a/dev", ""), "GET, HEAD, POST");
        assert_eq!(get("/encrypt/status"), Ok(Route::EncryptStatus));
        assert_eq!(get("/encrypt"), Err(StatusCode::NOT_FOUND));
        assert_eq!(get("/"), Ok(Route::Page));
    }

    proptest::proptest! {
        #[test]
        fn any_path_is_a_route_or_a_status(path in "(/[a-z().%#_,-]{0,8}){0,6}") {
            let _either = get(&path);
        }
    }
}
