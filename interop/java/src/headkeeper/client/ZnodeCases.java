package headkeeper.client;

import static headkeeper.Check.equal;
import static headkeeper.Check.eventually;
import static headkeeper.Check.raises;
import static headkeeper.Check.refused;
import static headkeeper.Check.that;
import static headkeeper.client.Client.OPEN;
import static headkeeper.client.Client.bytes;

import headkeeper.Scene;
import headkeeper.Story;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Function;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.ZKUtil;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** Every call on znodes, blocking and with callbacks. */
final class ZnodeCases {
    private ZnodeCases() {}

    private interface Body {
        void run(Scene scene, Calls calls) throws Exception;
    }

    static void register(Story story) {
        both(story, "create: persistent, with data, null and empty data", ZnodeCases::persistent);
        both(story, "create: the stat that comes with it", ZnodeCases::withStat);
        both(story, "create: ephemeral belongs to the session and has no children", ZnodeCases::ephemeral);
        both(story, "create: sequential counts all children ever made", ZnodeCases::sequential);
        both(story, "create: container goes when its last child goes", ZnodeCases::container);
        both(story, "create: TTL node goes when its time is over", ZnodeCases::ttl);
        both(story, "create: what is refused", ZnodeCases::createRefused);
        both(story, "delete", ZnodeCases::delete);
        both(story, "exists, getData, setData with versions", ZnodeCases::data);
        both(story, "getChildren with and without stat", ZnodeCases::children);
        both(story, "getEphemerals by prefix", ZnodeCases::ephemerals);
        both(story, "getAllChildrenNumber", ZnodeCases::allChildren);
        both(story, "sync", ZnodeCases::sync);
        story.add("ZKUtil: deleteRecursive, listSubTreeBFS, visitSubTreeDFS", ZnodeCases::trees);
        story.add("names with every allowed character", ZnodeCases::names);
    }

    private static void both(Story story, String name, Body body) {
        way(story, name, "blocking", Calls::new, body);
        way(story, name, "callback", AsyncCalls::new, body);
    }

    private static void way(Story story, String name, String way, Function<ZooKeeper, Calls> calls, Body body) {
        story.add(name + " (" + way + ")", scene -> body.run(scene, calls.apply(Client.openWithRoot(scene))));
    }

    private static void persistent(Scene scene, Calls calls) throws Exception {
        String path = scene.root + "/a";
        equal(path, calls.create(path, bytes("data"), OPEN, CreateMode.PERSISTENT));
        equal(bytes("data"), calls.getData(path, false, null));
        equal(OPEN, calls.getACL(path, new Stat()));
        calls.create(path + "/null", null, OPEN, CreateMode.PERSISTENT);
        calls.create(path + "/empty", new byte[0], OPEN, CreateMode.PERSISTENT);
        equal(null, calls.getData(path + "/null", false, null));
        equal(new byte[0], calls.getData(path + "/empty", false, null));
        equal(0, calls.exists(path + "/null", false).getDataLength());
    }

    private static void withStat(Scene scene, Calls calls) throws Exception {
        long before = System.currentTimeMillis();
        for (CreateMode mode : List.of(CreateMode.PERSISTENT, CreateMode.EPHEMERAL, CreateMode.PERSISTENT_SEQUENTIAL,
                CreateMode.EPHEMERAL_SEQUENTIAL, CreateMode.CONTAINER)) {
            Stat stat = new Stat();
            String path = calls.create(scene.root + "/" + mode + "-", bytes("four"), OPEN, mode, stat);
            equal(calls.exists(path, false), stat);
            equal(4, stat.getDataLength());
            equal(stat.getCzxid(), stat.getMzxid());
            equal(stat.getCzxid(), stat.getPzxid());
            equal(stat.getCtime(), stat.getMtime());
            equal(List.of(0, 0, 0, 0),
                    List.of(stat.getVersion(), stat.getCversion(), stat.getAversion(), stat.getNumChildren()));
            equal(mode.isEphemeral() ? calls.client.getSessionId() : 0L, stat.getEphemeralOwner());
            that(stat.getCtime() >= before - 1000 && stat.getCtime() <= System.currentTimeMillis() + 1000, "ctime is off");
            equal(stat.getCzxid(), calls.exists(scene.root, false).getPzxid());
        }
        Stat stat = new Stat();
        String path = calls.create(scene.root + "/ttl", null, OPEN, CreateMode.PERSISTENT_WITH_TTL, stat, 100_000);
        equal(calls.exists(path, false), stat);
        equal(0L, stat.getEphemeralOwner());
    }

