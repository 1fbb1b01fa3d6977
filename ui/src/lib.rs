//! The page's files, part of the binary, and where links that were made for other pages lead on
//! it. It knows no server: whoever serves them adds headers.
//!
//! # Layout
//!
//! - [`INDEX`], [`files`]: what `dist` holds, which `web` is built into.
//! - [`links`]: addresses of Jaeger's page and of older ones.

pub mod links;

/// The page, whatever its address: it looks at that itself.
pub const INDEX: &str = include_str!("../dist/index.html");

/// What [`INDEX`] says of the path under which it is shown, once.
pub const BASE: &str = "<base href=\"/zipkin/\">";

/// Where [`INDEX`] may hold its configuration, so that it need not ask.
pub const CONFIG: &str = "<meta name=\"speargun-config\" content=\"\">";

/// A file beside the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UiFile {
    /// Its path below the page's.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// What is in it.
    pub bytes: &'static [u8],
    /// The same by brotli.
    pub brotli: Option<&'static [u8]>,
    /// The same by gzip.
    pub gzip: Option<&'static [u8]>,
    /// Whether its name says what is in it, so that it never changes.
    pub immutable: bool,
}

type Asset = (
    &'static str,
    &'static [u8],
    Option<&'static [u8]>,
    Option<&'static [u8]>,
);

/// The files below `assets/`, listed by the build.
const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const ICON: UiFile = UiFile {
    path: "favicon.svg",
    content_type: "image/svg+xml",
    bytes: include_bytes!("../dist/favicon.svg"),
    brotli: None,
    gzip: None,
    immutable: false,
};

/// Returns all files beside the page.
pub fn files() -> impl Iterator<Item = UiFile> {
    let old_icon = UiFile {
        path: "favicon.ico",
        ..ICON
    };
    let assets = ASSETS.iter().map(|(path, bytes, brotli, gzip)| UiFile {
        path,
        content_type: content_type(path),
        bytes,
        brotli: *brotli,
        gzip: *gzip,
        immutable: true,
    });
    [ICON, old_icon].into_iter().chain(assets)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_base_that_the_server_can_replace() {
        assert_eq!(INDEX.matches(BASE).count(), 1);
        assert!(INDEX.matches(CONFIG).count() <= 1);
    }

    #[test]
    fn every_file_has_a_type_that_browsers_know() {
        for file in files() {
            assert_ne!(
                file.content_type, "application/octet-stream",
                "{}",
                file.path
            );
        }
        assert_eq!(content_type("x-1.js"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("x"), "application/octet-stream");
    }

    #[test]
    fn what_the_page_names_is_there() {
        let named = INDEX.split('"').filter(|text| text.starts_with("assets/"));
        for name in named {
            assert!(files().any(|file| file.path == name), "{name}");
        }
        assert!(files().any(|file| file.bytes.starts_with(b"<svg")));
    }
}
