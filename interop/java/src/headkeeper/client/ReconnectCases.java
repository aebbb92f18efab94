package headkeeper.client;

import static headkeeper.Check.equal;
import static headkeeper.Check.that;
import static headkeeper.client.Client.OPEN;
import static headkeeper.client.Client.bytes;

import headkeeper.Check;
import headkeeper.Events;
import headkeeper.Relay;
import headkeeper.Scene;
import headkeeper.Story;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.Watcher.WatcherType;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.client.ZKClientConfig;

/** Watches over a lost connection: the client sets them again and hears what it missed. */
final class ReconnectCases {
    private ReconnectCases() {}

    static void register(Story story) {
        story.add("reset: what changed meanwhile is told", ReconnectCases::missed);
        story.add("reset: what did not change stays watched", ReconnectCases::unchanged);
        story.add("reset: persistent watches go on", ReconnectCases::persistent);
        story.add("reset: six thousand watches, far over 128 KiB", ReconnectCases::large);
        story.add("reset: switched off by the client", ReconnectCases::switchedOff);
        story.add("removeWatches: locally while disconnected", ReconnectCases::removedLocally);
    }

    /** Cuts the connection, lets `meanwhile` happen, and waits until the client and its watches are back. */
    private static void away(ZooKeeper client, Relay relay, Events events, Check.Call meanwhile) throws Exception {
        relay.bar();
        events.state(KeeperState.Disconnected);
        meanwhile.run();
        relay.admit();
        events.state(KeeperState.SyncConnected);
        // The client says that it is connected before the server has its watches; this comes behind them.
        client.exists("/", false);
    }

