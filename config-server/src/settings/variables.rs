//! Variables of the environment as Spring binds them: `a.b-c[0]` is `A_BC_0` or, as it was before,
//! `A_B_C_0`. Which of them were asked for is kept, so that misspelt ones are found.

use std::collections::{BTreeMap, BTreeSet};

use speargun_runtime::environment::is_service_link;

/// What variables begin with of which every one must be known.
const OURS: [&str; 3] = [
    "SPRING_CLOUD_CONFIG_SERVER_",
    "ENCRYPT_",
    "SPEARGUN_CONFIG_",
];

/// All variables.
#[derive(Debug)]
pub(super) struct Variables {
    given: BTreeMap<String, String>,
    used: BTreeSet<String>,
}

/// Returns the names of the variable for a setting: hyphens left out, or as underscores.
pub(super) fn spellings(name: &str) -> [String; 2] {
    let spell = |hyphen: &str| {
        let mut out = String::new();
        for c in name.chars() {
            match c {
                '.' | '[' => out.push('_'),
                ']' => {}
                '-' => out.push_str(hyphen),
                c => out.extend(c.to_uppercase()),
            }
        }
        out
    };
    [spell(""), spell("_")]
}

impl Variables {
    pub(super) fn new(all: &[(String, String)]) -> Self {
        Self {
            given: all.iter().cloned().collect(),
            used: BTreeSet::new(),
        }
    }

    /// Returns the value of a setting, which may be empty.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let mut found: Option<&String> = None;
        for spelling in spellings(name) {
            found = found.or_else(|| self.given.get(&spelling));
            self.used.insert(spelling);
        }
        found.map(|text| text.trim().to_owned())
    }

    /// Returns whether a name is one that must be known, or is read by Spring.
    fn looks_like_setting(name: &str) -> bool {
        let read = ["SERVER_", "SPRING_", "EUREKA_"];
        OURS.iter()
            .chain(&read)
            .any(|start| name.starts_with(start))
    }

    /// Returns whether a variable of this very name is there and not empty.
    pub(super) fn is_given(&self, variable: &str) -> bool {
        self.given
            .get(variable)
            .is_some_and(|text| !text.is_empty())
    }

    /// Returns whether there is one for a setting or any below it.
    pub(super) fn has(&self, name: &str) -> bool {
        let spellings = spellings(name);
        let is_of = |key: &String| {
            let rests = spellings.iter().filter_map(|start| key.strip_prefix(start));
            rests
                .into_iter()
                .any(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        self.given.keys().any(is_of)
    }

    /// Returns what there is below a setting: names with points between their words, and values.
    pub(super) fn below(&mut self, name: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (key, text) in &self.given {
            if let Some(rest) = rest(key, name) {
                self.used.insert(key.clone());
                found.push((rest.to_lowercase().replace('_', "."), text.clone()));
            }
        }
        found
    }

    /// Returns the names right below a setting, but those of which all that is said is of a known
    /// one, whose name may have several words.
    pub(super) fn children(&self, name: &str, known: &[String]) -> BTreeSet<String> {
        let of_known: Vec<String> = known
            .iter()
            .flat_map(|child| spellings(&format!("{name}.{child}")))
            .collect();
        let is_known = |key: &str| {
            let rests = of_known
                .iter()
                .filter_map(|start| key.strip_prefix(&**start));
            rests
                .into_iter()
                .any(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        let others = self.given.keys().filter(|key| !is_known(key));
        let words = others.filter_map(|key| rest(key, name)?.split('_').next());
        words.map(str::to_lowercase).collect()
    }

    /// Returns those of ours that nobody asked for.
    pub(super) fn unused(&self) -> impl Iterator<Item = &str> {
        let ours = |key: &&String| OURS.iter().any(|start| key.starts_with(start));
        let unused = self.given.keys().filter(ours);
        unused
            .filter(|key| !self.used.contains(*key))
            .map(String::as_str)
    }
}

/// Returns what follows a setting in the name of a variable.
fn rest<'a>(key: &'a str, name: &str) -> Option<&'a str> {
    let rest_of = |start: &String| key.strip_prefix(start)?.strip_prefix('_');
    let rest = spellings(name).iter().find_map(rest_of);
    rest.filter(|rest| !rest.is_empty())
}

/// Names and values.
pub(super) type Pairs = Vec<(String, String)>;

/// Returns whether a variable is one of the overrides, which may have any name.
pub(super) fn overrides(name: &str) -> bool {
    let free = spellings("spring.cloud.config.server.overrides.");
    free.iter().any(|start| name.starts_with(start))
}

/// Returns the names of variables that look like settings but say where a service of Kubernetes is
/// (one called `speargun-config-server` gives `SPEARGUN_CONFIG_SERVER_PORT`), and all other
/// variables.
pub(super) fn without_links(all: &[(String, String)]) -> (Vec<String>, Pairs) {
    let is_link =
        |(name, value): &&(String, String)| is_service_link(name, value) && !overrides(name);
    let (links, others): (Vec<_>, Vec<_>) = all.iter().partition(is_link);
    let names = links.into_iter().map(|(name, _)| name.clone());
    let names = names.filter(|name| Variables::looks_like_setting(name));
    (names.collect(), others.into_iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_two_spellings() {
        assert_eq!(spellings("a.b-c[0].dE"), ["A_BC_0_DE", "A_B_C_0_DE"]);
        assert_eq!(spellings("a.b"), ["A_B", "A_B"]);
    }

    #[test]
    fn children_are_not_found_in_names_of_several_words() {
        let names = ["R_MY_REPO_URI", "R_MYREPO_URI", "R_OTHER_URI", "R_", "RX_Y"];
        let all = names.map(|name| (name.to_owned(), String::new()));
        let children = Variables::new(&all).children("r", &["my-repo".to_owned()]);
        assert_eq!(children, BTreeSet::from(["other".to_owned()]));
    }
}
