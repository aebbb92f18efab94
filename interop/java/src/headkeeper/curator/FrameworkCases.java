package headkeeper.curator;

import static headkeeper.Check.equal;
import static headkeeper.Check.eventually;
import static headkeeper.Check.raises;
import static headkeeper.Check.refused;
import static headkeeper.Check.that;
import static headkeeper.curator.Curator.bytes;

import headkeeper.Check;
import headkeeper.Events;
import headkeeper.Relay;
import headkeeper.Scene;
import headkeeper.Story;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.CuratorEvent;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.api.transaction.OperationType;
import org.apache.curator.framework.schema.Schema;
import org.apache.curator.framework.schema.SchemaSet;
import org.apache.curator.framework.schema.SchemaViolation;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Watcher.WatcherType;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.data.Stat;

/** The framework below the recipes. */
final class FrameworkCases {
    private FrameworkCases() {}

    static void register(Story story) {
        story.add("framework: create in every mode", FrameworkCases::create);
        story.add("framework: containers and TTL nodes go by themselves", FrameworkCases::passing);
        story.add("framework: set or create, idempotent, quiet, guaranteed, compressed", FrameworkCases::tolerant);
        story.add("framework: in the background", FrameworkCases::background);
        story.add("framework: watches added and removed", FrameworkCases::watches);
        story.add("framework: transactions", FrameworkCases::transactions);
        story.add("framework: namespaces and authorisation", FrameworkCases::namespace);
        story.add("framework: schemas", FrameworkCases::schema);
        story.add("framework: connection states over loss and expiry", FrameworkCases::states);
        story.add("framework: protected creates find their node over lost connections", FrameworkCases::protection);
    }

    private static void create(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        client.create().creatingParentContainersIfNeeded().forPath(scene.root + "/deep/path", bytes("x"));
        for (CreateMode mode : List.of(CreateMode.PERSISTENT, CreateMode.EPHEMERAL, CreateMode.PERSISTENT_SEQUENTIAL,
                CreateMode.EPHEMERAL_SEQUENTIAL, CreateMode.CONTAINER)) {
            Stat stat = new Stat();
            String path = client.create().storingStatIn(stat).creatingParentsIfNeeded().withMode(mode)
                    .withACL(Ids.OPEN_ACL_UNSAFE).forPath(scene.root + "/modes/" + mode + "-", bytes("data"));
            that(path.matches(".*-" + (mode.isSequential() ? "\\d{10}" : "")), "an odd name: " + path);
            equal(client.checkExists().forPath(path), stat);
            equal(bytes("data"), client.getData().forPath(path));
        }
        refused(Code.NODEEXISTS, () -> client.create().forPath(scene.root));
        refused(Code.NONODE, () -> client.create().forPath(scene.root + "/a/b"));
        equal(5, client.getChildren().forPath(scene.root + "/modes").size());
    }

    private static void passing(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        client.createContainers(scene.root + "/containers");
        client.create().forPath(scene.root + "/containers/child");
        client.create().withTtl(400).creatingParentsIfNeeded().withMode(CreateMode.PERSISTENT_WITH_TTL)
                .forPath(scene.root + "/ttl/node");
        String sequential = client.create().withTtl(400).withMode(CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL)
                .forPath(scene.root + "/ttl/s-");
        eventually("TTL nodes go", () -> client.checkExists().forPath(scene.root + "/ttl/node") == null
                && client.checkExists().forPath(sequential) == null);
        that(client.checkExists().forPath(scene.root + "/containers") != null, "a container with a child went");
        client.delete().forPath(scene.root + "/containers/child");
        eventually("the container goes, and the one around it", () -> client.checkExists().forPath(scene.root + "/containers") == null);
    }

    private static void tolerant(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        String path = scene.root;
        client.create().orSetData().forPath(path, bytes("1"));
        client.create().orSetData().forPath(path, bytes("2"));
        equal(1, client.checkExists().forPath(path).getVersion());
        client.create().idempotent().forPath(path + "/once", bytes("1"));
        client.create().idempotent().forPath(path + "/once", bytes("1"));
        refused(Code.NODEEXISTS, () -> client.create().idempotent().forPath(path + "/once", bytes("2")));
        client.setData().idempotent().withVersion(0).forPath(path, bytes("2"));
        equal(1, client.checkExists().forPath(path).getVersion());
        refused(Code.BADVERSION, () -> client.setData().withVersion(0).forPath(path, bytes("9")));
        byte[] large = new byte[500_000];
        client.create().compressed().forPath(path + "/zip", large);
        that(client.checkExists().forPath(path + "/zip").getDataLength() < 5000, "the data is not compressed");
        equal(large, client.getData().decompressed().forPath(path + "/zip"));
        client.delete().quietly().forPath(path + "/none");
        client.delete().guaranteed().forPath(path + "/zip");
        Stat stat = new Stat();
        client.getData().storingStatIn(stat).forPath(path);
        equal(stat, client.checkExists().forPath(path));
        equal(Ids.OPEN_ACL_UNSAFE, client.getACL().forPath(path));
        equal(1, client.setACL().withVersion(0).withACL(Ids.OPEN_ACL_UNSAFE).forPath(path).getAversion());
        client.sync().forPath(path);
        equal(0, client.getConfig().forEnsemble().length);
    }

