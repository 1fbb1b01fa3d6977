//! Documents that must keep up with the code: decisions, settings, metrics, fuzz targets.

use std::collections::BTreeSet;

use super::tree::{File, Tree};

const OPERATING: &str = "docs/operating.md";

/// Decoders that are no codec of spans: source and fuzz target.
const READERS: [(&str, &str); 8] = [
    ("storage/journal/src/lib.rs", "journal"),
    ("storage/segment/src/lib.rs", "segment"),
    ("registry/src/codec/json.rs", "eureka_json"),
    ("registry/src/codec/xml.rs", "eureka_xml"),
    ("registry/src/snapshot.rs", "registry_snapshot"),
    ("config-server/src/document.rs", "config_file"),
    ("config-server/src/cipher.rs", "cipher_text"),
    (
        "config-server/src/environment/placeholder.rs",
        "placeholder",
    ),
];

/// A decision nobody finds was not taken.
pub(super) fn decisions(tree: &Tree) -> Vec<String> {
    let map = tree.file("ARCHITECTURE.md").map_or("", |file| &file.text);
    tree.with_ending(".md")
        .filter(|file| file.path.starts_with("docs/decisions/"))
        .flat_map(|file| {
            let unlinked = (!map.contains(&file.path))
                .then(|| format!("{}: link it from ARCHITECTURE.md", file.path));
            let lines = file.text.lines().count();
            let long = (lines > 60).then(|| format!("{}: {lines} lines, at most 60", file.path));
            unlinked.into_iter().chain(long)
        })
        .collect()
}

/// Whatever reads bytes from strangers or from disk is fuzzed.
pub(super) fn fuzz_targets(tree: &Tree) -> Vec<String> {
    let codecs = tree
        .with_ending(".rs")
        .filter(|file| is_decoder(file))
        .filter_map(|file| file.path.rsplit('/').next()?.strip_suffix(".rs"))
        .map(str::to_owned);
    let readers = READERS
        .iter()
        .filter(|(source, _)| tree.file(source).is_some())
        .map(|(_, target)| (*target).to_owned());
    codecs
        .chain(readers)
        .filter(|target| {
            let ending = format!("fuzz/fuzz_targets/{target}.rs");
            tree.with_ending(&ending).next().is_none()
        })
        .map(|target| format!("no fuzz target {target}"))
        .collect()
}

/// A file of `model/src/codec` that decodes a format.
fn is_decoder(file: &File) -> bool {
    let name = file.path.strip_prefix("model/src/codec/");
    name.is_some_and(|name| !name.contains('/')) && file.text.contains("fn decode")
}

/// Settings are the upper-case names in string literals of `server/src/settings*`; each is in the
/// operator's manual, and what the manual calls a setting is one.
pub(super) fn settings(tree: &Tree) -> Vec<String> {
    let manual = manual(tree);
    let mut known = BTreeSet::new();
    for file in tree.with_ending(".rs") {
        if file.path.starts_with("server/src/settings") && !file.is_test() {
            known.extend(literals(file.without_tests()).filter(|text| is_setting(text)));
        }
    }
    let documented: BTreeSet<&str> = manual.split('`').filter(|text| is_setting(text)).collect();
    let missing = known.difference(&documented);
    let gone = documented.difference(&known);
    missing
        .map(|name| format!("{OPERATING}: document the setting `{name}`"))
        .chain(gone.map(|name| format!("{OPERATING}: there is no setting `{name}`")))
        .collect()
}

/// Metrics are the names beginning with our prefix in string literals; names are written whole.
pub(super) fn metrics(tree: &Tree) -> Vec<String> {
    let crates = crates(tree);
    let is_metric = |word: &&str| {
        let rest = word.strip_prefix("speargun_");
        rest.is_some_and(|rest| !rest.is_empty() && !rest.ends_with('_') && !crates.contains(rest))
    };
    let mut known = BTreeSet::new();
    for file in tree.with_ending(".rs").filter(|file| is_product(file)) {
        for literal in literals(file.without_tests()) {
            known.extend(words(literal).filter(is_metric));
        }
    }
    let documented: BTreeSet<&str> = words(manual(tree)).filter(is_metric).collect();
    let missing = known.difference(&documented);
    let gone = documented.difference(&known);
    missing
        .map(|name| format!("{OPERATING}: document the metric `{name}`"))
        .chain(gone.map(|name| format!("{OPERATING}: there is no metric `{name}`")))
        .collect()
}

