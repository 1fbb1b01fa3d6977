//! The report of `speargun load` in a real browser: it opens in silence, needs nothing from
//! elsewhere, and prints on one page.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

use std::path::{Path, PathBuf};

use speargun_e2e::browser::{Browser, file_url, pages};
use speargun_e2e::server::{root, run_to_end};
use speargun_e2e::{Options, Server};

/// Loads a server of its own and returns the report.
fn report(folder: &Path, words: &str) -> PathBuf {
    let server = Server::start(Options::default()).unwrap();
    let target = format!("http://127.0.0.1:{}", server.port());
    let page = folder.join("report.html");
    let path = page.display().to_string();
    let mut arguments = vec!["load", "--target", &target, "--quiet", "--html", &path];
    arguments.extend(words.split_whitespace());
    let (status, printed) = run_to_end(&arguments, &[]).unwrap();
    // A busy machine may miss a target, which is a report all the same.
    assert!(matches!(status.code(), Some(0 | 1)), "{printed}");
    page
}

/// Opens a page, and returns it once it has done nothing but that.
fn opened(page: &Path) -> Browser {
    let mut browser = Browser::start().unwrap();
    let url = file_url(page);
    let opened = browser.open(&url).unwrap();
    assert_eq!(opened.messages, Vec::<String>::new());
    assert_eq!(opened.failures, Vec::<String>::new());
    assert_eq!(opened.requests, [url]);
    browser
}

/// Keeps what a person may want to look at.
fn keep(name: &str, bytes: &[u8]) {
    let folder = root().join("target/report");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), bytes).unwrap();
}

#[test]
fn a_report_opens_in_silence_shows_its_plots_and_prints_on_one_page() {
    let folder = tempfile::tempdir().unwrap();
    let words = "--rate 2k --duration 4s --queries 50 --read-back 100 --warmup 1s";
    let mut browser = opened(&report(folder.path(), words));
    let shown = browser
        .evaluate(
            "[...document.querySelectorAll('svg')].map(svg => {
                const box = svg.getBoundingClientRect();
                return box.width > 100 && box.height > 50 && svg.querySelector('path:not(.axis)')
                    .getTotalLength() > 50;
            })",
        )
        .unwrap();
    assert_eq!(shown, serde_json::json!([true, true, true, true, true]));
    // Nothing is cut off at the side.
    let fits = "document.documentElement.scrollWidth <= window.innerWidth";
    assert_eq!(browser.evaluate(fits).unwrap(), true);
    let picture = browser.screenshot().unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 20_000);
    keep("report.png", &picture);
    let printed = browser.print().unwrap();
    keep("report.pdf", &printed);
    assert_eq!(pages(&printed), 1);
}

#[test]
fn a_report_of_many_rates_prints_on_one_page_and_says_what_it_leaves_out() {
    let folder = tempfile::tempdir().unwrap();
    let rates = ["500"; 60].join(",");
    let words = format!(
        "--steps {rates} --duration 100ms --batch 10 --queries 20 --p999 1us --read-back 9"
    );
    let mut browser = opened(&report(folder.path(), &words));
    let printed = browser.print().unwrap();
    keep("many.pdf", &printed);
    assert_eq!(pages(&printed), 1);
    let left_out = "[...document.querySelectorAll('.printed')].map(it => it.textContent).join()";
    let said = browser.evaluate(left_out).unwrap();
    assert!(said.as_str().unwrap().contains("60"), "{said}");
}

#[test]
fn what_a_page_does_wrong_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("bad.html");
    let text = "<!doctype html><script>console.log('hello'); nothing.at.all</script>
        <img src=\"http://127.0.0.1:1/x.png\"><p style=\"break-after:page\">one</p><p>two</p>";
    std::fs::write(&page, text).unwrap();
    let mut browser = Browser::start().unwrap();
    let opened = browser.open(&file_url(&page)).unwrap();
    let said = opened.messages.join("\n");
    assert!(said.contains("hello") && said.contains("nothing"), "{said}");
    assert_eq!(opened.requests.len(), 2, "{:?}", opened.requests);
    assert_eq!(opened.failures.len(), 1, "{:?}", opened.failures);
    assert_eq!(pages(&browser.print().unwrap()), 2);
}
