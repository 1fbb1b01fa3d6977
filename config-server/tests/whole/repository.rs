//! A repository with a working tree, and what serves it.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A bare repository, `origin`, and a working tree that pushes to it.
#[derive(Debug)]
pub(crate) struct Work {
    folder: TempDir,
}

impl Work {
    /// Makes both, with these files in a first commit of `main`.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let work = Self { folder };
        let origin = work.origin();
        run(
            work.folder.path(),
            &[
                "init",
                "--quiet",
                "--bare",
                "--initial-branch=main",
                &origin,
            ],
        );
        run(work.folder.path(), &["clone", "--quiet", &origin, "work"]);
        work.git(&["checkout", "--quiet", "-B", "main"]);
        for (name, text) in files {
            work.write(name, text);
        }
        work.git(&["add", "--all"]);
        work.git(&["commit", "--quiet", "--message", "first"]);
        work.push();
        work
    }

    /// Returns the path of the bare repository.
    pub(crate) fn origin(&self) -> String {
        self.folder.path().join("origin.git").display().to_string()
    }

    /// Returns the working tree.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Commits a file.
    pub(crate) fn commit(&self, name: &str, text: &str) {
        self.write(name, text);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", name]);
    }

    /// Pushes `main`.
    pub(crate) fn push(&self) {
        self.git(&["push", "--quiet", "origin", "main"]);
    }

    /// Returns the commit of the working tree.
    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git in the working tree.
    pub(crate) fn git(&self, words: &[&str]) -> String {
        run(&self.folder(), words)
    }
}

/// Returns git, out of the repository that tests may be started from: a hook, or
/// `git rebase --exec`, names it in variables, and what tests commit and push would go there.
pub(crate) fn git() -> Command {
    let mut git = Command::new("git");
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_COMMON_DIR",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_NAMESPACE",
        "GIT_PREFIX",
    ] {
        git.env_remove(name);
    }
    git
}

fn run(folder: &Path, words: &[&str]) -> String {
    let mut git = git();
    git.args(["-c", "user.name=Test", "-c", "user.email=test@example.org"])
        .args(words)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null");
    let output = git.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {words:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Git's own server.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    /// Serves a repository on a free port.
    pub(crate) fn start(work: &Work) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        Self::start_at(work, port)
    }

    /// Serves a repository.
    pub(crate) fn start_at(work: &Work, port: u16) -> Self {
        // The program itself, not the one that starts it: it is ended by its id.
        let programs = run(work.folder.path(), &["--exec-path"]);
        let mut command = Command::new(Path::new(&programs).join("git-daemon"));
        command
            .env_remove("GIT_DIR")
            .args(["--listen=127.0.0.1", "--reuseaddr", "--export-all"])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", work.folder.path().display()))
            .stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_mins(1);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "git-daemon does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, port }
    }

    /// Returns the address of the repository.
    pub(crate) fn uri(&self) -> String {
        format!("git://127.0.0.1:{}/origin.git", self.port)
    }

    /// Ends it, and returns its port.
    pub(crate) fn stop(mut self) -> u16 {
        self.end();
        self.port
    }

    fn end(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}
