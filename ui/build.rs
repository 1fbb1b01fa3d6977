//! Lists the built files of the page, so that the library can hold them. It runs nothing and
//! fetches nothing: what is listed is what is committed.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let assets = root.join("dist/assets");
    println!("cargo::rerun-if-changed=dist");
    let mut names = Vec::new();
    if assets.is_dir() {
        for entry in fs::read_dir(&assets)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    let mut list = String::from("&[\n");
    for name in names.iter().filter(|name| !is_packed(name)) {
        let packed = |suffix: &str| {
            let packed = format!("{name}.{suffix}");
            let is_there = names.binary_search(&packed).is_ok();
            is_there.then(|| included(&assets.join(packed)))
        };
        let plain = included(&assets.join(name));
        let (brotli, gzip) = (optional(packed("br")), optional(packed("gz")));
        let path = format!("assets/{name}");
        writeln!(list, "({path:?}, {plain}, {brotli}, {gzip}),").map_err(io::Error::other)?;
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    fs::write(out.join("assets.rs"), list)
}

fn is_packed(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|e| e == "br" || e == "gz")
}

fn included(path: &Path) -> String {
    format!("include_bytes!({:?})", path.display().to_string())
}

fn optional(expression: Option<String>) -> String {
    expression.map_or("None".to_owned(), |some| format!("Some({some})"))
}
