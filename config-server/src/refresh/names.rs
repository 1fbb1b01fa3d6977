//! Which applications a changed file concerns. Its name may hold a profile behind a hyphen, and an
//! application's name may hold hyphens too, so each way to read it counts.

use indexmap::IndexSet;

use crate::environment::assemble::EVERYBODY;

/// Names of applications, none twice, in the order in which they came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    names: IndexSet<String>,
}

/// Everybody.
pub const ALL: &str = "*";

/// More names are everybody.
const NAMES_MAX: usize = 10_000;

impl Names {
    /// Adds what a path concerns.
    pub fn add_path(&mut self, path: &str) {
        let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        let mut name = stem;
        loop {
            if name == EVERYBODY {
                self.add_everybody();
            } else if !name.is_empty() && name.len() <= 256 {
                self.add(name);
            }
            let Some((shorter, _)) = name.rsplit_once('-') else {
                return;
            };
            name = shorter;
        }
    }

    /// Adds everybody.
    pub fn add_everybody(&mut self) {
        self.names.insert(ALL.to_owned());
    }

    /// Adds a name.
    pub(super) fn add(&mut self, name: &str) {
        if self.names.len() < NAMES_MAX {
            self.names.insert(name.to_owned());
        } else {
            self.add_everybody();
        }
    }

    /// Adds all of another.
    pub fn add_all(&mut self, other: &Self) {
        for name in &other.names {
            self.add(name);
        }
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns whether everybody is among them.
    pub fn are_everybody(&self) -> bool {
        self.names.contains(ALL)
    }

    /// Returns all of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<String> {
        let mut names = Names::default();
        names.add_path(path);
        names.iter().map(str::to_owned).collect()
    }

    #[test]
    fn hyphens_may_begin_a_profile() {
        assert_eq!(names("a-b-dev.yml"), ["a-b-dev", "a-b", "a"]);
        assert_eq!(names("nested/dir/other.properties"), ["other"]);
        assert_eq!(names("application.yml"), ["*"]);
        assert_eq!(names("application-dev.yml"), ["application-dev", "*"]);
        assert_eq!(names("x-dev"), ["x-dev", "x"]);
        assert_eq!(names("-x.yml"), ["-x"]);
        assert!(names("").is_empty());
        assert!(names(".yml").is_empty());
    }

    #[test]
    fn too_many_names_are_everybody() {
        let mut names = Names::default();
        for number in 0..NAMES_MAX + 10 {
            names.add_path(&format!("app{number}.yml"));
        }
        assert!(names.are_everybody());
        assert!(names.iter().count() <= NAMES_MAX + 1);
    }
}
