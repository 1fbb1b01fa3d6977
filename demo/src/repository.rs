//! The git repository that the configuration server reads: made and committed to without the
//! program `git`, which need not be there; whoever has it can go on with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use gix::ObjectId;
use gix::objs::Tree;
use gix::objs::tree::{Entry, EntryKind};

/// Who commits, here and by hints on the command line.
const NAME: &str = "demo";
const EMAIL: &str = "demo@example.org";

/// A repository with a working tree, whose files all lie in its root.
#[derive(Debug)]
pub(crate) struct Repository {
    git: gix::Repository,
    folder: PathBuf,
    files: BTreeMap<String, ObjectId>,
}

impl Repository {
    /// Makes a repository whose branch `main` has these files.
    pub(crate) fn create(folder: &Path, files: &[(impl AsRef<str>, String)]) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        // What the user set for git elsewhere is not asked: the branch is `main` for everybody.
        let git = gix::ThreadSafeRepository::init_opts(
            folder,
            gix::create::Kind::WithWorktree,
            gix::create::Options::default(),
            gix::open::Options::isolated(),
        )
        .map_err(|error| anyhow!("no git repository in {}: {error}", folder.display()))?
        .to_thread_local();
        let config = git.git_dir().join("config");
        let text = std::fs::read_to_string(&config)?;
        let user = format!("[user]\n\tname = {NAME}\n\temail = {EMAIL}\n");
        std::fs::write(config, text + &user)?;
        let mut repository = Self {
            git,
            folder: folder.to_owned(),
            files: BTreeMap::new(),
        };
        repository.commit("what the demo begins with", files)?;
        Ok(repository)
    }

    /// Returns where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes these files and commits them.
    pub(crate) fn commit(
        &mut self,
        message: &str,
        files: &[(impl AsRef<str>, String)],
    ) -> Result<()> {
        for (name, text) in files {
            let name = name.as_ref();
            std::fs::write(self.folder.join(name), text)?;
            let id = git(self.git.write_blob(text))?.detach();
            self.files.insert(name.to_owned(), id);
        }
        let entry = |(name, oid): (&String, &ObjectId)| Entry {
            mode: EntryKind::Blob.into(),
            filename: name.as_str().into(),
            oid: *oid,
        };
        // Names of files without folders are in git's order as they are in ours.
        let entries = self.files.iter().map(entry).collect();
        let tree = git(self.git.write_object(Tree { entries }))?.detach();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let time = format!("{seconds} +0000");
        let who = gix::actor::SignatureRef {
            name: NAME.into(),
            email: EMAIL.into(),
            time: &time,
        };
        let parent = self.git.head_id().ok().map(gix::Id::detach);
        git(self.git.commit_as(who, who, "HEAD", message, tree, parent))?;
        // Without it git would take all files for removed ones.
        let mut index = git(self.git.index_from_tree(&tree))?;
        git(index.write(gix::index::write::Options::default()))
    }
}

fn git<T>(done: Result<T, impl std::fmt::Display>) -> Result<T> {
    done.map_err(|error| anyhow!("the demo's git repository: {error}"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn run(folder: &Path, words: &[&str]) -> String {
        let output = Command::new("git")
            .args(words)
            .current_dir(folder)
            // A hook that runs the tests has these, and they mean its repository.
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {words:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn git_finds_it_sound_and_goes_on_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let files = [("b.yml", "b: 1\n".to_owned()), ("a.yml", "a: 1\n".into())];
        let mut repository = Repository::create(&path, &files).unwrap();
        repository
            .commit("another", &[("b.yml", "b: 2\n".to_owned())])
            .unwrap();
        run(&path, &["fsck", "--strict"]);
        assert_eq!(run(&path, &["status", "--porcelain"]), "");
        assert_eq!(
            run(&path, &["log", "--format=%s", "main"]).lines().count(),
            2
        );
        assert_eq!(run(&path, &["show", "main:b.yml"]), "b: 2\n");
        // As the hints of the demo have it.
        std::fs::write(path.join("a.yml"), "a: 2\n").unwrap();
        run(
            &path,
            &["commit", "--quiet", "--all", "--message", "by git"],
        );
        assert_eq!(run(&path, &["ls-files"]), "a.yml\nb.yml\n");
        assert_eq!(run(&path, &["show", "main:a.yml"]), "a: 2\n");
    }
}
