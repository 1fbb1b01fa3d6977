package speargun;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.openfeign.EnableFeignClients;
import org.springframework.cloud.openfeign.FeignClient;
import org.springframework.core.env.Environment;
import org.springframework.stereotype.Component;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

/** Calls others by their names, and has something to say when they do not answer. */
@SpringBootApplication
@EnableFeignClients
@RestController
public class Front {
  private final Back back;
  private final Rust rust;
  private final Environment settings;

  /** Takes what Spring Boot made. */
  public Front(Back back, Rust rust, Environment settings) {
    this.back = back;
    this.rust = rust;
    this.settings = settings;
  }

  /** Arguments are those of Spring Boot. */
  public static void main(String[] arguments) {
    SpringApplication.run(Front.class, arguments);
  }

  /** Has it greeted by the service behind. */
  @GetMapping("/hello/{n}")
  public String hello(@PathVariable("n") String n) {
    return back.greet(n);
  }

  /** Asks for a failure. */
  @GetMapping("/fail")
  public String fail() {
    return back.fail();
  }

  /** Has it greeted through a service in Rust. */
  @GetMapping("/rust/{name}")
  public String rust(@PathVariable("name") String name) {
    return rust.hi(name);
  }

  /** The value of a setting. */
  @GetMapping("/setting/{key}")
  public String setting(@PathVariable("key") String key) {
    return settings.getProperty(key, "none");
  }

  /** The service behind, in Java. */
  @FeignClient(name = "back", fallback = Otherwise.class)
  interface Back {
    @GetMapping("/greet/{n}")
    String greet(@PathVariable("n") String n);

    @GetMapping("/fail")
    String fail();
  }

  /** A service in Rust. */
  @FeignClient(name = "service-2")
  interface Rust {
    @GetMapping("/hi/{name}")
    String hi(@PathVariable("name") String name);
  }

  /** What is said instead. */
  @Component
  static class Otherwise implements Back {
    @Override
    public String greet(String n) {
      return "fallback";
    }

    @Override
    public String fail() {
      return "fallback";
    }
  }
}
