"""Reports one trace through py-zipkin over HTTP: python py_zipkin_http.py PORT FORMAT START.

FORMAT is json, proto or v1; START is when the trace began, in microseconds. Prints the ids of the
trace, the root and the child. Nothing here knows that the server is not Zipkin.
"""

import sys
import urllib.request

from py_zipkin import Encoding, Kind
from py_zipkin.transport import BaseTransportHandler
from py_zipkin.zipkin import zipkin_client_span, zipkin_span

PORT, FORMAT, START = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]) / 1_000_000
ENCODING, PATH, CONTENT_TYPE = {
    "json": (Encoding.V2_JSON, "/api/v2/spans", "application/json"),
    "proto": (Encoding.V2_PROTO3, "/api/v2/spans", "application/x-protobuf"),
    "v1": (Encoding.V1_JSON, "/api/v1/spans", "application/json"),
}[FORMAT]


class Http(BaseTransportHandler):
    """The transport that py-zipkin's readers are told to write themselves."""

    def get_max_payload_bytes(self):
        return None

    def send(self, payload):
        request = urllib.request.Request(
            f"http://127.0.0.1:{PORT}{PATH}",
            data=payload if isinstance(payload, bytes) else payload.encode(),
            headers={"Content-Type": CONTENT_TYPE},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 202, answer.status


with zipkin_span(
    service_name="Python-Shop",
    span_name="GET /Orders",
    transport_handler=Http(),
    sample_rate=100.0,
    encoding=ENCODING,
    kind=Kind.SERVER,
    use_128bit_trace_id=True,
    host="192.168.1.7",
    port=8080,
    timestamp=START,
    duration=1.0,
) as root:
    root.update_binary_annotations({"http.path": "/orders/7", "städte": "Zürich"})
    with zipkin_client_span(
        service_name="Python-Shop", span_name="query", timestamp=START + 0.125, duration=0.25
    ) as child:
        child.add_sa_binary_annotation(port=3306, service_name="MySQL", host="127.0.0.1")
        child.add_annotation("first row", START + 0.25)
    ids = root.zipkin_attrs
    print(ids.trace_id, ids.span_id, child.zipkin_attrs.span_id)
