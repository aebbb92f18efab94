package headkeeper;

import java.util.ArrayDeque;
import java.util.Deque;

/** Where a case runs: the server's address, a path of its own, and what must be closed behind it. */
public final class Scene implements AutoCloseable {
    /** `host:port` of the server. */
    public final String address;
    /** A path no other case uses; nothing is there yet. */
    public final String root;
    private final Deque<AutoCloseable> open = new ArrayDeque<>();

    Scene(String address, String root) {
        this.address = address;
        this.root = root;
    }

    /** Remembers to close `thing` when the case is over, the last one first. */
    public synchronized <T extends AutoCloseable> T closing(T thing) {
        open.push(thing);
        return thing;
    }

    /** A relay in front of the server, whose connections can be cut. */
    public Relay relay() throws Exception {
        return closing(new Relay(address));
    }

    @Override
    public synchronized void close() throws Exception {
        while (!open.isEmpty()) {
            try {
                open.pop().close();
            } catch (IllegalStateException closedBefore) {
                // Curator's recipes insist on being closed once; the case did it.
            }
        }
    }
}
