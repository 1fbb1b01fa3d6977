//! Any bytes as proto3: no panic, and what is read is read again from what is written of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use speargun_model::codec::{Format, proto3};
use speargun_model_fuzz::spans;

fuzz_target!(|body: &[u8]| {
    let Some(given) = spans(Format::Proto3, body) else {
        return;
    };
    let mut written = Vec::new();
    proto3::encode_spans(&given, &mut written);
    assert_eq!(spans(Format::Proto3, &written), Some(given));
});
