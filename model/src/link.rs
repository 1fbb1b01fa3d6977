//! Links between services: what calls what, how often, with how many errors.

/// Calls from one service to another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DependencyLink {
    /// The calling service, lower-case.
    pub parent: String,
    /// The called service, lower-case.
    pub child: String,
    /// Calls seen.
    pub call_count: u64,
    /// Calls that failed; at most `call_count`.
    pub error_count: u64,
}
