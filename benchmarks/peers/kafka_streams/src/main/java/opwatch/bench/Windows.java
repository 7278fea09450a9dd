package opwatch.bench;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.tdunning.math.stats.MergingDigest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyWindowStore;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Minute windows of operations by platform on Kafka Streams, as its DSL guide writes them
 * (kafka.apache.org, Streams, Developer Guide, "Windowing" and "Aggregating").
 *
 * <p>Default configuration: one thread, RocksDB, a changelog, the 10 MB record cache. The digest
 * has the compression its author recommends (100) and his compact serialization.
 */
public final class Windows {
  private static final String STORE = "windows";
  private static final int COMPRESSION = 100;

  /** What is read of an operation; Jackson skips the rest. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  public static final class Operation {
    public boolean success;
    public double duration_ms;
  }

  /** A window so far. */
  static final class Row {
    long count;
    long successes;
    MergingDigest durations = new MergingDigest(COMPRESSION);

    Row add(Operation operation) {
      count++;
      if (operation.success) {
        successes++;
      }
      durations.add(operation.duration_ms);
      return this;
    }

    static byte[] write(Row row) {
      ByteBuffer buffer = ByteBuffer.allocate(16 + row.durations.smallByteSize());
      buffer.putLong(row.count).putLong(row.successes);
      row.durations.asSmallBytes(buffer);
      return buffer.array();
    }

    static Row read(byte[] bytes) {
      ByteBuffer buffer = ByteBuffer.wrap(bytes);
      Row row = new Row();
      row.count = buffer.getLong();
      row.successes = buffer.getLong();
      row.durations = MergingDigest.fromBytes(buffer);
      return row;
    }
  }

  private static final ObjectReader JSON = new ObjectMapper().readerFor(Operation.class);

  private static Operation decode(byte[] bytes) {
    try {
      return JSON.readValue(bytes);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  public static void main(String[] arguments) throws InterruptedException {
    String topic = System.getenv("BENCH_TOPIC");
    long expected = Long.parseLong(System.getenv("BENCH_EVENTS"));
    Properties config = new Properties();
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, System.getenv("BENCH_GROUP"));
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("BENCH_BOOTSTRAP"));
    config.put(StreamsConfig.STATE_DIR_CONFIG, System.getenv("BENCH_STATE"));

    AtomicLong counted = new AtomicLong();
    Serde<Operation> operations =
        Serdes.serdeFrom(
            (name, value) -> {
              throw new UnsupportedOperationException("operations are only read");
            },
            (name, bytes) -> decode(bytes));
    Serde<Row> rows =
        Serdes.serdeFrom(
            (name, row) -> row == null ? null : Row.write(row),
            (name, bytes) -> bytes == null ? null : Row.read(bytes));

    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(topic, Consumed.with(Serdes.String(), operations))
        .groupByKey(Grouped.with(Serdes.String(), operations))
        .windowedBy(
            TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofSeconds(10)))
        .aggregate(
            Row::new,
            (platform, operation, row) -> {
              counted.incrementAndGet();
              return row.add(operation);
            },
            Materialized.<String, Row, WindowStore<org.apache.kafka.common.utils.Bytes, byte[]>>as(
                    STORE)
                .withKeySerde(Serdes.String())
                .withValueSerde(rows));

    try (KafkaStreams streams = new KafkaStreams(builder.build(), config)) {
      streams.start();
      while (true) {
        long now = counted.get();
        System.out.println("{\"counted\": " + now + "}");
        if (now >= expected) {
          break;
        }
        Thread.sleep(100);
      }
      System.out.println("{\"windows\": " + windows(streams) + "}");
    }
  }

  /** The windows as JSON: "platform|start" to [count, successes, p95]. */
  private static String windows(KafkaStreams streams) {
    ReadOnlyWindowStore<String, Row> store =
        streams.store(
            StoreQueryParameters.fromNameAndType(STORE, QueryableStoreTypes.windowStore()));
    TreeMap<String, String> found = new TreeMap<>();
    try (var all = store.all()) {
      all.forEachRemaining(
          each ->
              found.put(
                  "\"" + each.key.key() + "|" + each.key.window().start() + "\"",
                  "["
                      + each.value.count
                      + ", "
                      + each.value.successes
                      + ", "
                      + each.value.durations.quantile(0.95)
                      + "]"));
    }
    StringBuilder json = new StringBuilder("{");
    found.forEach(
        (key, value) ->
            json.append(json.length() > 1 ? ", " : "").append(key).append(": ").append(value));
    return json.append("}").toString();
  }
}
