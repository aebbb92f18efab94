package headkeeper.curator;

import static headkeeper.Check.equal;
import static headkeeper.Check.eventually;
import static headkeeper.Check.that;
import static headkeeper.curator.Curator.atOnce;
import static headkeeper.curator.Curator.bytes;

import headkeeper.Scene;
import headkeeper.Story;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.CachedAtomicInteger;
import org.apache.curator.framework.recipes.atomic.CachedAtomicLong;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicInteger;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicValue;
import org.apache.curator.framework.recipes.atomic.PromotedToLock;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.SharedCountListener;
import org.apache.curator.framework.recipes.shared.SharedCountReader;
import org.apache.curator.framework.recipes.shared.SharedValue;
import org.apache.curator.framework.recipes.shared.VersionedValue;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;
import org.apache.curator.retry.RetryOneTime;
import org.apache.zookeeper.CreateMode;

/** Nodes that are kept alive, groups, and shared numbers. */
final class NodeCases {
    private NodeCases() {}

    static void register(Story story) {
        story.add("PersistentNode: made again when deleted and when the session was killed", NodeCases::persistentNode);
        story.add("PersistentNode: persistent and sequential modes", NodeCases::persistentModes);
        story.add("PersistentTtlNode: touched while it lives, gone after", NodeCases::ttlNode);
        story.add("GroupMember: three see each other come and go", NodeCases::group);
        story.add("DistributedAtomicLong: three count together", NodeCases::atomicLong);
        story.add("DistributedAtomicInteger and DistributedAtomicValue: set, compare, initialise", NodeCases::atomicValue);
        story.add("CachedAtomicLong and CachedAtomicInteger: no number twice", NodeCases::cachedAtomic);
        story.add("SharedCount: listeners and versions", NodeCases::sharedCount);
        story.add("SharedValue: contended, over a killed session", NodeCases::sharedValue);
    }

    private static void persistentNode(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        CuratorFramework other = clients.get(1);
        String path = scene.root + "/node";
        PersistentNode node =
                scene.closing(new PersistentNode(clients.get(0), CreateMode.EPHEMERAL, false, path, bytes("data")));
        node.start();
        that(node.waitForInitialCreate(20, TimeUnit.SECONDS), "the node is never made");
        equal(path, node.getActualPath());
        equal(bytes("data"), other.getData().forPath(path));
        long session = clients.get(0).getZookeeperClient().getZooKeeper().getSessionId();
        equal(session, other.checkExists().forPath(path).getEphemeralOwner());
        other.delete().forPath(path);
        eventually("the deleted node comes again", () -> other.checkExists().forPath(path) != null);
        node.setData(bytes("new"));
        eventually("the data is set", () -> Curator.text(other.getData().forPath(path)).equals("new"));
        Curator.killSession(scene, clients.get(0));
        eventually("the node belongs to the new session", () -> {
            var stat = other.checkExists().forPath(path);
            return stat != null && stat.getEphemeralOwner() != session;
        });
        equal(bytes("new"), other.getData().forPath(path));
        node.close();
        eventually("a closed node goes", () -> other.checkExists().forPath(path) == null);
    }

    private static void persistentModes(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        for (CreateMode mode : List.of(CreateMode.PERSISTENT, CreateMode.PERSISTENT_SEQUENTIAL,
                CreateMode.EPHEMERAL_SEQUENTIAL, CreateMode.CONTAINER)) {
            for (boolean protection : new boolean[] {false, true}) {
                String path = scene.root + "/" + mode + protection;
                PersistentNode node = new PersistentNode(client, mode, protection, path, bytes("x"));
                node.start();
                that(node.waitForInitialCreate(20, TimeUnit.SECONDS), "the node is never made");
                String actual = node.getActualPath();
                equal(mode.isEphemeral(), client.checkExists().forPath(actual).getEphemeralOwner() != 0);
                client.delete().forPath(actual);
                eventually("it comes again", () -> client.checkExists().forPath(node.getActualPath()) != null);
                equal(actual, node.getActualPath());
                node.close();
                equal(null, client.checkExists().forPath(actual));
            }
        }
    }

    private static void ttlNode(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        CuratorFramework other = Curator.open(scene);
        String path = scene.root + "/ttl";
        PersistentTtlNode node = new PersistentTtlNode(client, path, 3000, bytes("data"));
        node.start();
        that(node.waitForInitialCreate(20, TimeUnit.SECONDS), "the node is never made");
        Thread.sleep(7000);
        equal(bytes("data"), other.getData().forPath(path));
        node.setData(bytes("new"));
        eventually("the data is set", () -> Curator.text(other.getData().forPath(path)).equals("new"));
        node.close();
        eventually("nobody touches it and it goes", () -> other.checkExists().forPath(path) == null);
    }

