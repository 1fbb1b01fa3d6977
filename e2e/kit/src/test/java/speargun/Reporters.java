package speargun;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import zipkin2.Span;
import zipkin2.reporter.BytesMessageSender;
import zipkin2.reporter.InMemoryReporterMetrics;

/** Reports what Brave traced and reads it back. Which forms and clients is for the tests to say. */
final class Reporters {
  private Reporters() {}

  /** Fails unless what the application recorded is what the server returns, in full. */
  static void assertReadBack(Format format, Transport transport) throws IOException {
    InMemoryReporterMetrics metrics = new InMemoryReporterMetrics();
    try (HttpStorage storage = new HttpStorage.Builder().build()) {
      String endpoint = storage.server().address(format.path).toString();
      Map<String, List<Span>> expected;
      try (BytesMessageSender sender = transport.sender(endpoint, format.encoding());
          Format.Reporter reporter = format.reporter(sender, metrics)) {
        expected = Application.run(reporter.handler());
        reporter.flush().run();
      }
      assertThat(metrics.messagesDropped()).as("messages dropped").isZero();
      assertThat(metrics.spansDropped()).as("spans dropped").isZero();
      assertThat(metrics.messages()).as("messages sent").isEqualTo(1);
      assertThat(expected).as("traces recorded").hasSize(2);

      for (Map.Entry<String, List<Span>> trace : expected.entrySet()) {
        assertThat(storage.getTrace(trace.getKey()).execute())
            .usingRecursiveFieldByFieldElementComparator()
            .containsExactlyInAnyOrderElementsOf(trace.getValue());
      }
      assertThat(storage.getServiceNames().execute()).containsExactly("shop", "stock");
    }
  }
}
