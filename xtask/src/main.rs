//! The menu.

fn main() {}
