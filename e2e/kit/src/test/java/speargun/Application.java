package speargun;

import static brave.Span.Kind.CLIENT;
import static brave.Span.Kind.CONSUMER;
import static brave.Span.Kind.PRODUCER;
import static brave.Span.Kind.SERVER;

import brave.Tracing;
import brave.handler.SpanHandler;
import brave.propagation.SamplingFlags;
import brave.propagation.TraceContext;
import brave.propagation.TraceContextOrSamplingFlags;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import zipkin2.Endpoint;
import zipkin2.Span;

/**
 * Two services that Brave traces: one takes an order and asks the other for stock. What must be
 * read back is written down beside what is recorded, not taken from the reporter.
 */
final class Application {
  private static final Endpoint SHOP =
      Endpoint.newBuilder().serviceName("shop").ip("192.168.1.7").port(8080).build();
  private static final Endpoint STOCK =
      Endpoint.newBuilder().serviceName("stock").ip("2001:db8::c001").port(9090).build();

  private final long now = System.currentTimeMillis() * 1000L;
  private final Map<String, List<Span>> expected = new LinkedHashMap<>();

  /** Traces an order and a health check; returns the spans of each trace that must come back. */
  static Map<String, List<Span>> run(SpanHandler handler) {
    Application application = new Application();
    try (Tracing shop = tracing("Shop", SHOP, handler).traceId128Bit(true).build();
        Tracing stock = tracing("Stock", STOCK, handler).build()) {
      application.order(shop, stock);
      application.healthCheck(stock);
    }
    return application.expected;
  }

  private static Tracing.Builder tracing(String name, Endpoint endpoint, SpanHandler handler) {
    String ip = endpoint.ipv4() != null ? endpoint.ipv4() : endpoint.ipv6();
    return Tracing.newBuilder()
        .localServiceName(name)
        .localIp(ip)
        .localPort(endpoint.portAsInt())
        .addSpanHandler(handler);
  }

  private void order(Tracing shop, Tracing stock) {
    TraceContext root = receive(shop);
    TraceContext call = call(shop, root);
    answer(stock, call);
    render(shop, root);
    consume(stock, send(shop, root));
  }

  /** A server span with a caller of its own, a tag beyond ASCII and an annotation. */
  private TraceContext receive(Tracing shop) {
    brave.Span span = shop.tracer().newTrace().kind(SERVER).name("POST /Orders/{id}");
    span.remoteServiceName("Browser");
    span.remoteIpAndPort("10.1.2.3", 40123);
    span.tag("http.path", "/orders/7").tag("städte", "Zürich \"北京\" 😀");
    span.start(now).annotate(now + 400, "body\tread").finish(now + 90_000);
    Endpoint browser =
        Endpoint.newBuilder().serviceName("browser").ip("10.1.2.3").port(40123).build();
    expect(
        span(span.context(), SHOP, 0, 90_000)
            .kind(Span.Kind.SERVER)
            .name("post /orders/{id}")
            .remoteEndpoint(browser)
            .putTag("http.path", "/orders/7")
            .putTag("städte", "Zürich \"北京\" 😀")
            .addAnnotation(now + 400, "body\tread"));
    return span.context();
  }

  /** A client span that ends in an error. */
  private TraceContext call(Tracing shop, TraceContext parent) {
    brave.Span span = shop.tracer().newChild(parent).kind(CLIENT).name("get stock");
    span.remoteServiceName("Stock");
    span.remoteIpAndPort("2001:db8::c001", 9090);
    span.start(now + 1_000).error(new IllegalStateException("out of stock"));
    span.finish(now + 31_000);
    expect(
        span(span.context(), SHOP, 1_000, 30_000)
            .kind(Span.Kind.CLIENT)
            .name("get stock")
            .remoteEndpoint(STOCK)
            .putTag("error", "out of stock"));
    return span.context();
  }

  /** The server's half of the client's span, under the same id. */
  private void answer(Tracing stock, TraceContext call) {
    brave.Span span = stock.tracer().joinSpan(call).kind(SERVER).name("get stock");
    span.tag("http.status_code", "409").start(now + 2_000).finish(now + 30_000);
    expect(
        span(call, STOCK, 2_000, 28_000)
            .kind(Span.Kind.SERVER)
            .name("get stock")
            .shared(true)
            .putTag("http.status_code", "409"));
  }

  /** A local span: no kind, no other side. */
  private void render(Tracing shop, TraceContext parent) {
    brave.Span span = shop.tracer().newChild(parent).name("render").start(now + 40_000);
    span.annotate(now + 40_002, "second").annotate(now + 40_001, "first").finish(now + 40_003);
    expect(
        span(span.context(), SHOP, 40_000, 3)
            .name("render")
            .addAnnotation(now + 40_001, "first")
            .addAnnotation(now + 40_002, "second"));
  }

  private TraceContext send(Tracing shop, TraceContext parent) {
    brave.Span span = shop.tracer().newChild(parent).kind(PRODUCER).name("send");
    span.remoteServiceName("kafka");
    span.tag("kafka.topic", "orders").start(now + 50_000).finish(now + 50_100);
    expect(
        span(span.context(), SHOP, 50_000, 100)
            .kind(Span.Kind.PRODUCER)
            .name("send")
            .remoteEndpoint(Endpoint.newBuilder().serviceName("kafka").build())
            .putTag("kafka.topic", "orders"));
    return span.context();
  }

  private void consume(Tracing stock, TraceContext parent) {
    brave.Span span = stock.tracer().newChild(parent).kind(CONSUMER).name("poll");
    span.remoteServiceName("kafka");
    span.start(now + 60_000).finish(now + 60_050);
    expect(
        span(span.context(), STOCK, 60_000, 50)
            .kind(Span.Kind.CONSUMER)
            .name("poll")
            .remoteEndpoint(Endpoint.newBuilder().serviceName("kafka").build()));
  }

  /** A trace of its own with the debug flag and an id of 64 bits. */
  private void healthCheck(Tracing stock) {
    TraceContextOrSamplingFlags debug = TraceContextOrSamplingFlags.create(SamplingFlags.DEBUG);
    brave.Span span = stock.tracer().nextSpan(debug).kind(SERVER).name("GET /health");
    span.start(now + 70_000).finish(now + 70_001);
    expect(
        span(span.context(), STOCK, 70_000, 1)
            .kind(Span.Kind.SERVER)
            .name("get /health")
            .debug(true));
  }

  private Span.Builder span(TraceContext context, Endpoint local, long offset, long duration) {
    return Span.newBuilder()
        .traceId(context.traceIdString())
        .parentId(context.parentIdString())
        .id(context.spanIdString())
        .localEndpoint(local)
        .timestamp(now + offset)
        .duration(duration);
  }

  private void expect(Span.Builder builder) {
    Span span = builder.build();
    expected.computeIfAbsent(span.traceId(), id -> new ArrayList<>()).add(span);
  }
}
