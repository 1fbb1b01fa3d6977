//! The page's files, part of the binary. It knows no server: whoever serves them adds headers.

/// The page, whatever its address: it looks at that itself.
pub const INDEX: &str = include_str!("../dist/index.html");

/// A file beside the page.
#[derive(Clone, Copy, Debug)]
pub struct UiFile {
    /// Its media type.
    pub content_type: &'static str,
    /// What is in it.
    pub bytes: &'static [u8],
}

/// Returns the file at a path below the page's.
pub fn file(path: &str) -> Option<UiFile> {
    match path {
        "favicon.ico" => Some(UiFile {
            content_type: "image/svg+xml",
            bytes: include_bytes!("../dist/favicon.svg"),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_base_that_the_server_can_replace() {
        assert_eq!(INDEX.matches("<base href=\"/zipkin/\">").count(), 1);
    }

    #[test]
    fn only_files_of_the_page_are_found() {
        assert!(file("favicon.ico").is_some_and(|icon| icon.bytes.starts_with(b"<svg")));
        assert!(file("../Cargo.toml").is_none());
    }
}
