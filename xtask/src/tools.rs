//! What the black-box tests need beside Rust: clients of other makers. They are installed into
//! `.tools` of this checkout, Java's into Maven's own repository; only where Python, Node, Go or
//! Maven themselves are missing is the system's package manager asked, and it is said so.

pub(crate) mod deploy;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, command, output, root, run, say, succeeds};

/// Versions are pinned so that a run of today and one of next year test the same.
const PYTHON_PACKAGES: [&str; 9] = [
    "config-client==1.5.0",
    "confluent-kafka==2.16.1",
    "py-eureka-client==0.13.3",
    "py-zipkin[protobuf]==1.2.8",
    "protobuf==7.36.2",
    "grpcio==1.85.1",
    "opentelemetry-sdk==1.45.2",
    "opentelemetry-exporter-otlp-proto-http==1.45.2",
    "opentelemetry-exporter-otlp-proto-grpc==1.45.2",
];
const NODE_PACKAGES: [&str; 11] = [
    "cloud-config-client@1.6.2",
    "eureka-js-client@4.5.0",
    "zipkin@0.22.0",
    "zipkin-transport-http@0.22.0",
    "node-fetch@2.7.0",
    "@opentelemetry/api@1.9.1",
    "@opentelemetry/resources@2.12.1",
    "@opentelemetry/sdk-trace-base@2.12.1",
    "@opentelemetry/exporter-trace-otlp-http@0.223.1",
    "@opentelemetry/exporter-trace-otlp-proto@0.223.1",
    "@opentelemetry/exporter-trace-otlp-grpc@0.223.1",
];

/// A `ClickHouse` server as a library, for the tests of the engine over it.
const CLICKHOUSE_PACKAGE: &str = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1";

/// Installs everything that is missing.
pub(crate) fn install() -> Result<()> {
    std::fs::create_dir_all(folder())?;
    c_compiler()?;
    python()?;
    node()?;
    go()?;
    browser()?;
    mariadb()?;
    clickhouse()?;
    rabbitmq()?;
    valgrind()?;
    deploy::install()?;
    maven()
}

/// Installs what comparisons with Zipkin's own server need: Java, Maven, a database.
pub(crate) fn peers() -> Result<()> {
    maven_itself()?;
    mariadb()
}

/// Installs what a broker of Kafka needs.
pub(crate) fn kafka() -> Result<()> {
    maven_itself()?;
    maven_module("e2e/queues", &["compile"])
}

/// Installs cargo-fuzz into `.tools` unless some cargo-fuzz is there.
pub(crate) fn cargo_fuzz() -> Result<()> {
    if succeeds(&mut cargo(&["fuzz", "--version"])) {
        return Ok(());
    }
    run(cargo(&["install", "cargo-fuzz", "--locked"])
        .env("CARGO_TARGET_DIR", folder().join("build")))
}

/// Node with its package manager, which builds the page.
pub(crate) fn npm() -> Result<()> {
    if succeeds(&mut command("npm", &["--version"])) {
        return Ok(());
    }
    system_packages("Node", &["nodejs", "npm"])
}

/// A Chromium, and a font that has Chinese, for the page's flows. `CHROMIUM` names another one.
pub(crate) fn browser() -> Result<()> {
    let named = std::env::var_os("CHROMIUM").is_some();
    let has = |name: &str| succeeds(&mut command(name, &["--version"]));
    if named || has("chromium") || has("chromium-browser") || has("google-chrome") {
        return Ok(());
    }
    system_packages("Chromium", &["chromium", "fonts-noto-cjk"])
}

/// Valgrind, which counts instructions. It needs the symbols of the system's loader.
pub(crate) fn valgrind() -> Result<()> {
    if succeeds(&mut command("valgrind", &["--tool=callgrind", "--version"])) {
        return Ok(());
    }
    system_packages("Valgrind", &["valgrind", "libc6-dbg"])
}

fn folder() -> PathBuf {
    root().join(".tools")
}

/// Compression libraries are C, compiled by their crates; the fuzzer's library is C++.
fn c_compiler() -> Result<()> {
    if succeeds(&mut command("cc", &["--version"])) && succeeds(&mut command("c++", &["--version"]))
    {
        return Ok(());
    }
    system_packages("a C and C++ compiler", &["gcc", "g++", "libc6-dev"])
}

