package headkeeper.client;

import static headkeeper.Check.equal;
import static headkeeper.Check.raises;
import static headkeeper.Check.refused;
import static headkeeper.Check.that;
import static headkeeper.client.Client.OPEN;
import static headkeeper.client.Client.bytes;

import headkeeper.Check;
import headkeeper.Events;
import headkeeper.Scene;
import headkeeper.Story;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.OpResult.CreateResult;
import org.apache.zookeeper.OpResult.ErrorResult;
import org.apache.zookeeper.OpResult.SetDataResult;
import org.apache.zookeeper.ZooDefs.OpCode;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** multi, transactions, and reads of several nodes at once. */
final class MultiCases {
    private MultiCases() {}

    static void register(Story story) {
        story.add("multi: all kinds of operations (blocking)", scene -> kinds(scene, Calls::new));
        story.add("multi: all kinds of operations (callback)", scene -> kinds(scene, AsyncCalls::new));
        story.add("multi: one failure and nothing is done (blocking)", MultiCases::failure);
        story.add("multi: one failure and nothing is done (callback)", MultiCases::failureByCallback);
        story.add("multi: empty, and sequential names within", MultiCases::sequence);
        story.add("multi: watches fire in the order of the operations", MultiCases::order);
        story.add("transaction: commit and failure (blocking)", MultiCases::transaction);
        story.add("transaction: commit and failure (callback)", MultiCases::transactionByCallback);
        story.add("multi read: data, children and errors side by side (blocking)", s -> reads(s, ZooKeeper::multi));
        story.add("multi read: data, children and errors side by side (callback)", s -> reads(s, MultiCases::readByCallback));
        story.add("multi: reads and writes do not mix", MultiCases::mixed);
    }

    private interface Way {
        Calls of(ZooKeeper client);
    }

    private static void kinds(Scene scene, Way way) throws Exception {
        Calls calls = way.of(Client.openWithRoot(scene));
        String root = scene.root;
        List<OpResult> results = calls.multi(List.of(
                Op.create(root + "/p", bytes("p"), OPEN, CreateMode.PERSISTENT),
                Op.create(root + "/e", null, OPEN, CreateMode.EPHEMERAL),
                Op.create(root + "/c", null, OPEN, CreateMode.CONTAINER),
                Op.create(root + "/t", null, OPEN, CreateMode.PERSISTENT_WITH_TTL, 100_000),
                Op.check(root + "/p", 0),
                Op.setData(root + "/p", bytes("longer"), 0),
                Op.check(root + "/p", 1),
                Op.delete(root + "/e", -1),
                Op.create(root + "/p/child", null, OPEN, CreateMode.PERSISTENT)));
        equal(9, results.size());
        equal(List.of(OpCode.create, OpCode.create, OpCode.create2, OpCode.create2, OpCode.check, OpCode.setData, OpCode.check,
                OpCode.delete, OpCode.create), results.stream().map(OpResult::getType).toList());
        equal(root + "/p", ((CreateResult) results.get(0)).getPath());
        Stat container = ((CreateResult) results.get(2)).getStat();
        equal(calls.exists(root + "/c", false), container);
        Stat set = ((SetDataResult) results.get(5)).getStat();
        equal(List.of(1, 6, 0), List.of(set.getVersion(), set.getDataLength(), set.getNumChildren()));
        equal(set.getMzxid(), container.getCzxid());
        equal(null, calls.exists(root + "/e", false));
        equal(1, calls.exists(root + "/p", false).getNumChildren());
        // Four made and one deleted.
        equal(5, calls.exists(root, false).getCversion());
    }

    private static List<Op> failing(String root) {
        return List.of(
                Op.create(root + "/a", null, OPEN, CreateMode.PERSISTENT),
                Op.setData(root, bytes("new"), 0),
                Op.delete(root + "/missing", -1),
                Op.create(root + "/b", null, OPEN, CreateMode.PERSISTENT));
    }

    private static List<Integer> codes(List<OpResult> results) {
        return results.stream().map(result -> ((ErrorResult) result).getErr()).toList();
    }

    private static final List<Integer> FAILED_THIRD = List.of(Code.OK.intValue(), Code.OK.intValue(),
            Code.NONODE.intValue(), Code.RUNTIMEINCONSISTENCY.intValue());

    private static void failure(Scene scene) throws Exception {
        ZooKeeper client = Client.openWithRoot(scene);
        Stat before = client.exists(scene.root, false);
        KeeperException.NoNodeException e =
                raises(KeeperException.NoNodeException.class, () -> client.multi(failing(scene.root)));
        equal(FAILED_THIRD, codes(e.getResults()));
        equal(before, client.exists(scene.root, false));
        equal(List.of(), client.getChildren(scene.root, false));
    }

    private static void failureByCallback(Scene scene) throws Exception {
        ZooKeeper client = Client.openWithRoot(scene);
        CompletableFuture<List<OpResult>> future = new CompletableFuture<>();
        List<Integer> code = new ArrayList<>();
        client.multi(failing(scene.root), (rc, path, context, results) -> {
            code.add(rc);
            future.complete(results);
        }, null);
        equal(FAILED_THIRD, codes(Check.await(future)));
        equal(List.of(Code.NONODE.intValue()), code);
        equal(List.of(), client.getChildren(scene.root, false));
    }

