package headkeeper.client;

import static headkeeper.Check.equal;
import static headkeeper.Check.refused;
import static headkeeper.Check.that;
import static headkeeper.client.Client.OPEN;
import static headkeeper.client.Client.acl;
import static headkeeper.client.Client.bytes;

import headkeeper.Events;
import headkeeper.Relay;
import headkeeper.Scene;
import headkeeper.Story;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.ClientInfo;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;

/** ACLs and the ways to be somebody. */
final class AccessCases {
    private AccessCases() {}

    static void register(Story story) {
        story.add("acl: get and set with versions (blocking)", scene -> versions(scene, Calls::new));
        story.add("acl: get and set with versions (callback)", scene -> versions(scene, AsyncCalls::new));
        story.add("acl: what is refused", AccessCases::invalid);
        story.add("acl: each permission", AccessCases::permissions);
        story.add("auth: digest, and ids of others are masked", AccessCases::digest);
        story.add("auth: CREATOR_ALL_ACL becomes every credential", AccessCases::creator);
        story.add("auth: ip addresses and networks", AccessCases::ip);
        story.add("auth: the superuser passes everywhere", AccessCases::superuser);
        story.add("auth: an unknown scheme ends the session", AccessCases::unknownScheme);
        story.add("auth: credentials come back after a reconnect", AccessCases::afterReconnect);
        story.add("acl: a watch tells nothing to those who may not read", AccessCases::silentWatch);
        story.add("whoAmI", AccessCases::whoAmI);
    }

    private interface Way {
        Calls of(ZooKeeper client);
    }

    private static Id user(String name) throws Exception {
        return new Id("digest", DigestAuthenticationProvider.generateDigest(name + ":secret"));
    }

    private static ZooKeeper as(Scene scene, String name) throws Exception {
        ZooKeeper client = Client.open(scene);
        client.addAuthInfo("digest", bytes(name + ":secret"));
        return client;
    }

    private static void versions(Scene scene, Way way) throws Exception {
        Calls calls = way.of(Client.openWithRoot(scene));
        Stat before = calls.exists(scene.root, false);
        List<ACL> list = acl(new ACL(Perms.ALL, Ids.ANYONE_ID_UNSAFE), new ACL(Perms.READ, new Id("ip", "10.1.2.3/8")));
        Stat after = calls.setACL(scene.root, list, 0);
        equal(1, after.getAversion());
        equal(before.getMzxid(), after.getMzxid());
        equal(0, after.getVersion());
        Stat read = new Stat();
        equal(list, calls.getACL(scene.root, read));
        equal(after, read);
        refused(Code.BADVERSION, () -> calls.setACL(scene.root, list, 0));
        equal(2, calls.setACL(scene.root, OPEN, -1).getAversion());
        refused(Code.NONODE, () -> calls.getACL(scene.root + "/no", new Stat()));
        refused(Code.NONODE, () -> calls.setACL(scene.root + "/no", OPEN, -1));
        equal(acl(new ACL(Perms.READ, Ids.ANYONE_ID_UNSAFE)), calls.getACL("/zookeeper/config", new Stat()));
    }

    private static void invalid(Scene scene) throws Exception {
        ZooKeeper client = Client.openWithRoot(scene);
        List<Id> wrong = List.of(new Id("world", "someone"), new Id("ip", "10.0.0.0/33"), new Id("ip", "not-a-number"),
                new Id("digest", "nobody"), new Id("unheard", "of"), new Id("auth", ""), new Id("sasl", "x"));
        for (Id id : wrong) {
            List<ACL> list = acl(new ACL(Perms.ALL, id));
            refused(Code.INVALIDACL, () -> client.create(scene.root + "/x", null, list, CreateMode.PERSISTENT));
            refused(Code.INVALIDACL, () -> client.setACL(scene.root, list, -1));
            refused(Code.INVALIDACL, () -> client.setACL(scene.root + "/no", list, -1));
        }
        refused(Code.INVALIDACL, () -> client.create(scene.root + "/x", null, acl(), CreateMode.PERSISTENT));
        refused(Code.INVALIDACL, () -> client.setACL(scene.root, null, -1));
        equal(0, client.exists(scene.root, false).getAversion());
    }

