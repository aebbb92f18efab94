package headkeeper.client;

import static headkeeper.Check.equal;
import static headkeeper.Check.refused;
import static headkeeper.Check.that;
import static headkeeper.client.Client.OPEN;
import static headkeeper.client.Client.bytes;
import static headkeeper.client.Client.persist;

import headkeeper.Events;
import headkeeper.Relay;
import headkeeper.Scene;
import headkeeper.Story;
import java.util.List;
import java.util.Set;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.client.ZKClientConfig;
import org.apache.zookeeper.data.Stat;

/** Sessions: made, kept, moved, expired, closed. */
final class SessionCases {
    private SessionCases() {}

    static void register(Story story) {
        story.add("session: timeouts are kept within the server's bounds", SessionCases::timeouts);
        story.add("session: an idle client stays alive", SessionCases::idle);
        story.add("session: closing deletes the ephemerals", SessionCases::close);
        story.add("session: taken over with id and password", SessionCases::takenOver);
        story.add("session: a wrong password or id is an expired session", SessionCases::wrongPassword);
        story.add("session: expiry deletes the ephemerals, and the client is told", SessionCases::expiry);
        story.add("session: a short loss of connection keeps it", SessionCases::shortLoss);
        story.add("session: injected expiry", SessionCases::injectedExpiry);
        story.add("session: chroot", SessionCases::chroot);
        story.add("session: a client that accepts read-only servers", SessionCases::readOnlyFlag);
        story.add("session: several addresses, the first of them dead; a changed list", SessionCases::addresses);
        story.add("session: through the client's Netty socket", SessionCases::netty);
        story.add("session: thirty clients at once", SessionCases::many);
    }

    private static void timeouts(Scene scene) throws Exception {
        // The suite's server has a tick of 500 ms and a maximum of a minute.
        equal(1000, Client.open(scene, scene.address, new Events(), 500).getSessionTimeout());
        equal(7654, Client.open(scene, scene.address, new Events(), 7654).getSessionTimeout());
        equal(60_000, Client.open(scene, scene.address, new Events(), 10_000_000).getSessionTimeout());
    }

    private static void idle(Scene scene) throws Exception {
        ZooKeeper client = Client.open(scene, scene.address, new Events(), 2500);
        long session = client.getSessionId();
        client.create(scene.root, null, OPEN, CreateMode.EPHEMERAL);
        Thread.sleep(6000);
        that(client.exists(scene.root, false) != null, "the session was lost");
        equal(session, client.getSessionId());
    }

    private static void close(Scene scene) throws Exception {
        ZooKeeper other = Client.openWithRoot(scene);
        Events events = new Events();
        ZooKeeper watching = Client.open(scene, scene.address, events);
        ZooKeeper client = Client.open(scene);
        for (int i = 0; i < 3; i++) {
            client.create(scene.root + "/e" + i, null, OPEN, CreateMode.EPHEMERAL);
        }
        client.create(scene.root + "/stays", null, OPEN, CreateMode.PERSISTENT);
        watching.addWatch(scene.root, events, AddWatchMode.PERSISTENT_RECURSIVE);
        client.close();
        equal(ZooKeeper.States.CLOSED, client.getState());
        equal(List.of("stays"), other.getChildren(scene.root, false));
        Set<String> gone = Set.of(events.next().toString(), events.next().toString(), events.next().toString());
        equal(3, gone.size());
        equal(1L, gone.stream().map(event -> event.replaceAll(".*zxid: ", "")).distinct().count());
        events.nothingMore(watching);
        refused(Code.SESSIONEXPIRED, () -> client.exists("/", false));
    }

