"""Reports one trace by OTLP: port, way and start in microseconds are the arguments. Prints the ids
of the trace, the root and the child."""

import sys

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as HttpExporter,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

port, way, start = sys.argv[1], sys.argv[2], int(sys.argv[3]) * 1000


def exporter():
    http, target = f"http://127.0.0.1:{port}/v1/traces", f"127.0.0.1:{port}"
    if way == "http":
        return HttpExporter(endpoint=http, compression=Compression.NoCompression)
    if way == "http-gzip":
        return HttpExporter(endpoint=http, compression=Compression.Gzip)
    if way == "grpc":
        return GrpcExporter(endpoint=target, insecure=True)
    return GrpcExporter(
        endpoint=target, insecure=True, compression=grpc.Compression.Gzip
    )


provider = TracerProvider(
    # The resource of its own makers says more, and other things each time.
    resource=Resource({"service.name": "Otel-Shop", "deployment.environment": "test"})
)
provider.add_span_processor(BatchSpanProcessor(exporter()))
tracer = provider.get_tracer("shop", "1.2")
root = tracer.start_span(
    "GET /orders",
    kind=SpanKind.SERVER,
    start_time=start,
    attributes={
        "http.path": "/orders/7",
        "städte": "Zürich",
        "count": 3,
        "share": 0.5,
        "cached": False,
        "list": ["a", "b"],
        "network.local.address": "192.168.1.7",
        "network.local.port": 8080,
    },
)
child = tracer.start_span(
    "query",
    context=set_span_in_context(root),
    kind=SpanKind.CLIENT,
    start_time=start + 125_000_000,
    links=[Link(SpanContext(0xA1, 0xB2, False, TraceFlags(1)), {"why": "retry"})],
    attributes={
        "peer.service": "MySQL",
        "network.peer.address": "127.0.0.1",
        "network.peer.port": 3306,
    },
)
child.add_event("first row", timestamp=start + 250_000_000)
child.add_event("slow", {"rows": 7, "text": 'say "no"'}, timestamp=start + 260_000_000)
child.set_status(Status(StatusCode.ERROR, "too slow"))
child.end(start + 375_000_000)
root.set_status(Status(StatusCode.OK))
root.end(start + 1_000_000_000)
provider.shutdown()
print(f"{root.context.trace_id:032x} {root.context.span_id:016x} {child.context.span_id:016x}")