fn python() -> Result<()> {
    let venv = folder().join("python");
    let python = venv.join("bin/python");
    if succeeds(
        command(
            &python,
            &[
                "-c",
                "import py_eureka_client, py_zipkin, grpc, google.protobuf, \
                 opentelemetry.exporter.otlp, config.spring, confluent_kafka",
            ],
        )
        .env("PYTHONNOUSERSITE", "1"),
    ) {
        return Ok(());
    }
    python_itself()?;
    let place = venv.to_str().context("the checkout's path is no text")?;
    run(&mut command("python3", &["-m", "venv", "--clear", place]))?;
    let mut install = command(&python, &["-m", "pip", "install", "--quiet"]);
    run(install.args(PYTHON_PACKAGES))
}

fn python_itself() -> Result<()> {
    if succeeds(&mut command("python3", &["-c", "import venv, ensurepip"])) {
        return Ok(());
    }
    system_packages("Python with venv", &["python3", "python3-venv"])
}

fn node() -> Result<()> {
    let folder = folder().join("node");
    let check = "require('cloud-config-client'); require('eureka-js-client'); require('zipkin'); \
                 require('zipkin-transport-http'); require('node-fetch'); \
                 require('@opentelemetry/exporter-trace-otlp-grpc')";
    let installed = || {
        std::fs::create_dir_all(&folder).is_ok()
            && succeeds(command("node", &["-e", check]).current_dir(&folder))
    };
    if installed() {
        return Ok(());
    }
    npm()?;
    std::fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
    let mut install = command("npm", &["install", "--no-audit", "--no-fund", "--silent"]);
    run(install
        .args(["--ignore-scripts"])
        .args(NODE_PACKAGES)
        .current_dir(&folder))?;
    if !installed() {
        bail!(
            "the Node packages can't be loaded from {}",
            folder.display()
        );
    }
    Ok(())
}

/// Fetches `ClickHouse` and compiles the program that makes a server of it.
fn clickhouse() -> Result<()> {
    let folder = folder().join("clickhouse");
    std::fs::create_dir_all(&folder)?;
    let installed = folder.join("installed");
    let is_there = std::fs::read_to_string(&installed).is_ok_and(|what| what == CLICKHOUSE_PACKAGE);
    if !is_there {
        std::fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
        let mut install = command("npm", &["install", "--no-audit", "--no-fund", "--silent"]);
        run(install
            .args(["--ignore-scripts", CLICKHOUSE_PACKAGE])
            .current_dir(&folder))?;
        std::fs::write(installed, CLICKHOUSE_PACKAGE)?;
    }
    let mut compile = command("cc", &["-O1", "-o"]);
    compile.arg(folder.join("launch"));
    run(compile.args(["e2e/clickhouse/launch.c", "-ldl", "-lpthread"]))
}

/// Builds the client of Go; its module pins versions and checksums. Nothing is done twice.
fn go() -> Result<()> {
    go_itself()?;
    let binary = folder().join("go/zipkin_go");
    let mut build = command("go", &["build", "-trimpath", "-o"]);
    build.arg(binary).arg(".");
    run(build.current_dir(root().join("e2e/clients/zipkin_go")))
        .context("build the client of Go; the modules of go.mod must be reachable")
}

fn go_itself() -> Result<()> {
    if succeeds(&mut command("go", &["version"])) {
        return Ok(());
    }
    system_packages("Go", &["golang-go"])
}

/// The tests of the engine over MySQL start servers of their own, in folders of their own. What the
/// package starts, if it does, is none of them.
fn mariadb() -> Result<()> {
    let there = |name: &str| {
        let places = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/libexec"];
        let mut paths = places.iter().map(|place| PathBuf::from(place).join(name));
        paths.any(|path| path.exists())
    };
    let programs = ["mariadbd", "mariadb-install-db", "mariadb", "openssl"];
    if programs.into_iter().all(there) {
        return Ok(());
    }
    let packages = ["mariadb-server", "mariadb-client", "openssl"];
    system_packages("MariaDB or openssl", &packages)
}

