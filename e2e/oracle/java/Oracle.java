import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.URLDecoder;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import zipkin2.Span;
import zipkin2.SpanBytesDecoderDetector;
import zipkin2.codec.DependencyLinkBytesEncoder;
import zipkin2.codec.SpanBytesDecoder;
import zipkin2.codec.SpanBytesEncoder;
import zipkin2.internal.DependencyLinker;
import zipkin2.storage.InMemoryStorage;
import zipkin2.storage.QueryRequest;

/**
 * Answers over a pipe what Zipkin's own library makes of bodies, traces and searches. It decides
 * nothing itself, except what Zipkin's server does around the library.
 *
 * <pre>
 * question  length(4) verb(1) ...          answer  length(4) verdict(1) ...
 *   'd' format(1) body                       0 spans as JSON v2
 *   'l' trace...                             0 links as JSON
 *   'p' strict(1) message...                 0
 *   's' query string                         0 traces as JSON v2
 *   't' trace id                             0 spans as JSON v2
 *   'c' query string                         0 links as JSON
 *                                            1 text: refused as a 400
 *                                            2 text: stumbled over, a 500
 * trace, message: length(4) spans as JSON v2
 * </pre>
 */
public final class Oracle {
  private static final int REFUSED = 1;
  private static final int STUMBLED = 2;
  /** The ends of keys that only the other version of the format has. */
  private static final String ONLY_V1 = "yAnnotations\"";
  private static final List<String> ONLY_V2 = List.of("Endpoint\"", "\"tags\"");

  private InMemoryStorage storage = InMemoryStorage.newBuilder().build();

  private Oracle() {}

  public static void main(String[] arguments) throws IOException {
    DataInputStream questions = new DataInputStream(new BufferedInputStream(System.in));
    DataOutputStream answers = new DataOutputStream(new BufferedOutputStream(System.out));
    Oracle oracle = new Oracle();
    while (true) {
      byte[] question;
      try {
        question = new byte[questions.readInt()];
      } catch (EOFException end) {
        return;
      }
      questions.readFully(question);
      oracle.reply(ByteBuffer.wrap(question), answers);
      answers.flush();
    }
  }

  private void reply(ByteBuffer question, DataOutputStream out) throws IOException {
    try {
      frame(out, 0, answer(question));
    } catch (IllegalArgumentException refusal) {
      frame(out, REFUSED, text(refusal));
    } catch (RuntimeException | StackOverflowError fault) {
      frame(out, STUMBLED, text(fault));
    }
  }

  private byte[] answer(ByteBuffer question) throws IOException {
    char verb = (char) question.get();
    switch (verb) {
      case 'd':
        SpanBytesDecoder format = format(question.get());
        return SpanBytesEncoder.JSON_V2.encodeList(decode(format, rest(question)));
      case 'l':
        DependencyLinker linker = new DependencyLinker();
        lists(question).forEach(linker::putTrace);
        return DependencyLinkBytesEncoder.JSON_V1.encodeList(linker.link());
      case 'p':
        storage = InMemoryStorage.newBuilder().strictTraceId(question.get() != 0).build();
        for (List<Span> message : lists(question)) {
          storage.accept(message).execute();
        }
        return new byte[0];
      case 's':
        return traces(storage.getTraces(request(parameters(question))).execute());
      case 't':
        String id = new String(rest(question), StandardCharsets.US_ASCII);
        return SpanBytesEncoder.JSON_V2.encodeList(storage.getTrace(id).execute());
      case 'c':
        Map<String, String> window = parameters(question);
        long end = Long.parseLong(window.get("endTs"));
        long lookback = Long.parseLong(window.get("lookback"));
        return DependencyLinkBytesEncoder.JSON_V1.encodeList(
            storage.getDependencies(end, lookback).execute());
      default:
        throw new IllegalStateException("no verb " + verb);
    }
  }

  private static void frame(DataOutputStream out, int verdict, byte[] bytes) throws IOException {
    out.writeInt(bytes.length + 1);
    out.write(verdict);
    out.write(bytes);
  }

