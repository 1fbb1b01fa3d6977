// Reports one trace through the npm package `zipkin`: node node_zipkin.js PORT FORMAT START.
// FORMAT is json or v1; START is when the trace began, in microseconds. Prints the ids of the
// trace, the root and the child. Nothing here knows that the server is not Zipkin.

const {
  Tracer, BatchRecorder, ExplicitContext, Annotation, InetAddress, jsonEncoder,
} = require('zipkin');
const { HttpLogger } = require('zipkin-transport-http');

const port = Number(process.argv[2]);
const [path, encoder] = {
  json: ['/api/v2/spans', jsonEncoder.JSON_V2],
  v1: ['/api/v1/spans', jsonEncoder.JSON_V1],
}[process.argv[3]];
const start = Number(process.argv[4]);

const logger = new HttpLogger({
  endpoint: `http://127.0.0.1:${port}${path}`,
  jsonEncoder: encoder,
  httpInterval: 20,
  timeout: 20000,
});
const tracer = new Tracer({
  ctxImpl: new ExplicitContext(),
  recorder: new BatchRecorder({ logger }),
  localServiceName: 'Node-Shop',
  traceId128Bit: true,
});

logger.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
logger.on('success', () => {
  console.log(ids.join(' '));
  process.exit(0);
});

// The package's own timers don't keep the process alive; this one also ends it when nothing comes.
setTimeout(() => process.exit(1), 30000);

const host = (address) => new InetAddress(address);
const at = (offset, annotation) => tracer.recordAnnotation(annotation, start + offset);
const self = () => {
  tracer.recordServiceName('Node-Shop');
  tracer.recordLocalAddr({ host: host('192.168.1.7'), port: 8080 });
};

let ids;
tracer.scoped(() => {
  const root = tracer.createRootId();
  tracer.setId(root);
  self();
  tracer.recordRpc('GET /Orders');
  at(0, new Annotation.ServerRecv());
  tracer.recordClientAddr({ host: host('10.1.2.3'), port: 40123 });
  tracer.recordBinary('http.path', '/orders/7');
  tracer.recordBinary('städte', 'Zürich');
  const child = tracer.createChildId();
  tracer.letId(child, () => {
    self();
    tracer.recordRpc('query');
    at(125000, new Annotation.ClientSend());
    tracer.recordServerAddr({ serviceName: 'MySQL', host: host('127.0.0.1'), port: 3306 });
    at(250000, new Annotation.Message('first row'));
    at(375000, new Annotation.ClientRecv());
  });
  ids = [root.traceId, root.spanId, child.spanId];
  tracer.setId(root);
  at(1000000, new Annotation.ServerSend());
});
