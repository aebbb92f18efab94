package headkeeper.curator;

import static headkeeper.Check.await;
import static headkeeper.Check.equal;
import static headkeeper.Check.eventually;
import static headkeeper.Check.refused;
import static headkeeper.Check.that;
import static headkeeper.curator.Curator.bytes;

import headkeeper.Relay;
import headkeeper.Scene;
import headkeeper.Story;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.x.async.AsyncCuratorFramework;
import org.apache.curator.x.async.AsyncEventException;
import org.apache.curator.x.async.AsyncStage;
import org.apache.curator.x.async.AsyncWrappers;
import org.apache.curator.x.async.WatchMode;
import org.apache.curator.x.async.api.CreateOption;
import org.apache.curator.x.async.api.DeleteOption;
import org.apache.curator.x.async.migrations.Migration;
import org.apache.curator.x.async.migrations.MigrationManager;
import org.apache.curator.x.async.migrations.MigrationSet;
import org.apache.curator.x.async.modeled.JacksonModelSerializer;
import org.apache.curator.x.async.modeled.ModelSpec;
import org.apache.curator.x.async.modeled.ModeledFramework;
import org.apache.curator.x.async.modeled.ZPath;
import org.apache.curator.x.async.modeled.cached.CachedModeledFramework;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.data.Stat;

/** Curator's asynchronous side. */
final class AsyncCases {
    private AsyncCases() {}

    static void register(Story story) {
        story.add("async: nodes", AsyncCases::nodes);
        story.add("async: watches as stages", AsyncCases::watches);
        story.add("async: a watch stage ends when the connection is lost", AsyncCases::lostWatch);
        story.add("async: transactions", AsyncCases::transactions);
        story.add("async: wrappers for locks, children and containers", AsyncCases::wrappers);
        story.add("async: modelled nodes, cached and versioned", AsyncCases::modelled);
        story.add("async: migrations run once", AsyncCases::migrations);
    }

    private static void nodes(Scene scene) throws Exception {
        AsyncCuratorFramework client = AsyncCuratorFramework.wrap(Curator.open(scene));
        String path = scene.root + "/a/b";
        Stat stat = new Stat();
        equal(path, await(client.create().withOptions(EnumSet.of(CreateOption.createParentsIfNeeded),
                CreateMode.PERSISTENT, null, stat).forPath(path, bytes("x"))));
        equal(stat, await(client.checkExists().forPath(path)));
        equal(bytes("x"), await(client.getData().forPath(path)));
        equal(1, await(client.setData().withVersion(0).forPath(path, bytes("y"))).getVersion());
        refused(Code.BADVERSION, () -> await(client.setData().withVersion(0).forPath(path, bytes("y"))));
        equal(List.of("b"), await(client.getChildren().forPath(scene.root + "/a")));
        equal(1, await(client.getACL().forPath(path)).size());
        await(client.sync().forPath(path));
        equal(null, await(client.checkExists().forPath(scene.root + "/none")));
        refused(Code.NONODE, () -> await(client.getData().forPath(scene.root + "/none")));
        await(client.delete().withOptions(EnumSet.of(DeleteOption.deletingChildrenIfNeeded)).forPath(scene.root));
        equal(null, await(client.checkExists().forPath(scene.root)));
        // Stages can be chained and run at the same time.
        CompletionStage<String> all = client.create().forPath(scene.root).thenCompose(top -> client.create().forPath(top + "/c"));
        equal(scene.root + "/c", await(all));
    }

    private static void watches(Scene scene) throws Exception {
        CuratorFramework other = Curator.open(scene);
        AsyncCuratorFramework client = AsyncCuratorFramework.wrap(Curator.open(scene));
        AsyncStage<Stat> missing = client.watched().checkExists().forPath(scene.root);
        equal(null, await(missing));
        other.create().forPath(scene.root);
        equal(EventType.NodeCreated, await(missing.event()).getType());
        AsyncStage<byte[]> data = client.watched().getData().forPath(scene.root);
        AsyncStage<List<String>> children = client.watched().getChildren().forPath(scene.root);
        await(data);
        await(children);
        other.setData().forPath(scene.root, bytes("1"));
        WatchedEvent event = await(data.event());
        equal(EventType.NodeDataChanged, event.getType());
        equal(scene.root, event.getPath());
        other.create().forPath(scene.root + "/c");
        equal(EventType.NodeChildrenChanged, await(children.event()).getType());
        headkeeper.Events events = new headkeeper.Events();
        await(client.addWatch().withMode(AddWatchMode.PERSISTENT).usingWatcher(events).forPath(scene.root));
        other.setData().forPath(scene.root, bytes("2"));
        events.expect("NodeDataChanged " + scene.root);
        await(client.removeWatches().removing(events).forPath(scene.root));
        events.expect("PersistentWatchRemoved " + scene.root);
    }

    private static void lostWatch(Scene scene) throws Exception {
        Relay relay = scene.relay();
        AsyncCuratorFramework client = AsyncCuratorFramework.wrap(Curator.open(scene, relay.address(), 20_000));
        AsyncStage<Stat> stage = client.with(WatchMode.stateChangeAndSuccess).watched().checkExists().forPath(scene.root);
        await(stage);
        CompletionStage<CompletionStage<WatchedEvent>> again = stage.event().handle((event, error) -> {
            Throwable cause = error instanceof CompletionException ? error.getCause() : error;
            AsyncEventException lost = (AsyncEventException) cause;
            equal(KeeperState.Disconnected, lost.getKeeperState());
            return lost.reset();
        });
        relay.cut();
        CompletionStage<WatchedEvent> reset = await(again);
        Curator.open(scene).create().forPath(scene.root);
        equal(EventType.NodeCreated, await(reset).getType());
    }

