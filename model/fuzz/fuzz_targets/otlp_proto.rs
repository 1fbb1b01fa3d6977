//! Any bytes as OTLP in protobuf: no panic, and what is read is read again from what is written of
//! it as Zipkin's.
#![no_main]

use libfuzzer_sys::fuzz_target;
use speargun_model::codec::Format;
use speargun_model_fuzz::{assert_read_again, spans};

fuzz_target!(|body: &[u8]| {
    spans(Format::OtlpProto, body).map(assert_read_again);
});