    private static void ephemeral(Scene scene, Calls calls) throws Exception {
        String path = scene.root + "/e";
        calls.create(path, null, OPEN, CreateMode.EPHEMERAL);
        ZooKeeper other = Client.open(scene);
        equal(calls.client.getSessionId(), other.exists(path, false).getEphemeralOwner());
        refused(Code.NOCHILDRENFOREPHEMERALS, () -> calls.create(path + "/child", null, OPEN, CreateMode.PERSISTENT));
        // Somebody else may write and delete it; it stays its creator's.
        other.setData(path, bytes("by another"), 0);
        equal(calls.client.getSessionId(), calls.exists(path, false).getEphemeralOwner());
        other.delete(path, 1);
        equal(null, calls.exists(path, false));
    }

    private static void sequential(Scene scene, Calls calls) throws Exception {
        String root = scene.root;
        equal(root + "/a0000000000", calls.create(root + "/a", null, OPEN, CreateMode.PERSISTENT_SEQUENTIAL));
        calls.create(root + "/plain", null, OPEN, CreateMode.PERSISTENT);
        equal(root + "/b0000000002", calls.create(root + "/b", null, OPEN, CreateMode.EPHEMERAL_SEQUENTIAL));
        calls.delete(root + "/b0000000002", -1);
        equal(root + "/a0000000003", calls.create(root + "/a", null, OPEN, CreateMode.PERSISTENT_SEQUENTIAL));
        equal(root + "/0000000004", calls.create(root + "/", null, OPEN, CreateMode.PERSISTENT_SEQUENTIAL));
        Stat stat = new Stat();
        equal(root + "/t0000000005",
                calls.create(root + "/t", null, OPEN, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL, stat, 100_000));
    }

    private static void container(Scene scene, Calls calls) throws Exception {
        String path = scene.root + "/c";
        calls.create(path, bytes("data"), OPEN, CreateMode.CONTAINER);
        equal(0L, calls.exists(path, false).getEphemeralOwner());
        calls.create(path + "/child", null, OPEN, CreateMode.PERSISTENT);
        // The sweep comes every half a second here, and must leave it alone while the child is there.
        Thread.sleep(1500);
        that(calls.exists(path, false) != null, "a container with a child was removed");
        calls.delete(path + "/child", -1);
        eventually("the empty container goes", () -> calls.exists(path, false) == null);
    }

    private static void ttl(Scene scene, Calls calls) throws Exception {
        String brief = scene.root + "/brief";
        String parent = scene.root + "/parent";
        String lasting = scene.root + "/lasting";
        calls.create(brief, null, OPEN, CreateMode.PERSISTENT_WITH_TTL, new Stat(), 300);
        // Together, so that the parent is never due without its child.
        calls.multi(List.of(Op.create(parent, null, OPEN, CreateMode.PERSISTENT_WITH_TTL, 300),
                Op.create(parent + "/child", null, OPEN, CreateMode.PERSISTENT)));
        calls.create(lasting, null, OPEN, CreateMode.PERSISTENT_WITH_TTL, new Stat(), 1_000_000);
        eventually("its time is over", () -> calls.exists(brief, false) == null);
        Thread.sleep(600);
        that(calls.exists(parent, false) != null, "a TTL node with a child was removed");
        that(calls.exists(lasting, false) != null, "a TTL node was removed before its time");
        calls.delete(parent + "/child", -1);
        eventually("without its child it goes", () -> calls.exists(parent, false) == null);
        raises(IllegalArgumentException.class,
                () -> calls.create(scene.root + "/x", null, OPEN, CreateMode.PERSISTENT_WITH_TTL, new Stat(), 0));
        raises(IllegalArgumentException.class,
                () -> calls.create(scene.root + "/x", null, OPEN, CreateMode.PERSISTENT, new Stat(), 5));
    }

