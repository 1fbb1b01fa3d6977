package speargun;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.config.server.EnableConfigServer;

/** Spring's configuration server as everybody starts it; its settings are given as arguments. */
@SpringBootApplication
@EnableConfigServer
public class Config {
  /** Arguments are those of Spring Boot. */
  public static void main(String[] arguments) {
    SpringApplication.run(Config.class, arguments);
  }
}