    private static void sequence(Scene scene) throws Exception {
        ZooKeeper client = Client.openWithRoot(scene);
        equal(List.of(), client.multi(List.of()));
        List<OpResult> results = client.multi(List.of(
                Op.create(scene.root + "/n-", null, OPEN, CreateMode.PERSISTENT_SEQUENTIAL),
                Op.create(scene.root + "/n-", null, OPEN, CreateMode.EPHEMERAL_SEQUENTIAL),
                Op.delete(scene.root + "/n-0000000000", 0)));
        equal(scene.root + "/n-0000000001", ((CreateResult) results.get(1)).getPath());
        equal(List.of("n-0000000001"), client.getChildren(scene.root, false));
        refused(Code.NODEEXISTS, () -> client.multi(List.of(
                Op.create(scene.root + "/n-", null, OPEN, CreateMode.PERSISTENT_SEQUENTIAL),
                Op.create(scene.root, null, OPEN, CreateMode.PERSISTENT))));
        // What failed left no gap in the numbers.
        equal(scene.root + "/n-0000000002",
                client.create(scene.root + "/n-", null, OPEN, CreateMode.PERSISTENT_SEQUENTIAL));
    }

    private static void order(Scene scene) throws Exception {
        ZooKeeper writer = Client.openWithRoot(scene);
        Events events = new Events();
        ZooKeeper reader = Client.open(scene, scene.address, events);
        reader.addWatch(scene.root, events, AddWatchMode.PERSISTENT_RECURSIVE);
        writer.multi(List.of(
                Op.create(scene.root + "/z", null, OPEN, CreateMode.PERSISTENT),
                Op.setData(scene.root, null, -1),
                Op.create(scene.root + "/z/a", null, OPEN, CreateMode.PERSISTENT),
                Op.setData(scene.root + "/z", null, -1),
                Op.setData(scene.root + "/z", null, -1),
                Op.delete(scene.root + "/z/a", -1)));
        String z = scene.root + "/z";
        events.expect("NodeCreated " + z, "NodeDataChanged " + scene.root, "NodeCreated " + z + "/a",
                "NodeDataChanged " + z, "NodeDataChanged " + z, "NodeDeleted " + z + "/a");
        events.nothingMore(reader);
    }

    private static void transaction(Scene scene) throws Exception {
        ZooKeeper client = Client.openWithRoot(scene);
        List<OpResult> results = client.transaction()
                .create(scene.root + "/t", bytes("t"), OPEN, CreateMode.PERSISTENT)
                .check(scene.root + "/t", 0)
                .setData(scene.root + "/t", bytes("u"), 0)
                .commit();
        equal(3, results.size());
        equal(bytes("u"), client.getData(scene.root + "/t", false, null));
        refused(Code.BADVERSION, () -> client.transaction()
                .delete(scene.root + "/t", 1).check(scene.root, 77).commit());
        equal(1, client.exists(scene.root + "/t", false).getVersion());
    }

    private static void transactionByCallback(Scene scene) throws Exception {
        ZooKeeper client = Client.openWithRoot(scene);
        CompletableFuture<List<OpResult>> good = new CompletableFuture<>();
        client.transaction().create(scene.root + "/t", null, OPEN, CreateMode.PERSISTENT)
                .delete(scene.root + "/t", 0)
                .commit((rc, path, context, results) -> good.complete(rc == 0 ? results : null), null);
        equal(2, Check.await(good).size());
        CompletableFuture<Integer> bad = new CompletableFuture<>();
        client.transaction().delete(scene.root + "/t", 0)
                .commit((rc, path, context, results) -> bad.complete(rc), null);
        equal(Code.NONODE.intValue(), Check.await(bad));
    }

    private interface Read {
        List<OpResult> multi(ZooKeeper client, List<Op> ops) throws Exception;
    }

    /** A callback is told the first error as its code, and given all results. */
    private static List<OpResult> readByCallback(ZooKeeper client, List<Op> ops) throws Exception {
        CompletableFuture<List<OpResult>> future = new CompletableFuture<>();
        client.multi(ops, (rc, path, context, results) -> {
            if (rc == Code.NONODE.intValue()) {
                future.complete(results);
            } else {
                future.completeExceptionally(new AssertionError("code " + rc));
            }
        }, null);
        return Check.await(future);
    }

    private static void reads(Scene scene, Read read) throws Exception {
        ZooKeeper calls = Client.openWithRoot(scene);
        calls.create(scene.root + "/a", bytes("aa"), OPEN, CreateMode.PERSISTENT);
        calls.create(scene.root + "/a/b", null, OPEN, CreateMode.PERSISTENT);
        List<OpResult> results = read.multi(calls, List.of(
                Op.getData(scene.root + "/a"), Op.getChildren(scene.root + "/no"), Op.getChildren(scene.root + "/a"),
                Op.getData(scene.root + "/a/b")));
        equal(4, results.size());
        OpResult.GetDataResult data = (OpResult.GetDataResult) results.get(0);
        equal(bytes("aa"), data.getData());
        equal(calls.exists(scene.root + "/a", false), data.getStat());
        equal(Code.NONODE.intValue(), ((ErrorResult) results.get(1)).getErr());
        equal(List.of("b"), ((OpResult.GetChildrenResult) results.get(2)).getChildren());
        equal(null, ((OpResult.GetDataResult) results.get(3)).getData());
    }

    private static void mixed(Scene scene) throws Exception {
        ZooKeeper client = Client.openWithRoot(scene);
        raises(IllegalArgumentException.class,
                () -> client.multi(List.of(Op.getData(scene.root), Op.delete(scene.root, -1))));
        that(client.exists(scene.root, false) != null, "a refused multi deleted a node");
    }
}
