package headkeeper.curator;

import static headkeeper.Check.equal;
import static headkeeper.Check.eventually;
import static headkeeper.Check.raises;
import static headkeeper.Check.that;
import static headkeeper.curator.Curator.background;
import static headkeeper.curator.Curator.bytes;

import headkeeper.Check;
import headkeeper.Scene;
import headkeeper.Story;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.queue.DistributedDelayQueue;
import org.apache.curator.framework.recipes.queue.DistributedIdQueue;
import org.apache.curator.framework.recipes.queue.DistributedPriorityQueue;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.MultiItem;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.QueueSharder;
import org.apache.curator.framework.recipes.queue.QueueSharderPolicies;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.state.ConnectionState;

/** Queues. */
final class QueueCases {
    private QueueCases() {}

    static void register(Story story) {
        story.add("DistributedQueue: in order for one consumer", QueueCases::order);
        story.add("DistributedQueue: two producers, two consumers, each item once", QueueCases::contended);
        story.add("DistributedQueue: with a lock an item outlives its consumer's session", QueueCases::locked);
        story.add("DistributedIdQueue: items can be taken back", QueueCases::idQueue);
        story.add("DistributedPriorityQueue: the lowest number first", QueueCases::priority);
        story.add("DistributedDelayQueue: not before its time", QueueCases::delay);
        story.add("SimpleDistributedQueue: offer, peek, element, poll, take, remove", QueueCases::simple);
        story.add("QueueSharder: several queues as one", QueueCases::sharder);
    }

    private static final QueueSerializer<String> TEXT = new QueueSerializer<>() {
        @Override
        public byte[] serialize(String item) {
            return bytes(item);
        }

        @Override
        public String deserialize(byte[] data) {
            return Curator.text(data);
        }
    };

    /** Keeps what it is given; while closed, it waits. */
    private static class Consumer implements QueueConsumer<String> {
        final List<String> items = Collections.synchronizedList(new ArrayList<>());

        @Override
        public void consumeMessage(String item) throws Exception {
            items.add(item);
        }

        @Override
        public void stateChanged(CuratorFramework client, ConnectionState state) {}
    }

    private static QueueBuilder<String> queue(Scene scene, CuratorFramework client, Consumer consumer) {
        return QueueBuilder.builder(client, consumer, TEXT, scene.root + "/queue");
    }