    private static void background(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        List<String> seen = Collections.synchronizedList(new ArrayList<>());
        CompletableFuture<Void> end = new CompletableFuture<>();
        client.create().inBackground((c, event) -> seen.add(describe(event)), "context").forPath(scene.root, bytes("x"));
        client.getData().inBackground((c, event) -> seen.add(describe(event))).forPath(scene.root);
        client.setData().inBackground((c, event) -> seen.add(describe(event))).forPath(scene.root, bytes("y"));
        client.getChildren().inBackground((c, event) -> seen.add(describe(event))).forPath(scene.root);
        client.delete().inBackground((c, event) -> seen.add(describe(event))).forPath(scene.root + "/none");
        client.delete().inBackground((c, event) -> seen.add(describe(event))).forPath(scene.root);
        client.sync().inBackground((c, event) -> end.complete(null)).forPath("/");
        Check.await(end);
        equal(List.of("CREATE 0 context", "GET_DATA 0 null", "SET_DATA 0 null", "CHILDREN 0 null", "DELETE -101 null",
                "DELETE 0 null"), seen);
    }

    private static String describe(CuratorEvent event) {
        return event.getType() + " " + event.getResultCode() + " " + event.getContext();
    }

    private static void watches(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        CuratorFramework other = Curator.open(scene);
        Events events = new Events();
        client.create().forPath(scene.root);
        client.getData().usingWatcher(events).forPath(scene.root);
        client.checkExists().usingWatcher(events).forPath(scene.root + "/a");
        client.getChildren().usingWatcher(events).forPath(scene.root);
        other.setData().forPath(scene.root, bytes("1"));
        other.create().forPath(scene.root + "/a");
        events.expect("NodeDataChanged " + scene.root, "NodeCreated " + scene.root + "/a", "NodeChildrenChanged " + scene.root);
        client.watchers().add().withMode(AddWatchMode.PERSISTENT_RECURSIVE).usingWatcher(events).forPath(scene.root);
        other.setData().forPath(scene.root + "/a", bytes("1"));
        events.expect("NodeDataChanged " + scene.root + "/a");
        client.watchers().remove(events).ofType(WatcherType.Any).forPath(scene.root);
        events.expect("PersistentWatchRemoved " + scene.root);
        other.setData().forPath(scene.root + "/a", bytes("2"));
        client.getData().usingWatcher(events).forPath(scene.root);
        client.watchers().removeAll().forPath(scene.root);
        events.expect("DataWatchRemoved " + scene.root);
        refused(Code.NOWATCHER, () -> client.watchers().remove(events).forPath(scene.root));
        events.nothingMore(client.getZookeeperClient().getZooKeeper());
    }

    private static void transactions(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        client.create().forPath(scene.root);
        List<CuratorTransactionResult> results = client.transaction().forOperations(
                client.transactionOp().create().withMode(CreateMode.PERSISTENT).forPath(scene.root + "/a", bytes("1")),
                client.transactionOp().create().withTtl(100_000).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath(scene.root + "/t"),
                client.transactionOp().check().withVersion(0).forPath(scene.root + "/a"),
                client.transactionOp().setData().withVersion(0).forPath(scene.root + "/a", bytes("2")),
                client.transactionOp().delete().forPath(scene.root + "/t"));
        equal(List.of(OperationType.CREATE, OperationType.CREATE, OperationType.CHECK, OperationType.SET_DATA,
                OperationType.DELETE), results.stream().map(CuratorTransactionResult::getType).toList());
        equal(scene.root + "/a", results.get(0).getResultPath());
        equal(1, results.get(3).getResultStat().getVersion());
        refused(Code.BADVERSION, () -> client.transaction().forOperations(
                client.transactionOp().create().forPath(scene.root + "/b"),
                client.transactionOp().check().withVersion(7).forPath(scene.root + "/a")));
        equal(List.of("a"), client.getChildren().forPath(scene.root));
        CompletableFuture<CuratorEvent> answer = new CompletableFuture<>();
        client.transaction().inBackground((c, event) -> answer.complete(event)).forOperations(
                client.transactionOp().delete().forPath(scene.root + "/none"));
        equal(Code.NONODE.intValue(), Check.await(answer).getResultCode());
    }

