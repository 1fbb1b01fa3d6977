//! Clones of remote repositories: all branches and tags, without a working tree. What the remote
//! has no more is removed here too, and a branch that was pushed by force is followed.

use std::collections::HashSet;
use std::sync::Arc;

use gix::credentials::helper::{Action, NextAction};
use gix::credentials::protocol::Outcome;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::transport::client::blocking_io::http::Transport as OverHttp;
use gix::remote::Direction;
use gix::remote::fetch::Tags;
use gix::url::Scheme;

use super::interrupt::Interrupt;
use super::{GitError, Labels, Remote, in_clone, labels, open, reasons};
use super::{daemon, http};
use crate::source::config::Access;
use crate::value::push;

const REFSPECS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

fn failed(error: impl std::error::Error + 'static) -> GitError {
    GitError::Failed(reasons(&error))
}

/// Brings the clone up to date, or makes it.
pub(super) fn fetch(remote: &Remote, interrupt: &Arc<Interrupt>) -> Result<Labels, GitError> {
    if !remote.clone.join("HEAD").is_file() {
        std::fs::create_dir_all(&remote.clone)
            .map_err(|error| GitError::Failed(format!("{}: {error}", remote.clone.display())))?;
        gix::init_bare(&remote.clone).map_err(|error| in_clone(&error))?;
    }
    let options = gix::open::Options::isolated().config_overrides(ssh(remote)?);
    let repository = options
        .open(remote.clone.clone())
        .map_err(|error| in_clone(&error))?
        .to_thread_local();
    match receive(&repository, remote, interrupt) {
        Ok(()) => labels(&open(&remote.clone)?),
        Err(error) if interrupt.is_set() || !is_damaged(&repository) => Err(error),
        Err(error) => Err(GitError::Damaged(error.to_string())),
    }
}

/// Returns whether a commit of a branch or tag is not as it should be. One that the machine does
/// not let be read says nothing.
fn is_damaged(repository: &gix::Repository) -> bool {
    let read = |id: &gix::ObjectId| {
        let commit = repository
            .find_commit(*id)
            .map_err(|error| in_clone(&error))?;
        commit.tree().map(|_| ()).map_err(|error| in_clone(&error))
    };
    let all = labels(repository).and_then(|labels| labels.values().try_for_each(read));
    matches!(all, Err(GitError::Damaged(_)))
}

fn receive(
    repository: &gix::Repository,
    remote: &Remote,
    interrupt: &Arc<Interrupt>,
) -> Result<(), GitError> {
    interrupt.check().map_err(failed)?;
    let asked = repository
        .remote_at_without_url_rewrite(remote.uri.as_str())
        .map_err(failed)?
        .with_fetch_tags(Tags::None)
        .with_refspecs(REFSPECS, Direction::Fetch)
        .map_err(failed)?;
    let mut connection = connect(&asked, remote, interrupt)?;
    connection.set_credentials(|action| {
        let own = Some(&remote.access.0).filter(|_| !is_clear(remote));
        Ok(own.and_then(|access| credentials(action, access)))
    });
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
    interrupt.check().map_err(failed)?;
    // An old branch may stand where a new one needs a folder.
    prune(repository, &there)?;
    let prepared = prepared.with_write_packed_refs_only(true);
    let received = prepared.receive(gix::progress::Discard, interrupt.flag());
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

type Connection<'a, 'repo> = gix::remote::Connection<'a, 'static, 'repo, Box<dyn Transport + Send>>;

/// Connects to a remote. That ssh ends is its program's business, which asks the remote whether it
/// is there.
fn connect<'a, 'repo>(
    asked: &'a gix::Remote<'repo>,
    remote: &Remote,
    interrupt: &Arc<Interrupt>,
) -> Result<Connection<'a, 'repo>, GitError> {
    let direction = Direction::Fetch;
    let (url, version) = asked.sanitized_url_and_version(direction).map_err(failed)?;
    let transport: Box<dyn Transport + Send> = match url.scheme {
        Scheme::Http | Scheme::Https => {
            let setup = http::Setup {
                home: remote.uri.clone(),
                connect_within: remote.timeout,
                any_certificate: remote.access.0.any_certificate,
                authorization: authorization(remote),
            };
            let client = http::Client::new(setup, interrupt).map_err(GitError::Failed)?;
            Box::new(OverHttp::new_http(client, url, version, false))
        }
        Scheme::Git => {
            let within = (version, remote.timeout);
            Box::new(daemon::connect(&url, within, interrupt).map_err(failed)?)
        }
        _ => return asked.connect(direction).map_err(failed),
    };
    Ok(asked.to_connection_with_transport(transport))
}

/// Returns what lets in over HTTP in clear. Whoever says http says so for a network of their own;
/// git's library refuses to.
fn authorization(remote: &Remote) -> Option<::http::HeaderValue> {
    let access = &remote.access.0;
    if !is_clear(remote) || access.password.is_empty() {
        return None;
    }
    let user = if access.user.is_empty() {
        "git"
    } else {
        &access.user
    };
    let basic = crate::cipher::to_base64(format!("{user}:{}", access.password).as_bytes());
    let mut value = ::http::HeaderValue::try_from(format!("Basic {basic}")).ok()?;
    value.set_sensitive(true);
    Some(value)
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

/// Writes a key so that nobody else reads it, into a file of its own: what stands there may lead
/// elsewhere or be readable.
fn write_key(file: &std::path::Path, key: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    let mut out = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    out.write_all(key.trim().as_bytes())?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_written_where_nothing_stood() {
        let here = tempfile::tempdir().unwrap();
        let (file, other) = (here.path().join("key"), here.path().join("other"));
        std::fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, &file).unwrap();
        for key in ["one", " two\n"] {
            write_key(&file, key).unwrap();
            let written = std::fs::read_to_string(&file).unwrap();
            assert_eq!(written, format!("{}\n", key.trim()));
            let permissions = std::fs::symlink_metadata(&file).unwrap().permissions();
            assert_eq!(permissions.mode() & 0o777, 0o600);
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
    }
}