    private static void takenOver(Scene scene) throws Exception {
        ZooKeeper other = Client.openWithRoot(scene);
        Relay relay = scene.relay();
        Events before = new Events();
        ZooKeeper first = Client.open(scene, relay.address(), before);
        first.create(scene.root + "/e", null, OPEN, CreateMode.EPHEMERAL);
        long id = first.getSessionId();
        byte[] password = first.getSessionPasswd();
        Events after = new Events();
        ZooKeeper second = scene.closing(new ZooKeeper(scene.address, Client.TIMEOUT_MS, after, id, password));
        after.state(KeeperState.SyncConnected);
        before.state(KeeperState.Disconnected);
        relay.bar();
        // Should the first client have come back meanwhile, the second one now takes the session again.
        equal(id, persist(() -> second.exists(scene.root + "/e", false)).getEphemeralOwner());
        equal(id, second.getSessionId());
        equal(List.of(scene.root + "/e"), second.getEphemerals());
        second.close();
        equal(null, other.exists(scene.root + "/e", false));
        relay.admit();
        before.state(KeeperState.Expired);
    }

    private static void wrongPassword(Scene scene) throws Exception {
        ZooKeeper client = Client.openWithRoot(scene);
        client.create(scene.root + "/e", null, OPEN, CreateMode.EPHEMERAL);
        Events events = new Events();
        ZooKeeper forged = scene.closing(
                new ZooKeeper(scene.address, Client.TIMEOUT_MS, events, client.getSessionId(), new byte[16]));
        events.state(KeeperState.Expired);
        refused(Code.SESSIONEXPIRED, () -> forged.exists("/", false));
        Events strange = new Events();
        scene.closing(new ZooKeeper(scene.address, Client.TIMEOUT_MS, strange, 0x1234567890L, client.getSessionPasswd()));
        strange.state(KeeperState.Expired);
        // The attempt cost the true owner its connection, but not the session.
        equal(client.getSessionId(), persist(() -> client.exists(scene.root + "/e", false)).getEphemeralOwner());
    }

    private static void expiry(Scene scene) throws Exception {
        Events seen = new Events();
        ZooKeeper other = Client.open(scene, scene.address, seen);
        Client.make(other, scene.root);
        Relay relay = scene.relay();
        Events events = new Events();
        ZooKeeper client = Client.open(scene, relay.address(), events, 1000);
        client.create(scene.root + "/e", null, OPEN, CreateMode.EPHEMERAL);
        other.exists(scene.root + "/e", seen);
        long start = System.nanoTime();
        relay.bar();
        seen.expect("NodeDeleted " + scene.root + "/e");
        long took = (System.nanoTime() - start) / 1_000_000;
        that(took >= 300 && took < 15_000, "the session ended after " + took + " ms");
        relay.admit();
        events.state(KeeperState.Expired);
        refused(Code.SESSIONEXPIRED, () -> client.exists("/", false));
        that(!client.getState().isAlive(), "an expired client is not alive");
    }

    private static void shortLoss(Scene scene) throws Exception {
        Relay relay = scene.relay();
        Events events = new Events();
        ZooKeeper client = Client.open(scene, relay.address(), events);
        Client.make(client, scene.root);
        client.create(scene.root + "/e", null, OPEN, CreateMode.EPHEMERAL);
        long session = client.getSessionId();
        for (int i = 0; i < 5; i++) {
            relay.cut();
            events.state(KeeperState.Disconnected);
            events.state(KeeperState.SyncConnected);
            equal(session, client.exists(scene.root + "/e", false).getEphemeralOwner());
        }
        equal(session, client.getSessionId());
    }

    private static void injectedExpiry(Scene scene) throws Exception {
        ZooKeeper other = Client.openWithRoot(scene);
        Events events = new Events();
        ZooKeeper client = Client.open(scene, scene.address, events);
        client.create(scene.root + "/e", null, OPEN, CreateMode.EPHEMERAL);
        client.getTestable().injectSessionExpiration();
        events.state(KeeperState.Expired);
        // The server knows nothing of it; another client with the same id ends the session.
        Events again = new Events();
        ZooKeeper closer = scene.closing(
                new ZooKeeper(scene.address, 1000, again, client.getSessionId(), client.getSessionPasswd()));
        again.state(KeeperState.SyncConnected);
        closer.close();
        equal(null, other.exists(scene.root + "/e", false));
    }

