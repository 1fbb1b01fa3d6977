package speargun;

import java.io.File;
import java.io.IOException;
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
import java.util.Map;
import java.util.concurrent.TimeUnit;
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

  private final Path folder;
  private final Process process;
  private final URI root;

  private Server(Path folder, Process process, URI root) {
    this.folder = folder;
    this.process = process;
    this.root = root;
  }

  /** Starts the binary with the engine under test and this environment alone. */
  static Server start(Map<String, String> environment) throws IOException {
    Path folder = Files.createTempDirectory("speargun-kit-");
    int port = freePort();
    ProcessBuilder builder =
        new ProcessBuilder(
            new File(System.getProperty("speargun.binary")).getAbsolutePath(),
            "--port",
            Integer.toString(port),
            "--data",
            folder.resolve("data").toString());
    builder.directory(folder.toFile());
    builder.redirectErrorStream(true).redirectOutput(log(folder).toFile());
    // Settings come from the environment, so none of ours may reach the server by accident.
    builder.environment().clear();
    builder.environment().putAll(environment);
    String engine = System.getProperty("speargun.engine");
    if (!engine.equals("default")) builder.environment().put("STORAGE_TYPE", engine);

    Server server =
        new Server(folder, builder.start(), URI.create("http://127.0.0.1:" + port + "/"));
    try {
      server.waitUntilHealthy();
    } catch (IOException | RuntimeException e) {
      server.close();
      throw e;
    }
    return server;
  }

  /** Returns the address of a path below the root, such as "api/v2/spans". */
  URI address(String target) {
    return root.resolve(target);
  }

  /** Fails unless the server says that it is well. */
  void checkHealth() throws IOException, InterruptedException {
    HttpResponse<String> answer = health();
    if (answer.statusCode() != 200) throw new IOException("not healthy: " + answer.body());
  }

  @Override
  public void close() throws IOException {
    process.destroyForcibly();
    try {
      if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
        throw new IOException("the server can't be killed");
      }
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
    }
  }

  private void waitUntilHealthy() throws IOException {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (System.nanoTime() < deadline) {
      if (!process.isAlive()) {
        throw new IOException("the server ended before it was ready\n" + printed());
      }
      try {
        if (health().statusCode() == 200) return;
        Thread.sleep(2);
      } catch (IOException notYet) {
        Thread.onSpinWait();
      } catch (InterruptedException e) {
        throw interrupted(e);
      }
    }
    throw new IOException("the server was not ready in " + PATIENCE + "\n" + printed());
  }

  private HttpResponse<String> health() throws IOException, InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(address("health")).timeout(Duration.ofSeconds(10)).build();
    return CLIENT.send(request, BodyHandlers.ofString());
  }

  private String printed() throws IOException {
    return new String(Files.readAllBytes(log(folder)), StandardCharsets.UTF_8);
  }

  private static Path log(Path folder) {
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
