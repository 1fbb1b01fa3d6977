package speargun;

import static java.util.concurrent.TimeUnit.SECONDS;

import brave.handler.SpanHandler;
import zipkin2.Span;
import zipkin2.reporter.AsyncReporter;
import zipkin2.reporter.BytesMessageSender;
import zipkin2.reporter.Encoding;
import zipkin2.reporter.ReporterMetrics;
import zipkin2.reporter.SpanBytesEncoder;
import zipkin2.reporter.brave.AsyncZipkinSpanHandler;
import zipkin2.reporter.brave.ZipkinSpanHandler;

/** The forms in which Brave's reporters write spans, each with the path that takes it. */
enum Format {
  JSON_V2("api/v2/spans", SpanBytesEncoder.JSON_V2),
  PROTO3("api/v2/spans", SpanBytesEncoder.PROTO3),
  JSON_V1("api/v1/spans", SpanBytesEncoder.JSON_V1),
  THRIFT("api/v1/spans", SpanBytesEncoder.THRIFT);

  final String path;
  private final SpanBytesEncoder encoder;

  Format(String path, SpanBytesEncoder encoder) {
    this.path = path;
    this.encoder = encoder;
  }

  Encoding encoding() {
    return encoder.encoding();
  }

  /** A span handler, and the step that sends what it was given. */
  record Reporter(SpanHandler handler, Runnable flush, Runnable end) implements AutoCloseable {
    @Override
    public void close() {
      end.run();
    }
  }

  /** Returns a reporter without a thread of its own: it sends when it is flushed. */
  Reporter reporter(BytesMessageSender sender, ReporterMetrics metrics) {
    // Brave writes the new forms by itself; for the old ones it makes a Span of Zipkin's library.
    if (this == JSON_V2 || this == PROTO3) {
      AsyncZipkinSpanHandler handler =
          AsyncZipkinSpanHandler.newBuilder(sender)
              .metrics(metrics)
              .messageTimeout(0, SECONDS)
              .build();
      return new Reporter(handler, handler::flush, handler::close);
    }
    AsyncReporter<Span> reporter =
        AsyncReporter.builder(sender)
            .metrics(metrics)
            .messageTimeout(0, SECONDS)
            .build(encoder);
    return new Reporter(ZipkinSpanHandler.create(reporter), reporter::flush, reporter::close);
  }
}
