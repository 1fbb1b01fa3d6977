//! Any bytes as what clients and peers send in JSON: no panic, and what is read of an instance is
//! written such that it is read as the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use speargun_registry::codec::{Shape, batch, json};

fuzz_target!(|body: &[u8]| {
    if let Ok(instance) = json::read_instance(body) {
        let mut written = String::new();
        json::write_root(&mut written, Shape::Full, &instance);
        let again = json::read_instance(written.as_bytes()).expect("our own form");
        let mut twice = String::new();
        json::write_root(&mut twice, Shape::Full, &again);
        assert_eq!(written, twice);
        let mut compact = String::new();
        json::write_root(&mut compact, Shape::Compact, &instance);
        json::read_instance(compact.as_bytes()).expect("our own form");
    }
    if let Ok(instances) = json::read_applications(body) {
        let mut written = String::new();
        json::write_application(
            &mut written,
            Shape::Full,
            "APP",
            &instances.iter().collect::<Vec<_>>(),
        );
    }
    if let Ok(Some(items)) = batch::read_items(body) {
        let mut written = String::new();
        batch::write_items(&mut written, items.iter());
        let again = batch::read_items(written.as_bytes()).expect("our own form");
        assert_eq!(again.map(|items| items.len()), Some(items.len()));
    }
    if let Ok(responses) = batch::read_responses(body) {
        let mut written = String::new();
        batch::write_responses(&mut written, &responses);
        let again = batch::read_responses(written.as_bytes()).expect("our own form");
        assert_eq!(again.len(), responses.len());
    }
});
