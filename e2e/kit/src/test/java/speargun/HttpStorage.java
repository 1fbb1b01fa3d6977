package speargun;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URLEncoder;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.StringJoiner;
import zipkin2.Call;
import zipkin2.CheckResult;
import zipkin2.DependencyLink;
import zipkin2.Span;
import zipkin2.codec.DependencyLinkBytesDecoder;
import zipkin2.codec.SpanBytesDecoder;
import zipkin2.codec.SpanBytesEncoder;
import zipkin2.storage.AutocompleteTags;
import zipkin2.storage.QueryRequest;
import zipkin2.storage.ServiceAndSpanNames;
import zipkin2.storage.SpanConsumer;
import zipkin2.storage.SpanStore;
import zipkin2.storage.StorageComponent;
import zipkin2.storage.Traces;

/**
 * Zipkin's storage interface over the public HTTP API of a server that it starts and ends. It
 * caches nothing and repeats nothing, and between a write and a read it waits for nothing; only
 * with a database, until the spans are there, since it is the database that is tested.
 */
@SuppressWarnings("deprecation") // SpanStore still has the old twins of three methods.
final class HttpStorage extends StorageComponent
    implements SpanStore, SpanConsumer, Traces, ServiceAndSpanNames, AutocompleteTags {
  /** Whether the process is killed as soon as it has acknowledged spans. */
  private static final boolean KILL = Boolean.getBoolean("speargun.kill");

  private final Server server;

  /** Whether something was written since the last read. */
  private volatile boolean isWritten;

  private HttpStorage(Server server) {
    this.server = server;
  }

  /** Collects what the kit asks for as the settings that an operator would use. */
  static final class Builder extends StorageComponent.Builder {
    private final Map<String, String> environment = new LinkedHashMap<>();

    @Override
    public Builder strictTraceId(boolean strictTraceId) {
      environment.put("STRICT_TRACE_ID", Boolean.toString(strictTraceId));
      return this;
    }

    @Override
    public Builder searchEnabled(boolean searchEnabled) {
      environment.put("SEARCH_ENABLED", Boolean.toString(searchEnabled));
      return this;
    }

    @Override
    public Builder autocompleteKeys(List<String> keys) {
      environment.put("AUTOCOMPLETE_KEYS", String.join(",", keys));
      return this;
    }

    @Override
    public HttpStorage build() {
      try {
        return new HttpStorage(Server.start(environment));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  Server server() {
    return server;
  }

  @Override
  public SpanStore spanStore() {
    return this;
  }

  @Override
  public SpanConsumer spanConsumer() {
    return this;
  }

  @Override
  public Traces traces() {
    return this;
  }

  @Override
  public ServiceAndSpanNames serviceAndSpanNames() {
    return this;
  }

  @Override
  public AutocompleteTags autocompleteTags() {
    return this;
  }

  @Override
  public CheckResult check() {
    try {
      server.checkHealth();
      return CheckResult.OK;
    } catch (IOException e) {
      return CheckResult.failed(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return CheckResult.failed(e);
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
  }

  @Override
  public Call<Void> accept(List<Span> spans) {
    if (spans.isEmpty()) return Call.create(null);
    byte[] body = SpanBytesEncoder.JSON_V2.encodeList(spans);
    return new HttpCall<>(
        () ->
            request("api/v2/spans")
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofByteArray(body))
                .build(),
        answer -> {
          expect(202, answer);
          isWritten = true;
          if (KILL) server.killAndRestart();
          return null;
        });
  }

  @Override
  public Call<List<Span>> getTrace(String traceId) {
    return new HttpCall<>(
        () -> read("api/v2/trace/" + encode(traceId)),
        answer -> {
          if (answer.statusCode() == 404) return List.of();
          expect(200, answer);
          return spans(answer.body());
        });
  }

  @Override
  public Call<List<List<Span>>> getTraces(Iterable<String> traceIds) {
    Set<String> ids = new LinkedHashSet<>();
    for (String id : traceIds) ids.add(id);
    if (ids.isEmpty()) return Call.emptyList();
    // The API refuses to look for many traces with one id.
    if (ids.size() == 1) {
      return getTrace(ids.iterator().next())
          .map(trace -> trace.isEmpty() ? List.of() : List.of(trace));
    }
    return get("api/v2/traceMany" + query("traceIds", String.join(",", ids)), HttpStorage::traces);
  }

  @Override
  public Call<List<List<Span>>> getTraces(QueryRequest request) {
    String query =
        query(
            "serviceName", request.serviceName(),
            "remoteServiceName", request.remoteServiceName(),
            "spanName", request.spanName(),
            "annotationQuery", request.annotationQueryString(),
            "minDuration", request.minDuration(),
            "maxDuration", request.maxDuration(),
            "endTs", request.endTs(),
            "lookback", request.lookback(),
            "limit", request.limit());
    return get("api/v2/traces" + query, HttpStorage::traces);
  }

  @Override
  public Call<List<String>> getServiceNames() {
    return get("api/v2/services", HttpStorage::strings);
  }

  @Override
  public Call<List<String>> getRemoteServiceNames(String serviceName) {
    return get("api/v2/remoteServices" + query("serviceName", serviceName), HttpStorage::strings);
  }

  @Override
  public Call<List<String>> getSpanNames(String serviceName) {
    return get("api/v2/spans" + query("serviceName", serviceName), HttpStorage::strings);
  }

  @Override
  public Call<List<DependencyLink>> getDependencies(long endTs, long lookback) {
    // The interface wants these two refused before anything is sent.
    if (endTs <= 0) throw new IllegalArgumentException("endTs <= 0");
    if (lookback <= 0) throw new IllegalArgumentException("lookback <= 0");
    return get(
        "api/v2/dependencies" + query("endTs", endTs, "lookback", lookback),
        DependencyLinkBytesDecoder.JSON_V1::decodeList);
  }

  @Override
  public Call<List<String>> getKeys() {
    return get("api/v2/autocompleteKeys", HttpStorage::strings);
  }

  @Override
  public Call<List<String>> getValues(String key) {
    return get("api/v2/autocompleteValues" + query("key", key), HttpStorage::strings);
  }

  /** Makes a result of the bytes of an answer. */
  private interface BodyDecoder<V> {
    V decode(byte[] body);
  }

  private <V> Call<V> get(String target, BodyDecoder<V> decoder) {
    return new HttpCall<>(
        () -> read(target),
        answer -> {
          expect(200, answer);
          return decoder.decode(answer.body());
        });
  }

  private HttpRequest read(String target) {
    if (isWritten) {
      try {
        server.settle();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      isWritten = false;
    }
    return request(target).build();
  }

  private HttpRequest.Builder request(String target) {
    return HttpRequest.newBuilder(server.address(target)).timeout(Duration.ofSeconds(30));
  }

  /** Returns "?name=value&..." of names and values in turn, without those that are null. */
  private static String query(Object... namesAndValues) {
    StringJoiner query = new StringJoiner("&", "?", "").setEmptyValue("");
    for (int i = 0; i < namesAndValues.length; i += 2) {
      Object value = namesAndValues[i + 1];
      if (value != null) query.add(namesAndValues[i] + "=" + encode(value.toString()));
    }
    return query.toString();
  }

  private static String encode(String text) {
    return URLEncoder.encode(text, UTF_8).replace("+", "%20");
  }

  private static void expect(int status, HttpResponse<byte[]> answer) throws IOException {
    if (answer.statusCode() == status) return;
    String body = new String(answer.body(), UTF_8);
    throw new IOException(answer.request() + " got " + answer.statusCode() + ": " + body);
  }

  private static List<String> strings(byte[] body) {
    List<String> result = new ArrayList<>();
    for (JsonElement string : parse(body)) result.add(string.getAsString());
    return result;
  }

  private static List<List<Span>> traces(byte[] body) {
    List<List<Span>> result = new ArrayList<>();
    for (JsonElement trace : parse(body)) result.add(spans(trace.toString().getBytes(UTF_8)));
    return result;
  }

  private static List<Span> spans(byte[] body) {
    // Not the array itself: the library breaks characters that straddle its 8 KiB buffer.
    return SpanBytesDecoder.JSON_V2.decodeList(ByteBuffer.wrap(body).asReadOnlyBuffer());
  }

  private static Iterable<JsonElement> parse(byte[] body) {
    return JsonParser.parseString(new String(body, UTF_8)).getAsJsonArray();
  }
}
