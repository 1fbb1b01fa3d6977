//! Any texts as values that name each other: resolved or refused, in bounds, never a panic.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use speargun_config_server::environment::placeholder::Resolver;

const NAMES: [&str; 4] = ["a", "b", "a.b[0]", "a:b"];

fuzz_target!(|texts: Vec<String>| {
    let values: HashMap<&str, String> = NAMES.into_iter().zip(texts.iter().cloned()).collect();
    let mut resolver = Resolver::new(&values);
    for text in &texts {
        resolver.resolve(text).ok();
    }
});
