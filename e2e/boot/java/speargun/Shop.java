package speargun;

import io.micrometer.tracing.Tracer;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.servlet.context.ServletWebServerApplicationContext;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestClient;

/**
 * A service that calls itself once, prints the id of the trace that this makes, and ends. Where it
 * reports to is in its arguments, as Spring Boot takes them.
 */
@SpringBootApplication
@RestController
public class Shop {
  private final Tracer tracer;
  private final RestClient client;
  private final ServletWebServerApplicationContext context;

  /** Takes what Spring Boot made. */
  public Shop(
      Tracer tracer, RestClient.Builder client, ServletWebServerApplicationContext context) {
    this.tracer = tracer;
    this.client = client.build();
    this.context = context;
  }

  /** Arguments are those of Spring Boot. */
  public static void main(String[] args) throws Exception {
    SpringApplication application = new SpringApplication(Shop.class);
    application.setDefaultProperties(
        Map.of(
            "server.port", "0",
            "server.address", "127.0.0.1",
            "spring.application.name", "shop",
            "spring.main.banner-mode", "off",
            "management.tracing.sampling.probability", "1.0"));
    try (var running = application.run(args)) {
      Shop shop = running.getBean(Shop.class);
      HttpRequest request = HttpRequest.newBuilder(URI.create(shop.place("/order"))).build();
      String trace = HttpClient.newHttpClient().send(request, BodyHandlers.ofString()).body();
      System.out.println("trace " + trace);
    }
  }

  /** Calls the other end, and answers the id of the trace. */
  @GetMapping("/order")
  public String order() {
    client.get().uri(place("/stock")).retrieve().toBodilessEntity();
    return tracer.currentSpan().context().traceId();
  }

  /** Does nothing. */
  @GetMapping("/stock")
  public String stock() {
    return "";
  }

  private String place(String path) {
    return "http://127.0.0.1:" + context.getWebServer().getPort() + path;
  }
}
