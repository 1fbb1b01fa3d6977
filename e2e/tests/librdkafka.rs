//! Spans from Kafka that librdkafka sends, the client behind most languages but Java: every codec
//! is read, and a batch that nobody can read stops nothing but itself.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use speargun_e2e::broker::check::{
    ensure_all_stored, wait_for, wait_for_trace, wait_for_words, wait_until,
};
use speargun_e2e::broker::{Kafka, Librdkafka};
use speargun_e2e::{Options, Server};

const FORMATS: [&str; 4] = ["JSON_V2", "JSON_V1", "PROTO3", "THRIFT"];
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const PARTITIONS: i32 = 3;
/// Messages of one sender in one format.
const MESSAGES: usize = 6;

fn trace_id(number: u128) -> u128 {
    0xfeed << 64 | number
}

#[test]
fn every_format_in_every_codec_of_librdkafka_is_read_back() -> Result<()> {
    let broker = Kafka::start(&format!("num.partitions={PARTITIONS}"))?;
    let options = Options::default().set("KAFKA_BOOTSTRAP_SERVERS", &broker.address());
    let server = Server::start(options)?;
    let mut sent = 0;
    for idempotence in ["false", "true"] {
        for codec in CODECS {
            let settings = [
                format!("compression.type={codec}"),
                format!("enable.idempotence={idempotence}"),
            ];
            let mut sender = Librdkafka::start(&broker, "zipkin", &settings)?;
            for format in FORMATS {
                for partition in (0..PARTITIONS).cycle().take(MESSAGES) {
                    sent += 1;
                    sender.spans(partition, format, (trace_id(sent), 2))?;
                }
            }
            sender.flush()?;
        }
    }
    for number in 1..=sent {
        wait_for_trace(&server, trace_id(number), 2)?;
    }
    // What each format says is the same.
    for number in (1..=sent).step_by(MESSAGES).take(FORMATS.len()) {
        let target = format!("/api/v2/trace/{:x}", trace_id(number));
        let trace = server.get(&target)?.text();
        for part in [
            r#""kind":"CLIENT""#,
            r#""timestamp":1700000000000001"#,
            r#""duration":10"#,
            r#""localEndpoint":{"serviceName":"librdkafka"}"#,
            r#""number":"1""#,
        ] {
            ensure!(trace.contains(part), "no {part} in {trace}");
        }
    }
    ensure_all_stored(&server, "kafka")?;
    wait_for(&server, "speargun_messages_skipped_total", "kafka", 0.0)?;
    wait_for(&server, "speargun_transport_lag", "kafka", 0.0)?;
    // The broker keeps what it was sent, so each codec was really read in each partition.
    for partition in 0..PARTITIONS {
        let batches = broker.batches("zipkin", partition)?;
        let codecs: BTreeSet<u8> = batches.iter().map(|batch| batch.codec).collect();
        ensure!(codecs == BTreeSet::from([0, 1, 2, 3, 4]), "{batches:?}");
    }
    Ok(())
}

/// Messages of a batch in the test below.
const BATCH: u32 = 40;
/// Messages of the batch that is large only once it is unpacked.
const LARGE: u32 = 30;

/// Sends a batch to a partition, and returns its traces.
fn batch(sender: &mut Librdkafka, partition: i32, first: u128) -> Result<Vec<u128>> {
    let traces: Vec<u128> = (first..first + u128::from(BATCH)).collect();
    for &trace in &traces {
        sender.spans(partition, "PROTO3", (trace, 2))?;
    }
    sender.flush()?;
    Ok(traces)
}

/// Fills each partition with a good batch, one that can't be read, and a good one. Returns the
/// traces that are to be read, and leaves the broker running.
fn three_batches_in_each_partition(
    broker: &mut Kafka,
    sender: &mut Librdkafka,
) -> Result<Vec<u128>> {
    let mut good = Vec::new();
    for (partition, first) in (0..PARTITIONS).zip([1000, 2000, 3000]) {
        good.extend(batch(sender, partition, first)?);
        if partition == 2 {
            // Small on the wire, beyond the bound unpacked.
            (0..LARGE).try_for_each(|_| sender.spaces(partition, 100_000))?;
            sender.flush()?;
        } else {
            batch(sender, partition, first + 100)?;
        }
        let behind = batch(sender, partition, first + 200)?;
        if partition != 1 {
            good.extend(behind);
        }
    }
    broker.stop()?;
    let middle = |partition| -> Result<_> {
        let batches = broker.batches("zipkin", partition)?;
        ensure!(batches.len() == 3, "{batches:?}");
        Ok(batches[1].clone())
    };
    middle(0)?.damage()?;
    middle(1)?.make_foreign()?;
    ensure!(middle(2)?.messages == LARGE, "{:?}", middle(2));
    broker.restart()?;
    Ok(good)
}

#[test]
fn batches_that_can_not_be_read_are_passed_and_the_group_stays_as_it_is() -> Result<()> {
    let mut broker = Kafka::start(&format!("num.partitions={PARTITIONS}"))?;
    let settings = [
        "compression.type=zstd",
        "batch.size=8000000",
        "message.max.bytes=8000000",
    ]
    .map(str::to_owned);
    let mut sender = Librdkafka::start(&broker, "zipkin", &settings)?;
    let good = three_batches_in_each_partition(&mut broker, &mut sender)?;

    let options = Options::default()
        .set("KAFKA_BOOTSTRAP_SERVERS", &broker.address())
        .set("SPEARGUN_BODY_BYTES_MAX", "1MB")
        .set("SPEARGUN_INFLATED_BYTES_MAX", "1MB");
    let server = Server::start_unhealthy(options)?;
    wait_for_trace(&server, good[0], 2)?;
    let members = sender.members("zipkin")?;
    ensure!(!members.is_empty(), "nobody reads");
    for trace in good {
        wait_for_trace(&server, trace, 2)?;
    }
    let skipped = f64::from(BATCH + LARGE);
    wait_for(
        &server,
        "speargun_messages_skipped_total",
        "unreadable",
        skipped,
    )?;
    let told = server.log().matches("message skipped").count();
    ensure!(told == 2, "{}", server.log());

    // What a build with the codec could read is kept, and it is said.
    wait_for_words(&server, "zipkin-1")?;
    wait_for_words(&server, "offset 40")?;
    wait_for_words(&server, "unknown compression codec")?;
    wait_for(&server, "speargun_transport_up", "kafka", 0.0)?;
    wait_for(
        &server,
        "speargun_transport_lag",
        "kafka",
        f64::from(2 * BATCH),
    )?;
    let trace = server.get(&format!("/api/v2/trace/{:032x}", 2200))?;
    ensure!(trace.status == 404, "{}", trace.text());

    // The others go on, and what was passed is committed.
    for (partition, first) in [(0, 5000), (2, 5200)] {
        for trace in batch(&mut sender, partition, first)? {
            wait_for_trace(&server, trace, 2)?;
        }
    }
    for (partition, offset) in [(0, 4 * BATCH), (1, BATCH), (2, 3 * BATCH + LARGE)] {
        wait_until("committed", || {
            Ok(sender.committed("zipkin", partition)? == i64::from(offset))
        })?;
    }
    ensure!(
        sender.members("zipkin")? == members,
        "the consumer left its group"
    );
    ensure_all_stored(&server, "kafka")
}
