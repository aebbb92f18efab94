package headkeeper.curator;

import static headkeeper.Check.equal;
import static headkeeper.Check.eventually;
import static headkeeper.Check.raises;
import static headkeeper.Check.that;
import static headkeeper.curator.Curator.atOnce;
import static headkeeper.curator.Curator.background;
import static headkeeper.curator.Curator.bytes;
import static headkeeper.curator.Curator.text;

import headkeeper.Check;
import headkeeper.Scene;
import headkeeper.Server;
import headkeeper.Story;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMultiLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreMutex;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.locks.Revoker;
import org.apache.curator.framework.recipes.shared.SharedCount;

/** Locks and semaphores. */
final class LockCases {
    private LockCases() {}

    static void register(Story story) {
        story.add("InterProcessMutex: three frameworks exclude each other",
                scene -> exclusion(scene, InterProcessMutex::new));
        story.add("InterProcessSemaphoreMutex: three frameworks exclude each other",
                scene -> exclusion(scene, InterProcessSemaphoreMutex::new));
        story.add("InterProcessMutex: reentrant, timed, owned by a thread", LockCases::mutex);
        story.add("InterProcessMutex: first come, first served", LockCases::order);
        story.add("InterProcessMutex: revocation", LockCases::revocation);
        story.add("InterProcessMutex: a killed session loses it to the next one", LockCases::killedSession);
        story.add("InterProcessSemaphoreMutex: not reentrant", LockCases::semaphoreMutex);
        story.add("InterProcessReadWriteLock: readers share, a writer excludes", LockCases::readWrite);
        story.add("InterProcessSemaphoreV2: so many leases and no more", LockCases::semaphore);
        story.add("InterProcessSemaphoreV2: a shared count sets the number", LockCases::semaphoreResized);
        story.add("InterProcessMultiLock: all or none", LockCases::multiLock);
        story.alone("InterProcessMutex: holder and waiter over a killed server", LockCases::killedServer);
    }

    private interface MakeLock {
        InterProcessLock of(CuratorFramework client, String path);
    }

