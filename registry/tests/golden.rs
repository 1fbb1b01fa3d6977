//! Bytes of the reference servers: read by ours they mean the same, written by ours they are the
//! same.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

use std::path::Path;

use speargun_registry::codec::{
    self, Encoding, Format, Heading, ReadError, Shape, batch, json, xml,
};
use speargun_registry::model::Instance;

const JSON: Encoding = Encoding::new(Format::Json, Shape::Full);
const JSON_COMPACT: Encoding = Encoding::new(Format::Json, Shape::Compact);
const XML: Encoding = Encoding::new(Format::Xml, Shape::Full);
const XML_COMPACT: Encoding = Encoding::new(Format::Xml, Shape::Compact);

fn golden(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/eureka");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    // Some were saved with a line's end behind them.
    text.trim_end_matches('\n').to_owned()
}

fn instance(encoding: Encoding, instance: &Instance) -> String {
    let mut out = String::new();
    codec::write_instance(&mut out, encoding, instance);
    out
}

fn application(encoding: Encoding, instances: &[Instance]) -> String {
    let mut out = String::new();
    let them: Vec<&Instance> = instances.iter().collect();
    codec::write_application(&mut out, encoding, &them[0].app, &them);
    out
}

fn applications(encoding: Encoding, hash: &str, instances: &[Instance]) -> String {
    let mut out = String::new();
    let apps: Vec<_> = instances
        .iter()
        .map(|it| (it.app.as_str(), vec![it]))
        .collect();
    codec::write_applications(&mut out, encoding, Heading { version: 1, hash }, &apps);
    out
}

/// All files of one set that hold the same two instances.
const JSONS: [&str; 3] = ["LegacyJacksonJson", "JacksonJson", "XStreamJson"];
const XMLS: [&str; 2] = ["XStreamXml", "JacksonXml"];

#[test]
fn instances_of_all_json_codecs_are_written_as_the_reference_does() {
    for set in JSONS {
        let read = golden(&format!("{set}_InstanceInfo.json"));
        let read = json::read_instance(read.as_bytes()).unwrap();
        assert_eq!(
            instance(JSON, &read),
            golden("LegacyJacksonJson_InstanceInfo.json"),
            "{set}"
        );
        assert_eq!(
            instance(XML, &read),
            golden("XStreamXml_InstanceInfo.xml"),
            "{set}"
        );
        assert_eq!(
            instance(JSON_COMPACT, &read),
            golden("JacksonJsonMini_InstanceInfo.json")
        );
        assert_eq!(
            instance(XML_COMPACT, &read),
            golden("JacksonXmlMini_InstanceInfo.xml")
        );
    }
    let amazon = golden("LegacyJacksonJson_InstanceInfo_Amazon.json");
    assert_eq!(
        instance(JSON, &json::read_instance(amazon.as_bytes()).unwrap()),
        amazon
    );
}

#[test]
fn instances_of_all_xml_codecs_are_written_as_the_reference_does() {
    for set in XMLS {
        let read = golden(&format!("{set}_InstanceInfo.xml"));
        let read = xml::read_instance(read.as_bytes()).unwrap();
        assert_eq!(
            instance(JSON, &read),
            golden("LegacyJacksonJson_InstanceInfo.json"),
            "{set}"
        );
        assert_eq!(
            instance(XML, &read),
            golden("XStreamXml_InstanceInfo.xml"),
            "{set}"
        );
    }
}

