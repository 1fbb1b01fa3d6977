//! Any texts as values that name each other: resolved or refused, in bounds, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use speargun_config_server::environment::placeholder::{Resolver, Values};

const NAMES: [&str; 4] = ["a", "b", "a.b[0]", "a:b"];

fuzz_target!(|texts: Vec<String>| {
    let names = NAMES.into_iter().map(Into::into);
    let values: Values<'_> = names.zip(texts.iter().cloned()).collect();
    let mut resolver = Resolver::new(&values);
    for text in &texts {
        resolver.resolve(text).ok();
    }
});