    private static void transactions(Scene scene) throws Exception {
        AsyncCuratorFramework client = AsyncCuratorFramework.wrap(Curator.open(scene));
        await(client.transaction().forOperations(List.of(
                client.transactionOp().create().forPath(scene.root, bytes("1")),
                client.transactionOp().create().forPath(scene.root + "/a"),
                client.transactionOp().check().withVersion(0).forPath(scene.root),
                client.transactionOp().setData().forPath(scene.root, bytes("2")))));
        equal(bytes("2"), await(client.getData().forPath(scene.root)));
        refused(Code.NODEEXISTS, () -> await(client.transaction().forOperations(List.of(
                client.transactionOp().delete().forPath(scene.root + "/a"),
                client.transactionOp().create().forPath(scene.root)))));
        that(await(client.checkExists().forPath(scene.root + "/a")) != null, "half a transaction was done");
    }

    private static void wrappers(Scene scene) throws Exception {
        CuratorFramework plain = Curator.open(scene);
        AsyncCuratorFramework client = AsyncCuratorFramework.wrap(plain);
        await(AsyncWrappers.asyncEnsureContainers(client, scene.root + "/containers"));
        plain.create().forPath(scene.root + "/containers/a", bytes("1"));
        plain.create().forPath(scene.root + "/containers/b", bytes("2"));
        Map<String, byte[]> children = await(AsyncWrappers.childrenWithData(client, scene.root + "/containers"));
        equal(Set.of(scene.root + "/containers/a", scene.root + "/containers/b"), children.keySet());
        InterProcessMutex held = new InterProcessMutex(Curator.open(scene), scene.root + "/lock");
        held.acquire();
        InterProcessMutex wanted = new InterProcessMutex(plain, scene.root + "/lock");
        equal(false, await(AsyncWrappers.lockAsyncIf(wanted, 200, TimeUnit.MILLISECONDS)));
        held.release();
        equal(true, await(AsyncWrappers.lockAsyncIf(wanted, 10, TimeUnit.SECONDS)
                .thenApply(got -> got)));
    }

    /** What the modelled nodes hold. */
    public static final class Thing {
        public String name;
        public int size;

        static Thing of(String name, int size) {
            Thing thing = new Thing();
            thing.name = name;
            thing.size = size;
            return thing;
        }
    }

    private static void modelled(Scene scene) throws Exception {
        AsyncCuratorFramework client = AsyncCuratorFramework.wrap(Curator.open(scene));
        ModelSpec<Thing> spec =
                ModelSpec.builder(ZPath.parse(scene.root + "/things"), JacksonModelSerializer.build(Thing.class)).build();
        ModeledFramework<Thing> things = ModeledFramework.wrap(client, spec);
        await(things.set(Thing.of("top", 0)));
        try (CachedModeledFramework<Thing> cached = things.cached()) {
            cached.start();
            await(things.child("a").set(Thing.of("a", 1)));
            await(things.child("b").set(Thing.of("b", 2)));
            equal(1, await(things.child("a").read()).size);
            eventually("the cache has both", () -> await(cached.children()).size() == 2);
            await(things.child("a").update(Thing.of("a", 10)));
            eventually("the cache has the change", () -> await(cached.child("a").read()).size == 10);
            equal(Set.of("a", "b"), await(things.childrenAsZNodes()).stream()
                    .map(node -> node.model().name).collect(Collectors.toSet()));
        }
        var versioned = await(things.child("a").versioned().read());
        equal(1, versioned.version());
        await(things.child("a").update(Thing.of("a", 11)));
        refused(Code.BADVERSION, () -> await(things.child("a").versioned().update(versioned)));
        await(things.inTransaction(List.of(things.child("a").deleteOp(), things.child("c").createOp(Thing.of("c", 3)))));
        equal(2, await(things.children()).size());
    }

    private static void migrations(Scene scene) throws Exception {
        AsyncCuratorFramework client = AsyncCuratorFramework.wrap(Curator.open(scene));
        CuratorFramework plain = client.unwrap();
        Migration first = () -> List.of(client.transactionOp().create().forPath(scene.root),
                client.transactionOp().create().forPath(scene.root + "/a", bytes("1")));
        Migration second = () -> List.of(client.transactionOp().setData().forPath(scene.root + "/a", bytes("2")));
        MigrationManager manager = new MigrationManager(client, scene.root + "-lock", scene.root + "-meta",
                Executors.newSingleThreadExecutor(), Duration.ofSeconds(20));
        await(manager.migrate(MigrationSet.build("set", List.of(first))));
        await(manager.migrate(MigrationSet.build("set", List.of(first, second))));
        await(manager.migrate(MigrationSet.build("set", List.of(first, second))));
        equal(bytes("2"), plain.getData().forPath(scene.root + "/a"));
        equal(1, plain.checkExists().forPath(scene.root + "/a").getVersion());
    }
}
