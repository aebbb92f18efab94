package headkeeper.curator;

import static headkeeper.Check.equal;
import static headkeeper.Check.eventually;
import static headkeeper.Check.that;
import static headkeeper.curator.Curator.bytes;

import headkeeper.Check;
import headkeeper.Events;
import headkeeper.Relay;
import headkeeper.Scene;
import headkeeper.Server;
import headkeeper.Story;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.cache.NodeCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCache.StartMode;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;

/** Caches and watchers that last. */
@SuppressWarnings("deprecation")
final class CacheCases {
    private CacheCases() {}

    static void register(Story story) {
        story.add("CuratorCache: events of a tree", CacheCases::events);
        story.add("CuratorCache: a single node", CacheCases::singleNode);
        story.add("CuratorCache: two follow a writer through lost connections", CacheCases::lostConnections);
        story.alone("CuratorCache: over a killed server", CacheCases::killedServer);
        story.add("CuratorCache: as one of the older caches", CacheCases::bridges);
        story.add("NodeCache", CacheCases::nodeCache);
        story.add("PathChildrenCache", CacheCases::pathChildrenCache);
        story.add("TreeCache", CacheCases::treeCache);
        story.add("PersistentWatcher: plain and recursive, over a killed session", CacheCases::persistentWatcher);
    }

    private static Map<String, String> content(CuratorCache cache) {
        Map<String, String> content = new TreeMap<>();
        cache.stream().forEach(node -> content.put(node.getPath(), Curator.text(node.getData())));
        return content;
    }

    private static void events(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        String root = scene.root;
        clients.get(0).create().forPath(root, bytes("r"));
        CuratorCache cache = scene.closing(CuratorCache.build(clients.get(1), root));
        List<String> seen = Collections.synchronizedList(new ArrayList<>());
        CompletableFuture<Void> ready = new CompletableFuture<>();
        cache.listenable().addListener(CuratorCacheListener.builder()
                .forCreates(node -> seen.add("new " + node.getPath()))
                .forChanges((old, now) -> seen.add(Curator.text(old.getData()) + "→" + Curator.text(now.getData())))
                .forDeletes(node -> seen.add("gone " + node.getPath()))
                .forInitialized(() -> ready.complete(null))
                .build());
        cache.start();
        Check.await(ready);
        clients.get(0).create().forPath(root + "/a", bytes("1"));
        eventually("the node is seen", () -> cache.get(root + "/a").isPresent());
        clients.get(0).setData().forPath(root + "/a", bytes("2"));
        eventually("the change is seen", () -> cache.get(root + "/a").get().getStat().getVersion() == 1);
        clients.get(0).create().creatingParentsIfNeeded().forPath(root + "/b/c/d", bytes("x"));
        eventually("deep nodes are seen", () -> cache.size() == 5);
        clients.get(0).delete().deletingChildrenIfNeeded().forPath(root + "/b");
        eventually("deletions are seen", () -> cache.size() == 2);
        equal(List.of("new " + root, "new " + root + "/a", "1→2"), seen.subList(0, 3));
        eventually("all is told", () -> seen.size() == 9);
        equal(List.of("gone " + root + "/b/c/d", "gone " + root + "/b/c", "gone " + root + "/b"), seen.subList(6, 9));
    }

    private static void singleNode(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        CuratorCache cache = scene.closing(CuratorCache.build(client, scene.root, CuratorCache.Options.SINGLE_NODE_CACHE));
        cache.start();
        client.create().forPath(scene.root, bytes("1"));
        client.create().forPath(scene.root + "/child", bytes("1"));
        eventually("the node is seen", () -> cache.get(scene.root).isPresent());
        client.setData().forPath(scene.root, bytes("2"));
        eventually("the change is seen", () -> content(cache).equals(Map.of(scene.root, "2")));
        client.delete().deletingChildrenIfNeeded().forPath(scene.root);
        eventually("the end is seen", () -> cache.size() == 0);
    }

