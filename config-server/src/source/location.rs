//! Folders in which requests look: the root of a repository, and search paths with placeholders and
//! stars. Paths that leave the repository are refused.

use std::ops::Bound;

use crate::environment::assemble::Request;
use crate::profile;
use crate::snapshot::Snapshot;

/// Returns the folders of a request, the weakest first, each with a slash behind; the root is the
/// empty text. A request without label has the default one in its paths.
pub fn of_request(
    snapshot: &Snapshot,
    (search_paths, default_label): (&[String], &str),
    request: &Request,
) -> Vec<String> {
    let labelled = Request {
        label: Some(request.label.as_deref().unwrap_or(default_label).to_owned()),
        ..request.clone()
    };
    let mut locations = vec![String::new()];
    let mut add = |location: String| {
        if !locations.contains(&location) {
            locations.push(location);
        }
    };
    for path in search_paths {
        for path in filled(path, &labelled) {
            let Some(path) = normal(&path) else {
                continue;
            };
            if has_stars(&path) {
                matching(snapshot, &path).for_each(&mut add);
            } else {
                add(path);
            }
        }
    }
    locations
}

/// Returns the folders that match a path with stars. Only those are looked at that begin as the
/// path does in front of its first star.
pub(crate) fn matching(snapshot: &Snapshot, path: &str) -> impl Iterator<Item = String> {
    let plain = path.find(['*', '?']).and_then(|at| path.get(..at));
    let plain = plain.unwrap_or(path);
    let from = (Bound::Included(plain), Bound::Unbounded);
    let folders = snapshot.folders().range::<str, _>(from);
    let near = folders.take_while(|folder| folder.starts_with(plain));
    let matching = near
        .filter(|folder| glob(path, folder))
        .map(ToString::to_string);
    matching.collect::<Vec<_>>().into_iter()
}

/// Returns whether a path has stars, so that the folders of a snapshot are needed.
pub(crate) fn has_stars(path: &str) -> bool {
    path.contains(['*', '?'])
}

/// Returns a text once for each application and profile that its placeholders ask for.
pub fn filled(text: &str, request: &Request) -> Vec<String> {
    let label = request.label.as_deref().unwrap_or_default();
    let mut out = vec![text.replace("{label}", label)];
    if text.contains("{application}") {
        let names = request.own_applications();
        let each = |text: &String| {
            let filled = names.iter().map(|name| text.replace("{application}", name));
            filled.collect::<Vec<_>>()
        };
        out = out.iter().flat_map(each).collect();
    }
    if text.contains("{profile}") {
        let profiles = profile::requested(&request.profiles);
        let each = |text: &String| {
            let filled = profiles.iter().map(|name| text.replace("{profile}", name));
            filled.collect::<Vec<_>>()
        };
        out = out.iter().flat_map(each).collect();
    }
    out
}

/// Returns whether requests of anybody may look in a folder.
pub fn is_searched(search_paths: &[String], folder: &str) -> bool {
    folder.is_empty()
        || search_paths.iter().any(|path| {
            let open = path
                .replace("{application}", "**")
                .replace("{profile}", "*")
                .replace("{label}", "**");
            normal(&open).is_some_and(|path| path == folder || glob(&path, folder))
        })
}

/// Returns a folder with a slash behind and none in front; `None` when it leaves the repository.
pub fn normal(path: &str) -> Option<String> {
    let mut out = String::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            part => {
                out.push_str(part);
                out.push('/');
            }
        }
    }
    Some(out)
}

/// Returns whether a folder matches a path in which `*` is any text without slash, `?` any
/// character but that, and `**` any folders.
fn glob(pattern: &str, folder: &str) -> bool {
    let pattern: Vec<&str> = pattern.split_terminator('/').collect();
    let folder: Vec<&str> = folder.split_terminator('/').collect();
    parts(&pattern, &folder)
}

fn parts(pattern: &[&str], folder: &[&str]) -> bool {
    // The rest of the pattern behind the last `**`, and where in the folder it may begin next.
    let mut retry: Option<(&[&str], &[&str])> = None;
    let (mut pattern, mut folder) = (pattern, folder);
    loop {
        if let Some(("**", rest)) = pattern.split_first().map(|(first, rest)| (*first, rest)) {
            retry = Some((rest, folder));
            pattern = rest;
            continue;
        }
        match (pattern.split_first(), folder.split_first()) {
            (None, None) => return true,
            (Some((one, pattern_rest)), Some((name, folder_rest))) if part(one, name) => {
                (pattern, folder) = (pattern_rest, folder_rest);
                continue;
            }
            _ => {}
        }
        let Some((rest, from)) = retry else {
            return false;
        };
        let Some((_, later)) = from.split_first() else {
            return false;
        };
        retry = Some((rest, later));
        (pattern, folder) = (rest, later);
    }
}

