package headkeeper.curator;

import static headkeeper.Check.equal;
import static headkeeper.Check.eventually;
import static headkeeper.Check.that;
import static headkeeper.curator.Curator.atOnce;
import static headkeeper.curator.Curator.background;

import headkeeper.Check;
import headkeeper.Scene;
import headkeeper.Server;
import headkeeper.Story;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderLatch.CloseMode;
import org.apache.curator.framework.recipes.leader.LeaderLatchListener;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;

/** Leaders and barriers. */
final class LeaderCases {
    private LeaderCases() {}

    static void register(Story story) {
        story.add("LeaderLatch: one of three leads, and the next one when it leaves", LeaderCases::latch);
        story.add("LeaderLatch: a killed session hands over", LeaderCases::latchKilledSession);
        story.alone("LeaderLatch: one leader again after the server was killed", LeaderCases::latchKilledServer);
        story.add("LeaderSelector: three take turns", LeaderCases::selector);
        story.add("LeaderSelector: interrupted, and over a killed session", LeaderCases::selectorInterrupted);
        story.add("DistributedBarrier: all wait until it is removed", LeaderCases::barrier);
        story.add("DistributedDoubleBarrier: in together, out together", LeaderCases::doubleBarrier);
    }

    private static LeaderLatch start(Scene scene, CuratorFramework client, String id) throws Exception {
        LeaderLatch latch = scene.closing(new LeaderLatch(client, scene.root + "/latch", id, CloseMode.NOTIFY_LEADER));
        latch.start();
        return latch;
    }

    private static List<LeaderLatch> leaders(List<LeaderLatch> latches) {
        return latches.stream().filter(LeaderLatch::hasLeadership).toList();
    }