    private static void permissions(Scene scene) throws Exception {
        ZooKeeper owner = as(scene, "owner");
        ZooKeeper guest = Client.open(scene);
        Client.make(owner, scene.root);
        for (int perms : new int[] {Perms.READ, Perms.WRITE, Perms.CREATE, Perms.DELETE, Perms.ADMIN, 0, Perms.ALL}) {
            String path = scene.root + "/p" + perms;
            List<ACL> list = acl(new ACL(perms, Ids.ANYONE_ID_UNSAFE), new ACL(Perms.ALL, user("owner")));
            owner.create(path, null, list, CreateMode.PERSISTENT);
            owner.create(path + "/child", null, OPEN, CreateMode.PERSISTENT);
            allowed(perms, Perms.READ, () -> guest.getData(path, false, null));
            allowed(perms, Perms.READ, () -> guest.getChildren(path, false));
            allowed(perms, Perms.READ, () -> guest.exists(path, false));
            allowed(perms, Perms.READ, () -> guest.getAllChildrenNumber(path));
            allowed(perms, Perms.WRITE, () -> guest.setData(path, null, -1));
            allowed(perms, Perms.CREATE, () -> guest.create(path + "/new", null, OPEN, CreateMode.PERSISTENT));
            allowed(perms, Perms.DELETE, () -> guest.delete(path + "/child", -1));
            allowed(perms, Perms.READ | Perms.ADMIN, () -> guest.getACL(path, new Stat()));
            allowed(perms, Perms.ADMIN, () -> guest.setACL(path, list, -1));
        }
    }

    private static void allowed(int given, int needed, headkeeper.Check.Call call) throws Exception {
        if ((given & needed) != 0) {
            call.run();
        } else {
            refused(Code.NOAUTH, call);
        }
    }

    private static void digest(Scene scene) throws Exception {
        ZooKeeper owner = as(scene, "owner");
        ZooKeeper guest = as(scene, "guest");
        Client.make(owner, scene.root);
        String path = scene.root + "/mine";
        List<ACL> list = acl(new ACL(Perms.ALL, user("owner")), new ACL(Perms.READ, user("guest")));
        owner.create(path, bytes("x"), list, CreateMode.PERSISTENT);
        equal(bytes("x"), guest.getData(path, false, null));
        refused(Code.NOAUTH, () -> guest.setData(path, null, -1));
        refused(Code.NOAUTH, () -> Client.open(scene).getData(path, false, null));
        equal(list, owner.getACL(path, new Stat()));
        equal(acl(new ACL(Perms.ALL, new Id("digest", "owner:x")), new ACL(Perms.READ, new Id("digest", "guest:x"))),
                guest.getACL(path, new Stat()));
        ZooKeeper forger = Client.open(scene);
        forger.addAuthInfo("digest", bytes("owner:guessed"));
        refused(Code.NOAUTH, () -> forger.getData(path, false, null));
        guest.addAuthInfo("digest", bytes("owner:secret"));
        equal(1, guest.setData(path, null, -1).getVersion());
    }

