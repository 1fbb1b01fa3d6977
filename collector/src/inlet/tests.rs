//! What becomes of messages before they wait: refusals, samples, counts.

use super::*;
use crate::Sampler;
use crate::handover::HandoverConfig;

const TWO: &str = r#"[{"traceId":"a","id":"1"},{"traceId":"4000000000000001","id":"2"}]"#;

fn inlet(rate: f32, items_max: usize) -> Inlet {
    let shared = Shared {
        ledger: Arc::new(Ledger::new(1)),
        handover: Arc::new(Handover::new(HandoverConfig {
            items_max,
            bytes_max: 1 << 20,
        })),
        sampler: Dial::new(Sampler::new(rate).unwrap()),
        bounds: Bounds {
            body_bytes_max: 4096,
            ..Bounds::default()
        },
    };
    Inlet::new(shared, 0, Rc::default())
}

fn message(transport: Transport, encoding: Encoding, body: &[u8]) -> Message {
    Message {
        transport,
        format: match transport {
            Transport::Http => Format::JsonV2,
            Transport::Grpc | Transport::Local => Format::Proto3,
            Transport::OtlpHttp => Format::OtlpJson,
            Transport::OtlpGrpc => Format::OtlpProto,
            Transport::Kafka | Transport::RabbitMq => Format::Thrift,
        },
        encoding,
        body: Bytes::copy_from_slice(body),
    }
}

fn json(text: &str) -> Message {
    message(Transport::Http, Encoding::Identity, text.as_bytes())
}

fn sums<const N: usize>(inlet: &Inlet, counts: [Count; N]) -> [u64; N] {
    counts.map(|count| inlet.shared.ledger.sum(Transport::Http, count))
}

#[test]
fn a_list_is_counted_and_handed_over_with_the_body_as_it_came() {
    let inlet = inlet(1.0, 4);
    let (_, wait) = inlet.admit(&json(TWO)).unwrap();
    assert!(wait.is_some());
    let parcel = inlet.shared.handover.pop().unwrap();
    assert_eq!(parcel.record.body, TWO);
    assert_eq!(parcel.batch.spans.len(), 2);
    assert_eq!(
        sums(&inlet, [Count::Messages, Count::Bytes, Count::Received]),
        [1, TWO.len() as u64, 2]
    );
    assert_eq!(inlet.shared.ledger.held(Transport::Http), 2);
    let last = inlet.shared.ledger.last_message(Transport::Http);
    assert_eq!(last, (2, TWO.len() as u64));
}

#[test]
fn empty_lists_are_messages_without_bytes() {
    let inlet = inlet(1.0, 4);
    for body in ["", "[]"] {
        assert!(inlet.admit(&json(body)).unwrap().1.is_none());
    }
    assert_eq!(sums(&inlet, [Count::Messages, Count::Bytes]), [2, 0]);
    assert_eq!(inlet.shared.handover.used(), (0, 0));
}

#[test]
fn failures_count_as_zipkin_counts_them() {
    let dropped = |message: Message, transport| {
        let inlet = inlet(1.0, 4);
        inlet.admit(&message).unwrap_err();
        let ledger = &inlet.shared.ledger;
        assert_eq!(ledger.sum(transport, Count::Messages), 1);
        assert_eq!(ledger.sum(transport, Count::Received), 0);
        ledger.sum(transport, Count::MessagesDropped)
    };
    assert_eq!(dropped(json("hello"), Transport::Http), 1);
    assert_eq!(dropped(json("[{}]"), Transport::Http), 2);
    let not_gzip = message(Transport::Http, Encoding::Gzip, b"[]");
    assert_eq!(dropped(not_gzip, Transport::Http), 1);
    let not_proto = message(Transport::Grpc, Encoding::Identity, b"\x0a\x7fhello");
    assert_eq!(dropped(not_proto, Transport::Grpc), 1);
}

#[test]
fn a_body_that_unpacks_beyond_its_bound_is_too_large() {
    let bomb = zstd::bulk::compress(&[b'['; 4097], 3).unwrap();
    let refusal = inlet(1.0, 4).admit(&message(Transport::Http, Encoding::Zstd, &bomb));
    assert_eq!(
        refusal.unwrap_err(),
        Refusal::TooLarge("decompressed body exceeds 4096 bytes".into())
    );
}

#[test]
fn a_packed_body_waits_beside_what_it_unpacks_to() {
    let inlet = inlet(1.0, 4);
    let waiting = |message: &Message| {
        let before = inlet.shared.handover.used();
        assert!(inlet.admit(message).unwrap().1.is_some());
        inlet.shared.handover.used().1 - before.1
    };
    let plain = waiting(&json(TWO));
    let packed = zstd::bulk::compress(TWO.as_bytes(), 3).unwrap();
    let beside = waiting(&message(Transport::Http, Encoding::Zstd, &packed));
    assert_eq!(beside, plain + packed.len());
}