fn part(pattern: &str, name: &str) -> bool {
    if !pattern.contains('?') {
        return super::pattern::matches(pattern, name);
    }
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                (p, n) = (p + 1, n + 1);
                continue;
            }
            _ => {}
        }
        let Some((after_star, from)) = retry else {
            return false;
        };
        retry = Some((after_star, from + 1));
        (p, n) = (after_star, from + 1);
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_within_a_folder() {
        for (pattern, folder, expected) in [
            ("a/*/", "a/b/", true),
            ("a/*/", "a/b/c/", false),
            ("a/*/", "a/", false),
            ("a*/", "abc/", true),
            ("?b/", "ab/", true),
            ("?*c/", "abc/", true),
            ("?/", "ab/", false),
            ("**/x/", "x/", true),
            ("**/x/", "a/b/x/", true),
            ("**/x/", "a/b/", false),
            ("a/**/b/", "a/b/", true),
            ("a/**/b/**/c/", "a/x/b/y/z/c/", true),
        ] {
            assert_eq!(glob(pattern, folder), expected, "{pattern} {folder}");
        }
        let many = "**/a/".repeat(30);
        assert!(!glob(&format!("{many}b/"), &"a/".repeat(60)));
    }

    #[test]
    fn folders_match_that_begin_as_the_path_does() {
        let reading = std::sync::Arc::default();
        let paths = [
            "conf/a/x.yml",
            "conf/b/c/x.yml",
            "con/x.yml",
            "dev/conf/x.yml",
        ];
        let files = paths.map(|path| {
            let file = crate::snapshot::File::new(path, bytes::Bytes::new(), &reading);
            (path.into(), std::sync::Arc::new(file))
        });
        let snapshot = Snapshot::new(None, files.into());
        for (path, expected) in [
            ("conf/*/", &["conf/a/", "conf/b/"][..]),
            ("con*/", &["con/", "conf/"]),
            ("con?/", &["conf/"]),
            ("*/conf/", &["dev/conf/"]),
            ("conf/**/", &["conf/", "conf/a/", "conf/b/", "conf/b/c/"]),
        ] {
            let found: Vec<String> = matching(&snapshot, path).collect();
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn paths_that_leave_the_repository_are_no_paths() {
        assert_eq!(normal("a/../../b"), None);
        assert_eq!(normal(".."), None);
        assert_eq!(normal("/a//./b").as_deref(), Some("a/b/"));
        assert_eq!(normal("").as_deref(), Some(""));
    }

    #[test]
    fn placeholders_ask_for_each_application_and_profile() {
        let request = Request {
            application: "a,b".to_owned(),
            profiles: "dev,cloud".to_owned(),
            label: Some("v1".to_owned()),
        };
        assert_eq!(filled("{label}/x", &request), ["v1/x"]);
        assert_eq!(filled("{application}", &request), ["a", "b"]);
        assert_eq!(
            filled("{application}/{profile}", &request),
            ["a/dev", "a/cloud", "b/dev", "b/cloud"]
        );
        let nobody = Request {
            application: "application".to_owned(),
            profiles: String::new(),
            label: None,
        };
        assert_eq!(
            filled("{application}/{profile}", &nobody),
            ["application/default"]
        );
    }

    #[test]
    fn requests_without_label_have_the_default_one_in_their_paths() {
        let paths = ["conf/{label}".to_owned()];
        let folders = |label: Option<&str>| {
            let request = Request {
                application: "a".to_owned(),
                profiles: String::new(),
                label: label.map(str::to_owned),
            };
            of_request(&Snapshot::default(), (&paths, "main"), &request)
        };
        assert_eq!(folders(None), ["", "conf/main/"]);
        assert_eq!(folders(Some("v1")), ["", "conf/v1/"]);
    }

    #[test]
    fn folders_of_anybody_are_checked() {
        let paths = ["conf/{application}".to_owned(), "shared".to_owned()];
        for (folder, expected) in [
            ("", true),
            ("shared/", true),
            ("conf/foo/", true),
            ("conf/a/b/", true),
            ("other/", false),
        ] {
            assert_eq!(is_searched(&paths, folder), expected, "{folder}");
        }
    }
}
