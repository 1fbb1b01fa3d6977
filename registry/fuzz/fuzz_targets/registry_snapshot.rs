//! Any bytes as the file that a registry left for its next life: read or refused, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use speargun_registry::snapshot;

fuzz_target!(|bytes: &[u8]| {
    snapshot::read(bytes).ok();
});
