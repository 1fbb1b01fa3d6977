// Reports one trace through OpenTelemetry's packages: node node_otlp.js PORT WAY START. WAY is
// json, proto or grpc; START is when the trace began, in microseconds. Prints the ids of the trace,
// the root and the child. The trace is that of otlp_report.py.

const { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } = require('@opentelemetry/api');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');

const [port, way, start] = process.argv.slice(2);
const exporters = {
  json: ['@opentelemetry/exporter-trace-otlp-http', `http://127.0.0.1:${port}/v1/traces`],
  proto: ['@opentelemetry/exporter-trace-otlp-proto', `http://127.0.0.1:${port}/v1/traces`],
  grpc: ['@opentelemetry/exporter-trace-otlp-grpc', `http://127.0.0.1:${port}`],
};
const [module_, url] = exporters[way];
const { OTLPTraceExporter } = require(module_);

// Seconds and nanoseconds.
const at = (microseconds) => {
  const time = Number(start) + microseconds;
  return [Math.floor(time / 1e6), (time % 1e6) * 1000];
};

const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({
    'service.name': 'Otel-Shop',
    'deployment.environment': 'test',
  }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url }))],
});
const tracer = provider.getTracer('shop', '1.2');
const root = tracer.startSpan('GET /orders', {
  kind: SpanKind.SERVER,
  startTime: at(0),
  attributes: {
    'http.path': '/orders/7',
    'städte': 'Zürich',
    'count': 3,
    'share': 0.5,
    'cached': false,
    'list': ['a', 'b'],
    'network.local.address': '192.168.1.7',
    'network.local.port': 8080,
  },
}, ROOT_CONTEXT);
const retried = {
  traceId: '000000000000000000000000000000a1',
  spanId: '00000000000000b2',
  traceFlags: 1,
};
const child = tracer.startSpan('query', {
  kind: SpanKind.CLIENT,
  startTime: at(125_000),
  links: [{ context: retried, attributes: { why: 'retry' } }],
  attributes: {
    'peer.service': 'MySQL',
    'network.peer.address': '127.0.0.1',
    'network.peer.port': 3306,
  },
}, trace.setSpan(ROOT_CONTEXT, root));
child.addEvent('first row', {}, at(250_000));
child.addEvent('slow', { rows: 7, text: 'say "no"' }, at(260_000));
child.setStatus({ code: SpanStatusCode.ERROR, message: 'too slow' });
child.end(at(375_000));
root.setStatus({ code: SpanStatusCode.OK });
root.end(at(1_000_000));
provider.shutdown().then(() => {
  const { traceId, spanId } = root.spanContext();
  console.log(`${traceId} ${spanId} ${child.spanContext().spanId}`);
});