    private static void createRefused(Scene scene, Calls calls) throws Exception {
        refused(Code.NODEEXISTS, () -> calls.create(scene.root, null, OPEN, CreateMode.PERSISTENT));
        refused(Code.NODEEXISTS, () -> calls.create(scene.root, null, OPEN, CreateMode.EPHEMERAL, new Stat()));
        refused(Code.NODEEXISTS, () -> calls.create("/", null, OPEN, CreateMode.PERSISTENT));
        refused(Code.NONODE, () -> calls.create(scene.root + "/no/child", null, OPEN, CreateMode.PERSISTENT));
        refused(Code.NONODE, () -> calls.create(scene.root + "/no/child", null, OPEN, CreateMode.CONTAINER));
        refused(Code.NODEEXISTS, () -> calls.create("/zookeeper/quota", null, OPEN, CreateMode.PERSISTENT));
    }

    private static void delete(Scene scene, Calls calls) throws Exception {
        String path = scene.root + "/d";
        calls.create(path, null, OPEN, CreateMode.PERSISTENT);
        calls.create(path + "/child", null, OPEN, CreateMode.PERSISTENT);
        refused(Code.NOTEMPTY, () -> calls.delete(path, -1));
        refused(Code.BADVERSION, () -> calls.delete(path, 3));
        refused(Code.NONODE, () -> calls.delete(path + "/other", -1));
        calls.delete(path + "/child", 0);
        equal(2, calls.exists(path, false).getCversion());
        calls.delete(path, -1);
        equal(null, calls.exists(path, false));
        refused(Code.BADARGUMENTS, () -> calls.delete("/zookeeper", -1));
        refused(Code.BADARGUMENTS, () -> calls.delete("/", -1));
    }

    private static void data(Scene scene, Calls calls) throws Exception {
        String path = scene.root + "/d";
        equal(null, calls.exists(path, false));
        refused(Code.NONODE, () -> calls.getData(path, false, null));
        refused(Code.NONODE, () -> calls.setData(path, null, -1));
        calls.create(path, bytes("0"), OPEN, CreateMode.PERSISTENT);
        Stat made = calls.exists(path, false);
        Stat set = calls.setData(path, bytes("one"), 0);
        equal(1, set.getVersion());
        equal(3, set.getDataLength());
        equal(made.getCzxid(), set.getCzxid());
        that(set.getMzxid() > made.getMzxid(), "mzxid must grow");
        refused(Code.BADVERSION, () -> calls.setData(path, null, 0));
        equal(2, calls.setData(path, bytes("one"), -1).getVersion());
        Stat stat = new Stat();
        equal(bytes("one"), calls.getData(path, false, stat));
        equal(calls.exists(path, false), stat);
        equal(3, calls.setData(path, null, 2).getVersion());
        equal(null, calls.getData(path, false, stat));
        byte[] large = new byte[1_000_000];
        large[999_999] = 7;
        calls.setData(path, large, 3);
        equal(large, calls.getData(path, false, stat));
    }

