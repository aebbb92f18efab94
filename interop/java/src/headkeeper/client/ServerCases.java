package headkeeper.client;

import static headkeeper.Check.equal;
import static headkeeper.Check.refused;
import static headkeeper.Check.that;
import static headkeeper.client.Client.OPEN;
import static headkeeper.client.Client.bytes;

import headkeeper.Check;
import headkeeper.Events;
import headkeeper.Scene;
import headkeeper.Server;
import headkeeper.Story;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Quotas;
import org.apache.zookeeper.StatsTrack;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.admin.ZooKeeperAdmin;
import org.apache.zookeeper.cli.DelQuotaCommand;
import org.apache.zookeeper.cli.SetQuotaCommand;
import org.apache.zookeeper.client.FourLetterWordMain;
import org.apache.zookeeper.data.Stat;

/** Limits, quotas, configuration, and a server that is killed and comes back. */
final class ServerCases {
    private ServerCases() {}

    static void register(Story story) {
        story.add("limits: more than jute.maxbuffer costs the connection, not the session", ServerCases::maxBuffer);
        story.add("quota: hard limits on count and bytes", ServerCases::hardQuota);
        story.add("quota: usage follows the subtree", ServerCases::usage);
        story.alone("config: the node, its watch and its ACL (blocking)", scene -> config(scene, Calls::new));
        story.alone("config: the node, its watch and its ACL (callback)", scene -> config(scene, AsyncCalls::new));
        story.add("four-letter words through Apache's client", ServerCases::words);
        story.alone("restart: the session, its ephemerals and its watches go on", ServerCases::restart);
        story.alone("restart: a session that nobody claims expires", ServerCases::unclaimed);
        story.alone("restart: what was acknowledged is there, in order", ServerCases::acknowledged);
        story.alone("admin: reconfiguration is disabled", ServerCases::reconfigDisabled);
        story.alone("admin: a standalone server cannot be reconfigured", ServerCases::reconfigStandalone);
    }

    private interface Way {
        Calls of(ZooKeeper client);
    }

    private static void maxBuffer(Scene scene) throws Exception {
        Events events = new Events();
        ZooKeeper client = Client.open(scene, scene.address, events);
        Client.make(client, scene.root);
        long session = client.getSessionId();
        client.create(scene.root + "/e", null, OPEN, CreateMode.EPHEMERAL);
        refused(Code.CONNECTIONLOSS, () -> client.setData(scene.root, new byte[1_100_000], -1));
        events.state(KeeperState.Disconnected);
        events.state(KeeperState.SyncConnected);
        equal(0, client.exists(scene.root, false).getVersion());
        equal(session, client.exists(scene.root + "/e", false).getEphemeralOwner());
    }

    private static StatsTrack track(long count, long bytes, long countHard, long bytesHard) {
        StatsTrack track = new StatsTrack();
        track.setCount(count);
        track.setBytes(bytes);
        track.setCountHardLimit(countHard);
        track.setByteHardLimit(bytesHard);
        return track;
    }

    private static void hardQuota(Scene scene) throws Exception {
        ZooKeeper client = Client.openWithRoot(scene);
        that(SetQuotaCommand.createQuota(client, scene.root, track(-1, -1, 3, 10)), "the quota was not set");
        Client.make(client, scene.root + "/a");
        Client.make(client, scene.root + "/b");
        refused(Code.QUOTAEXCEEDED, () -> Client.make(client, scene.root + "/c"));
        client.setData(scene.root + "/a", bytes("0123456789"), -1);
        refused(Code.QUOTAEXCEEDED, () -> client.setData(scene.root + "/b", bytes("x"), -1));
        client.setData(scene.root + "/a", bytes("012"), -1);
        client.setData(scene.root + "/b", bytes("x"), -1);
        client.delete(scene.root + "/b", -1);
        Client.make(client, scene.root + "/c");
        that(DelQuotaCommand.delQuota(client, scene.root, track(-1, -1, 1, 1)), "the limits were not taken back");
        Client.make(client, scene.root + "/d");
        client.setData(scene.root + "/d", new byte[100], -1);
    }

