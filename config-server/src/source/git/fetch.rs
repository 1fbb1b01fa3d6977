//! Clones of remote repositories: all branches and tags, without a working tree. What the remote
//! has no more is removed here too, and a branch that was pushed by force is followed.

use std::any::Any;
use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gix::credentials::helper::{Action, NextAction};
use gix::credentials::protocol::Outcome;
use gix::protocol::transport::client::blocking_io::http;
use gix::remote::Direction;
use gix::remote::fetch::Tags;

use super::{GitError, Labels, Remote, labels, open, reasons};
use crate::source::config::Access;
use crate::value::push;

const REFSPECS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
/// How long one answer of a remote may take over HTTP, a whole clone included.
const FETCH_WITHIN: Duration = Duration::from_mins(5);

fn failed(error: impl std::error::Error) -> GitError {
    GitError::Failed(reasons(&error))
}

/// Brings the clone up to date, or makes it.
pub(super) fn fetch(remote: &Remote, interrupt: &AtomicBool) -> Result<Labels, GitError> {
    if !remote.clone.join("HEAD").is_file() {
        std::fs::create_dir_all(&remote.clone)
            .map_err(|error| GitError::Failed(format!("{}: {error}", remote.clone.display())))?;
        gix::init_bare(&remote.clone).map_err(|error| GitError::Damaged(reasons(&error)))?;
    }
    let options = gix::open::Options::isolated().config_overrides(ssh(remote)?);
    let repository = options
        .open(remote.clone.clone())
        .map_err(|error| GitError::Damaged(reasons(&error)))?
        .to_thread_local();
    match receive(&repository, remote, interrupt) {
        Ok(()) => labels(&open(&remote.clone)?),
        Err(error) if is_whole(&repository) => Err(error),
        Err(error) => Err(GitError::Damaged(error.to_string())),
    }
}

/// Returns whether the commits of all branches and tags can be read.
fn is_whole(repository: &gix::Repository) -> bool {
    let readable = |id: &gix::ObjectId| {
        let commit = repository.find_commit(*id);
        commit.is_ok_and(|commit| commit.tree().is_ok())
    };
    labels(repository).is_ok_and(|labels| labels.values().all(readable))
}

fn receive(
    repository: &gix::Repository,
    remote: &Remote,
    interrupt: &AtomicBool,
) -> Result<(), GitError> {
    let asked = repository
        .remote_at_without_url_rewrite(remote.uri.as_str())
        .map_err(failed)?
        .with_fetch_tags(Tags::None)
        .with_refspecs(REFSPECS, Direction::Fetch)
        .map_err(failed)?;
    let mut connection = asked.connect(Direction::Fetch).map_err(failed)?;
    connection.set_credentials(|action| {
        let own = Some(&remote.access.0).filter(|_| !is_clear(remote));
        Ok(own.and_then(|access| credentials(action, access)))
    });
    if let Some(options) = http_options(repository, remote)? {
        connection.set_transport_options(options);
    }
    let prepared = connection
        .prepare_fetch(
            gix::progress::Discard,
            gix::remote::ref_map::Options::default(),
        )
        .map_err(failed)?;
    let there: HashSet<String> = prepared
        .ref_map()
        .remote_refs
        .iter()
        .map(|reference| reference.unpack().0.to_string())
        .collect();
    // An old branch may stand where a new one needs a folder.
    prune(repository, &there)?;
    let prepared = prepared.with_write_packed_refs_only(true);
    let received = prepared.receive(gix::progress::Discard, interrupt);
    received.map(|_| ()).map_err(failed)
}

/// Returns whether what is sent can be read on the way.
fn is_clear(remote: &Remote) -> bool {
    remote.uri.starts_with("http://")
}

