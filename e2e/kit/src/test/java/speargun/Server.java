package speargun;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;

/**
 * One process of the real binary with a port and an empty data folder of its own. It knows the
 * command line and the health check, nothing else.
 */
final class Server implements AutoCloseable {
  static final HttpClient CLIENT =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(Duration.ofSeconds(10))
          .build();

  /** How long a start may take before the test fails. */
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  /** Numbers the databases of this process: each server gets one of its own. */
  private static final AtomicInteger DATABASES = new AtomicInteger();

  private final Path folder;
  private final Map<String, String> environment;
  private final boolean hasDatabase;
  private Process process;
  private URI root;

  private Server(Path folder, Map<String, String> environment) {
    this.folder = folder;
    this.environment = new LinkedHashMap<>(environment);
    String engine = System.getProperty("speargun.engine");
    if (!engine.equals("default")) this.environment.put("STORAGE_TYPE", engine);
    Map<String, String> database = database(engine, "kit_" + DATABASES.incrementAndGet());
    this.environment.putAll(database);
    hasDatabase = !database.isEmpty();
  }

  /** Returns the settings of a database of this name; none for an engine without one. */
  private static Map<String, String> database(String engine, String name) {
    return switch (engine) {
      case "mysql" ->
          Map.of(
              "MYSQL_HOST", "127.0.0.1",
              "MYSQL_TCP_PORT", System.getProperty("speargun.mysql.port"),
              "MYSQL_USER", "root",
              "MYSQL_DB", name,
              // What is linked in the background is answered as of then.
              "SPEARGUN_MYSQL_LINKS", "false");
      case "clickhouse" ->
          Map.of(
              "CLICKHOUSE_URL", System.getProperty("speargun.clickhouse.url"),
              "CLICKHOUSE_DATABASE", name);
      default -> Map.of();
    };
  }

  /** Starts the binary on the engine under test with this environment and no other. */
  static Server start(Map<String, String> environment) throws IOException {
    Server server = new Server(Files.createTempDirectory("speargun-kit-"), environment);
    try {
      server.launch();
    } catch (IOException | RuntimeException e) {
      server.close();
      throw e;
    }
    return server;
  }

  /** Ends the process as a crash does, and starts another on the same data. */
  synchronized void killAndRestart() throws IOException {
    kill();
    launch();
  }

  /** Returns the address of a path below the root, such as "api/v2/spans". */
  synchronized URI address(String target) {
    return root.resolve(target);
  }

  /** Fails unless the server says that it is well. */
  void checkHealth() throws IOException, InterruptedException {
    HttpResponse<String> answer = health();
    if (answer.statusCode() != 200) throw new IOException("not healthy: " + answer.body());
  }

  /** Waits until what was acknowledged lies in the database alone, which then has to answer. */
  void settle() throws IOException {
    if (!hasDatabase) return;
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (System.nanoTime() < deadline) {
      if (waitingSpans() == 0) return;
      LockSupport.parkNanos(20_000_000);
    }
    throw new IOException("spans still wait for the database\n" + printed());
  }

  private long waitingSpans() throws IOException {
    try {
      JsonObject health = JsonParser.parseString(health().body()).getAsJsonObject();
      JsonObject parts = health.getAsJsonObject("zipkin").getAsJsonObject("details");
      for (String name : parts.keySet()) {
        if (!name.startsWith("Spool{")) continue;
        return parts.getAsJsonObject(name).getAsJsonObject("details").get("spans").getAsLong();
      }
      throw new IOException("health tells of no spool: " + health);
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  @Override
  public synchronized void close() throws IOException {
    kill();
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
    }
  }

  private void launch() throws IOException {
    int port = freePort();
    root = URI.create("http://127.0.0.1:" + port + "/");
    ProcessBuilder builder =
        new ProcessBuilder(
            new File(System.getProperty("speargun.binary")).getAbsolutePath(),
            "--port",
            Integer.toString(port),
            "--data",
            folder.resolve("data").toString());
    builder.directory(folder.toFile());
    builder.redirectErrorStream(true).redirectOutput(Redirect.appendTo(log().toFile()));
    // Settings come from the environment, so none of ours may reach the server by accident.
    builder.environment().clear();
    builder.environment().putAll(environment);
    process = builder.start();
    waitUntilHealthy();
  }

  private void kill() throws IOException {
    if (process == null) return;
    process.destroyForcibly();
    try {
      if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
        throw new IOException("the server can't be killed");
      }
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  private void waitUntilHealthy() throws IOException {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (System.nanoTime() < deadline) {
      if (!process.isAlive()) {
        throw new IOException("the server ended before it was ready\n" + printed());
      }
      if (isHealthy()) return;
      LockSupport.parkNanos(2_000_000);
    }
    throw new IOException("the server was not ready in " + PATIENCE + "\n" + printed());
  }

  private boolean isHealthy() throws IOException {
    try {
      return health().statusCode() == 200;
    } catch (InterruptedException e) {
      throw interrupted(e);
    } catch (IOException notYet) {
      return false;
    }
  }

  private HttpResponse<String> health() throws IOException, InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(address("health")).timeout(Duration.ofSeconds(10)).build();
    return CLIENT.send(request, BodyHandlers.ofString());
  }

  private String printed() throws IOException {
    return new String(Files.readAllBytes(log()), StandardCharsets.UTF_8);
  }

  private Path log() {
    return folder.resolve("server.log");
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private static IOException interrupted(InterruptedException e) {
    Thread.currentThread().interrupt();
    return new IOException("interrupted", e);
  }
}