/// Alerts and dashboards speak of metrics that there are, and the manual of the alerts that there
/// are.
pub(super) fn alerts(tree: &Tree) -> Vec<String> {
    let metric = |word: &&str| word.starts_with("speargun_");
    let documented: BTreeSet<&str> = words(manual(tree)).filter(metric).collect();
    let alert = |word: &&str| word.starts_with("Speargun") && word.len() > "Speargun".len();
    let explained: BTreeSet<&str> = words(manual(tree)).filter(alert).collect();
    let mut found = Vec::new();
    let mut raised = BTreeSet::new();
    let monitoring = tree.files.iter();
    for file in monitoring.filter(|file| file.path.starts_with("deploy/monitoring/")) {
        let unknown: BTreeSet<&str> = words(&file.text)
            .filter(metric)
            .filter(|word| !documented.contains(word))
            .collect();
        let path = &file.path;
        found.extend(
            unknown
                .into_iter()
                .map(|name| format!("{path}: there is no metric `{name}`")),
        );
        raised.extend(
            file.text
                .lines()
                .filter_map(|line| line.trim().strip_prefix("- alert: ")),
        );
    }
    let missing = raised.difference(&explained);
    let gone = explained.difference(&raised);
    found.extend(missing.map(|name| format!("{OPERATING}: explain the alert `{name}`")));
    found.extend(gone.map(|name| format!("{OPERATING}: there is no alert `{name}`")));
    found
}

fn manual(tree: &Tree) -> &str {
    tree.file(OPERATING).map_or("", |file| &file.text)
}

fn is_product(file: &File) -> bool {
    let tools = ["xtask/", "benches/", "e2e/"];
    !file.is_test() && !tools.iter().any(|folder| file.path.starts_with(folder))
}

fn is_setting(text: &str) -> bool {
    text.contains('_')
        && text.len() > 4
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && !text.ends_with('_')
        && text
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Returns the names of our crates behind the prefix: they look like metrics in logs and imports.
fn crates(tree: &Tree) -> BTreeSet<&str> {
    let root = tree.file("Cargo.toml").map_or("", |file| &file.text);
    root.split(|c: char| !c.is_ascii_lowercase() && c != '-')
        .filter_map(|word| word.strip_prefix("speargun-"))
        .collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

/// Returns the plain string literals of a source, comments left out.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let files = files.iter().map(|(path, text)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        });
        Tree {
            files: files.collect(),
        }
    }

    #[test]
    fn settings_and_manual_agree_in_both_directions() {
        let tree = tree(&[
            (
                "server/src/settings.rs",
                "name: \"QUERY_PORT\", \"A b\"\n// \"NOT_ONE\"",
            ),
            (OPERATING, "`OLD_NAME` and `query`"),
        ]);
        assert_eq!(
            settings(&tree),
            [
                "docs/operating.md: document the setting `QUERY_PORT`",
                "docs/operating.md: there is no setting `OLD_NAME`",
            ]
        );
    }

    #[test]
    fn metrics_and_manual_agree_in_both_directions() {
        let tree = tree(&[
            ("Cargo.toml", "speargun-model = { path = \"model\" }"),
            (
                "collector/src/ledger.rs",
                "line(\"speargun_spans_stored_total{\"); \"speargun_model\"",
            ),
            (OPERATING, "`speargun_old_total`"),
        ]);
        assert_eq!(
            metrics(&tree),
            [
                "docs/operating.md: document the metric `speargun_spans_stored_total`",
                "docs/operating.md: there is no metric `speargun_old_total`",
            ]
        );
    }

    #[test]
    fn alerts_and_manual_agree_and_know_only_metrics() {
        let tree = tree(&[
            (
                "deploy/monitoring/alerts.yml",
                "- alert: SpeargunUp\n  expr: speargun_up + speargun_old",
            ),
            (OPERATING, "Speargun, `speargun_up`, `SpeargunDown`"),
        ]);
        assert_eq!(
            alerts(&tree),
            [
                "deploy/monitoring/alerts.yml: there is no metric `speargun_old`",
                "docs/operating.md: explain the alert `SpeargunUp`",
                "docs/operating.md: there is no alert `SpeargunDown`",
            ]
        );
    }

    #[test]
    fn a_decoder_without_fuzz_target_is_found() {
        let codec = ("model/src/codec/thrift.rs", "pub fn decode() {}");
        let target = ("model/fuzz/fuzz_targets/thrift.rs", "");
        assert_eq!(fuzz_targets(&tree(&[codec])).len(), 1);
        assert!(fuzz_targets(&tree(&[codec, target])).is_empty());
    }

    #[test]
    fn unlinked_and_long_decisions_are_found() {
        let path = "docs/decisions/0001-what.md";
        let long = "a\n".repeat(61);
        let unlinked = tree(&[(path, "a"), ("ARCHITECTURE.md", "")]);
        assert_eq!(decisions(&unlinked).len(), 1);
        let too_long = tree(&[(path, &long), ("ARCHITECTURE.md", path)]);
        assert_eq!(decisions(&too_long).len(), 1);
    }
}