/// Returns the jar of Zipkin's server, fetched unless it is there: the engine over `MySQL` is
/// tested beside it, and the page that it holds is opened over our API.
pub(crate) fn zipkin() -> Result<PathBuf> {
    const VERSION: &str = "3.6.1";
    let folder = root().join("target/peers");
    let jar = folder.join(format!("zipkin-server-{VERSION}-exec.jar"));
    if jar.is_file() {
        return Ok(jar);
    }
    maven_itself()?;
    let mut fetch = command("mvn", &["--batch-mode", "--quiet", "dependency:copy"]);
    fetch
        .arg(format!(
            "-Dartifact=io.zipkin:zipkin-server:{VERSION}:jar:exec"
        ))
        .arg(format!("-DoutputDirectory={}", folder.display()));
    run(&mut fetch).context("fetch Zipkin's server; Maven Central must be reachable")?;
    Ok(jar)
}

/// Fetches what the modules of Maven need, so that the tests themselves ask no network.
fn maven() -> Result<()> {
    maven_itself()?;
    let modules: [(&str, &[&str]); 4] = [
        ("e2e/boot", &["compile"]),
        ("e2e/kit", &["test"]),
        ("e2e/queues", &["compile"]),
        ("e2e/oracle", &["clean", "compile"]),
    ];
    for (module, goals) in modules {
        maven_module(module, goals)?;
    }
    zipkin()?;
    Ok(())
}

/// Fetches and compiles a registry of Spring Cloud, which only one command needs.
pub(crate) fn eureka() -> Result<()> {
    maven_itself()?;
    maven_module("e2e/eureka", &["compile"])
}

/// Fetches and compiles applications and servers of Spring Cloud, of the trains that are named or
/// of all, and Zipkin's server.
pub(crate) fn spring(names: &[&str]) -> Result<()> {
    maven_itself()?;
    zipkin()?;
    for train in ["hoxton", "2021", "2025"] {
        if names.is_empty() || names.contains(&train) {
            maven_module("e2e/spring", &["compile", "--activate-profiles", train])?;
        }
    }
    Ok(())
}

fn maven_module(module: &str, goals: &[&str]) -> Result<()> {
    let fetch = |network: &[&str]| {
        let mut maven = command("mvn", &["--batch-mode", "--quiet", "-DskipTests"]);
        let file = format!("{module}/pom.xml");
        maven.args(network).args(["--file", &file]).args(goals);
        maven
    };
    if succeeds(&mut fetch(&["--offline"])) {
        return Ok(());
    }
    // What could not be fetched the last time is asked for again.
    run(&mut fetch(&["--update-snapshots"]))
        .with_context(|| format!("fetch what {module} needs; Maven Central must be reachable"))
}

fn maven_itself() -> Result<()> {
    const JAVA_MIN: u32 = 17;
    if maven_java() < Some(JAVA_MIN) || !succeeds(&mut command("javac", &["-version"])) {
        let packages = ["maven", "default-jdk-headless"];
        system_packages("Maven with a Java compiler of at least 17", &packages)?;
        if maven_java() < Some(JAVA_MIN) {
            bail!("Maven runs on a Java older than {JAVA_MIN}: install a newer one by hand");
        }
    }
    Ok(())
}

/// The tests start a broker of their own. Where the packages may start one as well, as on a desk,
/// it would take the usual port; the tests do not mind.
fn rabbitmq() -> Result<()> {
    if Path::new("/usr/lib/rabbitmq/bin/rabbitmq-server").is_file() {
        return Ok(());
    }
    system_packages("RabbitMQ", &["rabbitmq-server"])
}

/// Returns the release of the Java that Maven uses, when there is a Maven.
fn maven_java() -> Option<u32> {
    let text = output(&mut command("mvn", &["--batch-mode", "--version"])).ok()?;
    let version = text.split_once("Java version: ")?.1;
    version.split(['.', ',']).next()?.parse().ok()
}

/// Installs packages of the system, as root or through sudo.
fn system_packages(what: &str, names: &[&str]) -> Result<()> {
    say(&format!(
        "{what} is missing: installing {} through apt-get",
        names.join(", ")
    ));
    if !succeeds(&mut command("apt-get", &["--version"])) {
        bail!("there is no apt-get here: install {what} by hand");
    }
    apt(&["update", "--quiet"])?;
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    apt(&[install.as_slice(), names].concat())
}

/// Runs apt-get as root or through sudo.
fn apt(words: &[&str]) -> Result<()> {
    let mut all = if succeeds(&mut command("test", &["-w", "/usr/bin"])) {
        command("apt-get", &[])
    } else {
        command("sudo", &["apt-get"])
    };
    run(all.args(words).env("DEBIAN_FRONTEND", "noninteractive"))
}