#[test]
fn lists_are_written_as_the_reference_does() {
    // Left out on purpose: upstream leaks it, and no client reads it.
    let leaked = [
        "\"registeredApplicationsEmpty\":false,",
        "<registeredApplicationsEmpty>false</registeredApplicationsEmpty>",
    ];
    for set in JSONS {
        let read = golden(&format!("{set}_Applications.json"));
        let read = json::read_applications(read.as_bytes()).unwrap();
        assert_eq!(
            applications(JSON, "UP_2_", &read),
            golden("LegacyJacksonJson_Applications.json")
        );
        assert_eq!(
            applications(XML, "UP_2_", &read),
            golden("XStreamXml_Applications.xml")
        );
        let compact = golden("JacksonJsonMini_Applications.json").replace(leaked[0], "");
        assert_eq!(applications(JSON_COMPACT, "UP_2_", &read), compact);
        let compact = golden("JacksonXmlMini_Applications.xml").replace(leaked[1], "");
        assert_eq!(applications(XML_COMPACT, "UP_2_", &read), compact);
        assert_eq!(
            application(JSON, &read[..1]),
            golden("LegacyJacksonJson_Application.json")
        );
        assert_eq!(
            application(XML, &read[..1]),
            golden("XStreamXml_Application.xml")
        );
        assert_eq!(
            application(JSON_COMPACT, &read[..1]),
            golden("JacksonJsonMini_Application.json")
        );
        assert_eq!(
            application(XML_COMPACT, &read[..1]),
            golden("JacksonXmlMini_Application.xml")
        );
    }
    for set in XMLS {
        let read = golden(&format!("{set}_Applications.xml"));
        let read = xml::read_applications(read.as_bytes()).unwrap();
        assert_eq!(
            applications(JSON, "UP_2_", &read),
            golden("LegacyJacksonJson_Applications.json")
        );
    }
}

#[test]
fn an_empty_registry_is_written_as_the_reference_does() {
    assert_eq!(
        applications(JSON, "", &[]),
        golden("LegacyJacksonJson_EMPTY_Applications.json")
    );
    assert_eq!(
        applications(XML, "", &[]),
        golden("XStreamXml_EMPTY_Applications.xml")
    );
    let empty =
        "{\"applications\":{\"application\":[],\"versions__delta\":\"1\",\"apps__hashcode\":\"\"}}";
    assert_eq!(applications(JSON_COMPACT, "", &[]), empty);
}

#[test]
fn what_spring_clients_send_is_read_like_the_rest() {
    let sent = golden("SPRING_CLIENT_register_body.json");
    let sent = json::read_instance(sent.as_bytes()).unwrap();
    assert_eq!(
        instance(JSON, &sent),
        golden("LegacyJacksonJson_InstanceInfo.json")
    );
    let bare = golden("SPRING_CLIENT_register_body_no_metadata.json");
    let bare = json::read_instance(bare.as_bytes()).unwrap();
    let all = golden("LegacyJacksonJson_Applications.json");
    let all = json::read_applications(all.as_bytes()).unwrap();
    assert_eq!(instance(JSON, &bare), instance(JSON, &all[1]));
}

#[test]
fn batches_are_read_and_written_as_the_reference_does() {
    let text = golden("peerreplication_batch_request.json");
    let items = batch::read_items(text.as_bytes()).unwrap().unwrap();
    let mut out = String::new();
    batch::write_items(&mut out, items.iter());
    assert_eq!(out, text);
    let text = golden("peerreplication_batch_response.json");
    let responses = batch::read_responses(text.as_bytes()).unwrap();
    let mut out = String::new();
    batch::write_responses(&mut out, &responses);
    assert_eq!(out, text);

    assert_eq!(batch::read_items(b"{}"), Ok(None));
    assert_eq!(
        batch::read_items(b"{\"replicationList\":[]}"),
        Ok(Some(Vec::new()))
    );
    let strange = br#"{"replicationList":[{"appName":"A","id":"b","action":"Heartbeat","c":1}]}"#;
    assert!(batch::read_items(strange).is_err());
}

/// Replaces a part of the reference's instance and reads the result.
fn changed(from: &str, to: &str) -> Result<Instance, ReadError> {
    let text = golden("LegacyJacksonJson_InstanceInfo.json");
    assert!(text.contains(from), "{from}");
    json::read_instance(text.replacen(from, to, 1).as_bytes())
}

