package headkeeper.client;

import static headkeeper.Check.equal;
import static headkeeper.Check.refused;
import static headkeeper.Check.that;
import static headkeeper.client.Client.OPEN;
import static headkeeper.client.Client.bytes;

import headkeeper.Events;
import headkeeper.Scene;
import headkeeper.Story;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher.WatcherType;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** Watches while the connection lasts. */
final class WatchCases {
    private WatchCases() {}

    static void register(Story story) {
        both(story, "watch: one-shot on data, existence and children", WatchCases::oneShot);
        both(story, "watch: the default watcher and watchers of one's own", WatchCases::defaultWatcher);
        both(story, "watch: one event for a watcher with several watches", WatchCases::severalAtOnce);
        both(story, "watch: persistent", WatchCases::persistent);
        both(story, "watch: persistent and recursive", WatchCases::recursive);
        both(story, "watch: modes side by side on a path", WatchCases::modesSideBySide);
        both(story, "removeWatches: each kind", WatchCases::remove);
        both(story, "removeAllWatches: each kind", WatchCases::removeAll);
        story.add("watch: events come in the order of the changes, before later reads", WatchCases::order);
        story.add("watch: an event comes before the reply of the write that caused it", WatchCases::ownWrite);
        story.add("watch: many watchers on a path", WatchCases::manyWatchers);
        story.add("watch: an event tells the zxid of its change", WatchCases::zxid);
    }

    private interface Body {
        void run(Scene scene, Calls calls, Events events, ZooKeeper other) throws Exception;
    }

    private static void both(Story story, String name, Body body) {
        story.add(name + " (blocking)", scene -> {
            Events events = new Events();
            Calls calls = new Calls(Client.open(scene, scene.address, events));
            body.run(scene, calls, events, Client.openWithRoot(scene));
        });
        story.add(name + " (callback)", scene -> {
            Events events = new Events();
            Calls calls = new AsyncCalls(Client.open(scene, scene.address, events));
            body.run(scene, calls, events, Client.openWithRoot(scene));
        });
    }

    private static void oneShot(Scene scene, Calls calls, Events events, ZooKeeper other) throws Exception {
        String path = scene.root + "/w";
        Events own = new Events();
        equal(null, calls.exists(path, own));
        Client.make(other, path);
        own.expect("NodeCreated " + path);
        calls.getData(path, own, null);
        other.setData(path, bytes("1"), -1);
        own.expect("NodeDataChanged " + path);
        other.setData(path, bytes("2"), -1);
        own.nothingMore(calls.client);
        calls.exists(path, own);
        other.setData(path, bytes("2"), -1);
        own.expect("NodeDataChanged " + path);
        calls.getChildren(path, own);
        Client.make(other, path + "/c");
        own.expect("NodeChildrenChanged " + path);
        calls.getChildren(path, own, new Stat());
        other.setData(path + "/c", null, -1);
        own.nothingMore(calls.client);
        other.delete(path + "/c", -1);
        own.expect("NodeChildrenChanged " + path);
        calls.getData(path, own, null);
        other.setACL(path, OPEN, -1);
        own.nothingMore(calls.client);
        other.delete(path, -1);
        own.expect("NodeDeleted " + path);
        // Reading what is not there sets no watch.
        refused(Code.NONODE, () -> calls.getData(path, own, null));
        refused(Code.NONODE, () -> calls.getChildren(path, own));
        Client.make(other, path);
        own.nothingMore(calls.client);
        events.nothingMore(calls.client);
    }

    private static void defaultWatcher(Scene scene, Calls calls, Events events, ZooKeeper other) throws Exception {
        String path = scene.root;
        Events own = new Events();
        calls.getData(path, true, null);
        calls.exists(path, own);
        calls.getChildren(path, true);
        other.setData(path, null, -1);
        events.expect("NodeDataChanged " + path);
        own.expect("NodeDataChanged " + path);
        Client.make(other, path + "/c");
        events.expect("NodeChildrenChanged " + path);
        events.nothingMore(calls.client);
        own.nothingMore(calls.client);
        Events later = new Events();
        calls.client.register(later);
        calls.exists(path, true);
        other.setData(path, null, -1);
        later.expect("NodeDataChanged " + path);
        events.nothingMore(calls.client);
    }

    private static void severalAtOnce(Scene scene, Calls calls, Events events, ZooKeeper other) throws Exception {
        String path = scene.root + "/w";
        Client.make(other, path);
        calls.getData(path, events, null);
        calls.exists(path, events);
        calls.getChildren(path, events);
        other.delete(path, -1);
        events.expect("NodeDeleted " + path);
        events.nothingMore(calls.client);
    }

