//! Which crate may use which, read from `cargo metadata`: the import graph is the drawing in
//! ARCHITECTURE.md. A new edge needs a decision record and a line here.

use anyhow::{Result, ensure};

use super::tree::{File, Tree};
use crate::json::Json;
use crate::shell::{cargo, output};

struct Law {
    package: &'static str,
    /// Ours that it may use, in its product.
    may_use: &'static [&'static str],
    /// Ours that its tests may use beside those.
    tests_may_use: &'static [&'static str],
    /// Others' that it must not know.
    must_not_know: &'static [&'static str],
}

const fn law(package: &'static str, may_use: &'static [&'static str]) -> Law {
    Law {
        package,
        may_use,
        tests_may_use: &[],
        must_not_know: &[],
    }
}

const IO: &[&str] = &[
    "tokio", "hyper", "axum", "http", "tonic", "rustix", "tracing", "socket2",
];
const HTTP: &[&str] = &["tokio", "hyper", "axum", "http", "tonic"];
const CONTRACT: &[&str] = &["speargun-model", "speargun-runtime", "speargun-storage"];

const LAWS: &[Law] = &[
    Law {
        must_not_know: IO,
        ..law("speargun-model", &["speargun-simd"])
    },
    Law {
        must_not_know: IO,
        ..law("speargun-simd", &[])
    },
    law("speargun-runtime", &[]),
    Law {
        must_not_know: HTTP,
        ..law("speargun-storage", &["speargun-model", "speargun-runtime"])
    },
    Law {
        must_not_know: HTTP,
        ..law("speargun-journal", &["speargun-runtime"])
    },
    Law {
        must_not_know: HTTP,
        ..law("speargun-memory", CONTRACT)
    },
    Law {
        must_not_know: HTTP,
        tests_may_use: &["speargun-memory", "speargun-benches"],
        ..law("speargun-segment", CONTRACT)
    },
    // Its tests start the database it speaks to, and Zipkin's server on it.
    Law {
        must_not_know: &["hyper", "axum", "http", "tonic"],
        tests_may_use: &["speargun-memory", "speargun-e2e"],
        ..law("speargun-mysql", CONTRACT)
    },
    Law {
        must_not_know: HTTP,
        tests_may_use: &["speargun-memory", "speargun-segment"],
        ..law("speargun-spool", CONTRACT)
    },
    // It speaks HTTP to its server, through a client library that is asynchronous.
    Law {
        must_not_know: &["axum", "tonic"],
        tests_may_use: &["speargun-memory", "speargun-loadgen", "speargun-e2e"],
        ..law("speargun-clickhouse", CONTRACT)
    },
    Law {
        tests_may_use: &["speargun-memory", "speargun-segment"],
        ..law(
            "speargun-collector",
            &[
                "speargun-model",
                "speargun-runtime",
                "speargun-storage",
                "speargun-journal",
            ],
        )
    },
    law("speargun-kafka", &["speargun-collector"]),
    law("speargun-rabbitmq", &["speargun-collector"]),
    Law {
        tests_may_use: &["speargun-memory", "speargun-segment"],
        ..law("speargun-query", CONTRACT)
    },
    law("speargun-registry", &["speargun-runtime"]),
    law("speargun-ui", &[]),
    Law {
        must_not_know: &["speargun-model", "speargun-storage", "axum", "tonic"],
        ..law("speargun-config-server", &["speargun-runtime"])
    },
    // Its tests are found by a real registry.
    Law {
        tests_may_use: &["speargun-registry"],
        ..law("speargun-client", &["speargun-model", "speargun-runtime"])
    },
    // It starts the servers as processes and knows them by their command line and their wire.
    law("speargun-demo", &["speargun-client", "speargun-model"]),
    law("speargun-loadgen", &["speargun-model"]),
    law(
        "speargun",
        &[
            "speargun-model",
            "speargun-runtime",
            "speargun-storage",
            "speargun-journal",
            "speargun-memory",
            "speargun-segment",
            "speargun-spool",
            "speargun-mysql",
            "speargun-clickhouse",
            "speargun-collector",
            "speargun-kafka",
            "speargun-rabbitmq",
            "speargun-query",
            "speargun-registry",
            "speargun-ui",
            "speargun-config-server",
            "speargun-client",
            "speargun-demo",
            "speargun-loadgen",
        ],
    ),
    law(
        "speargun-benches",
        &[
            "speargun-model",
            "speargun-runtime",
            "speargun-storage",
            "speargun-journal",
            "speargun-segment",
            "speargun-mysql",
            "speargun-loadgen",
            "speargun-client",
            "speargun-e2e",
        ],
    ),
    law("speargun-e2e", &[]),
    // It asks Zipkin's library and ours the same, so its tests see what they compare.
    Law {
        tests_may_use: &[
            "speargun-model",
            "speargun-runtime",
            "speargun-storage",
            "speargun-memory",
            "speargun-segment",
            "speargun-query",
        ],
        ..law("speargun-oracle", &["speargun-e2e"])
    },
    law("xtask", &[]),
];

/// Every edge between our crates is allowed by the table above.
pub(super) fn dependencies(_: &Tree) -> Vec<String> {
    edges().unwrap_or_else(|error| vec![format!("{error:#}")])
}

fn edges() -> Result<Vec<String>> {
    let text = output(&mut cargo(&[
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
    ]))?;
    let metadata = Json::read(&text)?;
    let packages = metadata.field("packages").items();
    ensure!(!packages.is_empty(), "cargo metadata names no package");
    Ok(judge(packages))
}

fn judge(packages: &[Json]) -> Vec<String> {
    let ours: Vec<&str> = packages.iter().map(|p| p.field("name").text()).collect();
    let mut found = Vec::new();
    for package in packages {
        let name = package.field("name").text();
        let Some(law) = LAWS.iter().find(|law| law.package == name) else {
            found.push(format!("{name}: no law: add it to xtask/src/tidy/law.rs"));
            continue;
        };
        for dependency in package.field("dependencies").items() {
            let used = dependency.field("name").text();
            let in_tests = dependency.field("kind").text() == "dev";
            let allowed = law.may_use.contains(&used)
                || in_tests && law.tests_may_use.contains(&used)
                // A crate may name itself to turn features on for its tests.
                || in_tests && used == name;
            if ours.contains(&used) && !allowed {
                found.push(format!("{name} must not use {used}"));
            }
            if law.must_not_know.contains(&used) && !in_tests {
                found.push(format!("{name} must not know {used}"));
            }
        }
    }
    found
}

/// Only the server's wiring names an engine.
pub(super) fn engines(tree: &Tree) -> Vec<String> {
    let wiring = |path: &str| path.starts_with("server/src/wiring");
    naming(
        tree,
        "server/src/",
        &[
            "speargun_segment",
            "speargun_memory",
            "speargun_spool",
            "speargun_mysql",
            "speargun_clickhouse",
        ],
    )
    .filter(|file| !wiring(&file.path))
    .map(|file| format!("{}: engines are named in wiring only", file.path))
    .collect()
}

/// The collector writes and the query API reads.
pub(super) fn halves(tree: &Tree) -> Vec<String> {
    let reads = naming(tree, "collector/src/", &["SpanReader"])
        .map(|file| format!("{}: the collector must not read", file.path));
    let writes = naming(tree, "query/src/", &["SpanWriter"])
        .map(|file| format!("{}: queries must not write", file.path));
    reads.chain(writes).collect()
}

fn naming<'a>(
    tree: &'a Tree,
    under: &'a str,
    words: &'a [&'a str],
) -> impl Iterator<Item = &'a File> {
    let names = |file: &&File| {
        let code = file.without_tests().lines();
        code.filter(|line| !line.trim_start().starts_with("//"))
            .any(|line| words.iter().any(|word| line.contains(word)))
    };
    tree.with_ending(".rs")
        .filter(move |file| file.path.starts_with(under) && !file.is_test())
        .filter(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_outside_the_law_are_found() {
        let json = Json::read(
            r#"[{"name": "speargun-model", "dependencies": [
                  {"name": "bytes", "kind": null},
                  {"name": "tokio", "kind": null},
                  {"name": "speargun-runtime", "kind": null}]},
                {"name": "speargun-runtime", "dependencies": [
                  {"name": "tokio", "kind": "dev"}]},
                {"name": "speargun-collector", "dependencies": [
                  {"name": "speargun-memory", "kind": "dev"},
                  {"name": "speargun-runtime", "kind": null}]},
                {"name": "speargun-memory", "dependencies": []},
                {"name": "speargun-new", "dependencies": []}]"#,
        );
        let found = judge(json.unwrap().items());
        assert_eq!(
            found,
            [
                "speargun-model must not know tokio",
                "speargun-model must not use speargun-runtime",
                "speargun-new: no law: add it to xtask/src/tidy/law.rs",
            ]
        );
    }
}
