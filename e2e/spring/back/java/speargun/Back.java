package speargun;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.core.env.Environment;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

/** Answers with what its settings say at the moment, fails while it is told to, and counts. */
@SpringBootApplication
@RestController
public class Back {
  private final Environment settings;
  private final AtomicBoolean fails = new AtomicBoolean(true);
  private final AtomicInteger failures = new AtomicInteger();

  /** Takes what Spring Boot made. */
  public Back(Environment settings) {
    this.settings = settings;
  }

  /** Arguments are those of Spring Boot. */
  public static void main(String[] arguments) {
    SpringApplication.run(Back.class, arguments);
  }

  /** Says the greeting that the configuration server has, and who greets. */
  @GetMapping("/greet/{n}")
  public String greet(@PathVariable("n") String n) {
    return settings.getProperty("greeting") + " " + n + " from " + port();
  }

  /** The same under the name that services in Rust call. */
  @GetMapping("/hi/{name}")
  public String hi(@PathVariable("name") String name) {
    return greet(name);
  }

  /** The value of a setting. */
  @GetMapping("/setting/{key}")
  public String setting(@PathVariable("key") String key) {
    return settings.getProperty(key, "none");
  }

  /** Throws until it is healed. */
  @GetMapping("/fail")
  public String fail() {
    failures.incrementAndGet();
    if (fails.get()) {
      throw new IllegalStateException("out of stock");
    }
    return "healed";
  }

  /** Fails no longer. */
  @GetMapping("/heal")
  public String heal() {
    fails.set(false);
    return "";
  }

  /** How often somebody asked for a failure. */
  @GetMapping("/failures")
  public int failures() {
    return failures.get();
  }

  private String port() {
    return settings.getProperty("local.server.port");
  }
}
