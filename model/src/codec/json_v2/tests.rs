//! The rules of Zipkin's JSON v2 one by one, as its own reader and writer answered them.

use crate::batch::{Bounds, FIELDS_MAX, SpanBatch};
use crate::codec::{DecodeError, Format, decode, json_v2};
use crate::span::Span;

fn spans(body: &[u8]) -> Result<Vec<Span>, DecodeError> {
    let mut batch = SpanBatch::default();
    let body = bytes::Bytes::copy_from_slice(body);
    decode(Format::JsonV2, body, &Bounds::default(), &mut batch)?;
    Ok(batch.views().map(|view| view.to_span()).collect())
}

/// Returns what Zipkin would answer for `body`: its own writing of the spans, or its error text.
fn answer(body: impl AsRef<[u8]>) -> String {
    match spans(body.as_ref()) {
        Ok(spans) => {
            let mut out = Vec::new();
            json_v2::encode_spans(&spans, &mut out);
            String::from_utf8(out).unwrap_or_else(|_| "not UTF-8".into())
        }
        Err(error) => error
            .to_string()
            .strip_suffix(" reading List<Span> from json")
            .map_or(error.to_string(), str::to_owned),
    }
}

/// Returns the answer for one span with these fields beside its ids, without what all have.
fn fields(fields: &str) -> String {
    let answer = answer(format!(r#"[{{"traceId":"1","id":"1",{fields}}}]"#));
    answer
        .strip_prefix(r#"[{"traceId":"0000000000000001","id":"0000000000000001""#)
        .and_then(|rest| rest.strip_suffix("}]"))
        .map_or(answer.clone(), |rest| {
            rest.strip_prefix(',').unwrap_or(rest).to_owned()
        })
}

/// Returns the answer for these ids.
fn ids(ids: &str) -> String {
    answer(format!("[{{{ids}}}]"))
}

#[test]
fn lists_are_told_from_everything_else_by_their_first_bytes() {
    for body in ["", "[]", "[ ]", "[\n]", "\n[]", "[]garbage", "[\t\r\n ] ]"] {
        assert_eq!(answer(body), "[]", "{body:?}");
    }
    for body in ["hello", "{}", "null", " []", "\u{feff}[]", "\n", "\"x\""] {
        assert_eq!(
            answer(body),
            "Expected a JSON_V2 encoded list\n",
            "{body:?}"
        );
    }
    assert_eq!(answer("\n{}"), "Malformed");
    assert_eq!(answer("\x0c\0\0"), "Malformed");
}

#[test]
fn json_v1_is_recognised_by_a_key_of_its_own() {
    let text = "Expected a JSON_V2 encoded list, but received: JSON_V1\n";
    assert_eq!(fields(r#""binaryAnnotations":[]"#), text);
    assert_eq!(fields(r#""tags":{"a":"yAnnotations"}"#), text);
    let escaped = r#""tags":{"a":"yAnnotations\""}"#;
    assert_eq!(fields(escaped), escaped);
    // Wherever it stands, and whatever else is wrong.
    for elsewhere in [
        r#""tags":{"binaryAnnotations":"","another":"so that this is not the end"}"#,
        r#""tags":{"a":"some \n yAnnotations"},"name":"so that this is not the end""#,
        r#""name":"is a yAnnotations","kind":"CLIENT""#,
        r#""other":{"some":["where","binaryAnnotations",1]},"name":"so that it goes on""#,
        r#""localEndpoint":{"serviceName":"binaryAnnotations","ipv4":"1.2.3.4"},"debug":true"#,
        r#""binaryAnnotations":[{"key":"a","value":}]"#,
    ] {
        assert_eq!(fields(elsewhere), text, "{elsewhere}");
    }
    assert_eq!(answer(r#"[{"traceId":"1","id":"1"}] "yAnnotations""#), text);
    assert_eq!(answer(r#"[{"id":"1"},{"a":"binaryAnnotations"}]"#), text);
    let near = r#""tags":{"a":"notionally an yAnnotation"},"shared":true"#;
    assert_eq!(fields(near), near);
}

#[test]
fn endpoints_that_are_said_again_are_the_same() {
    let said = r#"{"serviceName":"CHECKOUT","ipv4":"10.1.2.3","ipv6":"2001:db8::c001","port":80}"#;
    let read = said.replace("CHECKOUT", "checkout");
    let span = |endpoints: &str| format!(r#"{{"traceId":"1","id":"1",{endpoints}}}"#);
    let other = r#"{"serviceName":"CHECKOUT","ipv4":"10.1.2.4"}"#;
    let body = [
        span(&format!(
            r#""localEndpoint":{said},"remoteEndpoint":{said}"#
        )),
        span(&format!(r#""localEndpoint":{other}"#)),
        span(&format!(r#""remoteEndpoint": {said}"#)),
    ];
    let body = format!("[{}]", body.join(","));
    let other = other.replace("CHECKOUT", "checkout");
    let expected = [
        format!(r#""localEndpoint":{read},"remoteEndpoint":{read}"#),
        format!(r#""localEndpoint":{other}"#),
        format!(r#""remoteEndpoint":{read}"#),
    ];
    let id = r#""traceId":"0000000000000001","id":"0000000000000001""#;
    let expected = expected.map(|endpoints| format!("{{{id},{endpoints}}}"));
    assert_eq!(answer(body.as_str()), format!("[{}]", expected.join(",")));
}

#[test]
fn ids_are_padded_lower_hex() {
    let ok = |given: &str, trace: &str, id: &str| {
        assert_eq!(
            ids(given),
            format!(r#"[{{"traceId":"{trace}","id":"{id}"}}]"#),
            "{given}"
        );
    };
    let one = "0000000000000001";
    ok(r#""traceId":"1","id":"1""#, one, one);
    ok(
        r#""traceId":5,"id":15"#,
        "0000000000000005",
        "0000000000000015",
    );
    ok(r#""traceId":1e5,"id":"1""#, "00000000000001e5", one);
    ok(
        r#""id":"1","traceId":"00000000000000000000000000000001""#,
        one,
        one,
    );
    ok(r#""traceId":"\u0031","id":"\u0031""#, one, one);
    ok(
        r#""traceId":"10000000000000001","id":"fedcba9876543210""#,
        "00000000000000010000000000000001",
        "fedcba9876543210",
    );
    ok(r#""traceId":"1","id":"0""#, one, "0000000000000000");
    ok(r#""tr\u0061ceId" : "1", "id" :"1" "#, one, one);
}

#[test]
fn bad_ids_are_refused_in_zipkins_words() {
    for (given, text) in [
        ("", "Missing : traceId id"),
        (r#""traceId":"a""#, "Missing : id"),
        (r#""id":"a""#, "Missing : traceId"),
        (r#""traceId":"","id":"1""#, "traceId is empty"),
        (r#""traceId":"1","id":"""#, "id is empty"),
        (
            r#""traceId":"1","id":"1","parentId":"""#,
            "parentId is empty",
        ),
        (r#""traceId":"0000","id":"1""#, "traceId is all zeros"),
        (
            r#""traceId":"00000000000000000000000000000000","id":"1""#,
            "traceId is all zeros",
        ),
        (
            r#""traceId":"1","id":"0000000000000000""#,
            "id is all zeros",
        ),
        (
            r#""traceId":"1","id":"00000000000000001""#,
            "id.length > 16",
        ),
        (
            r#""traceId":"1","parentId":"00000000000000001""#,
            "parentId.length > 16",
        ),
        (
            r#""traceId":"000000000000000000000000000000001""#,
            "traceId.length > 32",
        ),
        (
            r#""traceId":"ABC""#,
            "ABC should be lower-hex encoded with no prefix",
        ),
        (
            r#""traceId":"000000000000000G""#,
            "000000000000000G should be lower-hex encoded with no prefix",
        ),
        (
            r#""id":-0"#,
            "-0 should be lower-hex encoded with no prefix",
        ),
        (
            r#""id":"ÀBC""#,
            "ÀBC should be lower-hex encoded with no prefix",
        ),
        (
            r#""id":null"#,
            "Expected a string but was NULL at line 1 column 12 path $[0].id",
        ),
        (
            r#""traceId":true"#,
            "Expected a string but was BOOLEAN at line 1 column 17 path $[0].traceId",
        ),
    ] {
        assert_eq!(ids(given), text, "{given}");
    }
}

#[test]
fn a_parent_of_zeros_or_equal_to_the_id_is_dropped() {
    assert_eq!(fields(r#""parentId":"0""#), "");
    assert_eq!(fields(r#""parentId":"0000000000000000""#), "");
    assert_eq!(fields(r#""parentId":"01""#), "");
    assert_eq!(fields(r#""parentId":null"#), "");
    assert_eq!(
        answer(r#"[{"traceId":"1","parentId":"2","id":"1"}]"#),
        r#"[{"traceId":"0000000000000001","parentId":"0000000000000002","id":"0000000000000001"}]"#
    );
}

#[test]
fn kinds_are_four_words() {
    for kind in ["CLIENT", "SERVER", "PRODUCER", "CONSUMER"] {
        let field = format!(r#""kind":"{kind}""#);
        assert_eq!(fields(&field), field);
    }
    assert_eq!(fields(r#""kind":null"#), "");
    assert_eq!(
        fields(r#""kind":"client""#),
        "No enum constant zipkin2.Span.Kind.client"
    );
    assert_eq!(
        fields(r#""kind":"""#),
        "No enum constant zipkin2.Span.Kind."
    );
    assert_eq!(
        fields(r#""kind":1"#),
        "No enum constant zipkin2.Span.Kind.1"
    );
}

#[test]
fn names_are_lower_cased_and_empty_ones_absent() {
    for (given, name) in [
        (r#""GET /Foo""#, r#""get /foo""#),
        (
            r#""a name of more than sixteen letters with an X""#,
            r#""a name of more than sixteen letters with an x""#,
        ),
        (r#""ÀÉİẞΣΑΣ""#, r#""àéi̇ßσας""#),
        (r#""\u0041\"B\\""#, r#""a\"b\\""#),
        ("1E5", r#""1e5""#),
        ("-0", r#""-0""#),
    ] {
        assert_eq!(
            fields(&format!(r#""name":{given}"#)),
            format!(r#""name":{name}"#)
        );
    }
    assert_eq!(fields(r#""name":"""#), "");
    assert_eq!(fields(r#""name":"a","name":null"#), r#""name":"a""#);
    assert_eq!(fields(r#""name":"a","name":"b""#), r#""name":"b""#);
    assert_eq!(
        fields(r#""name":{}"#),
        "Expected a string but was BEGIN_OBJECT at line 1 column 34 path $[0].name"
    );
}

#[test]
fn whole_numbers_come_in_many_forms() {
    for (given, number) in [
        ("5", "5"),
        ("1760000000000000", "1760000000000000"),
        ("999999999999999999", "999999999999999999"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9223372036854775807"),
        ("9223372036854776832", "9223372036854775807"),
        ("5.0", "5"),
        ("2e3", "2000"),
        ("1E+15", "1000000000000000"),
        ("0.5e1", "5"),
        (r#""5""#, "5"),
        (r#"" 5 ""#, "5"),
        (r#""+7""#, "7"),
        (r#""7.0""#, "7"),
        (r#""5d""#, "5"),
        (r#""\u0035""#, "5"),
        ("12345678", "12345678"),
        ("123456789 ", "123456789"),
    ] {
        let expected = format!(r#""timestamp":{number}"#);
        assert_eq!(
            fields(&format!(r#""timestamp":{given}"#)),
            expected,
            "{given}"
        );
    }
    for given in [
        "0",
        "-1",
        "-0",
        "0.0",
        "-9223372036854775808",
        "null",
        r#""0""#,
    ] {
        assert_eq!(fields(&format!(r#""duration":{given}"#)), "", "{given}");
    }
}

#[test]
fn other_numbers_are_refused() {
    for (given, text) in [
        (
            "1.5",
            "Expected a long but was 1.5 at line 1 column 41 path $[0].timestamp",
        ),
        (
            "1e30",
            "Expected a long but was 1e30 at line 1 column 42 path $[0].timestamp",
        ),
        (
            "true",
            "Expected a long but was BOOLEAN at line 1 column 42 path $[0].timestamp",
        ),
        (
            "[1]",
            "Expected a long but was BEGIN_ARRAY at line 1 column 39 path $[0].timestamp",
        ),
        (r#""""#, "empty String"),
        (r#""abc""#, "For input string: \"abc\""),
        (
            r#""-Infinity""#,
            "Expected a long but was -Infinity at line 1 column 48 path $[0].timestamp",
        ),
        (
            r#""NaN""#,
            "Expected a long but was NaN at line 1 column 42 path $[0].timestamp",
        ),
        ("\" \u{1}a b\t\"", "For input string: \"a b\""),
        ("\" \u{1}\"", "empty String"),
        (
            "99999999999999999999",
            "Expected a long but was 99999999999999999999 at line 1 column 58 path $[0].timestamp",
        ),
        ("01", "Malformed"),
        ("00", "Malformed"),
        // Five times 2^64, and a digit.
        ("922337203685477580800", "Malformed"),
        ("-", "Malformed"),
        ("1.", "Malformed"),
        (".5", "Malformed"),
        ("1e", "Malformed"),
        ("+1", "Malformed"),
        ("1x", "Malformed"),
        ("", "Malformed"),
    ] {
        assert_eq!(fields(&format!(r#""timestamp":{given}"#)), text, "{given}");
    }
}

#[test]
fn a_number_has_a_longest_form() {
    let zeros = |count| format!(r#""timestamp":5.{}"#, "0".repeat(count));
    assert_eq!(fields(&zeros(1021)), r#""timestamp":5"#);
    assert_eq!(fields(&zeros(1022)), "Malformed");
}

#[test]
fn ports_are_sixteen_bits() {
    let port = |port: &str| fields(&format!(r#""localEndpoint":{{"port":{port}}}"#));
    for given in ["80", "80.0", r#""80""#, "8e1"] {
        assert_eq!(port(given), r#""localEndpoint":{"port":80}"#, "{given}");
    }
    assert_eq!(port("65535"), r#""localEndpoint":{"port":65535}"#);
    for given in ["0", "-1", "-70000", "null"] {
        assert_eq!(port(given), "", "{given}");
    }
    assert_eq!(port("70000"), "invalid port 70000");
    assert_eq!(port(r#""x""#), "For input string: \"x\"");
    assert_eq!(
        port("99999999999"),
        "Expected an int but was 99999999999 at line 1 column 61 path $[0].localEndpoint.port"
    );
    assert_eq!(
        port("1.5"),
        "Expected an int but was 1.5 at line 1 column 53 path $[0].localEndpoint.port"
    );
}

#[test]
fn endpoints_without_content_are_absent() {
    assert_eq!(fields(r#""localEndpoint":{},"remoteEndpoint":null"#), "");
    assert_eq!(
        fields(r#""localEndpoint":{"serviceName":"","ipv4":"x","zone":[{}]}"#),
        ""
    );
    assert_eq!(
        fields(r#""localEndpoint":{"serviceName":"a"},"localEndpoint":{}"#),
        ""
    );
    assert_eq!(
        fields(r#""remoteEndpoint":{"serviceName":"BackEnd","ipv4":null}"#),
        r#""remoteEndpoint":{"serviceName":"backend"}"#
    );
    for wrong in [r#""x""#, "[]", "1", "true"] {
        assert_eq!(fields(&format!(r#""localEndpoint":{wrong}"#)), "Malformed");
    }
}

#[test]
fn addresses_go_by_their_form_not_their_field() {
    assert_eq!(
        fields(r#""localEndpoint":{"ipv4":"2001:DB8::C001","ipv6":"1.2.3.4"}"#),
        r#""localEndpoint":{"ipv4":"1.2.3.4","ipv6":"2001:db8::c001"}"#
    );
    assert_eq!(
        fields(
            r#""localEndpoint":{"ipv6":"::ffff:1.2.3.4"},"remoteEndpoint":{"ipv6":"::ffff:102:304"}"#
        ),
        r#""localEndpoint":{"ipv4":"1.2.3.4"},"remoteEndpoint":{"ipv6":"::ffff:102:304"}"#
    );
    assert_eq!(
        fields(r#""localEndpoint":{"ipv4":"1.2.3.4","ipv4":"fe80::1%eth0"}"#),
        r#""localEndpoint":{"ipv4":"1.2.3.4"}"#
    );
}

#[test]
fn annotations_are_sorted_and_equal_ones_collapse() {
    assert_eq!(
        fields(
            r#""annotations":[{"timestamp":2,"value":"b"},{"value":"z","x":[],"timestamp":"1"}],
               "annotations":[{"timestamp":2,"value":"a"},{"timestamp":2,"value":"b"},{"timestamp":-5,"value":""},{"timestamp":0,"value":7}]"#
        ),
        r#""annotations":[{"timestamp":-5,"value":""},{"timestamp":0,"value":"7"},{"timestamp":1,"value":"z"},{"timestamp":2,"value":"a"},{"timestamp":2,"value":"b"}]"#
    );
    assert_eq!(fields(r#""annotations":[]"#), "");
    assert_eq!(
        fields(r#""annotations":[{"timestamp":1,"value":"a"},{"timestamp":1}]"#),
        "Incomplete annotation at $[0].annotations[1].timestamp"
    );
    assert_eq!(
        fields(r#""annotations":[{"timestamp":null,"value":"a"}]"#),
        "Expected a long but was NULL at line 1 column 58 path $[0].annotations[0].timestamp"
    );
    for wrong in ["{}", "[null]", "[1]", r#"[{"timestamp":1,"value":"a"},]"#] {
        assert_eq!(
            fields(&format!(r#""annotations":{wrong}"#)),
            "Malformed",
            "{wrong}"
        );
    }
}

#[test]
fn tags_are_sorted_and_the_last_of_equal_keys_wins() {
    assert_eq!(
        fields(r#""tags":{"zeta":"1","":"","a":5},"tags":{"b":1.50,"a":"x\ty"}"#),
        r#""tags":{"":"","a":"x\ty","b":"1.50","zeta":"1"}"#
    );
    assert_eq!(fields(r#""tags":{}"#), "");
    assert_eq!(fields(r#""tags":null"#), "");
    assert_eq!(fields(r#""tags":{"a":null}"#), "No value at $[0].tags.a");
    assert_eq!(
        fields(r#""tags":{"a":true}"#),
        "Expected a string but was BOOLEAN at line 1 column 42 path $[0].tags.a"
    );
    assert_eq!(fields(r#""tags":[]"#), "Malformed");
    assert_eq!(fields(r#""tags":{"a":"b",}"#), "Malformed");
}

#[test]
fn flags_are_kept_when_true_and_shared_never_on_a_client() {
    assert_eq!(fields(r#""debug":true,"shared":false"#), r#""debug":true"#);
    assert_eq!(fields(r#""debug":TRUE,"debug":false"#), r#""debug":true"#);
    assert_eq!(fields(r#""shared":true,"debug":null"#), r#""shared":true"#);
    assert_eq!(
        fields(r#""shared":true,"kind":"CLIENT""#),
        r#""kind":"CLIENT""#
    );
    assert_eq!(
        fields(r#""debug":"true""#),
        "Expected a boolean but was STRING at line 1 column 35 path $[0].debug"
    );
    assert_eq!(
        fields(r#""debug":1"#),
        "Expected a boolean but was NUMBER at line 1 column 35 path $[0].debug"
    );
}

#[test]
fn escapes_are_read_and_written_as_zipkin_does() {
    let tag = |given: &str| {
        let answer = fields(&format!(r#""tags":{{"a":"{given}"}}"#));
        answer
            .strip_prefix(r#""tags":{"a":""#)
            .and_then(|rest| rest.strip_suffix(r#""}"#))
            .map_or(answer.clone(), str::to_owned)
    };
    assert_eq!(
        tag(r#"\"\\\/\b\f\n\r\t\u001f\u007f"#),
        "\\\"\\\\/\\b\\f\\n\\r\\t\\u001f\x7f"
    );
    assert_eq!(tag("\\u2028 \u{2029} \\'"), "\\u2028 \\u2029 '");
    assert_eq!(tag("raw \u{1}\t\n control"), "raw \\u0001\\t\\n control");
    assert_eq!(tag(r"\ud83d\ude00 \uD83Dx \ude00"), "😀 ?x ?");
    assert_eq!(tag("zürich 東京 😀"), "zürich 東京 😀");
    for wrong in [r"\q", r"\u12", r"\u12G4", r"\u", "\\"] {
        assert_eq!(tag(wrong), "Malformed", "{wrong}");
    }
}

#[test]
fn bytes_that_are_not_utf8_become_replacement_characters() {
    let body = b"[{\"traceId\":\"1\",\"id\":\"1\",\"name\":\"A\xff\",\
        \"annotations\":[{\"timestamp\":1,\"value\":\"\xc3\"}],\
        \"tags\":{\"\xf0\x9f\":\"\\n\xe2\x82\"}}]";
    assert_eq!(
        answer(body),
        "[{\"traceId\":\"0000000000000001\",\"id\":\"0000000000000001\",\"name\":\"a\u{fffd}\",\
         \"annotations\":[{\"timestamp\":1,\"value\":\"\u{fffd}\"}],\
         \"tags\":{\"\u{fffd}\":\"\\n\u{fffd}\"}}]"
    );
}

#[test]
fn unknown_fields_are_skipped_but_must_be_json() {
    let skipped =
        r#""x":{"a":[1,{"b":null}],"c":{}},"y":[[],-1.5e3,TRUE,"\u0041"],"traceid":{},"name":"n""#;
    assert_eq!(fields(skipped), r#""name":"n""#);
    for wrong in [
        "nul",
        "01",
        r#""\q""#,
        "[1,]",
        "[1 2]",
        "{1:2}",
        "{\"a\" 1}",
        "/*c*/1",
        "'a'",
        "[",
        "]",
        "x",
    ] {
        let answer = fields(&format!(r#""x":{wrong}"#));
        assert_eq!(answer, "Malformed", "{wrong}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        fields(&format!(
            r#""x":{}{}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        ))
    };
    let max = Bounds::default().depth_max;
    assert_eq!(nested(max), "");
    assert_eq!(nested(max + 1), format!("nesting exceeds {max}"));
    assert_eq!(nested(1 << 20), format!("nesting exceeds {max}"));
}

#[test]
fn tags_are_bounded() {
    let tags = r#""k":"","#.repeat(FIELDS_MAX);
    let body = format!(r#"[{{"traceId":"1","id":"1","tags":{{{tags}"k":""}}}}]"#);
    let mut batch = SpanBatch::default();
    let refused = decode(Format::JsonV2, body.into(), &Bounds::default(), &mut batch);
    let text = format!("tags or annotations exceeds {FIELDS_MAX}");
    assert_eq!(refused.unwrap_err().to_string(), text);
    assert!(batch.memory_bytes() < 1 << 20, "the memory is given back");
}

#[test]
fn spans_and_bytes_are_bounded() {
    let body = bytes::Bytes::from_static(br#"[{"traceId":"1","id":"1"},{"traceId":"1","id":"2"}]"#);
    let mut batch = SpanBatch::default();
    let two = Bounds {
        spans_max: 2,
        body_bytes_max: body.len(),
        ..Bounds::default()
    };
    assert_eq!(
        decode(Format::JsonV2, body.clone(), &two, &mut batch),
        Ok(())
    );
    assert_eq!(batch.spans.len(), 2);
    let refused = |bounds: Bounds, batch: &mut SpanBatch| {
        decode(Format::JsonV2, body.clone(), &bounds, batch)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(
            Bounds {
                spans_max: 1,
                ..two
            },
            &mut batch
        ),
        "spans exceeds 1"
    );
    assert!(batch.spans.is_empty());
    let less = Bounds {
        body_bytes_max: body.len() - 1,
        ..two
    };
    assert_eq!(
        refused(less, &mut batch),
        format!("body exceeds {}", body.len() - 1)
    );
}

#[test]
fn broken_lists_are_refused_with_their_place() {
    for (body, text) in [
        ("[", "End of input at line 1 column 2 path $[0]"),
        (
            r#"[{"traceId":"1","id":"1"}"#,
            "End of input at line 1 column 26 path $[1]",
        ),
        (
            r#"[{"traceId":"1","id":"1""#,
            "End of input at line 1 column 25 path $[0].id",
        ),
        (r#"[{"traceId":"1","id":"1"#, "Malformed"),
        (
            r#"[{"traceId":"1","id":"#,
            "End of input at line 1 column 22 path $[0].id",
        ),
        (
            r#"[{"traceId":"1","id""#,
            "End of input at line 1 column 21 path $[0].id",
        ),
        (
            r#"[{"traceId":"1","#,
            "End of input at line 1 column 17 path $[0].traceId",
        ),
        (
            "[\n{\"traceId\":\n",
            "End of input at line 3 column 1 path $[0].traceId",
        ),
        (r#"[{"traceId":"1" "id":"1"}]"#, "Malformed"),
        (r#"[{"traceId":"1","id":"1",}]"#, "Malformed"),
        (r#"[{"traceId":"1","id":"1"},]"#, "Malformed"),
        (r#"[{'traceId':"1","id":"1"}]"#, "Malformed"),
        (r#"[{"traceId":"1","id"="1"}]"#, "Malformed"),
        (r#"[{"traceId":"1";"id":"1"}]"#, "Malformed"),
        ("[oops]", "Malformed"),
        ("[1]", "Malformed"),
        ("[null]", "Malformed"),
        ("[[]]", "Malformed"),
    ] {
        assert_eq!(answer(body), text, "{body}");
    }
    assert_eq!(
        answer(r#"[{"traceId":"1","id":"1"}]garbage"#),
        r#"[{"traceId":"0000000000000001","id":"0000000000000001"}]"#
    );
}

#[test]
fn errors_do_not_repeat_what_is_long() {
    let long = "é".repeat(100_000);
    for wrong in [
        format!(r#""kind":"{long}""#),
        format!(r#""timestamp":"{long}""#),
        format!(r#""tags":{{"{long}":null}}"#),
    ] {
        let text = fields(&wrong);
        assert!(
            text.len() < 1100 && text.ends_with("é..."),
            "{}",
            text.len()
        );
    }
}

#[test]
fn traces_are_lists_of_lists() {
    let trace = spans(br#"[{"traceId":"1","id":"1"}]"#).unwrap();
    let mut out = Vec::new();
    json_v2::encode_traces(&[&trace[..], &[]], &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"[[{"traceId":"0000000000000001","id":"0000000000000001"}],[]]"#
    );
}
