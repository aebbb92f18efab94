package headkeeper.curator;

import headkeeper.Check;
import headkeeper.Events;
import headkeeper.Scene;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryForever;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooKeeper;

/** Connected frameworks, and short words for what every case does. */
final class Curator {
    private static final int SESSION_MS = 20_000;

    private Curator() {}

    static CuratorFramework open(Scene scene) throws Exception {
        return open(scene, scene.address, SESSION_MS);
    }

    static CuratorFramework open(Scene scene, String address, int sessionMs) throws Exception {
        CuratorFramework client = scene.closing(CuratorFrameworkFactory.builder()
                .connectString(address)
                .sessionTimeoutMs(sessionMs)
                .connectionTimeoutMs(15_000)
                .retryPolicy(new RetryForever(100))
                .build());
        client.start();
        Check.that(client.blockUntilConnected(30, TimeUnit.SECONDS), "Curator does not connect");
        return client;
    }

    static List<CuratorFramework> open(Scene scene, int count) throws Exception {
        List<CuratorFramework> clients = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            clients.add(open(scene));
        }
        return clients;
    }

    /** Ends the framework's session from outside, and waits until it has a new one. */
    static void killSession(Scene scene, CuratorFramework client) throws Exception {
        CompletableFuture<Void> lost = new CompletableFuture<>();
        CompletableFuture<Void> back = new CompletableFuture<>();
        client.getConnectionStateListenable().addListener((c, state) -> {
            if (state == ConnectionState.LOST) {
                lost.complete(null);
            } else if (state == ConnectionState.RECONNECTED && lost.isDone()) {
                back.complete(null);
            }
        });
        ZooKeeper victim = client.getZookeeperClient().getZooKeeper();
        Events events = new Events();
        ZooKeeper killer = new ZooKeeper(scene.address, SESSION_MS, events, victim.getSessionId(), victim.getSessionPasswd());
        events.state(KeeperState.SyncConnected);
        killer.close();
        Check.await(lost);
        Check.await(back);
    }

    /** Runs `work` once for each item at the same time, and gives the results in order. */
    static <A, B> List<B> atOnce(List<A> items, Work<A, B> work) throws Exception {
        List<CompletableFuture<B>> running = new ArrayList<>();
        for (A item : items) {
            running.add(background(() -> work.on(item)));
        }
        List<B> results = new ArrayList<>();
        for (CompletableFuture<B> one : running) {
            results.add(Check.await(one));
        }
        return results;
    }

    interface Work<A, B> {
        B on(A item) throws Exception;
    }

    static <T> CompletableFuture<T> background(Callable<T> work) {
        CompletableFuture<T> result = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                result.complete(work.call());
            } catch (Throwable t) {
                result.completeExceptionally(t);
            }
        });
        thread.setDaemon(true);
        thread.start();
        return result;
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** Adds one to the number in a node without any care: it counts right only when callers exclude each other. */
    static void incrementCarelessly(CuratorFramework client, String path) throws Exception {
        int number = Integer.parseInt(text(client.getData().forPath(path)));
        client.setData().forPath(path, bytes(Integer.toString(number + 1)));
    }
}
