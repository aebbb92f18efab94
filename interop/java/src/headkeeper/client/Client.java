package headkeeper.client;

import headkeeper.Events;
import headkeeper.Scene;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;

/** Connected clients, and short words for what every case does. */
final class Client {
    static final int TIMEOUT_MS = 30_000;
    static final List<ACL> OPEN = Ids.OPEN_ACL_UNSAFE;

    private Client() {}

    static ZooKeeper open(Scene scene) throws Exception {
        return open(scene, scene.address, new Events());
    }

    /** A client with `events` as its default watcher, connected when this returns. */
    static ZooKeeper open(Scene scene, String address, Events events) throws Exception {
        return open(scene, address, events, TIMEOUT_MS);
    }

    static ZooKeeper open(Scene scene, String address, Events events, int timeoutMs) throws Exception {
        ZooKeeper client = scene.closing(new ZooKeeper(address, timeoutMs, events));
        events.state(KeeperState.SyncConnected);
        return client;
    }

    /** Makes the case's own path, so that the rest happens below it. */
    static ZooKeeper openWithRoot(Scene scene) throws Exception {
        ZooKeeper client = open(scene);
        make(client, scene.root);
        return client;
    }

    static void make(ZooKeeper client, String path) throws Exception {
        client.create(path, bytes(""), OPEN, CreateMode.PERSISTENT);
    }

    /** An ACL; the client searches it for nulls, which `List.of` refuses to be asked about. */
    static List<ACL> acl(ACL... entries) {
        return Arrays.asList(entries);
    }

    /** Calls again as long as the connection is lost: another client with the same session has taken it away. */
    static <T> T persist(Callable<T> call) throws Exception {
        for (int tries = 0; tries < 100; tries++) {
            try {
                return call.call();
            } catch (KeeperException.ConnectionLossException lost) {
                Thread.sleep(100);
            }
        }
        return call.call();
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
