package speargun;

import static org.assertj.core.api.Assertions.assertThat;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.exporter.otlp.trace.OtlpGrpcSpanExporter;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import zipkin2.Endpoint;

/** What OpenTelemetry's SDK reports is what is read. */
class OtlpTest {
  private static final long START = System.currentTimeMillis() * 1000 - 20_000_000;

  @ParameterizedTest
  @CsvSource({"http, none", "http, gzip", "grpc, none", "grpc, gzip"})
  void tracesAreReadBack(String protocol, String compression) throws IOException {
    try (HttpStorage storage = new HttpStorage.Builder().build()) {
      String traces = storage.server().address("v1/traces").toString();
      String root = storage.server().address("/").toString();
      SpanExporter exporter =
          protocol.equals("http")
              ? OtlpHttpSpanExporter.builder()
                  .setEndpoint(traces)
                  .setCompression(compression)
                  .build()
              : OtlpGrpcSpanExporter.builder()
                  .setEndpoint(root)
                  .setCompression(compression)
                  .build();
      List<zipkin2.Span> expected = report(exporter);
      assertThat(storage.getTrace(expected.get(0).traceId()).execute())
          .usingRecursiveFieldByFieldElementComparator()
          .containsExactlyInAnyOrderElementsOf(expected);
    }
  }

  /** Reports one trace and returns what it is in Zipkin. */
  private static List<zipkin2.Span> report(SpanExporter exporter) {
    Attributes resource = Attributes.builder().put("service.name", "Otel-Shop").build();
    try (SdkTracerProvider provider =
        SdkTracerProvider.builder()
            .setResource(Resource.create(resource))
            .addSpanProcessor(BatchSpanProcessor.builder(exporter).build())
            .build()) {
      Tracer tracer = provider.tracerBuilder("shop").setInstrumentationVersion("1.2").build();
      Span server = server(tracer);
      Span client = client(tracer, server);
      client.end(START + 375_000, TimeUnit.MICROSECONDS);
      server.end(START + 1_000_000, TimeUnit.MICROSECONDS);
      assertThat(provider.forceFlush().join(20, TimeUnit.SECONDS).isSuccess()).isTrue();
      return List.of(expectedServer(server), expectedClient(server, client));
    }
  }

  private static Span server(Tracer tracer) {
    return tracer
        .spanBuilder("GET /orders")
        .setSpanKind(SpanKind.SERVER)
        .setStartTimestamp(START, TimeUnit.MICROSECONDS)
        .setAttribute("städte", "Zürich")
        .setAttribute("count", 3)
        .setAttribute("share", 0.5)
        .setAttribute("cached", false)
        .setAttribute(AttributeKey.stringArrayKey("list"), List.of("a", "b"))
        .setAttribute("network.local.address", "192.168.1.7")
        .setAttribute("network.local.port", 8080)
        .startSpan()
        .setStatus(StatusCode.OK);
  }

  private static Span client(Tracer tracer, Span server) {
    SpanContext retried =
        SpanContext.create(
            "000000000000000000000000000000a1",
            "00000000000000b2",
            TraceFlags.getSampled(),
            TraceState.getDefault());
    return tracer
        .spanBuilder("query")
        .setParent(Context.root().with(server))
        .setSpanKind(SpanKind.CLIENT)
        .setStartTimestamp(START + 125_000, TimeUnit.MICROSECONDS)
        .addLink(retried, Attributes.builder().put("why", "retry").build())
        .setAttribute("peer.service", "MySQL")
        .setAttribute("network.peer.address", "127.0.0.1")
        .setAttribute("network.peer.port", 3306)
        .startSpan()
        .addEvent("first row", START + 250_000, TimeUnit.MICROSECONDS)
        .addEvent(
            "slow",
            Attributes.builder().put("rows", 7).build(),
            START + 260_000,
            TimeUnit.MICROSECONDS)
        .setStatus(StatusCode.ERROR, "too slow");
  }

  private static zipkin2.Span expectedServer(Span span) {
    Endpoint local =
        Endpoint.newBuilder().serviceName("otel-shop").ip("192.168.1.7").port(8080).build();
    return zipkin2.Span.newBuilder()
        .traceId(span.getSpanContext().getTraceId())
        .id(span.getSpanContext().getSpanId())
        .kind(zipkin2.Span.Kind.SERVER)
        .name("get /orders")
        .timestamp(START)
        .duration(1_000_000)
        .localEndpoint(local)
        .putTag("städte", "Zürich")
        .putTag("count", "3")
        .putTag("share", "0.5")
        .putTag("cached", "false")
        .putTag("list", "[\"a\",\"b\"]")
        .putTag("network.local.address", "192.168.1.7")
        .putTag("network.local.port", "8080")
        .putTag("otel.status_code", "OK")
        .putTag("otel.scope.name", "shop")
        .putTag("otel.scope.version", "1.2")
        .build();
  }

  private static zipkin2.Span expectedClient(Span server, Span span) {
    Endpoint remote =
        Endpoint.newBuilder().serviceName("mysql").ip("127.0.0.1").port(3306).build();
    return zipkin2.Span.newBuilder()
        .traceId(span.getSpanContext().getTraceId())
        .parentId(server.getSpanContext().getSpanId())
        .id(span.getSpanContext().getSpanId())
        .kind(zipkin2.Span.Kind.CLIENT)
        .name("query")
        .timestamp(START + 125_000)
        .duration(250_000)
        .localEndpoint(Endpoint.newBuilder().serviceName("otel-shop").build())
        .remoteEndpoint(remote)
        .addAnnotation(START + 250_000, "first row")
        .addAnnotation(START + 260_000, "\"slow\":{\"rows\":7}")
        .putTag("peer.service", "MySQL")
        .putTag("network.peer.address", "127.0.0.1")
        .putTag("network.peer.port", "3306")
        .putTag("otel.status_code", "ERROR")
        .putTag("error", "too slow")
        .putTag(
            "otlp.link.0",
            "000000000000000000000000000000a1|00000000000000b2||{\"why\":\"retry\"}|0")
        .putTag("otel.scope.name", "shop")
        .putTag("otel.scope.version", "1.2")
        .build();
  }
}
