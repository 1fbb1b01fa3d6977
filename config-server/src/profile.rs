//! Names of profiles, and the expressions that say for which of them a document counts:
//! `prod & (eu | us)`, `!cloud`, with commas between alternatives.

use crate::document::{Broken, Entry};

/// When a document counts.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Activation {
    /// One of them must hold, when there are any.
    any_of: Vec<Expression>,
    /// Whether it asks for a cloud, which this server is in none of.
    never: bool,
}

const ON_PROFILE: &str = "spring.config.activate.on-profile";
const ON_CLOUD: &str = "spring.config.activate.on-cloud-platform";
const LEGACY: &str = "spring.profiles";

impl Activation {
    /// Reads what the keys of a document say.
    pub(crate) fn read(entries: &[Entry]) -> Result<Self, Broken> {
        let mut activation = Self::default();
        for entry in entries {
            let key = canonical(&entry.key);
            if key == ON_CLOUD {
                activation.never |= entry.value.to_string() != "none";
            } else if key == ON_PROFILE || key == LEGACY {
                let text = entry.value.to_string();
                for part in text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                {
                    let expression = Expression::parse(part).map_err(|what| {
                        Broken::new(entry.place, format!("{}: {what}", entry.key))
                    })?;
                    activation.any_of.push(expression);
                }
            }
        }
        Ok(activation)
    }

    /// Returns whether the document counts for these profiles.
    pub fn holds(&self, profiles: &[String]) -> bool {
        !self.never && (self.any_of.is_empty() || self.any_of.iter().any(|one| one.holds(profiles)))
    }

    /// Returns whether the document counts whatever the profiles.
    pub fn is_unconditional(&self) -> bool {
        !self.never && self.any_of.is_empty()
    }
}

/// Returns the key of a list for one of its elements, and one spelling of several.
fn canonical(key: &str) -> String {
    let list = key.split('[').next().unwrap_or(key);
    list.replace("onProfile", "on-profile")
        .replace("on_profile", "on-profile")
}

#[derive(Clone, PartialEq, Debug)]
enum Expression {
    Profile(String),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

/// Deeper ones are nobody's.
const DEPTH_MAX: usize = 32;

impl Expression {
    fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = tokens(text);
        let expression = Self::all(&mut tokens, 0)?;
        match tokens.next() {
            None => Ok(expression),
            Some(_) => Err("the profile expression goes on behind its end".to_owned()),
        }
    }

    /// Reads operands with one kind of operator between them.
    fn all<'a>(
        tokens: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
        depth: usize,
    ) -> Result<Self, String> {
        let mut operands = vec![Self::operand(tokens, depth)?];
        let mut operator = None;
        while let Some(token) = tokens.next_if(|token| matches!(*token, "&" | "|")) {
            if operator.is_some_and(|before| before != token) {
                return Err("& and | are mixed without parentheses".to_owned());
            }
            operator = Some(token);
            operands.push(Self::operand(tokens, depth)?);
        }
        Ok(match operator {
            Some("&") => Self::And(operands),
            Some(_) => Self::Or(operands),
            None => operands.remove(0),
        })
    }

    fn operand<'a>(
        tokens: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
        depth: usize,
    ) -> Result<Self, String> {
        if depth > DEPTH_MAX {
            return Err("the profile expression is too deep".to_owned());
        }
        match tokens.next() {
            Some("!") => Ok(Self::Not(Box::new(Self::operand(tokens, depth + 1)?))),
            Some("(") => {
                let inner = Self::all(tokens, depth + 1)?;
                match tokens.next() {
                    Some(")") => Ok(inner),
                    _ => Err("a parenthesis of the profile expression is not closed".to_owned()),
                }
            }
            Some(name) if !matches!(name, "&" | "|" | ")") => Ok(Self::Profile(name.to_owned())),
            Some(_) => Err("a profile is missing before an operator".to_owned()),
            None => Err("a profile is missing at the end of the expression".to_owned()),
        }
    }

    fn holds(&self, profiles: &[String]) -> bool {
        match self {
            Self::Profile(name) => profiles.iter().any(|profile| profile == name),
            Self::Not(inner) => !inner.holds(profiles),
            Self::And(all) => all.iter().all(|one| one.holds(profiles)),
            Self::Or(all) => all.iter().any(|one| one.holds(profiles)),
        }
    }
}

/// Splits at operators, which are tokens themselves.
fn tokens(text: &str) -> std::iter::Peekable<impl Iterator<Item = &str>> {
    let is_operator = |c: char| "!&|()".contains(c);
    let parts = text.split_inclusive(is_operator).flat_map(move |part| {
        let (before, operator) = match part.char_indices().next_back() {
            Some((at, last)) if is_operator(last) => part.split_at(at),
            _ => (part, ""),
        };
        [before.trim(), operator]
    });
    parts.filter(|part| !part.is_empty()).peekable()
}

/// Returns the profiles of a request: `default` when there are none.
pub fn requested(text: &str) -> Vec<String> {
    let parts = text.split(',').map(str::trim);
    let mut profiles: Vec<String> = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        if !profiles.iter().any(|known| known == part) {
            profiles.push(part.to_owned());
        }
    }
    if profiles.is_empty() {
        profiles.push("default".to_owned());
    }
    profiles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(expression: &str, profiles: &str) -> bool {
        let expression = Expression::parse(expression).unwrap();
        expression.holds(&requested(profiles))
    }

    #[test]
    fn expressions_know_not_and_or() {
        assert!(holds("dev", "dev,cloud"));
        assert!(!holds("!cloud", "dev,cloud"));
        assert!(holds("a & b", "b,a"));
        assert!(!holds("a & b", "a"));
        assert!(holds("a|b", "b"));
        assert!(holds("prod & (eu | us)", "us,prod"));
        assert!(!holds("prod & !(eu | us)", "us,prod"));
        assert!(holds("!!a", "a"));
        assert!(holds("default", ""));
    }

    #[test]
    fn malformed_expressions_are_errors() {
        for text in ["a & b | c", "a &", "(a", "a)", "", "& a", "!", "a b ( c"] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
        assert!(Expression::parse(&"!".repeat(100)).is_err());
    }
}
