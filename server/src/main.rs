//! The `speargun` binary.

fn main() {}