    /** What is below `path` according to the server. */
    private static Map<String, String> truth(CuratorFramework client, String path) throws Exception {
        Map<String, String> content = new TreeMap<>();
        content.put(path, Curator.text(client.getData().forPath(path)));
        for (String name : client.getChildren().forPath(path)) {
            content.putAll(truth(client, path + "/" + name));
        }
        return content;
    }

    private static void change(CuratorFramework client, String root, int i) throws Exception {
        String path = root + "/n" + i % 7;
        switch (i % 4) {
            case 0 -> client.create().orSetData().forPath(path, bytes("" + i));
            case 1 -> client.create().orSetData().forPath(root + "/n" + (i + 3) % 7, bytes("" + i));
            case 2 -> client.create().orSetData().creatingParentsIfNeeded().forPath(path + "/deep", bytes("" + i));
            default -> client.delete().quietly().deletingChildrenIfNeeded().forPath(path);
        }
    }

    private static void lostConnections(Scene scene) throws Exception {
        CuratorFramework writer = Curator.open(scene);
        writer.create().forPath(scene.root, bytes("r"));
        Relay relay = scene.relay();
        List<CuratorCache> caches = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            CuratorCache cache = scene.closing(CuratorCache.build(Curator.open(scene, relay.address(), 20_000), scene.root));
            cache.start();
            caches.add(cache);
        }
        for (int i = 0; i < 400; i++) {
            if (i % 100 == 50) {
                relay.cut();
            }
            change(writer, scene.root, i);
        }
        Map<String, String> truth = truth(writer, scene.root);
        for (CuratorCache cache : caches) {
            eventually("the cache holds what the server has", () -> content(cache).equals(truth));
        }
    }

    private static void killedServer(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        clients.get(0).create().forPath(scene.root, bytes("r"));
        CuratorCache cache = scene.closing(CuratorCache.build(clients.get(1), scene.root));
        cache.start();
        for (int i = 0; i < 120; i++) {
            if (i % 50 == 25) {
                Server.kill();
                Server.start();
            }
            change(clients.get(0), scene.root, i);
        }
        Map<String, String> truth = truth(clients.get(0), scene.root);
        eventually("the cache holds what the server has", () -> content(cache).equals(truth));
    }

    private static void bridges(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        client.create().forPath(scene.root, bytes("r"));
        CuratorCache cache = scene.closing(CuratorCache.build(client, scene.root));
        List<String> seen = Collections.synchronizedList(new ArrayList<>());
        cache.listenable().addListener(CuratorCacheListener.builder()
                .forTreeCache(client, (c, event) -> seen.add("tree " + event.getType())).build());
        cache.listenable().addListener(CuratorCacheListener.builder()
                .forPathChildrenCache(scene.root, client, (c, event) -> seen.add("path " + event.getType())).build());
        cache.start();
        eventually("both are ready", () -> seen.containsAll(List.of("tree INITIALIZED", "path INITIALIZED")));
        client.create().forPath(scene.root + "/a");
        eventually("both see it", () -> seen.containsAll(List.of("tree NODE_ADDED", "path CHILD_ADDED")));
        client.delete().forPath(scene.root + "/a");
        eventually("both see its end", () -> seen.containsAll(List.of("tree NODE_REMOVED", "path CHILD_REMOVED")));
    }

    private static void nodeCache(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        NodeCache cache = scene.closing(new NodeCache(clients.get(1), scene.root));
        AtomicInteger changes = new AtomicInteger();
        cache.getListenable().addListener(changes::incrementAndGet);
        cache.start(true);
        equal(null, cache.getCurrentData());
        clients.get(0).create().forPath(scene.root, bytes("1"));
        eventually("the node is seen", () -> changes.get() == 1 && cache.getCurrentData() != null);
        clients.get(0).setData().forPath(scene.root, bytes("2"));
        eventually("the change is seen", () -> Curator.text(cache.getCurrentData().getData()).equals("2"));
        Curator.killSession(scene, clients.get(1));
        clients.get(0).delete().forPath(scene.root);
        eventually("the end is seen in the new session", () -> cache.getCurrentData() == null);
    }

    private static void pathChildrenCache(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        clients.get(0).create().forPath(scene.root);
        for (int i = 0; i < 50; i++) {
            clients.get(0).create().forPath(scene.root + "/old" + i, bytes("" + i));
        }
        PathChildrenCache cache = scene.closing(new PathChildrenCache(clients.get(1), scene.root, true));
        List<String> seen = Collections.synchronizedList(new ArrayList<>());
        cache.getListenable().addListener((c, event) -> seen.add(event.getType().toString()));
        cache.start(StartMode.BUILD_INITIAL_CACHE);
        equal(50, cache.getCurrentData().size());
        clients.get(0).create().forPath(scene.root + "/new", bytes("1"));
        eventually("the child is seen", () -> cache.getCurrentData(scene.root + "/new") != null);
        clients.get(0).setData().forPath(scene.root + "/new", bytes("2"));
        eventually("the change is seen",
                () -> Curator.text(cache.getCurrentData(scene.root + "/new").getData()).equals("2"));
        clients.get(0).delete().forPath(scene.root + "/new");
        eventually("the end is seen", () -> cache.getCurrentData(scene.root + "/new") == null);
        eventually("all is told", () -> seen.equals(List.of("CHILD_ADDED", "CHILD_UPDATED", "CHILD_REMOVED")));
    }

    private static void treeCache(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        clients.get(0).create().creatingParentsIfNeeded().forPath(scene.root + "/a/b", bytes("1"));
        TreeCache cache = scene.closing(TreeCache.newBuilder(clients.get(1), scene.root).setCacheData(true).build());
        CompletableFuture<Void> ready = new CompletableFuture<>();
        cache.getListenable().addListener((c, event) -> {
            if (event.getType() == org.apache.curator.framework.recipes.cache.TreeCacheEvent.Type.INITIALIZED) {
                ready.complete(null);
            }
        });
        cache.start();
        Check.await(ready);
        equal(bytes("1"), cache.getCurrentData(scene.root + "/a/b").getData());
        clients.get(0).create().forPath(scene.root + "/a/b/c", bytes("2"));
        eventually("the deep node is seen", () -> {
            ChildData node = cache.getCurrentData(scene.root + "/a/b/c");
            return node != null && Curator.text(node.getData()).equals("2");
        });
        clients.get(0).delete().deletingChildrenIfNeeded().forPath(scene.root + "/a");
        eventually("the end is seen", () -> cache.getCurrentChildren(scene.root).isEmpty());
    }

    private static void persistentWatcher(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        clients.get(0).create().forPath(scene.root);
        Events plain = new Events();
        Events recursive = new Events();
        AtomicInteger resets = new AtomicInteger();
        for (boolean deep : new boolean[] {false, true}) {
            PersistentWatcher watcher = scene.closing(new PersistentWatcher(clients.get(1), scene.root, deep));
            watcher.getListenable().addListener(deep ? recursive : plain);
            watcher.getResetListenable().addListener(resets::incrementAndGet);
            watcher.start();
        }
        eventually("both watch", () -> resets.get() == 2);
        clients.get(0).create().forPath(scene.root + "/a");
        clients.get(0).setData().forPath(scene.root + "/a", bytes("1"));
        plain.expect("NodeChildrenChanged " + scene.root);
        recursive.expect("NodeCreated " + scene.root + "/a", "NodeDataChanged " + scene.root + "/a");
        Curator.killSession(scene, clients.get(1));
        eventually("both watch again", () -> resets.get() == 4);
        clients.get(0).delete().forPath(scene.root + "/a");
        plain.expect("NodeChildrenChanged " + scene.root);
        recursive.expect("NodeDeleted " + scene.root + "/a");
        that(plain.waiting() == 0 && recursive.waiting() == 0, "there are surplus events");
    }
}