    private static void persistent(Scene scene, Calls calls, Events events, ZooKeeper other) throws Exception {
        String path = scene.root + "/w";
        Events own = new Events();
        calls.addWatch(path, own, AddWatchMode.PERSISTENT);
        for (int round = 0; round < 2; round++) {
            Client.make(other, path);
            other.setData(path, null, -1);
            other.setData(path, null, -1);
            Client.make(other, path + "/c");
            other.setData(path + "/c", null, -1);
            other.delete(path + "/c", -1);
            other.delete(path, -1);
            own.expect("NodeCreated " + path, "NodeDataChanged " + path, "NodeDataChanged " + path,
                    "NodeChildrenChanged " + path, "NodeChildrenChanged " + path, "NodeDeleted " + path);
        }
        own.nothingMore(calls.client);
        events.nothingMore(calls.client);
    }

    private static void recursive(Scene scene, Calls calls, Events events, ZooKeeper other) throws Exception {
        String top = scene.root;
        Events own = new Events();
        calls.addWatch(top, own, AddWatchMode.PERSISTENT_RECURSIVE);
        Client.make(other, top + "/a");
        Client.make(other, top + "/a/b");
        other.setData(top + "/a/b", null, -1);
        other.setData(top, null, -1);
        other.create(top + "/a/b/e", null, OPEN, CreateMode.EPHEMERAL);
        other.delete(top + "/a/b/e", -1);
        other.delete(top + "/a/b", -1);
        own.expect("NodeCreated " + top + "/a", "NodeCreated " + top + "/a/b", "NodeDataChanged " + top + "/a/b",
                "NodeDataChanged " + top, "NodeCreated " + top + "/a/b/e", "NodeDeleted " + top + "/a/b/e",
                "NodeDeleted " + top + "/a/b");
        own.nothingMore(calls.client);
    }

    private static void modesSideBySide(Scene scene, Calls calls, Events events, ZooKeeper other) throws Exception {
        String path = scene.root;
        Events once = new Events();
        Events recursive = new Events();
        Events persistent = new Events();
        calls.addWatch(path, recursive, AddWatchMode.PERSISTENT_RECURSIVE);
        calls.addWatch(path, persistent, AddWatchMode.PERSISTENT);
        calls.getChildren(path, once);
        calls.getData(path, once, null);
        Client.make(other, path + "/c");
        other.setData(path, null, -1);
        other.setData(path, null, -1);
        once.expect("NodeChildrenChanged " + path, "NodeDataChanged " + path);
        persistent.expect("NodeChildrenChanged " + path, "NodeDataChanged " + path, "NodeDataChanged " + path);
        recursive.expect("NodeCreated " + path + "/c", "NodeDataChanged " + path, "NodeDataChanged " + path);
        for (Events each : List.of(once, recursive, persistent)) {
            each.nothingMore(calls.client);
        }
    }

    private static void remove(Scene scene, Calls calls, Events events, ZooKeeper other) throws Exception {
        String path = scene.root;
        Events own = new Events();
        for (WatcherType type : WatcherType.values()) {
            refused(Code.NOWATCHER, () -> calls.removeWatches(path, own, type));
        }
        calls.getData(path, own, null);
        calls.getChildren(path, own);
        refused(Code.NOWATCHER, () -> calls.removeWatches(path, own, WatcherType.Persistent));
        calls.removeWatches(path, own, WatcherType.Data);
        own.expect("DataWatchRemoved " + path);
        other.setData(path, null, -1);
        own.nothingMore(calls.client);
        calls.removeWatches(path, own, WatcherType.Children);
        own.expect("ChildWatchRemoved " + path);
        Client.make(other, path + "/c");
        own.nothingMore(calls.client);

        calls.addWatch(path, own, AddWatchMode.PERSISTENT);
        calls.removeWatches(path, own, WatcherType.Persistent);
        own.expect("PersistentWatchRemoved " + path);
        calls.addWatch(path, own, AddWatchMode.PERSISTENT_RECURSIVE);
        refused(Code.NOWATCHER, () -> calls.removeWatches(path, own, WatcherType.Data));
        calls.removeWatches(path, own, WatcherType.PersistentRecursive);
        own.expect("PersistentWatchRemoved " + path);
        other.setData(path, null, -1);
        Client.make(other, path + "/d");
        own.nothingMore(calls.client);

        // Another watcher on the same path keeps its watch.
        Events stays = new Events();
        calls.exists(path, own);
        calls.exists(path, stays);
        calls.removeWatches(path, own, WatcherType.Any);
        own.expect("DataWatchRemoved " + path);
        other.setData(path, null, -1);
        stays.expect("NodeDataChanged " + path);
        own.nothingMore(calls.client);
    }