    private static void usage(Scene scene) throws Exception {
        ZooKeeper client = Client.openWithRoot(scene);
        client.setData(scene.root, bytes("12345"), -1);
        Client.make(client, scene.root + "/before");
        SetQuotaCommand.createQuota(client, scene.root, track(100, 1000, -1, -1));
        String stats = Quotas.statPath(scene.root);
        equal("count=2,bytes=5", text(client, stats));
        Stat before = client.exists(stats, false);
        client.create(scene.root + "/before/deep", bytes("123"), OPEN, CreateMode.EPHEMERAL);
        equal("count=3,bytes=8", text(client, stats));
        client.setData(scene.root, bytes("1"), -1);
        client.delete(scene.root + "/before/deep", -1);
        equal("count=2,bytes=1", text(client, stats));
        equal(before.getVersion(), client.exists(stats, false).getVersion());
        equal(100L, new StatsTrack(text(client, Quotas.limitPath(scene.root))).getCount());
    }

    private static String text(ZooKeeper client, String path) throws Exception {
        return new String(client.getData(path, false, null));
    }

    private static void config(Scene scene, Way way) throws Exception {
        Calls calls = way.of(Client.open(scene));
        Stat stat = new Stat();
        equal(new byte[0], calls.getConfig(null, stat));
        equal(List.of(0L, 0L), List.of(stat.getCzxid(), stat.getCtime()));
        refused(Code.NOAUTH, () -> calls.setData("/zookeeper/config", bytes("x"), -1));
        refused(Code.BADARGUMENTS, () -> calls.delete("/zookeeper/config", -1));
        Events events = new Events();
        calls.getConfig(events, stat);
        ZooKeeper root = Client.open(scene);
        root.addAuthInfo("digest", bytes("super:test"));
        equal(stat.getVersion() + 1, root.setData("/zookeeper/config", new byte[0], -1).getVersion());
        events.expect("NodeDataChanged /zookeeper/config");
    }

    private static void words(Scene scene) throws Exception {
        String host = scene.address.substring(0, scene.address.indexOf(':'));
        int port = Integer.parseInt(scene.address.substring(scene.address.indexOf(':') + 1));
        equal("imok\n", FourLetterWordMain.send4LetterWord(host, port, "ruok"));
        equal("rw\n", FourLetterWordMain.send4LetterWord(host, port, "isro"));
        that(FourLetterWordMain.send4LetterWord(host, port, "srvr").contains("Mode: standalone\n"), "srvr tells no mode");
        that(FourLetterWordMain.send4LetterWord(host, port, "mntr").contains("zk_server_state\tstandalone\n"), "mntr tells no state");
    }

    private static void restart(Scene scene) throws Exception {
        Events events = new Events();
        ZooKeeper client = Client.open(scene, scene.address, events);
        Client.make(client, scene.root);
        client.create(scene.root + "/e", bytes("x"), OPEN, CreateMode.EPHEMERAL);
        client.create(scene.root + "/s-", null, OPEN, CreateMode.PERSISTENT_SEQUENTIAL);
        Stat before = client.exists(scene.root, false);
        Events data = new Events();
        Events children = new Events();
        client.getData(scene.root + "/e", data, null);
        client.getChildren(scene.root, children);
        long session = client.getSessionId();
        Server.kill();
        events.state(KeeperState.Disconnected);
        refused(Code.CONNECTIONLOSS, () -> client.exists(scene.root, false));
        Server.start();
        events.state(KeeperState.SyncConnected);
        equal(session, client.getSessionId());
        equal(session, client.exists(scene.root + "/e", false).getEphemeralOwner());
        equal(before, client.exists(scene.root, false));
        data.nothingMore(client);
        children.nothingMore(client);
        equal(scene.root + "/s-0000000002",
                client.create(scene.root + "/s-", null, OPEN, CreateMode.PERSISTENT_SEQUENTIAL));
        children.expect("NodeChildrenChanged " + scene.root);
        client.setData(scene.root + "/e", null, 0);
        data.expect("NodeDataChanged " + scene.root + "/e");
    }