    private static void children(Scene scene, Calls calls) throws Exception {
        refused(Code.NONODE, () -> calls.getChildren(scene.root + "/no", false));
        refused(Code.NONODE, () -> calls.getChildren(scene.root + "/no", false, new Stat()));
        equal(List.of(), calls.getChildren(scene.root, false));
        TreeSet<String> wanted = new TreeSet<>();
        for (int i = 0; i < 300; i++) {
            wanted.add("n" + i);
            calls.create(scene.root + "/n" + i, null, OPEN, CreateMode.PERSISTENT);
        }
        Stat stat = new Stat();
        equal(wanted, new TreeSet<>(calls.getChildren(scene.root, false)));
        equal(wanted, new TreeSet<>(calls.getChildren(scene.root, false, stat)));
        equal(calls.exists(scene.root, false), stat);
        equal(List.of(300, 300), List.of(stat.getNumChildren(), stat.getCversion()));
        that(calls.getChildren("/zookeeper", false).containsAll(List.of("config", "quota")), "the system nodes");
    }

    private static void ephemerals(Scene scene, Calls calls) throws Exception {
        String root = scene.root;
        equal(List.of(), calls.getEphemerals());
        for (String name : List.of("/a1", "/a2", "/b")) {
            calls.create(root + name, null, OPEN, CreateMode.EPHEMERAL);
        }
        Client.open(scene).create(root + "/another's", null, OPEN, CreateMode.EPHEMERAL);
        equal(List.of(root + "/a1", root + "/a2", root + "/b"), sorted(calls.getEphemerals()));
        equal(List.of(root + "/a1", root + "/a2"), sorted(calls.getEphemerals(root + "/a")));
        equal(List.of(), calls.getEphemerals("/no"));
    }

    private static void allChildren(Scene scene, Calls calls) throws Exception {
        equal(0, calls.getAllChildrenNumber(scene.root));
        for (String name : List.of("/a", "/a/b", "/a/b/c", "/d")) {
            calls.create(scene.root + name, null, OPEN, CreateMode.PERSISTENT);
        }
        equal(4, calls.getAllChildrenNumber(scene.root));
        equal(2, calls.getAllChildrenNumber(scene.root + "/a"));
        refused(Code.NONODE, () -> calls.getAllChildrenNumber(scene.root + "/no"));
    }

    private static void sync(Scene scene, Calls calls) throws Exception {
        ZooKeeper other = Client.open(scene);
        for (int i = 0; i < 20; i++) {
            other.setData(scene.root, bytes("" + i), -1);
            calls.sync(scene.root);
            equal(bytes("" + i), calls.getData(scene.root, false, null));
        }
        calls.sync(scene.root + "/not/there");
    }

    private static void trees(Scene scene) throws Exception {
        ZooKeeper client = Client.openWithRoot(scene);
        String top = scene.root + "/t";
        for (String name : List.of("", "/a", "/a/x", "/b", "/b/y", "/b/y/z")) {
            Client.make(client, top + name);
        }
        List<String> level = ZKUtil.listSubTreeBFS(client, top);
        equal(List.of(top, top + "/a", top + "/b"), sorted(level.subList(0, 3)));
        List<String> visited = new ArrayList<>();
        ZKUtil.visitSubTreeDFS(client, top, false, (rc, path, context, name) -> visited.add(path));
        equal(List.of(top, top + "/a", top + "/b", top + "/a/x", top + "/b/y", top + "/b/y/z"), visited);
        that(ZKUtil.deleteRecursive(client, top, 4), "not all was deleted");
        equal(null, client.exists(top, false));
    }

    private static void names(Scene scene) throws Exception {
        ZooKeeper client = Client.openWithRoot(scene);
        for (String name : List.of("...", "a..b", "with blank", "ümläut", "日本語", "~!@#$%^&*()=+[]{}|;:'\",<>?`\\", "x".repeat(5000))) {
            String path = scene.root + "/" + name;
            equal(path, client.create(path, bytes(name), OPEN, CreateMode.PERSISTENT));
            equal(bytes(name), client.getData(path, false, null));
        }
        equal(7, client.getChildren(scene.root, false).size());
    }

    private static List<String> sorted(List<String> names) {
        List<String> copy = new ArrayList<>(names);
        Collections.sort(copy);
        return copy;
    }
}