/// The table of `decode-strictness.txt`, in its column of servers.
#[test]
fn what_java_servers_take_is_taken_and_what_they_refuse_is_refused() {
    let same = json::read_instance(golden("LegacyJacksonJson_InstanceInfo.json").as_bytes());
    let taken = [
        ("\"hostName\"", "\"foo\":1,\"hostName\""),
        ("\"hostName\"", "\"foo\":{\"a\":[1]},\"hostName\""),
        ("\"$\":8080", "\"$\":\"8080\""),
        ("\"@enabled\":\"true\"", "\"@enabled\":true"),
        ("\"1700000000002\"", "1700000000002"),
        ("1700000090000", "\"1700000090000\""),
        ("\"countryId\":1", "\"countryId\":\"1\""),
        ("lastRenewalTimestamp", "renewalTimestamp"),
        ("overriddenStatus", "overriddenstatus"),
        ("\"evictionTimestamp\"", "\"zz\":1,\"evictionTimestamp\""),
    ];
    for (from, to) in taken {
        assert_eq!(changed(from, to), same, "{to}");
    }
    let weird = changed("\"status\":\"UP\"", "\"status\":\"WEIRD\"").unwrap();
    assert_eq!(weird.status.name(), "UNKNOWN");

    let refused = [
        ("{\"$\":8080,\"@enabled\":\"true\"}", "8080", "port"),
        (
            "\"@class\":\"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo\",",
            "",
            "dataCenterInfo.@class",
        ),
        ("\"app\":\"ORDER-SERVICE\",", "", "app"),
        ("\"$\":8080", "\"$\":\"many\"", "port"),
        ("1700000090000", "{}", "lastRenewalTimestamp"),
        (
            "{\"zone\":\"z1\",\"management.port\":\"8081\"}",
            "[]",
            "metadata",
        ),
    ];
    for (from, to, field) in refused {
        assert_eq!(changed(from, to), Err(ReadError::Field(field)), "{to}");
    }
    assert_eq!(
        changed("{\"instance\":", "").unwrap_err(),
        ReadError::Syntax("JSON")
    );
    let bare = br#"{"instanceId":"a","app":"A"}"#;
    assert_eq!(json::read_instance(bare), Err(ReadError::Root("instance")));
    let without = br#"{"applications":{"versions__delta":"1","apps__hashcode":""}}"#;
    assert_eq!(json::read_applications(without), Ok(Vec::new()));
}

#[test]
fn keys_that_are_no_names_come_back_from_xml() {
    let mut it =
        json::read_instance(golden("LegacyJacksonJson_InstanceInfo.json").as_bytes()).unwrap();
    let entries = [
        ("my_key", "a<b>&\"'"),
        ("$x y", "1"),
        ("9", "\u{e4}"),
        ("a_.b", ""),
        ("ä_-", "x"),
    ];
    it.metadata = entries
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec();
    let text = instance(XML, &it);
    assert!(
        text.contains("<my__key>a&lt;b&gt;&amp;&quot;&apos;</my__key>"),
        "{text}"
    );
    assert_eq!(xml::read_instance(text.as_bytes()).unwrap(), it);
    let text = instance(JSON, &it);
    assert_eq!(json::read_instance(text.as_bytes()).unwrap(), it);
}

#[test]
fn entities_and_document_types_are_refused() {
    let xml = golden("XStreamXml_InstanceInfo.xml");
    assert!(xml::read_instance(xml.as_bytes()).is_ok());
    let bomb = format!("<!DOCTYPE i [<!ENTITY a \"aaaa\">]>{xml}");
    assert_eq!(
        xml::read_instance(bomb.as_bytes()),
        Err(ReadError::Syntax("XML"))
    );
    for (text, is_read) in [
        ("&amp;", true),
        ("&#65;", true),
        ("&a;", false),
        ("&", false),
    ] {
        let xml = xml.replace("host-a.local</hostName>", &format!("{text}</hostName>"));
        assert_eq!(
            xml::read_instance(xml.as_bytes()).is_ok(),
            is_read,
            "{text}"
        );
    }
    let deep = "<a>".repeat(100_000);
    assert_eq!(
        xml::read_instance(deep.as_bytes()),
        Err(ReadError::Syntax("XML"))
    );
    let deep = "[".repeat(100_000);
    assert_eq!(
        json::read_instance(deep.as_bytes()),
        Err(ReadError::Syntax("JSON"))
    );
}

#[test]
fn bytes_cut_off_anywhere_are_refused_and_never_panic() {
    let json = golden("LegacyJacksonJson_Applications.json");
    let xml = golden("XStreamXml_Applications.xml");
    let batch = golden("peerreplication_batch_request.json");
    for at in 0..json.len() {
        assert!(json::read_applications(&json.as_bytes()[..at]).is_err());
    }
    for at in 0..xml.len() {
        assert!(xml::read_applications(&xml.as_bytes()[..at]).is_err());
    }
    for at in 0..batch.len() {
        assert!(batch::read_items(&batch.as_bytes()[..at]).is_err());
    }
}