    private static void namespace(Scene scene) throws Exception {
        CuratorFramework whole = Curator.open(scene);
        CuratorFramework client = scene.closing(CuratorFrameworkFactory.builder().connectString(scene.address)
                .namespace(scene.root.substring(1)).authorization("digest", bytes("user:secret"))
                .retryPolicy(new ExponentialBackoffRetry(100, 3)).build());
        client.start();
        client.create().withACL(Ids.CREATOR_ALL_ACL).forPath("/mine", bytes("x"));
        equal(List.of("mine"), whole.getChildren().forPath(scene.root));
        refused(Code.NOAUTH, () -> whole.getData().forPath(scene.root + "/mine"));
        equal(bytes("x"), client.getData().forPath("/mine"));
        Events events = new Events();
        client.getData().usingWatcher(events).forPath("/mine");
        client.usingNamespace(null).setData().forPath(scene.root + "/mine", bytes("y"));
        events.expect("NodeDataChanged /mine");
    }

    private static void schema(Scene scene) throws Exception {
        Schema schema = Schema.builder(scene.root).name("leaf").ephemeral(Schema.Allowance.CANNOT)
                .dataValidator((name, path, data, acl) -> data.length < 5).build();
        CuratorFramework client = scene.closing(CuratorFrameworkFactory.builder().connectString(scene.address)
                .schemaSet(new SchemaSet(List.of(schema), true))
                .retryPolicy(new ExponentialBackoffRetry(100, 3)).build());
        client.start();
        client.create().forPath(scene.root, bytes("ok"));
        raises(SchemaViolation.class, () -> client.setData().forPath(scene.root, bytes("too long")));
        equal(0, client.checkExists().forPath(scene.root).getVersion());
    }

    private static void states(Scene scene) throws Exception {
        Relay relay = scene.relay();
        CuratorFramework client = Curator.open(scene, relay.address(), 4000);
        List<ConnectionState> states = Collections.synchronizedList(new ArrayList<>());
        // The first CONNECTED is told by a thread of its own, perhaps only now.
        client.getConnectionStateListenable().addListener((c, state) -> {
            if (state != ConnectionState.CONNECTED) {
                states.add(state);
            }
        });
        client.create().withMode(CreateMode.EPHEMERAL).forPath(scene.root);
        relay.cut();
        eventually("it is back", () -> states.equals(List.of(ConnectionState.SUSPENDED, ConnectionState.RECONNECTED)));
        that(client.checkExists().forPath(scene.root) != null, "a short loss cost the session");
        relay.bar();
        eventually("the session is lost", () -> states.contains(ConnectionState.LOST));
        CuratorFramework other = Curator.open(scene);
        eventually("the ephemeral goes", () -> other.checkExists().forPath(scene.root) == null);
        relay.admit();
        eventually("it is back", () -> states.size() == 5);
        equal(List.of(ConnectionState.SUSPENDED, ConnectionState.LOST, ConnectionState.RECONNECTED), states.subList(2, 5));
        that(client.blockUntilConnected(10, TimeUnit.SECONDS), "it is not connected");
        client.create().withMode(CreateMode.EPHEMERAL).forPath(scene.root);
    }

    private static void protection(Scene scene) throws Exception {
        Relay relay = scene.relay();
        CuratorFramework client = Curator.open(scene, relay.address(), 20_000);
        client.create().forPath(scene.root);
        CompletableFuture<Void> cutting = Curator.background(() -> {
            for (int i = 0; i < 6; i++) {
                Thread.sleep(250);
                relay.cut();
            }
            return null;
        });
        List<String> made = new ArrayList<>();
        while (!cutting.isDone()) {
            made.add(client.create().withProtection().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath(scene.root + "/n-"));
        }
        Check.await(cutting);
        List<String> found = new ArrayList<>();
        client.getChildren().forPath(scene.root).forEach(name -> found.add(scene.root + "/" + name));
        Collections.sort(found);
        Collections.sort(made);
        equal(made, found);
    }
}