  private static byte[] text(Throwable thrown) {
    String message = thrown.getMessage();
    return utf8(message == null ? thrown.getClass().getSimpleName() : message);
  }

  private static SpanBytesDecoder format(byte number) {
    return switch (number) {
      case 1 -> SpanBytesDecoder.JSON_V2;
      case 2 -> SpanBytesDecoder.PROTO3;
      case 3 -> SpanBytesDecoder.JSON_V1;
      case 4 -> SpanBytesDecoder.THRIFT;
      default -> throw new IllegalStateException("no format " + number);
    };
  }

  /** As the HTTP collector does: by the first bytes, by the other version's keys, then in full. */
  private static List<Span> decode(SpanBytesDecoder format, byte[] body) {
    if (body.length == 0) return List.of();
    try {
      SpanBytesDecoderDetector.decoderForListMessage(ByteBuffer.wrap(body));
    } catch (IllegalArgumentException unknown) {
      throw new IllegalArgumentException("Expected a " + format + " encoded list\n");
    }
    String bytes = new String(body, StandardCharsets.ISO_8859_1);
    if (format == SpanBytesDecoder.JSON_V2 && bytes.contains(ONLY_V1)) {
      throw new IllegalArgumentException(
          "Expected a JSON_V2 encoded list, but received: JSON_V1\n");
    }
    if (format == SpanBytesDecoder.JSON_V1 && ONLY_V2.stream().anyMatch(bytes::contains)) {
      throw new IllegalArgumentException(
          "Expected a JSON_V1 encoded list, but received: JSON_V2\n");
    }
    // The library's reader of arrays breaks characters at every 8 KiB; the other one does not.
    ByteBuffer buffer = ByteBuffer.wrap(body);
    boolean json = format == SpanBytesDecoder.JSON_V2 || format == SpanBytesDecoder.JSON_V1;
    return format.decodeList(json ? buffer.asReadOnlyBuffer() : buffer);
  }

  private static List<List<Span>> lists(ByteBuffer question) {
    List<List<Span>> lists = new ArrayList<>();
    while (question.hasRemaining()) {
      byte[] list = new byte[question.getInt()];
      question.get(list);
      lists.add(SpanBytesDecoder.JSON_V2.decodeList(ByteBuffer.wrap(list).asReadOnlyBuffer()));
    }
    return lists;
  }

  private static Map<String, String> parameters(ByteBuffer question) {
    Map<String, String> given = new HashMap<>();
    for (String pair : new String(rest(question), StandardCharsets.UTF_8).split("&")) {
      int equals = pair.indexOf('=');
      String value = URLDecoder.decode(pair.substring(equals + 1), StandardCharsets.UTF_8);
      given.put(pair.substring(0, equals), value);
    }
    return given;
  }

  /** The parameters of /api/v2/traces; {@code endTs}, {@code lookback} and {@code limit} come. */
  private static QueryRequest request(Map<String, String> given) {
    return QueryRequest.newBuilder()
        .serviceName(given.get("serviceName"))
        .remoteServiceName(given.get("remoteServiceName"))
        .spanName(given.get("spanName"))
        .parseAnnotationQuery(given.get("annotationQuery"))
        .minDuration(optional(given.get("minDuration")))
        .maxDuration(optional(given.get("maxDuration")))
        .endTs(Long.parseLong(given.get("endTs")))
        .lookback(Long.parseLong(given.get("lookback")))
        .limit(Integer.parseInt(given.get("limit")))
        .build();
  }

  private static Long optional(String number) {
    return number == null || number.isEmpty() ? null : Long.valueOf(number);
  }

  private static byte[] traces(List<List<Span>> traces) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write('[');
    for (int i = 0; i < traces.size(); i++) {
      if (i > 0) out.write(',');
      out.write(SpanBytesEncoder.JSON_V2.encodeList(traces.get(i)));
    }
    out.write(']');
    return out.toByteArray();
  }

  private static byte[] rest(ByteBuffer question) {
    byte[] bytes = new byte[question.remaining()];
    question.get(bytes);
    return bytes;
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