    private static void removeAll(Scene scene, Calls calls, Events events, ZooKeeper other) throws Exception {
        String path = scene.root;
        Events one = new Events();
        Events two = new Events();
        for (WatcherType type : WatcherType.values()) {
            refused(Code.NOWATCHER, () -> calls.removeAllWatches(path, type));
        }
        calls.getData(path, one, null);
        calls.exists(path, two);
        calls.getChildren(path, two);
        calls.removeAllWatches(path, WatcherType.Data);
        one.expect("DataWatchRemoved " + path);
        two.expect("DataWatchRemoved " + path);
        other.setData(path, null, -1);
        Client.make(other, path + "/c");
        two.expect("NodeChildrenChanged " + path);
        calls.getData(path, one, null);
        calls.getChildren(path, one);
        calls.addWatch(path, two, AddWatchMode.PERSISTENT);
        calls.removeAllWatches(path, WatcherType.Any);
        WatchedEvent first = one.next();
        WatchedEvent second = one.next();
        List<String> kinds = new ArrayList<>(List.of(first.getType().toString(), second.getType().toString()));
        Collections.sort(kinds);
        equal(List.of("ChildWatchRemoved", "DataWatchRemoved"), kinds);
        two.expect("PersistentWatchRemoved " + path);
        other.setData(path, null, -1);
        other.delete(path + "/c", -1);
        one.nothingMore(calls.client);
        two.nothingMore(calls.client);
    }

    private static void order(Scene scene) throws Exception {
        ZooKeeper writer = Client.openWithRoot(scene);
        Events events = new Events();
        ZooKeeper reader = Client.open(scene, scene.address, events);
        reader.addWatch(scene.root, events, AddWatchMode.PERSISTENT_RECURSIVE);
        String[] wanted = new String[500];
        CountDownLatch written = new CountDownLatch(wanted.length);
        for (int i = 0; i < wanted.length; i++) {
            String path = scene.root + "/n" + i;
            wanted[i] = "NodeCreated " + path;
            writer.create(path, null, OPEN, CreateMode.PERSISTENT, (rc, p, context, name) -> written.countDown(), null);
        }
        that(written.await(30, TimeUnit.SECONDS), "the writes take too long");
        reader.sync("/");
        // A read that shows the last change comes behind the events of all of them. Only a callback is told on the thread
        // that tells the events; a blocking read may return before that thread has come to them.
        CompletableFuture<List<Integer>> seen = new CompletableFuture<>();
        reader.getChildren(scene.root, false,
            (int rc, String path, Object context, List<String> children) ->
                seen.complete(List.of(rc, children == null ? 0 : children.size(), events.waiting())), null);
        equal(List.of(0, 500, 500), seen.get(30, TimeUnit.SECONDS));
        events.expect(wanted);
    }

    private static void ownWrite(Scene scene) throws Exception {
        ZooKeeper client = Client.openWithRoot(scene);
        List<String> seen = Collections.synchronizedList(new ArrayList<>());
        CountDownLatch done = new CountDownLatch(50);
        for (int i = 0; i < 50; i++) {
            int round = i;
            client.exists(scene.root, event -> seen.add("event " + round));
            CountDownLatch replied = new CountDownLatch(1);
            client.setData(scene.root, null, -1, (rc, path, context, stat) -> {
                seen.add("reply " + round);
                replied.countDown();
                done.countDown();
            }, null);
            that(replied.await(30, TimeUnit.SECONDS), "no reply");
        }
        List<String> wanted = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            wanted.add("event " + i);
            wanted.add("reply " + i);
        }
        equal(wanted, seen);
    }

    private static void manyWatchers(Scene scene) throws Exception {
        ZooKeeper writer = Client.openWithRoot(scene);
        ZooKeeper reader = Client.open(scene);
        List<Events> watchers = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            Events events = new Events();
            watchers.add(events);
            reader.getData(scene.root, events, null);
        }
        writer.setData(scene.root, null, -1);
        for (Events events : watchers) {
            events.expect("NodeDataChanged " + scene.root);
        }
    }

    private static void zxid(Scene scene) throws Exception {
        ZooKeeper writer = Client.openWithRoot(scene);
        Events events = new Events();
        ZooKeeper reader = Client.open(scene, scene.address, events);
        reader.getData(scene.root, events, null);
        long zxid = writer.setData(scene.root, null, -1).getMzxid();
        equal(zxid, events.next().getZxid());
        reader.getChildren(scene.root, events);
        Stat made = new Stat();
        writer.create(scene.root + "/c", null, OPEN, CreateMode.PERSISTENT, made);
        equal(made.getCzxid(), events.next().getZxid());
    }
}