    private static void group(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 3);
        List<GroupMember> members = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            GroupMember member = new GroupMember(clients.get(i), scene.root + "/group", "m" + i, bytes("d" + i));
            member.start();
            members.add(member);
        }
        for (GroupMember member : members) {
            eventually("all are seen", () -> member.getCurrentMembers().keySet().equals(Set.of("m0", "m1", "m2")));
        }
        equal(bytes("d2"), members.get(0).getCurrentMembers().get("m2"));
        members.get(2).setThisData(bytes("changed"));
        eventually("new data is seen", () -> Curator.text(members.get(0).getCurrentMembers().get("m2")).equals("changed"));
        Curator.killSession(scene, clients.get(1));
        eventually("a member comes back", () -> members.get(0).getCurrentMembers().keySet().equals(Set.of("m0", "m1", "m2"))
                && clients.get(0).getChildren().forPath(scene.root + "/group").size() == 3);
        members.get(2).close();
        eventually("a member left", () -> members.get(0).getCurrentMembers().keySet().equals(Set.of("m0", "m1")));
        members.get(0).close();
        members.get(1).close();
    }

    private static void atomicLong(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 3);
        PromotedToLock promoted = PromotedToLock.builder().lockPath(scene.root + "/lock")
                .retryPolicy(new RetryNTimes(100, 10)).timeout(20, TimeUnit.SECONDS).build();
        List<Integer> done = atOnce(clients, client -> {
            DistributedAtomicLong number =
                    new DistributedAtomicLong(client, scene.root + "/number", new RetryNTimes(2, 1), promoted);
            for (int i = 0; i < 30; i++) {
                AtomicValue<Long> value = number.increment();
                that(value.succeeded(), "a number was not counted");
                equal(value.preValue() + 1, value.postValue());
            }
            return 30;
        });
        equal(3, done.size());
        DistributedAtomicLong number = new DistributedAtomicLong(clients.get(0), scene.root + "/number", new RetryOneTime(1));
        equal(90L, number.get().postValue());
        equal(87L, number.subtract(3L).postValue());
        equal(100L, number.add(13L).postValue());
        equal(99L, number.decrement().postValue());
    }

    private static void atomicValue(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        DistributedAtomicInteger number = new DistributedAtomicInteger(client, scene.root + "/i", new RetryOneTime(1));
        that(number.initialize(5), "the first one may initialise");
        that(!number.initialize(6), "the second one may not");
        equal(6, number.increment().postValue());
        that(number.compareAndSet(6, 10).succeeded(), "the value was 6");
        that(!number.compareAndSet(6, 11).succeeded(), "the value was 10");
        number.forceSet(-1);
        equal(-1, number.get().postValue());
        DistributedAtomicValue value = new DistributedAtomicValue(client, scene.root + "/v", new RetryOneTime(1));
        that(value.trySet(bytes("a")).succeeded(), "nobody is in the way");
        AtomicValue<byte[]> swapped = value.compareAndSet(bytes("a"), bytes("b"));
        that(swapped.succeeded(), "the value was a");
        equal(bytes("a"), swapped.preValue());
        equal(bytes("b"), value.get().postValue());
    }

    private static void cachedAtomic(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 3);
        List<List<Long>> numbers = atOnce(clients, client -> {
            CachedAtomicLong next = new CachedAtomicLong(
                    new DistributedAtomicLong(client, scene.root + "/long", new RetryNTimes(1000, 2)), 10);
            List<Long> mine = new ArrayList<>();
            while (mine.size() < 45) {
                AtomicValue<Long> value = next.next();
                if (value.succeeded()) {
                    mine.add(value.postValue());
                }
            }
            return mine;
        });
        Set<Long> all = new HashSet<>();
        numbers.forEach(all::addAll);
        equal(135, all.size());
        CachedAtomicInteger next = new CachedAtomicInteger(
                new DistributedAtomicInteger(clients.get(0), scene.root + "/int", new RetryOneTime(1)), 3);
        for (int i = 1; i <= 7; i++) {
            equal(i, next.next().postValue());
        }
    }

    private static void sharedCount(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        SharedCount first = scene.closing(new SharedCount(clients.get(0), scene.root + "/count", 7));
        SharedCount second = scene.closing(new SharedCount(clients.get(1), scene.root + "/count", 9));
        first.start();
        second.start();
        equal(List.of(7, 7), List.of(first.getCount(), second.getCount()));
        CompletableFuture<Integer> told = new CompletableFuture<>();
        second.addListener(new SharedCountListener() {
            @Override
            public void countHasChanged(SharedCountReader reader, int count) {
                told.complete(count);
            }

            @Override
            public void stateChanged(CuratorFramework client, ConnectionState state) {}
        });
        VersionedValue<Integer> old = second.getVersionedValue();
        first.setCount(20);
        equal(20, headkeeper.Check.await(told));
        eventually("the count is seen", () -> second.getCount() == 20);
        that(!second.trySetCount(old, 30), "an old version was taken");
        that(second.trySetCount(second.getVersionedValue(), 30), "the newest version was refused");
        eventually("the other one sees it", () -> first.getCount() == 30);
    }

    private static void sharedValue(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 3);
        List<SharedValue> values = new ArrayList<>();
        for (CuratorFramework client : clients) {
            SharedValue value = scene.closing(new SharedValue(client, scene.root + "/value", bytes("0")));
            value.start();
            values.add(value);
        }
        atOnce(values, value -> {
            for (int done = 0; done < 15;) {
                VersionedValue<byte[]> now = value.getVersionedValue();
                int number = Integer.parseInt(Curator.text(now.getValue()));
                done += value.trySetValue(now, bytes("" + (number + 1))) ? 1 : 0;
            }
            return null;
        });
        equal("45", Curator.text(clients.get(0).getData().forPath(scene.root + "/value")));
        Curator.killSession(scene, clients.get(0));
        values.get(1).setValue(bytes("last"));
        for (SharedValue value : values) {
            eventually("all see the last one", () -> Curator.text(value.getValue()).equals("last"));
        }
    }
}
