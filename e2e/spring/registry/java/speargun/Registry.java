package speargun;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.netflix.eureka.server.EnableEurekaServer;

/** Spring's registry as everybody starts it; its settings are given as arguments. */
@SpringBootApplication
@EnableEurekaServer
public class Registry {
  /** Arguments are those of Spring Boot. */
  public static void main(String[] arguments) {
    SpringApplication.run(Registry.class, arguments);
  }
}
