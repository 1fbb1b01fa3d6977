"""Reports one trace through py-zipkin over HTTP: python py_zipkin_http.py PORT json|proto.

Prints the trace id. Nothing here knows that the server is not Zipkin.
"""

import sys
import urllib.request

from py_zipkin import Encoding, Kind
from py_zipkin.transport import BaseTransportHandler
from py_zipkin.zipkin import zipkin_client_span, zipkin_span

PORT, FORMAT = int(sys.argv[1]), sys.argv[2]
ENCODING = {"json": Encoding.V2_JSON, "proto": Encoding.V2_PROTO3}[FORMAT]
CONTENT_TYPE = {"json": "application/json", "proto": "application/x-protobuf"}[FORMAT]


class Http(BaseTransportHandler):
    """The transport that py-zipkin's readers are told to write themselves."""

    def get_max_payload_bytes(self):
        return None

    def send(self, payload):
        request = urllib.request.Request(
            f"http://127.0.0.1:{PORT}/api/v2/spans",
            data=payload if isinstance(payload, bytes) else payload.encode(),
            headers={"Content-Type": CONTENT_TYPE},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 202, answer.status


with zipkin_span(
    service_name=f"py-front-{FORMAT}",
    span_name="GET /orders",
    transport_handler=Http(),
    sample_rate=100.0,
    encoding=ENCODING,
    kind=Kind.SERVER,
    use_128bit_trace_id=True,
) as root:
    root.update_binary_annotations({"http.path": "/orders/7", "städte": "Zürich"})
    trace_id = root.zipkin_attrs.trace_id
    with zipkin_client_span(service_name=f"py-front-{FORMAT}", span_name="query") as child:
        child.add_sa_binary_annotation(port=3306, service_name="mysql", host="127.0.0.1")
        child.add_annotation("first row")

print(trace_id)
