import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.DebeziumEngine.ChangeConsumer;
import io.debezium.engine.DebeziumEngine.RecordCommitter;
import io.debezium.engine.Header;
import io.debezium.engine.format.Json;
import io.debezium.engine.format.KeyValueHeaderChangeEventFormat;
import io.debezium.engine.format.SimpleString;
import io.debezium.storage.redis.RedisClient;
import io.debezium.storage.redis.RedisConnection;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.util.AbstractMap.SimpleEntry;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;

/**
 * Debezium's engine, its outbox event router and its Redis client, put together as Debezium Server's Redis sink puts
 * them together: pipelines of XADD with `*`, each record marked when its reply is there, each batch when it is through.
 *
 * Reads its properties from standard input up to an empty line (`redis.*` and `sink.batch.size` are for this class,
 * the others for Debezium), and ends when standard input ends.
 */
public final class DebeziumRelay implements ChangeConsumer<ChangeEvent<String, String>> {
    private static final int TIMEOUT_MS = 2_000;

    private final RedisClient redis;
    private final int batchSize;

    private DebeziumRelay(Properties settings) {
        RedisConnection connection = new RedisConnection(
                settings.getProperty("redis.address"), 0, null, settings.getProperty("redis.password"),
                TIMEOUT_MS, TIMEOUT_MS, false);
        redis = connection.getRedisClient("peer", false, 0, false, 0);
        batchSize = Integer.parseInt(settings.getProperty("sink.batch.size"));
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        Properties settings = new Properties();
        settings.load(new StringReader(
                input.lines().takeWhile(line -> !line.isEmpty()).collect(Collectors.joining("\n"))));
        DebeziumEngine<ChangeEvent<String, String>> engine = DebeziumEngine
                .create(KeyValueHeaderChangeEventFormat.of(SimpleString.class, SimpleString.class, Json.class))
                .using(settings)
                .using((success, message, error) -> {
                    if (!success) {
                        System.err.println(message);
                    }
                })
                .notifying(new DebeziumRelay(settings))
                .build();
        Thread running = new Thread(engine);
        running.start();
        input.lines().forEach(ignored -> { });
        engine.close();
        running.join();
    }

    @Override
    public void handleBatch(
            List<ChangeEvent<String, String>> records, RecordCommitter<ChangeEvent<String, String>> committer)
            throws InterruptedException {
        for (int first = 0; first < records.size(); first += batchSize) {
            List<ChangeEvent<String, String>> batch =
                    records.subList(first, Math.min(first + batchSize, records.size()));
            publish(batch);
            for (ChangeEvent<String, String> record : batch) {
                committer.markProcessed(record);
            }
        }
        committer.markBatchFinished();
    }

    private void publish(List<ChangeEvent<String, String>> batch) {
        List<SimpleEntry<String, Map<String, String>>> entries = new ArrayList<>(batch.size());
        for (ChangeEvent<String, String> record : batch) {
            entries.add(new SimpleEntry<>(record.destination(), fields(record)));
        }
        for (String reply : redis.xadd(entries)) {
            if (reply.startsWith("OOM")) {
                throw new IllegalStateException("the stream's server is full: " + reply);
            }
        }
    }

    /** The server's `extended` format. */
    private static Map<String, String> fields(ChangeEvent<String, String> record) {
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put("key", record.key());
        fields.put("value", record.value());
        for (Header<String> header : record.<String>headers()) {
            fields.put(header.getKey().toUpperCase(Locale.ROOT), header.getValue());
        }
        return fields;
    }
}
