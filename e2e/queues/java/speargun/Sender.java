package speargun;

import com.rabbitmq.client.ConnectionFactory;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import zipkin2.Span;
import zipkin2.codec.SpanBytesDecoder;
import zipkin2.codec.SpanBytesEncoder;
import zipkin2.reporter.BytesMessageSender;
import zipkin2.reporter.Encoding;
import zipkin2.reporter.amqp.RabbitMQSender;
import zipkin2.reporter.kafka.KafkaSender;

/**
 * Sends what it reads, a message a line: {@code FORMAT BASE64}. Of spans the bytes are a list in
 * JSON v2, sent by Zipkin's own sender in the format named; of {@code RAW} they are the message.
 * For each line it answers one: {@code ok}, or {@code failed} and why.
 */
public final class Sender {
  /** What a broker is to this program. */
  private interface Queue extends AutoCloseable {
    BytesMessageSender sender(Encoding encoding);

    void raw(byte[] message) throws Exception;

    @Override
    void close() throws IOException;
  }

  private record Kafka(String servers, String topic, KafkaProducer<byte[], byte[]> producer)
      implements Queue {
    static Kafka of(String servers, String topic) {
      Properties properties = new Properties();
      properties.put("bootstrap.servers", servers);
      properties.put("max.request.size", 20_000_000);
      ByteArraySerializer bytes = new ByteArraySerializer();
      return new Kafka(servers, topic, new KafkaProducer<>(properties, bytes, bytes));
    }

    @Override
    public BytesMessageSender sender(Encoding encoding) {
      return KafkaSender.newBuilder()
          .bootstrapServers(servers)
          .topic(topic)
          .encoding(encoding)
          // By default it does not wait for the broker: then nobody promised that the last are kept.
          .overrides(java.util.Map.of("acks", "all"))
          .build();
    }

    @Override
    public void raw(byte[] message) throws Exception {
      producer.send(new ProducerRecord<>(topic, message)).get();
    }

    @Override
    public void close() {
      producer.close();
    }
  }

  private record RabbitMq(
      String address, String queue, com.rabbitmq.client.Connection connection,
      com.rabbitmq.client.Channel channel) implements Queue {
    static RabbitMq of(String address, String queue) throws Exception {
      int colon = address.lastIndexOf(':');
      ConnectionFactory factory = new ConnectionFactory();
      factory.setHost(address.substring(0, colon));
      factory.setPort(Integer.parseInt(address.substring(colon + 1)));
      com.rabbitmq.client.Connection connection = factory.newConnection();
      com.rabbitmq.client.Channel channel = connection.createChannel();
      channel.queueDeclare(queue, true, false, false, null);
      channel.confirmSelect();
      return new RabbitMq(address, queue, connection, channel);
    }

    @Override
    public BytesMessageSender sender(Encoding encoding) {
      return RabbitMQSender.newBuilder()
          .addresses(address)
          .queue(queue)
          .encoding(encoding)
          .build();
    }

    @Override
    public void raw(byte[] message) throws Exception {
      var persistent = com.rabbitmq.client.MessageProperties.PERSISTENT_BASIC;
      channel.basicPublish("", queue, persistent, message);
      channel.waitForConfirmsOrDie(30_000);
    }

    @Override
    public void close() throws IOException {
      connection.close();
    }
  }

  private final Queue queue;
  private final Map<Encoding, BytesMessageSender> senders = new EnumMap<>(Encoding.class);

  private Sender(Queue queue) {
    this.queue = queue;
  }

  /** Kind of the broker, its address, and the topic or queue. */
  public static void main(String[] args) throws Exception {
    try (Queue queue =
        args[0].equals("kafka") ? Kafka.of(args[1], args[2]) : RabbitMq.of(args[1], args[2])) {
      Sender sender = new Sender(queue);
      BufferedReader lines =
          new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        System.out.println(sender.answer(line));
        System.out.flush();
      }
      for (BytesMessageSender each : sender.senders.values()) {
        each.close();
      }
    }
  }

  private String answer(String line) {
    try {
      String[] words = line.split(" ", 2);
      send(words[0], Base64.getDecoder().decode(words[1]));
      return "ok";
    } catch (Exception e) {
      return "failed " + e.toString().replace('\n', ' ');
    }
  }

  private void send(String format, byte[] bytes) throws Exception {
    if (format.equals("RAW")) {
      queue.raw(bytes);
      return;
    }
    SpanBytesEncoder encoder = SpanBytesEncoder.valueOf(format);
    Encoding encoding =
        format.startsWith("JSON") ? Encoding.JSON : Encoding.valueOf(format);
    List<byte[]> spans = new ArrayList<>();
    for (Span span : SpanBytesDecoder.JSON_V2.decodeList(bytes)) {
      spans.add(encoder.encode(span));
    }
    senders.computeIfAbsent(encoding, queue::sender).send(spans);
  }
}
