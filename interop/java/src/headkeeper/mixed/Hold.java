package headkeeper.mixed;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryForever;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.data.Stat;

/**
 * The Java client in an ensemble whose servers come and go: a session with an ephemeral node and a lock, which writes and watches.
 * Prints READY, works until its input ends, and prints OK and what it did, or FAIL and why.
 */
public final class Hold {
    private static final int SESSION_MS = 30_000;
    private static final int WATCH_PATIENCE_S = 60;

    private volatile boolean stop;
    private volatile boolean lost;

    public static void main(String[] arguments) {
        String verdict;
        try {
            verdict = new Hold().run(arguments[0], arguments[1]);
        } catch (Exception e) {
            verdict = "FAIL " + e;
        }
        System.out.println(verdict);
        System.exit(0);
    }

    private String run(String servers, String path) throws Exception {
        CuratorFramework client =
            CuratorFrameworkFactory.newClient(servers, SESSION_MS, SESSION_MS, new RetryForever(100));
        client.getConnectionStateListenable().addListener((c, state) -> lost |= state == ConnectionState.LOST);
        client.start();
        client.blockUntilConnected(30, TimeUnit.SECONDS);
        client.create().creatingParentsIfNeeded().withMode(CreateMode.EPHEMERAL).forPath(path + "/held");
        long session = client.getZookeeperClient().getZooKeeper().getSessionId();
        client.create().forPath(path + "/watched");
        InterProcessMutex lock = new InterProcessMutex(client, path + "/lock");
        lock.acquire();
        System.out.println("READY");
        Thread input = new Thread(this::awaitEnd);
        input.setDaemon(true);
        input.start();
        List<String> made = new ArrayList<>();
        while (!stop && !lost) {
            made.add(client.create().withProtection().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath(path + "/n-"));
            CountDownLatch fired = new CountDownLatch(1);
            // The event behind a lost connection is not the watch's.
            client.getData().usingWatcher((org.apache.zookeeper.Watcher) event -> {
                if (event.getPath() != null) {
                    fired.countDown();
                }
            }).forPath(path + "/watched");
            client.setData().forPath(path + "/watched", Integer.toString(made.size()).getBytes());
            if (!fired.await(WATCH_PATIENCE_S, TimeUnit.SECONDS)) {
                return "FAIL watch " + made.size() + " did not fire";
            }
            Thread.sleep(20);
        }
        if (lost || client.getZookeeperClient().getZooKeeper().getSessionId() != session) {
            return "FAIL the session was lost";
        }
        Set<String> names = new HashSet<>(client.getChildren().forPath(path));
        for (String name : made) {
            if (!names.contains(name.substring(path.length() + 1))) {
                return "FAIL " + name + " was made and is not there";
            }
        }
        Stat held = client.checkExists().forPath(path + "/held");
        if (held == null || held.getEphemeralOwner() != session) {
            return "FAIL the ephemeral node belongs to another session";
        }
        if (!lock.isOwnedByCurrentThread() || lock.getParticipantNodes().size() != 1) {
            return "FAIL the lock is not ours alone: " + lock.getParticipantNodes();
        }
        lock.release();
        client.close();
        return "OK " + made.size() + " nodes made, as many watches fired, a lock held";
    }

    private void awaitEnd() {
        try {
            while (System.in.read() >= 0) {
                Thread.onSpinWait();
            }
        } catch (java.io.IOException e) {
            // As good as an end.
        }
        stop = true;
    }
}