    private static void exclusion(Scene scene, MakeLock make) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 3);
        String counter = scene.root + "/counter";
        clients.get(0).create().creatingParentsIfNeeded().forPath(counter, bytes("0"));
        atOnce(clients, client -> {
            InterProcessLock lock = make.of(client, scene.root + "/lock");
            for (int i = 0; i < 15; i++) {
                lock.acquire();
                try {
                    Curator.incrementCarelessly(client, counter);
                } finally {
                    lock.release();
                }
            }
            return null;
        });
        equal("45", text(clients.get(0).getData().forPath(counter)));
    }

    private static void mutex(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        String path = scene.root + "/lock";
        InterProcessMutex mine = new InterProcessMutex(clients.get(0), path);
        InterProcessMutex theirs = new InterProcessMutex(clients.get(1), path);
        mine.acquire();
        mine.acquire();
        that(mine.isOwnedByCurrentThread() && mine.isAcquiredInThisProcess(), "the lock is not held");
        that(!theirs.acquire(200, TimeUnit.MILLISECONDS), "two hold the lock");
        equal(1, mine.getParticipantNodes().size());
        raises(IllegalMonitorStateException.class, theirs::release);
        raises(IllegalMonitorStateException.class, () -> Check.await(background(() -> {
            mine.release();
            return null;
        })));
        mine.release();
        that(!theirs.acquire(100, TimeUnit.MILLISECONDS), "it was acquired twice and released once");
        mine.release();
        that(theirs.acquire(10, TimeUnit.SECONDS), "a free lock cannot be had");
        theirs.release();
        equal(List.of(), clients.get(0).getChildren().forPath(path));
    }

    private static void order(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 3);
        String path = scene.root + "/lock";
        InterProcessMutex first = new InterProcessMutex(clients.get(0), path);
        first.acquire();
        List<Integer> served = Collections.synchronizedList(new ArrayList<>());
        List<CompletableFuture<Void>> waiting = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            int number = i;
            InterProcessMutex lock = new InterProcessMutex(clients.get(i % 3), path);
            waiting.add(background(() -> {
                lock.acquire();
                served.add(number);
                lock.release();
                return null;
            }));
            eventually("the next one waits", () -> first.getParticipantNodes().size() == number + 2);
        }
        first.release();
        for (CompletableFuture<Void> one : waiting) {
            Check.await(one);
        }
        equal(List.of(0, 1, 2, 3), served);
    }

    private static void revocation(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        InterProcessMutex mine = new InterProcessMutex(clients.get(0), scene.root + "/lock");
        CompletableFuture<Void> asked = new CompletableFuture<>();
        mine.makeRevocable(lock -> asked.complete(null));
        mine.acquire();
        InterProcessMutex theirs = new InterProcessMutex(clients.get(1), scene.root + "/lock");
        for (String node : theirs.getParticipantNodes()) {
            Revoker.attemptRevoke(clients.get(1), node);
        }
        Check.await(asked);
        mine.release();
        that(theirs.acquire(10, TimeUnit.SECONDS), "the revoked lock cannot be had");
    }

    private static void killedSession(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        InterProcessMutex mine = new InterProcessMutex(clients.get(0), scene.root + "/lock");
        InterProcessMutex theirs = new InterProcessMutex(clients.get(1), scene.root + "/lock");
        mine.acquire();
        CompletableFuture<Boolean> waiting = background(() -> {
            boolean got = theirs.acquire(20, TimeUnit.SECONDS);
            theirs.release();
            return got;
        });
        eventually("the other one waits", () -> mine.getParticipantNodes().size() == 2);
        Curator.killSession(scene, clients.get(0));
        that(Check.await(waiting), "the lock of a dead session stays");
        that(new InterProcessMutex(clients.get(0), scene.root + "/lock").acquire(20, TimeUnit.SECONDS), "no lock in the new session");
    }

    private static void semaphoreMutex(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        InterProcessSemaphoreMutex lock = new InterProcessSemaphoreMutex(client, scene.root + "/lock");
        that(lock.acquire(10, TimeUnit.SECONDS), "a free lock cannot be had");
        that(lock.isAcquiredInThisProcess(), "the lock is not held");
        InterProcessSemaphoreMutex again = new InterProcessSemaphoreMutex(client, scene.root + "/lock");
        that(!again.acquire(200, TimeUnit.MILLISECONDS), "it was acquired twice");
        Check.await(background(() -> {
            lock.release();
            return null;
        }));
        that(again.acquire(10, TimeUnit.SECONDS), "another thread's release did not count");
    }

    private static void readWrite(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 3);
        List<InterProcessReadWriteLock> locks =
                clients.stream().map(client -> new InterProcessReadWriteLock(client, scene.root + "/lock")).toList();
        locks.get(0).readLock().acquire();
        that(locks.get(1).readLock().acquire(10, TimeUnit.SECONDS), "two readers do not share");
        CompletableFuture<Boolean> writer = background(() -> locks.get(2).writeLock().acquire(20, TimeUnit.SECONDS));
        eventually("the writer waits", () -> locks.get(0).writeLock().getParticipantNodes().size() == 1);
        that(!Check.await(background(() -> locks.get(0).readLock().acquire(200, TimeUnit.MILLISECONDS))),
                "a new reader overtakes a waiting writer");
        locks.get(0).readLock().release();
        that(!writer.isDone(), "the writer writes beside a reader");
        locks.get(1).readLock().release();
        that(Check.await(writer), "the writer never gets the lock");
        that(!locks.get(0).readLock().acquire(200, TimeUnit.MILLISECONDS), "a reader reads beside the writer");
        InterProcessReadWriteLock down = new InterProcessReadWriteLock(clients.get(0), scene.root + "/down");
        down.writeLock().acquire();
        that(down.readLock().acquire(10, TimeUnit.SECONDS), "a writer may also read");
        down.writeLock().release();
        that(new InterProcessReadWriteLock(clients.get(1), scene.root + "/down").readLock().acquire(10, TimeUnit.SECONDS),
                "what is left of it is a read lock");
    }

    private static void semaphore(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 3);
        List<InterProcessSemaphoreV2> semaphores =
                clients.stream().map(client -> new InterProcessSemaphoreV2(client, scene.root + "/s", 4)).toList();
        Collection<Lease> three = semaphores.get(0).acquire(3, 10, TimeUnit.SECONDS);
        equal(3, three.size());
        equal(null, semaphores.get(1).acquire(2, 300, TimeUnit.MILLISECONDS));
        semaphores.get(1).setNodeData(bytes("who"));
        Lease one = semaphores.get(1).acquire(10, TimeUnit.SECONDS);
        equal(bytes("who"), one.getData());
        equal(null, semaphores.get(2).acquire(300, TimeUnit.MILLISECONDS));
        equal(4, semaphores.get(2).getParticipantNodes().size());
        CompletableFuture<Lease> waiting = background(() -> semaphores.get(2).acquire());
        semaphores.get(1).returnLease(one);
        semaphores.get(2).returnLease(Check.await(waiting));
        semaphores.get(0).returnAll(three);
        equal(4, semaphores.get(2).acquire(4, 10, TimeUnit.SECONDS).size());
    }

    private static void semaphoreResized(Scene scene) throws Exception {
        CuratorFramework client = Curator.open(scene);
        SharedCount count = scene.closing(new SharedCount(client, scene.root + "/count", 1));
        count.start();
        InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(client, scene.root + "/s", count);
        that(semaphore.acquire(10, TimeUnit.SECONDS) != null, "no lease");
        equal(null, semaphore.acquire(200, TimeUnit.MILLISECONDS));
        CompletableFuture<Lease> waiting = background(() -> semaphore.acquire(20, TimeUnit.SECONDS));
        SharedCount other = scene.closing(new SharedCount(Curator.open(scene), scene.root + "/count", 1));
        other.start();
        other.setCount(2);
        that(Check.await(waiting) != null, "the larger count brings no lease");
    }

    private static void multiLock(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        List<String> paths = List.of(scene.root + "/a", scene.root + "/b", scene.root + "/c");
        InterProcessMutex blocking = new InterProcessMutex(clients.get(1), scene.root + "/b");
        InterProcessMultiLock lock = new InterProcessMultiLock(clients.get(0), paths);
        blocking.acquire();
        that(!lock.acquire(300, TimeUnit.MILLISECONDS), "one of three is taken");
        InterProcessMutex first = new InterProcessMutex(clients.get(1), scene.root + "/a");
        that(first.acquire(5, TimeUnit.SECONDS), "a failed multi lock holds one");
        first.release();
        raises(IllegalMonitorStateException.class, () -> Check.await(background(() -> {
            blocking.release();
            return null;
        })));
        blocking.release();
        InterProcessMultiLock other = new InterProcessMultiLock(clients.get(1), paths);
        that(other.acquire(10, TimeUnit.SECONDS), "three free locks cannot be had");
        that(!lock.acquire(300, TimeUnit.MILLISECONDS), "two hold the locks");
        other.release();
    }

    private static void killedServer(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        InterProcessMutex mine = new InterProcessMutex(clients.get(0), scene.root + "/lock");
        InterProcessMutex theirs = new InterProcessMutex(clients.get(1), scene.root + "/lock");
        mine.acquire();
        CompletableFuture<Boolean> waiting = background(() -> theirs.acquire(30, TimeUnit.SECONDS));
        eventually("the other one waits", () -> mine.getParticipantNodes().size() == 2);
        Server.kill();
        Server.start();
        equal(2, mine.getParticipantNodes().size());
        that(!waiting.isDone(), "the waiting one got a lock that is held");
        mine.release();
        that(Check.await(waiting), "the waiting one never got it");
    }
}