    private static void unclaimed(Scene scene) throws Exception {
        ZooKeeper other = Client.openWithRoot(scene);
        headkeeper.Relay relay = scene.relay();
        ZooKeeper client = Client.open(scene, relay.address(), new Events(), 1500);
        client.create(scene.root + "/e", null, OPEN, CreateMode.EPHEMERAL);
        relay.bar();
        Server.kill();
        Server.start();
        Check.eventually("the other client is back", () -> other.getState() == ZooKeeper.States.CONNECTED);
        Events events = new Events();
        if (other.exists(scene.root + "/e", events) != null) {
            events.expect("NodeDeleted " + scene.root + "/e");
        }
        equal(null, other.exists(scene.root + "/e", false));
    }

    private static void acknowledged(Scene scene) throws Exception {
        int count = 3000;
        Events events = new Events();
        ZooKeeper client = Client.open(scene, scene.address, events);
        Client.make(client, scene.root);
        Set<String> promised = Collections.synchronizedSet(new HashSet<>());
        List<Integer> order = Collections.synchronizedList(new ArrayList<>());
        CountDownLatch some = new CountDownLatch(500);
        CountDownLatch all = new CountDownLatch(count);
        for (int i = 0; i < count; i++) {
            client.create(scene.root + "/n" + i, null, OPEN, CreateMode.PERSISTENT, (rc, path, number, name) -> {
                order.add((Integer) number);
                if (rc == 0) {
                    promised.add(path);
                }
                some.countDown();
                all.countDown();
            }, i);
        }
        that(some.await(30, TimeUnit.SECONDS), "the writes take too long");
        Server.kill();
        that(all.await(30, TimeUnit.SECONDS), "some callbacks never came");
        Server.start();
        events.state(KeeperState.Disconnected);
        events.state(KeeperState.SyncConnected);
        List<Integer> sorted = new ArrayList<>(order);
        Collections.sort(sorted);
        equal(sorted, order);
        Set<String> found = new HashSet<>();
        client.getChildren(scene.root, false).forEach(name -> found.add(scene.root + "/" + name));
        that(promised.size() >= 500, "the server was killed too early to tell anything");
        that(found.containsAll(promised), "acknowledged nodes are missing");
        // Nothing was done out of order: what is there is a beginning of what was asked for.
        for (int i = 0; i < found.size(); i++) {
            that(found.contains(scene.root + "/n" + i), "a node is missing in the middle");
        }
    }

    private static ZooKeeperAdmin admin(Scene scene) throws Exception {
        Events events = new Events();
        ZooKeeperAdmin admin = scene.closing(new ZooKeeperAdmin(scene.address, Client.TIMEOUT_MS, events));
        events.state(KeeperState.SyncConnected);
        admin.addAuthInfo("digest", bytes("super:test"));
        return admin;
    }

    private static final String JOINING = "server.5=127.0.0.1:1234:1236;1237";

    private static void reconfigDisabled(Scene scene) throws Exception {
        ZooKeeperAdmin admin = admin(scene);
        refused(Code.RECONFIGDISABLED, () -> admin.reconfigure(JOINING, null, null, -1, new Stat()));
        CompletableFuture<Integer> code = new CompletableFuture<>();
        admin.reconfigure(null, "5", null, -1, (rc, path, context, data, stat) -> code.complete(rc), null);
        equal(Code.RECONFIGDISABLED.intValue(), Check.await(code));
    }

    private static void reconfigStandalone(Scene scene) throws Exception {
        Server.kill();
        Server.start("reconfigEnabled=true");
        ZooKeeperAdmin admin = admin(scene);
        refused(Code.UNIMPLEMENTED, () -> admin.reconfigure(JOINING, null, null, -1, new Stat()));
        refused(Code.UNIMPLEMENTED, () -> admin.reconfigure((String) null, null, JOINING, -1, new Stat()));
        equal(ZooKeeper.States.CONNECTED, admin.getState());
        Server.kill();
        Server.start();
    }
}