    private static void latch(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 3);
        List<LeaderLatch> latches = new ArrayList<>();
        List<String> told = Collections.synchronizedList(new ArrayList<>());
        for (int i = 0; i < 3; i++) {
            LeaderLatch latch = new LeaderLatch(clients.get(i), scene.root + "/latch", "id" + i, CloseMode.NOTIFY_LEADER);
            latch.addListener(new LeaderLatchListener() {
                @Override
                public void isLeader() {
                    told.add(latch.getId());
                }

                @Override
                public void notLeader() {
                    told.add("not " + latch.getId());
                }
            });
            latch.start();
            latches.add(latch);
            int joined = i + 1;
            eventually("it takes part", () -> latch.getParticipants().size() == joined);
        }
        for (int i = 0; i < 3; i++) {
            that(latches.get(i).await(20, TimeUnit.SECONDS), "nobody leads");
            equal(List.of(latches.get(i)), leaders(latches));
            equal("id" + i, latches.get(2).getLeader().getId());
            latches.get(i).close();
        }
        eventually("all is told", () -> told.size() == 6);
        equal(List.of("id0", "id1", "id2"), told.stream().filter(id -> !id.startsWith("not")).toList());
        eventually("nothing is left", () -> clients.get(0).getChildren().forPath(scene.root + "/latch").isEmpty());
    }

    private static void latchKilledSession(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        LeaderLatch first = start(scene, clients.get(0), "first");
        that(first.await(20, TimeUnit.SECONDS), "nobody leads");
        LeaderLatch second = start(scene, clients.get(1), "second");
        eventually("both take part", () -> second.getParticipants().size() == 2);
        Curator.killSession(scene, clients.get(0));
        that(second.await(20, TimeUnit.SECONDS), "the second one does not take over");
        that(!first.hasLeadership(), "two lead");
        eventually("the first one queues up again", () -> second.getParticipants().size() == 2);
        second.close();
        that(first.await(20, TimeUnit.SECONDS), "the first one does not lead again");
    }

    private static void latchKilledServer(Scene scene) throws Exception {
        List<LeaderLatch> latches = new ArrayList<>();
        for (CuratorFramework client : Curator.open(scene, 3)) {
            latches.add(start(scene, client, "id" + latches.size()));
        }
        eventually("one leads", () -> leaders(latches).size() == 1);
        Server.kill();
        eventually("nobody leads without a server", () -> leaders(latches).isEmpty());
        Server.start();
        eventually("one leads again", () -> leaders(latches).size() == 1);
        eventually("all take part", () -> latches.get(0).getParticipants().size() == 3);
        equal(1, leaders(latches).size());
    }

    private static void selector(Scene scene) throws Exception {
        AtomicInteger leading = new AtomicInteger();
        List<String> turns = Collections.synchronizedList(new ArrayList<>());
        List<String> wrong = Collections.synchronizedList(new ArrayList<>());
        List<LeaderSelector> selectors = new ArrayList<>();
        for (CuratorFramework client : Curator.open(scene, 3)) {
            String id = "id" + selectors.size();
            LeaderSelector selector = new LeaderSelector(client, scene.root + "/leader", new LeaderSelectorListenerAdapter() {
                @Override
                public void takeLeadership(CuratorFramework leader) throws Exception {
                    if (leading.incrementAndGet() != 1) {
                        wrong.add(id);
                    }
                    turns.add(id);
                    Thread.sleep(20);
                    leading.decrementAndGet();
                }
            });
            selector.setId(id);
            selector.autoRequeue();
            selectors.add(selector);
        }
        selectors.forEach(LeaderSelector::start);
        eventually("all had several turns", () -> turns.size() >= 9 && new HashSet<>(turns).size() == 3);
        selectors.forEach(LeaderSelector::close);
        equal(List.of(), wrong);
    }

    private static void selectorInterrupted(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        AtomicInteger taken = new AtomicInteger();
        AtomicInteger interrupted = new AtomicInteger();
        LeaderSelector selector = new LeaderSelector(client, scene.root + "/leader", new LeaderSelectorListenerAdapter() {
            @Override
            public void takeLeadership(CuratorFramework leader) throws Exception {
                taken.incrementAndGet();
                try {
                    Thread.sleep(60_000);
                } catch (InterruptedException e) {
                    interrupted.incrementAndGet();
                    throw e;
                }
            }
        });
        selector.setId("me");
        selector.autoRequeue();
        selector.start();
        eventually("it leads", () -> taken.get() == 1);
        equal("me", selector.getLeader().getId());
        selector.interruptLeadership();
        eventually("it leads again", () -> taken.get() == 2 && interrupted.get() == 1);
        Curator.killSession(scene, client);
        eventually("it leads in the new session", () -> taken.get() == 3 && interrupted.get() == 2);
        selector.close();
    }

    private static void barrier(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 3);
        DistributedBarrier barrier = new DistributedBarrier(clients.get(0), scene.root + "/barrier");
        barrier.setBarrier();
        that(!barrier.waitOnBarrier(200, TimeUnit.MILLISECONDS), "a barrier that stands lets through");
        CompletableFuture<List<Boolean>> waiting = background(() -> atOnce(clients,
                client -> new DistributedBarrier(client, scene.root + "/barrier").waitOnBarrier(20, TimeUnit.SECONDS)));
        Thread.sleep(300);
        that(!waiting.isDone(), "somebody slipped through");
        barrier.removeBarrier();
        equal(List.of(true, true, true), Check.await(waiting));
        that(barrier.waitOnBarrier(1, TimeUnit.SECONDS), "a barrier that is gone does not let through");
    }

    private static void doubleBarrier(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 3);
        AtomicInteger arrived = new AtomicInteger();
        AtomicInteger leaving = new AtomicInteger();
        atOnce(List.of(0, 1, 2), number -> {
            DistributedDoubleBarrier barrier = new DistributedDoubleBarrier(clients.get(number), scene.root + "/barrier", 3);
            Thread.sleep(number * 150L);
            arrived.incrementAndGet();
            that(barrier.enter(20, TimeUnit.SECONDS), "never in");
            equal(3, arrived.get());
            Thread.sleep(number * 150L);
            leaving.incrementAndGet();
            that(barrier.leave(20, TimeUnit.SECONDS), "never out");
            equal(3, leaving.get());
            return null;
        });
        DistributedDoubleBarrier alone = new DistributedDoubleBarrier(clients.get(0), scene.root + "/other", 2);
        that(!alone.enter(300, TimeUnit.MILLISECONDS), "in without the second one");
    }
}