#[test]
fn a_body_of_which_nothing_stays_is_accepted_and_not_handed_over() {
    let inlet = inlet(0.0, 4);
    assert!(inlet.admit(&json(TWO)).unwrap().1.is_none());
    assert_eq!(sums(&inlet, [Count::Received, Count::SampledOut]), [2, 2]);
    assert_eq!(inlet.shared.handover.used(), (0, 0));
    assert_eq!(inlet.shared.ledger.held(Transport::Http), 0);
}

#[test]
fn only_what_stays_is_handed_over() {
    let inlet = inlet(0.5, 4);
    let _wait = inlet.admit(&json(TWO)).unwrap();
    assert_eq!(inlet.shared.handover.pop().unwrap().batch.spans.len(), 1);
    assert_eq!(sums(&inlet, [Count::Received, Count::SampledOut]), [2, 1]);
    assert_eq!(inlet.shared.ledger.held(Transport::Http), 1);
}

#[test]
fn what_one_old_span_becomes_is_what_its_record_replays_to() {
    let inlet = inlet(0.5, 4);
    let both_sides = r#"[{"traceId":"a","id":"1","annotations":[
        {"timestamp":1,"value":"cs","endpoint":{"serviceName":"front"}},
        {"timestamp":2,"value":"sr","endpoint":{"serviceName":"back"}}]},
        {"traceId":"4000000000000001","id":"2"}]"#;
    let message = Message {
        format: Format::JsonV1,
        ..json(both_sides)
    };
    let _wait = inlet.admit(&message).unwrap();
    let counts = sums(&inlet, [Count::Received, Count::SampledOut]);
    assert_eq!(counts, [3, 1]);

    let parcel = inlet.shared.handover.pop().unwrap();
    let tag = Tag::decode(parcel.record.tag).unwrap();
    let mut replayed = SpanBatch::default();
    let body = parcel.record.body.clone();
    decode(tag.format, body, &inlet.shared.bounds, &mut replayed).unwrap();
    tag.sampler.apply(&mut replayed);
    let spans = |batch: &SpanBatch| batch.views().map(|v| v.to_span()).collect::<Vec<_>>();
    assert_eq!(spans(&parcel.batch).len(), 2);
    assert_eq!(spans(&parcel.batch), spans(&replayed));
}

#[test]
fn a_full_queue_refuses_and_the_ledger_balances() {
    let inlet = inlet(1.0, 1);
    let _wait = inlet.admit(&json(TWO)).unwrap();
    let refused = inlet.admit(&json(TWO)).unwrap_err();
    assert_eq!(refused, Refusal::Unstored(Reason::Busy));
    let [received, busy] = sums(&inlet, [Count::Received, Count::Refused(Reason::Busy)]);
    assert_eq!((received, busy), (4, 2));
    assert_eq!(received, busy + inlet.shared.ledger.held(Transport::Http));
}

#[test]
fn of_a_message_of_otlp_the_spans_that_are_some_are_kept() {
    let inlet = inlet(1.0, 4);
    let body = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"spanId":"0000000000000001"},
        {"traceId":"4000000000000001000000000000000a","spanId":"0000000000000002"}]}]}]}"#;
    let message = message(Transport::OtlpHttp, Encoding::Identity, body.as_bytes());
    let (left_out, wait) = inlet.admit(&message).unwrap();
    assert_eq!(left_out.spans, 1);
    assert_eq!(left_out.why, Some("a trace id is missing or zero"));
    assert!(wait.is_some());
    assert_eq!(inlet.shared.handover.pop().unwrap().batch.spans.len(), 1);
    let sum = |count| inlet.shared.ledger.sum(Transport::OtlpHttp, count);
    assert_eq!(sum(Count::Received), 2);
    assert_eq!(sum(Count::Refused(Reason::Invalid)), 1);
    assert_eq!(inlet.shared.ledger.held(Transport::OtlpHttp), 1);
}

#[test]
fn a_list_of_zipkins_is_not_taken_for_an_empty_request_of_otlp() {
    let inlet = inlet(1.0, 4);
    let of = |body: &[u8]| {
        let message = message(Transport::OtlpHttp, Encoding::Identity, body);
        inlet
            .admit(&message)
            .map(|(left_out, wait)| (left_out.spans, wait.is_some()))
    };
    assert_eq!(of(b""), Ok((0, false)));
    assert_eq!(of(b"{}"), Ok((0, false)));
    assert!(of(b"[]").is_err());
}

#[test]
fn a_sampler_that_is_turned_counts_for_the_next_list_and_its_replay() {
    let inlet = inlet(1.0, 4);
    let half = Sampler::new(0.5).unwrap();
    inlet.admit(&json(TWO)).unwrap();
    inlet.shared.sampler.set(half);
    inlet.admit(&json(TWO)).unwrap();
    let handed_over = || {
        let parcel = inlet.shared.handover.pop().unwrap();
        let tag = Tag::decode(parcel.record.tag).unwrap();
        (parcel.batch.spans.len(), tag.sampler)
    };
    assert_eq!(handed_over(), (2, Sampler::KEEP_ALL));
    assert_eq!(handed_over(), (1, half));
}
