//! Any bytes as what clients send in XML: no panic, and what is read of an instance is written such
//! that it is read as the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use speargun_registry::codec::{Shape, xml};

fuzz_target!(|body: &[u8]| {
    if let Ok(instance) = xml::read_instance(body) {
        let mut written = String::new();
        xml::write_root(&mut written, Shape::Full, &instance);
        let again = xml::read_instance(written.as_bytes()).expect("our own form");
        let mut twice = String::new();
        xml::write_root(&mut twice, Shape::Full, &again);
        assert_eq!(written, twice);
    }
    if let Ok(instances) = xml::read_applications(body) {
        let mut written = String::new();
        xml::write_application(
            &mut written,
            Shape::Full,
            "APP",
            &instances.iter().collect::<Vec<_>>(),
        );
    }
});
