//! Pages against lists written as a whole.

use std::io::Read;

use flate2::read::GzDecoder;
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

use super::*;
use crate::codec::write_applications;

fn instance(app: u8, id: u16, port: u32) -> Arc<Instance> {
    let mut it = Instance::new(&format!("app-{app}"));
    it.instance_id = Some(format!("host-{id}"));
    it.port.number = port;
    Arc::new(it)
}

fn bytes(chunks: &Chunks) -> Vec<u8> {
    let bytes = chunks.parts.concat();
    assert_eq!(bytes.len() as u64, chunks.bytes);
    bytes
}

fn text(chunks: &Chunks) -> String {
    String::from_utf8(bytes(chunks)).unwrap()
}

fn unpacked(chunks: &Chunks) -> String {
    let mut plain = String::new();
    let packed = bytes(chunks);
    GzDecoder::new(packed.as_slice())
        .read_to_string(&mut plain)
        .unwrap();
    plain
}

/// Puts and removals: application, id, and the port to put.
fn actions() -> impl Strategy<Value = Vec<(u8, u16, Option<u32>)>> {
    let one = (
        0..3_u8,
        0..150_u16,
        proptest::option::weighted(0.7, any::<u32>()),
    );
    proptest::collection::vec(one, 0..400)
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

    #[test]
    fn pages_hold_what_a_map_holds(actions in actions()) {
        let mut catalogue = Catalogue::default();
        let mut model: BTreeMap<(String, String), Arc<Instance>> = BTreeMap::new();
        for (app, id, port) in actions {
            let it = instance(app, id, port.unwrap_or(0));
            let key = (it.app.clone(), it.id().to_owned());
            match port {
                Some(_) => {
                    model.insert(key, Arc::clone(&it));
                    catalogue.put(it);
                }
                None => {
                    model.remove(&key);
                    catalogue.remove(&key.0, &key.1);
                }
            }
        }
        let view = catalogue.view(7, "UP_1_");
        let facts = |it: &Arc<Instance>| (it.app.clone(), it.id().to_owned(), it.port.number);
        let mut all: Vec<_> = view.instances().map(facts).collect();
        all.sort();
        let expected: Vec<_> = model.values().map(facts).collect();
        prop_assert_eq!(all, expected);
        // As many pages as needed, give or take those that removals left half empty.
        for (_, pages) in &view.apps {
            assert!(pages.iter().all(|page| (1..=PAGE_ITEMS_MAX).contains(&page.instances.len())));
        }
    }
}

#[test]
fn an_answer_of_pages_is_the_list_written_as_a_whole() {
    for count in [0, 1, 63, 64, 65, 300] {
        let mut catalogue = Catalogue::default();
        for id in 0..count {
            catalogue.put(instance((id % 2) as u8, id, 80));
        }
        let view = catalogue.view(7, "UP_1_");
        let heading = Heading {
            version: 3,
            hash: "UP_1_",
        };
        for encoding in Encoding::ALL {
            let apps: Vec<(&str, Vec<&Instance>)> = view
                .apps
                .iter()
                .map(|(name, pages)| {
                    (
                        name.as_ref(),
                        pages
                            .iter()
                            .flat_map(|page| page.instances())
                            .map(AsRef::as_ref)
                            .collect(),
                    )
                })
                .collect();
            let mut whole = String::new();
            write_applications(&mut whole, encoding, heading, &apps);
            // Twice: the first asks write the pages, the second find them written.
            for _ in 0..2 {
                assert_eq!(text(&view.plain(encoding, 3)), whole, "{encoding:?}");
                assert_eq!(unpacked(&view.packed(encoding, 3)), whole, "{encoding:?}");
            }
        }
    }
}

#[test]
fn a_change_leaves_other_pages_written() {
    let mut catalogue = Catalogue::default();
    for id in 0..200 {
        catalogue.put(instance(0, id, 80));
    }
    let before = catalogue.view(1, "");
    catalogue.put(instance(0, 100, 81));
    let after = catalogue.view(2, "");
    let kept = before.apps[0].1.iter().zip(&after.apps[0].1);
    assert_eq!(kept.filter(|(a, b)| Arc::ptr_eq(a, b)).count(), 3);
}
