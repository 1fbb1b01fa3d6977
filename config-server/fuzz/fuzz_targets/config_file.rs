//! Any bytes as a file of configuration, in each of its forms: no panic, no more than its bounds
//! allow, and no key twice in a document.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use speargun_config_server::document::{Bounds, Format};

const BOUNDS: Bounds = Bounds {
    bytes_max: 64 << 10,
    entries_max: 500,
    text_bytes_max: 64 << 10,
};

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    let format = Format::ALL[usize::from(*kind) % Format::ALL.len()];
    let Ok(documents) = format.read(bytes, &BOUNDS) else {
        return;
    };
    let count: usize = documents
        .iter()
        .map(|document| document.entries.len())
        .sum();
    assert!(count <= BOUNDS.entries_max);
    for document in documents {
        let mut keys = HashSet::new();
        assert!(
            document
                .entries
                .iter()
                .all(|entry| keys.insert(entry.key.clone()))
        );
    }
});
