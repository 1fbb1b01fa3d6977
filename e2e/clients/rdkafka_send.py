"""Sends messages to Kafka through librdkafka. Servers, topic and then settings as NAME=VALUE are
the arguments. It reads lines and answers each with `ok`, or `failed` and why:

    spans PARTITION FORMAT TRACE COUNT   a message of so many spans, ids 1 and up, as one list
    bytes PARTITION LENGTH               a message of so many spaces, which compress well
    flush                                waits until the broker has all
    member GROUP                         the ids of the group's members, behind the `ok`
    offset GROUP PARTITION               the committed offset, behind the `ok`

Messages wait for `flush`, so that many become one batch.
"""

import json
import struct
import sys
import time

from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from py_zipkin.encoding.protobuf import zipkin_pb2

servers, topic = sys.argv[1], sys.argv[2]
settings = dict(setting.split("=", 1) for setting in sys.argv[3:])
failures = []
producer = Producer(
    {
        "bootstrap.servers": servers,
        "acks": "all",
        # A broker that is away is part of the test.
        "log_level": 2,
        "linger.ms": 60000,
        "message.timeout.ms": 120000,
        **settings,
    }
)
admin = AdminClient({"bootstrap.servers": servers, "log_level": 2})
START_US = 1_700_000_000_000_000


def json_v2(trace, ids):
    return json.dumps(
        [
            {
                "traceId": f"{trace:032x}",
                "id": f"{id:016x}",
                "kind": "CLIENT",
                "name": "get",
                "timestamp": START_US + id,
                "duration": 10,
                "localEndpoint": {"serviceName": "librdkafka"},
                "tags": {"number": str(id)},
            }
            for id in ids
        ]
    ).encode()


def json_v1(trace, ids):
    endpoint = {"serviceName": "librdkafka"}

    def annotation(timestamp, value):
        return {"timestamp": timestamp, "value": value, "endpoint": endpoint}

    return json.dumps(
        [
            {
                "traceId": f"{trace:032x}",
                "id": f"{id:016x}",
                "name": "get",
                "annotations": [
                    annotation(START_US + id, "cs"),
                    annotation(START_US + id + 10, "cr"),
                ],
                "binaryAnnotations": [
                    {"key": "number", "value": str(id), "endpoint": endpoint}
                ],
            }
            for id in ids
        ]
    ).encode()


def proto3(trace, ids):
    return zipkin_pb2.ListOfSpans(
        spans=[
            zipkin_pb2.Span(
                trace_id=trace.to_bytes(16, "big"),
                id=id.to_bytes(8, "big"),
                kind=zipkin_pb2.Span.CLIENT,
                name="get",
                timestamp=START_US + id,
                duration=10,
                local_endpoint=zipkin_pb2.Endpoint(service_name="librdkafka"),
                tags={"number": str(id)},
            )
            for id in ids
        ]
    ).SerializeToString()


def thrift(trace, ids):
    i16, i32, i64, text, struct_, list_ = 6, 8, 10, 11, 12, 15

    def field(kind, number, value):
        return struct.pack(">bh", kind, number) + value

    def string(value):
        return struct.pack(">i", len(value)) + value

    def items(values):
        return struct.pack(">bi", struct_, len(values)) + b"".join(values)

    def long(value):
        return struct.pack(">Q", value)

    endpoint = (
        field(i32, 1, struct.pack(">i", 0))
        + field(i16, 2, struct.pack(">h", 0))
        + field(text, 3, string(b"librdkafka"))
        + b"\0"
    )

    def annotation(timestamp, value):
        return (
            field(i64, 1, long(timestamp))
            + field(text, 2, string(value))
            + field(struct_, 3, endpoint)
            + b"\0"
        )

    def tag(key, value):
        return (
            field(text, 1, string(key))
            + field(text, 2, string(value))
            + field(i32, 3, struct.pack(">i", 6))
            + field(struct_, 4, endpoint)
            + b"\0"
        )

    def span(id):
        times = [annotation(START_US + id, b"cs"), annotation(START_US + id + 10, b"cr")]
        return (
            field(i64, 1, long(trace & (1 << 64) - 1))
            + field(text, 3, string(b"get"))
            + field(i64, 4, long(id))
            + field(list_, 6, items(times))
            + field(list_, 8, items([tag(b"number", str(id).encode())]))
            + field(i64, 12, long(trace >> 64))
            + b"\0"
        )

    return items([span(id) for id in ids])


ENCODERS = {"JSON_V2": json_v2, "JSON_V1": json_v1, "PROTO3": proto3, "THRIFT": thrift}


def delivered(error, _):
    if error is not None:
        failures.append(str(error))


def produce(partition, value):
    producer.produce(topic, value, partition=int(partition), on_delivery=delivered)
    producer.poll(0)


def wait_for_topic():
    """Messages that are sent before the partitions are known move into them one by one, and a
    flush then tears them apart."""
    for _ in range(300):
        told = producer.list_topics(topic, 30).topics[topic]
        if told.error is None and told.partitions:
            return
        time.sleep(0.1)
    raise RuntimeError(f"no topic {topic}: {told.error}")


def flush():
    left = producer.flush(60)
    if left or failures:
        raise RuntimeError(f"{left} messages left, {failures[:3]}")


def member(group):
    described = admin.describe_consumer_groups([group])[group].result(30)
    return " ".join(sorted(each.member_id for each in described.members))


def offset(group, partition):
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, int(partition))])
    told = admin.list_consumer_group_offsets([asked])[group].result(30)
    return str(told.topic_partitions[0].offset)


def answer(words):
    if words[0] == "spans":
        partition, form, trace, count = words[1:]
        produce(partition, ENCODERS[form](int(trace), range(1, int(count) + 1)))
    elif words[0] == "bytes":
        produce(words[1], b" " * int(words[2]))
    elif words[0] == "flush":
        flush()
    elif words[0] == "member":
        return member(words[1])
    else:
        return offset(words[1], words[2])
    return ""


wait_for_topic()
for line in sys.stdin:
    try:
        print("ok", answer(line.split()), flush=True)
    except Exception as error:
        print("failed", repr(error).replace("\n", " "), flush=True)
