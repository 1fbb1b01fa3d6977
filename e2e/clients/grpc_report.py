"""Reports one trace through grpcio, encoded by py-zipkin: python grpc_report.py PORT START.

START is when the trace began, in microseconds. Prints the trace id. Neither the HTTP/2 stack nor
the encoder is ours.
"""

import sys

import grpc
from py_zipkin import Encoding, Kind
from py_zipkin.encoding import get_encoder
from py_zipkin.encoding._helpers import Endpoint, Span
from py_zipkin.util import generate_random_128bit_string

PORT, START = int(sys.argv[1]), int(sys.argv[2]) / 1_000_000

trace_id = generate_random_128bit_string()
endpoint = Endpoint(service_name="grpc-reporter", ipv4="10.1.2.3", ipv6=None, port=4711)
encoder = get_encoder(Encoding.V2_PROTO3)
spans = [
    encoder.encode_span(
        Span(
            trace_id=trace_id,
            name=f"call {number}",
            parent_id=None if number == 1 else f"{1:016x}",
            span_id=f"{number:016x}",
            kind=Kind.CLIENT,
            timestamp=START + number / 8,
            duration=0.25,
            local_endpoint=endpoint,
            tags={"number": str(number)},
        )
    )
    for number in range(1, 6)
]
message = encoder.encode_queue(spans)
with grpc.insecure_channel(f"127.0.0.1:{PORT}") as channel:
    report = channel.unary_unary("/zipkin.proto3.SpanService/Report")
    answer = report(message, timeout=20)
    assert answer == b"", answer
    try:
        report(b"\x0a\xff\xff", timeout=20)
        raise SystemExit("a malformed message was accepted")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INTERNAL, error.code()

print(trace_id)