/// Removes branches and tags that the remote has no more.
fn prune(repository: &gix::Repository, there: &HashSet<String>) -> Result<(), GitError> {
    let references = repository.references().map_err(failed)?;
    for prefix in ["refs/heads/", "refs/tags/"] {
        let known = references.prefixed(prefix).map_err(failed)?;
        for reference in known.flatten() {
            let name = reference.name().as_bstr().to_string();
            if !there.contains(&name) {
                reference.delete().map_err(failed)?;
                tracing::info!(name, "the remote has it no more");
            }
        }
    }
    Ok(())
}

fn credentials(action: Action, access: &Access) -> Option<Outcome> {
    match action {
        Action::Get(context) if !access.password.is_empty() || !access.user.is_empty() => {
            let user = if access.user.is_empty() {
                "git"
            } else {
                &access.user
            };
            Some(Outcome {
                identity: gix::sec::identity::Account {
                    username: user.to_owned(),
                    password: access.password.clone(),
                    oauth_refresh_token: None,
                },
                next: NextAction::from(context),
            })
        }
        Action::Get(_) | Action::Store(_) | Action::Erase(_) => None,
    }
}

/// Returns what the client of HTTP is told; `None` for other ways.
fn http_options(
    repository: &gix::Repository,
    remote: &Remote,
) -> Result<Option<Box<dyn Any>>, GitError> {
    let options = repository
        .transport_options(remote.uri.as_str(), None)
        .map_err(failed)?;
    let Some(options) = options else {
        return Ok(None);
    };
    let Ok(mut options) = options.downcast::<http::Options>() else {
        return Ok(None);
    };
    let access = &remote.access.0;
    if is_clear(remote) && !access.password.is_empty() {
        // Whoever says http says so for a network of their own; git's library refuses to.
        let user = if access.user.is_empty() {
            "git"
        } else {
            &access.user
        };
        let basic = crate::cipher::to_base64(format!("{user}:{}", access.password).as_bytes());
        options
            .extra_headers
            .push(format!("Authorization: Basic {basic}"));
    }
    let (silence, any_certificate) = (remote.timeout, remote.access.0.any_certificate);
    let configure = move |_| {
        // Time between two reads can't be limited in a client that blocks.
        let client = reqwest::Client::builder()
            .connect_timeout(silence)
            .tls_danger_accept_invalid_certs(any_certificate);
        Ok(reqwest::blocking::ClientBuilder::from(client).timeout(FETCH_WITHIN))
    };
    let backend = http::reqwest::Options {
        configure_client: Some(Box::new(configure)),
        configure_request: None,
    };
    options.backend = Some(Arc::new(Mutex::new(backend)));
    Ok(Some(options))
}

/// Returns the settings by which git's way over ssh uses the key and hosts that are set.
fn ssh(remote: &Remote) -> Result<Vec<String>, GitError> {
    let access = &remote.access.0;
    let seconds = remote.timeout.as_secs().max(1);
    let mut command = format!(
        "ssh -o BatchMode=yes -o ConnectTimeout={seconds} -o ServerAliveInterval={seconds} \
         -o ServerAliveCountMax=2"
    );
    if !access.private_key.is_empty() {
        let file = remote.clone.join("speargun-ssh-key");
        write_key(&file, &access.private_key)
            .map_err(|error| GitError::Failed(format!("the key for ssh: {error}")))?;
        let file = file.display().to_string();
        push(
            &mut command,
            format_args!(" -o IdentitiesOnly=yes -i {}", quoted(&file)),
        );
    }
    if let Some(hosts) = &access.known_hosts {
        let hosts = hosts.display().to_string();
        push(
            &mut command,
            format_args!(" -o UserKnownHostsFile={}", quoted(&hosts)),
        );
    }
    let strict = if access.any_host { "no" } else { "yes" };
    push(
        &mut command,
        format_args!(" -o StrictHostKeyChecking={strict}"),
    );
    Ok(vec![format!("core.sshCommand={command}")])
}

/// Quotes a path for a shell.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', "'\\''"))
}

/// Writes a key so that nobody else reads it.
fn write_key(file: &std::path::Path, key: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let mut out = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?;
    out.write_all(key.trim().as_bytes())?;
    out.write_all(b"\n")
}