    private static void missed(Scene scene) throws Exception {
        ZooKeeper other = Client.openWithRoot(scene);
        Relay relay = scene.relay();
        Events events = new Events();
        ZooKeeper client = Client.open(scene, relay.address(), events);
        for (String name : List.of("/set", "/gone", "/again", "/parent", "/lost")) {
            Client.make(other, scene.root + name);
        }
        List<Events> watchers = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            watchers.add(new Events());
        }
        client.getData(scene.root + "/set", watchers.get(0), null);
        client.getData(scene.root + "/gone", watchers.get(1), null);
        client.getData(scene.root + "/again", watchers.get(2), null);
        client.getChildren(scene.root + "/parent", watchers.get(3));
        client.exists(scene.root + "/new", watchers.get(4));
        client.getChildren(scene.root + "/lost", watchers.get(5));
        away(client, relay, events, () -> {
            other.setData(scene.root + "/set", null, -1);
            other.delete(scene.root + "/gone", -1);
            other.delete(scene.root + "/again", -1);
            Client.make(other, scene.root + "/again");
            Client.make(other, scene.root + "/parent/child");
            Client.make(other, scene.root + "/new");
            other.delete(scene.root + "/lost", -1);
        });
        watchers.get(0).expect("NodeDataChanged " + scene.root + "/set");
        watchers.get(1).expect("NodeDeleted " + scene.root + "/gone");
        watchers.get(2).expect("NodeDataChanged " + scene.root + "/again");
        watchers.get(3).expect("NodeChildrenChanged " + scene.root + "/parent");
        watchers.get(4).expect("NodeCreated " + scene.root + "/new");
        watchers.get(5).expect("NodeDeleted " + scene.root + "/lost");
        other.setData(scene.root + "/set", null, -1);
        for (Events each : watchers) {
            each.nothingMore(client);
        }
    }

    private static void unchanged(Scene scene) throws Exception {
        ZooKeeper other = Client.openWithRoot(scene);
        Relay relay = scene.relay();
        Events events = new Events();
        ZooKeeper client = Client.open(scene, relay.address(), events);
        Events data = new Events();
        Events children = new Events();
        Events missing = new Events();
        client.getData(scene.root, data, null);
        client.getChildren(scene.root, children);
        client.exists(scene.root + "/c", missing);
        for (int round = 0; round < 3; round++) {
            away(client, relay, events, () -> {});
        }
        for (Events each : List.of(data, children, missing)) {
            each.nothingMore(client);
        }
        other.setData(scene.root, null, -1);
        Client.make(other, scene.root + "/c");
        data.expect("NodeDataChanged " + scene.root);
        children.expect("NodeChildrenChanged " + scene.root);
        missing.expect("NodeCreated " + scene.root + "/c");
    }

    private static void persistent(Scene scene) throws Exception {
        ZooKeeper other = Client.openWithRoot(scene);
        Relay relay = scene.relay();
        Events events = new Events();
        ZooKeeper client = Client.open(scene, relay.address(), events);
        Events plain = new Events();
        Events recursive = new Events();
        client.addWatch(scene.root, plain, AddWatchMode.PERSISTENT);
        client.addWatch(scene.root, recursive, AddWatchMode.PERSISTENT_RECURSIVE);
        away(client, relay, events, () -> Client.make(other, scene.root + "/unseen"));
        Client.make(other, scene.root + "/seen");
        Client.make(other, scene.root + "/seen/deep");
        // There is no catching up on persistent watches.
        plain.expect("NodeChildrenChanged " + scene.root);
        recursive.expect("NodeCreated " + scene.root + "/seen", "NodeCreated " + scene.root + "/seen/deep");
        plain.nothingMore(client);
        recursive.nothingMore(client);
    }

    private static void large(Scene scene) throws Exception {
        int count = 2000;
        ZooKeeper other = Client.openWithRoot(scene);
        Relay relay = scene.relay();
        Events events = new Events();
        ZooKeeper client = Client.open(scene, relay.address(), events);
        String padding = "x".repeat(60);
        List<String> paths = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            paths.add(scene.root + "/" + padding + i);
        }
        CountDownLatch made = new CountDownLatch(count * 4);
        Events data = new Events();
        Events missing = new Events();
        Events persistent = new Events();
        for (String path : paths) {
            other.create(path, null, OPEN, CreateMode.PERSISTENT, (rc, p, context, name) -> made.countDown(), null);
        }
        other.sync("/");
        for (String path : paths) {
            client.getData(path, data, (rc, p, context, bytes, stat) -> made.countDown(), null);
            client.exists(path + "-", missing, (rc, p, context, stat) -> made.countDown(), null);
            client.addWatch(path, persistent, AddWatchMode.PERSISTENT, (rc, p, context) -> made.countDown(), null);
        }
        that(made.await(60, TimeUnit.SECONDS), "setting the watches takes too long");
        away(client, relay, events, () -> other.setData(paths.get(0), null, -1));
        data.expect("NodeDataChanged " + paths.get(0));
        data.nothingMore(client);
        // The client shows what was caught up to every watcher of the path, the persistent one too.
        persistent.expect("NodeDataChanged " + paths.get(0));
        for (String path : paths) {
            other.setData(path, null, -1, (rc, p, context, stat) -> {}, null);
            other.create(path + "-", null, OPEN, CreateMode.PERSISTENT, (rc, p, context, name) -> {}, null);
        }
        equal(new HashSet<>(paths.subList(1, count)), paths(data, count - 1));
        equal(new HashSet<>(paths), paths(persistent, count));
        Set<String> created = new HashSet<>();
        paths.forEach(path -> created.add(path + "-"));
        equal(created, paths(missing, count));
    }

    private static Set<String> paths(Events events, int count) throws Exception {
        Set<String> paths = new HashSet<>();
        for (int i = 0; i < count; i++) {
            paths.add(events.next().getPath());
        }
        return paths;
    }

    private static void switchedOff(Scene scene) throws Exception {
        ZooKeeper other = Client.openWithRoot(scene);
        Relay relay = scene.relay();
        ZKClientConfig config = new ZKClientConfig();
        config.setProperty(ZKClientConfig.DISABLE_AUTO_WATCH_RESET, "true");
        Events events = new Events();
        ZooKeeper client = scene.closing(new ZooKeeper(relay.address(), Client.TIMEOUT_MS, events, config));
        events.state(KeeperState.SyncConnected);
        Events own = new Events();
        client.getData(scene.root, own, null);
        away(client, relay, events, () -> {});
        other.setData(scene.root, bytes("x"), -1);
        own.nothingMore(client);
    }

    private static void removedLocally(Scene scene) throws Exception {
        ZooKeeper other = Client.openWithRoot(scene);
        Relay relay = scene.relay();
        Events events = new Events();
        ZooKeeper client = Client.open(scene, relay.address(), events);
        Events own = new Events();
        client.getData(scene.root, own, null);
        away(client, relay, events, () -> {
            Check.refused(Code.CONNECTIONLOSS,
                    () -> client.removeWatches(scene.root, own, WatcherType.Data, false));
            client.removeWatches(scene.root, own, WatcherType.Data, true);
        });
        own.expect("DataWatchRemoved " + scene.root);
        other.setData(scene.root, null, -1);
        own.nothingMore(client);
    }
}
