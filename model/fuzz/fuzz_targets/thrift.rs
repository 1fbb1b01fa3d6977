//! Any bytes as thrift: no panic, and what is read is a list of version 2 that is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use speargun_model::codec::Format;
use speargun_model_fuzz::{assert_read_again, spans};

fuzz_target!(|body: &[u8]| {
    spans(Format::Thrift, body).map(assert_read_again);
});