    private static void creator(Scene scene) throws Exception {
        ZooKeeper client = as(scene, "one");
        client.addAuthInfo("digest", bytes("two:secret"));
        Client.make(client, scene.root);
        String path = scene.root + "/c";
        client.create(path, null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        equal(Set.of(new ACL(Perms.ALL, user("one")), new ACL(Perms.ALL, user("two"))),
                Set.copyOf(client.getACL(path, new Stat())));
        equal(0, as(scene, "two").exists(path, false).getVersion());
        refused(Code.NOAUTH, () -> as(scene, "three").getData(path, false, null));
    }

    private static void ip(Scene scene) throws Exception {
        ZooKeeper client = Client.openWithRoot(scene);
        for (String own : List.of("127.0.0.1", "127.0.0.0/8", "0.0.0.0/0")) {
            String path = scene.root + "/" + own.replace('/', '_');
            client.create(path, bytes("x"), acl(new ACL(Perms.ALL, new Id("ip", own))), CreateMode.PERSISTENT);
            equal(bytes("x"), client.getData(path, false, null));
        }
        for (String other : List.of("127.0.0.2", "10.0.0.0/8", "::1")) {
            String path = scene.root + "/" + other.replace('/', '_');
            client.create(path, null, acl(new ACL(Perms.ALL, new Id("ip", other))), CreateMode.PERSISTENT);
            refused(Code.NOAUTH, () -> client.getData(path, false, null));
        }
    }

    private static void superuser(Scene scene) throws Exception {
        ZooKeeper owner = as(scene, "owner");
        Client.make(owner, scene.root);
        String path = scene.root + "/closed";
        owner.create(path, bytes("x"), acl(new ACL(0, Ids.ANYONE_ID_UNSAFE)), CreateMode.PERSISTENT);
        refused(Code.NOAUTH, () -> owner.getData(path, false, null));
        ZooKeeper root = Client.open(scene);
        root.addAuthInfo("digest", bytes("super:test"));
        equal(bytes("x"), root.getData(path, false, null));
        equal(1, root.setACL(path, OPEN, 0).getAversion());
        equal(bytes("x"), owner.getData(path, false, null));
    }

    private static void unknownScheme(Scene scene) throws Exception {
        Events events = new Events();
        ZooKeeper client = Client.open(scene, scene.address, events);
        client.addAuthInfo("unheard", bytes("of"));
        events.state(KeeperState.AuthFailed);
        refused(Code.AUTHFAILED, () -> client.exists("/", false));
        equal(ZooKeeper.States.AUTH_FAILED, client.getState());
    }

    private static void afterReconnect(Scene scene) throws Exception {
        Relay relay = scene.relay();
        Events events = new Events();
        ZooKeeper client = Client.open(scene, relay.address(), events);
        client.addAuthInfo("digest", bytes("owner:secret"));
        Client.make(client, scene.root);
        String path = scene.root + "/mine";
        client.create(path, bytes("x"), Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        relay.cut();
        events.state(KeeperState.Disconnected);
        events.state(KeeperState.SyncConnected);
        equal(bytes("x"), client.getData(path, false, null));
    }

    private static void silentWatch(Scene scene) throws Exception {
        ZooKeeper owner = as(scene, "owner");
        Client.make(owner, scene.root);
        Events events = new Events();
        ZooKeeper guest = Client.open(scene, scene.address, events);
        String path = scene.root + "/w";
        guest.exists(path, true);
        owner.create(path, null, acl(new ACL(Perms.ALL, user("owner"))), CreateMode.PERSISTENT);
        events.nothingMore(guest);
        owner.setACL(path, OPEN, -1);
        owner.setData(path, null, -1);
        // The watch was used up by the event that was not shown.
        events.nothingMore(guest);
        guest.exists(path, true);
        owner.setData(path, null, -1);
        events.expect("NodeDataChanged " + path);
    }

    private static void whoAmI(Scene scene) throws Exception {
        ZooKeeper client = as(scene, "me");
        equal(Set.of("digest me", "ip 127.0.0.1"), names(client.whoAmI()));
        client.addAuthInfo("digest", bytes("super:test"));
        Set<String> names = names(client.whoAmI());
        that(names.containsAll(Set.of("digest me", "digest super", "ip 127.0.0.1")), "found only " + names);
        equal(4, names.size());
    }

    private static Set<String> names(List<ClientInfo> list) {
        return list.stream().map(info -> info.getAuthScheme() + " " + info.getUser()).collect(Collectors.toSet());
    }
}
