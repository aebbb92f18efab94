package headkeeper;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooKeeper;

/** A watcher that keeps what it saw, changes of nodes apart from changes of the connection. */
public final class Events implements Watcher {
    private static final long PATIENCE_SECONDS = 30;
    private final BlockingQueue<WatchedEvent> nodes = new LinkedBlockingQueue<>();
    private final BlockingQueue<Event.KeeperState> states = new LinkedBlockingQueue<>();

    @Override
    public void process(WatchedEvent event) {
        if (event.getType() == Event.EventType.None) {
            states.add(event.getState());
        } else {
            nodes.add(event);
        }
    }

    /** The next events must be these, `NodeCreated /path`, in this order. */
    public void expect(String... wanted) throws InterruptedException {
        List<String> found = new ArrayList<>();
        for (int i = 0; i < wanted.length; i++) {
            WatchedEvent event = nodes.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
            Check.that(event != null, "wanted event " + wanted[i] + ", none came; before it " + found);
            found.add(event.getType() + " " + event.getPath());
        }
        Check.equal(List.of(wanted), found);
    }

    /** The next event as it came. */
    public WatchedEvent next() throws InterruptedException {
        WatchedEvent event = nodes.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
        Check.that(event != null, "an event is missing");
        return event;
    }

    /** All that was sent to the client so far is here and expected: a sync and its callback run behind the events. */
    public void nothingMore(ZooKeeper client) throws Exception {
        CompletableFuture<Integer> fence = new CompletableFuture<>();
        client.sync("/", (rc, path, context) -> fence.complete(rc), null);
        Check.equal(0, fence.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        Check.equal("[]", nodes.toString());
    }

    /** How many node events wait. */
    public int waiting() {
        return nodes.size();
    }

    /** Passes over changes of the connection until this one. */
    public void state(Event.KeeperState wanted) throws InterruptedException {
        List<Event.KeeperState> seen = new ArrayList<>();
        while (true) {
            Event.KeeperState state = states.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
            Check.that(state != null, "wanted " + wanted + ", seen only " + seen);
            if (state == wanted) {
                return;
            }
            seen.add(state);
        }
    }
}
