// Reports one trace through the npm package `zipkin`: node node_zipkin.js PORT.
// Prints the trace id. Nothing here knows that the server is not Zipkin.

const { Tracer, BatchRecorder, ExplicitContext, Annotation, jsonEncoder } = require('zipkin');
const { HttpLogger } = require('zipkin-transport-http');

const port = Number(process.argv[2]);
const logger = new HttpLogger({
  endpoint: `http://127.0.0.1:${port}/api/v2/spans`,
  jsonEncoder: jsonEncoder.JSON_V2,
  httpInterval: 20,
  timeout: 20000,
});
const tracer = new Tracer({
  ctxImpl: new ExplicitContext(),
  recorder: new BatchRecorder({ logger }),
  localServiceName: 'node-shop',
  traceId128Bit: true,
});

logger.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
logger.on('success', () => {
  console.log(rootId);
  process.exit(0);
});

// The package's own timers don't keep the process alive; this one also ends it when nothing comes.
setTimeout(() => process.exit(1), 30000);

let rootId;
tracer.scoped(() => {
  const root = tracer.createRootId();
  rootId = root.traceId;
  tracer.setId(root);
  tracer.recordServiceName('node-shop');
  tracer.recordRpc('GET /basket');
  tracer.recordAnnotation(new Annotation.ServerRecv());
  tracer.recordBinary('http.path', '/basket/9');
  const child = tracer.createChildId();
  tracer.letId(child, () => {
    tracer.recordServiceName('node-shop');
    tracer.recordRpc('get');
    tracer.recordAnnotation(new Annotation.ClientSend());
    tracer.recordAnnotation(new Annotation.ServerAddr({ serviceName: 'redis', port: 6379 }));
    tracer.recordAnnotation(new Annotation.ClientRecv());
  });
  tracer.setId(root);
  tracer.recordAnnotation(new Annotation.ServerSend());
});