    private static void order(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        Consumer consumer = new Consumer();
        DistributedQueue<String> queue = scene.closing(queue(scene, client, consumer).buildQueue());
        queue.start();
        List<String> wanted = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            queue.put("item" + i);
            wanted.add("item" + i);
        }
        List<String> batch = List.of("multi0", "multi1", "multi2");
        int[] at = {0};
        queue.putMulti(new MultiItem<>() {
            @Override
            public String nextItem() {
                return at[0] < batch.size() ? batch.get(at[0]++) : null;
            }
        });
        wanted.addAll(batch);
        eventually("all are consumed", () -> consumer.items.size() == 53);
        equal(wanted, consumer.items);
        eventually("nothing is left", () -> client.getChildren().forPath(scene.root + "/queue").isEmpty());
    }

    private static void contended(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 4);
        List<Consumer> consumers = List.of(new Consumer(), new Consumer());
        for (int i = 0; i < 2; i++) {
            DistributedQueue<String> queue = scene.closing(
                    queue(scene, clients.get(i), consumers.get(i)).lockPath(scene.root + "/locks").buildQueue());
            queue.start();
        }
        Curator.atOnce(List.of(2, 3), number -> {
            DistributedQueue<String> queue = scene.closing(QueueBuilder.builder(
                    clients.get(number), (QueueConsumer<String>) null, TEXT, scene.root + "/queue").buildQueue());
            queue.start();
            for (int i = 0; i < 60; i++) {
                queue.put(number + "-" + i);
            }
            that(queue.flushPuts(20, TimeUnit.SECONDS), "the items are not written");
            return null;
        });
        eventually("all are consumed", () -> consumers.get(0).items.size() + consumers.get(1).items.size() >= 120);
        List<String> all = new ArrayList<>(consumers.get(0).items);
        all.addAll(consumers.get(1).items);
        equal(120, all.size());
        equal(120, new TreeSet<>(all).size());
    }

    private static void locked(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        CompletableFuture<Void> started = new CompletableFuture<>();
        CompletableFuture<Void> killed = new CompletableFuture<>();
        Consumer dying = new Consumer() {
            @Override
            public void consumeMessage(String item) throws Exception {
                started.complete(null);
                Check.await(killed);
                throw new IllegalStateException("this consumer's session is gone");
            }
        };
        DistributedQueue<String> first = queue(scene, clients.get(0), dying).lockPath(scene.root + "/locks").buildQueue();
        first.start();
        first.put("precious");
        Check.await(started);
        Consumer heir = new Consumer();
        DistributedQueue<String> second =
                scene.closing(queue(scene, clients.get(1), heir).lockPath(scene.root + "/locks").buildQueue());
        second.start();
        Thread.sleep(300);
        equal(List.of(), heir.items);
        clients.get(0).close();
        killed.complete(null);
        // A queue looks at its items again when one is added.
        second.put("another");
        eventually("another consumer gets it", () -> heir.items.equals(List.of("precious", "another")));
    }

    private static void idQueue(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        DistributedIdQueue<String> producer = scene.closing(QueueBuilder.builder(
                client, (QueueConsumer<String>) null, TEXT, scene.root + "/queue").buildIdQueue());
        producer.start();
        producer.put("keep", "a");
        producer.put("twice", "b");
        producer.put("twice again", "b");
        that(producer.flushPuts(20, TimeUnit.SECONDS), "the items are not written");
        equal(2, producer.remove("b"));
        equal(0, producer.remove("b"));
        Consumer consumer = new Consumer();
        DistributedIdQueue<String> queue = scene.closing(queue(scene, client, consumer).buildIdQueue());
        queue.start();
        producer.put("late", "c");
        eventually("both are consumed", () -> consumer.items.equals(List.of("keep", "late")));
    }

    private static void priority(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        DistributedPriorityQueue<String> producer = scene.closing(QueueBuilder.builder(
                client, (QueueConsumer<String>) null, TEXT, scene.root + "/queue").buildPriorityQueue(1));
        producer.start();
        for (int priority : new int[] {30, 1, 200, 7, -5, 0}) {
            producer.put("p" + priority, priority);
        }
        that(producer.flushPuts(20, TimeUnit.SECONDS), "the items are not written");
        Consumer consumer = new Consumer();
        DistributedPriorityQueue<String> queue = scene.closing(queue(scene, client, consumer).buildPriorityQueue(1));
        queue.start();
        eventually("all are consumed", () -> consumer.items.size() == 6);
        equal(List.of("p-5", "p0", "p1", "p7", "p30", "p200"), consumer.items);
    }

    private static void delay(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        List<Long> late = Collections.synchronizedList(new ArrayList<>());
        Consumer consumer = new Consumer() {
            @Override
            public void consumeMessage(String item) throws Exception {
                late.add(System.currentTimeMillis() - Long.parseLong(item));
                super.consumeMessage(item);
            }
        };
        DistributedDelayQueue<String> queue = scene.closing(queue(scene, client, consumer).buildDelayQueue());
        queue.start();
        long now = System.currentTimeMillis();
        for (long delay : new long[] {900, 300, 600}) {
            queue.put(Long.toString(now + delay), now + delay);
        }
        eventually("all are consumed", () -> consumer.items.size() == 3);
        equal(List.of("" + (now + 300), "" + (now + 600), "" + (now + 900)), consumer.items);
        that(late.stream().allMatch(ms -> ms >= 0), "too early: " + late);
    }

    private static void simple(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        clients.get(0).create().forPath(scene.root);
        SimpleDistributedQueue one = new SimpleDistributedQueue(clients.get(0), scene.root + "/queue");
        SimpleDistributedQueue two = new SimpleDistributedQueue(clients.get(1), scene.root + "/queue");
        equal(null, one.peek());
        equal(null, one.poll());
        raises(NoSuchElementException.class, one::remove);
        raises(NoSuchElementException.class, one::element);
        for (int i = 0; i < 5; i++) {
            that(one.offer(bytes("" + i)), "not offered");
        }
        equal(bytes("0"), two.peek());
        equal(bytes("0"), two.element());
        equal(bytes("0"), two.remove());
        equal(bytes("1"), one.poll());
        equal(bytes("2"), two.poll(1, TimeUnit.SECONDS));
        equal(bytes("3"), one.take());
        equal(bytes("4"), one.take());
        equal(null, one.poll(200, TimeUnit.MILLISECONDS));
        CompletableFuture<byte[]> waiting = background(two::take);
        Thread.sleep(200);
        one.offer(bytes("late"));
        equal(bytes("late"), Check.await(waiting));
    }

    private static void sharder(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        Consumer consumer = new Consumer();
        QueueSharderPolicies policies =
                QueueSharderPolicies.builder().newQueueThreshold(2).thresholdCheckMs(50).maxQueues(3).build();
        QueueSharder<String, DistributedQueue<String>> sharder = scene.closing(new QueueSharder<>(client,
                (c, path) -> QueueBuilder.builder(c, (QueueConsumer<String>) null, TEXT, path).buildQueue(),
                scene.root + "/queues", scene.root + "/leader", policies));
        sharder.start();
        for (int i = 0; i < 40; i++) {
            sharder.getQueue().put("item" + i);
            Thread.sleep(5);
        }
        eventually("there are more queues", () -> sharder.getShardQty() > 1);
        for (String path : sharder.getQueuePaths()) {
            DistributedQueue<String> queue = scene.closing(QueueBuilder.builder(client, consumer, TEXT, path).buildQueue());
            queue.start();
        }
        eventually("all are consumed", () -> new TreeSet<>(consumer.items).size() == 40);
        equal(40, consumer.items.size());
    }
}