    private static void chroot(Scene scene) throws Exception {
        ZooKeeper whole = Client.openWithRoot(scene);
        Events events = new Events();
        ZooKeeper client = Client.open(scene, scene.address + scene.root, events);
        equal("/a", client.create("/a", bytes("x"), OPEN, CreateMode.PERSISTENT));
        equal("/s-0000000001", client.create("/s-", null, OPEN, CreateMode.EPHEMERAL_SEQUENTIAL));
        equal(bytes("x"), whole.getData(scene.root + "/a", false, null));
        equal(List.of("a"), client.getChildren("/", false).stream().filter(name -> name.equals("a")).toList());
        client.getData("/a", events, null);
        client.addWatch("/", events, AddWatchMode.PERSISTENT_RECURSIVE);
        whole.setData(scene.root + "/a", null, -1);
        events.expect("NodeDataChanged /a");
        client.getChildren("/", events);
        client.multi(List.of(Op.create("/m", null, OPEN, CreateMode.PERSISTENT), Op.check("/a", 1), Op.delete("/m", 0)));
        events.expect("NodeCreated /m", "NodeChildrenChanged /", "NodeDeleted /m");
        equal(2, client.getAllChildrenNumber("/"));
        client.sync("/a");
        equal(1, client.setACL("/a", OPEN, 0).getAversion());
        equal(OPEN, client.getACL("/a", new Stat()));
        refused(Code.NONODE, () -> Client.open(scene, scene.address + scene.root + "/none", new Events())
                .create("/x", null, OPEN, CreateMode.PERSISTENT));
    }

    private static void readOnlyFlag(Scene scene) throws Exception {
        Events events = new Events();
        ZooKeeper client = scene.closing(new ZooKeeper(scene.address, Client.TIMEOUT_MS, events, true));
        events.state(KeeperState.SyncConnected);
        equal(ZooKeeper.States.CONNECTED, client.getState());
        Client.make(client, scene.root);
    }

    private static void addresses(Scene scene) throws Exception {
        Relay relay = scene.relay();
        relay.bar();
        Events events = new Events();
        ZooKeeper client = scene.closing(
                new ZooKeeper(relay.address() + "," + scene.address, Client.TIMEOUT_MS, events));
        events.state(KeeperState.SyncConnected);
        Client.make(client, scene.root);
        long session = client.getSessionId();
        relay.admit();
        client.updateServerList(relay.address());
        events.state(KeeperState.Disconnected);
        events.state(KeeperState.SyncConnected);
        equal(session, client.getSessionId());
        that(client.exists(scene.root, false) != null, "the node is gone");
    }

    private static void netty(Scene scene) throws Exception {
        ZKClientConfig config = new ZKClientConfig();
        config.setProperty(ZKClientConfig.ZOOKEEPER_CLIENT_CNXN_SOCKET, "org.apache.zookeeper.ClientCnxnSocketNetty");
        Relay relay = scene.relay();
        Events events = new Events();
        ZooKeeper client = scene.closing(new ZooKeeper(relay.address(), Client.TIMEOUT_MS, events, config));
        events.state(KeeperState.SyncConnected);
        Client.make(client, scene.root);
        client.getData(scene.root, events, null);
        relay.cut();
        events.state(KeeperState.Disconnected);
        events.state(KeeperState.SyncConnected);
        byte[] large = new byte[900_000];
        client.setData(scene.root, large, -1);
        events.expect("NodeDataChanged " + scene.root);
        equal(large, client.getData(scene.root, false, null));
    }

    private static void many(Scene scene) throws Exception {
        ZooKeeper first = Client.openWithRoot(scene);
        for (int i = 0; i < 30; i++) {
            ZooKeeper client = Client.open(scene);
            client.create(scene.root + "/e-", null, OPEN, CreateMode.EPHEMERAL_SEQUENTIAL);
        }
        List<String> names = first.getChildren(scene.root, false);
        equal(30, names.size());
        equal(30L, names.stream().mapToLong(name -> owner(first, scene.root + "/" + name)).distinct().count());
    }

    private static long owner(ZooKeeper client, String path) {
        try {
            return client.exists(path, false).getEphemeralOwner();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
