package headkeeper.client;

import headkeeper.Check;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.AsyncCallback;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.WatcherType;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Stat;

/** The same calls with callbacks, waited for; path and context must come back as they were given. */
final class AsyncCalls extends Calls {
    AsyncCalls(ZooKeeper client) {
        super(client);
    }

    /** What one callback brought. */
    private static final class Reply<T> {
        private final String path;
        private final CompletableFuture<T> future = new CompletableFuture<>();

        Reply(String path) {
            this.path = path;
        }

        void complete(int rc, String answeredPath, Object context, T value) {
            try {
                Check.that(context == this, "the context is another one");
                Check.equal(path, answeredPath);
                if (rc == Code.OK.intValue()) {
                    future.complete(value);
                } else {
                    future.completeExceptionally(KeeperException.create(Code.get(rc), path));
                }
            } catch (AssertionError wrong) {
                future.completeExceptionally(new Exception(wrong));
            }
        }

        T value() throws Exception {
            return Check.await(future);
        }
    }

    private static AsyncCallback.VoidCallback done(Reply<Void> reply) {
        return (rc, path, context) -> reply.complete(rc, path, context, null);
    }

    private static AsyncCallback.StatCallback stat(Reply<Stat> reply) {
        return (rc, path, context, stat) -> reply.complete(rc, path, context, stat);
    }

    private static void copy(Stat from, Stat to) {
        if (to != null) {
            to.setCzxid(from.getCzxid());
            to.setMzxid(from.getMzxid());
            to.setPzxid(from.getPzxid());
            to.setCtime(from.getCtime());
            to.setMtime(from.getMtime());
            to.setVersion(from.getVersion());
            to.setCversion(from.getCversion());
            to.setAversion(from.getAversion());
            to.setEphemeralOwner(from.getEphemeralOwner());
            to.setDataLength(from.getDataLength());
            to.setNumChildren(from.getNumChildren());
        }
    }

    @Override
    String create(String path, byte[] data, List<ACL> acl, CreateMode mode) throws Exception {
        Reply<String> reply = new Reply<>(path);
        AsyncCallback.StringCallback callback = (rc, at, context, name) -> reply.complete(rc, at, context, name);
        client.create(path, data, acl, mode, callback, reply);
        return reply.value();
    }

    @Override
    String create(String path, byte[] data, List<ACL> acl, CreateMode mode, Stat stat) throws Exception {
        return create(path, data, acl, mode, stat, -1);
    }

    @Override
    String create(String path, byte[] data, List<ACL> acl, CreateMode mode, Stat stat, long ttl) throws Exception {
        Reply<String> reply = new Reply<>(path);
        AsyncCallback.Create2Callback callback = (rc, at, context, name, made) -> {
            if (made != null) {
                copy(made, stat);
            }
            reply.complete(rc, at, context, name);
        };
        client.create(path, data, acl, mode, callback, reply, ttl);
        return reply.value();
    }

    @Override
    void delete(String path, int version) throws Exception {
        Reply<Void> reply = new Reply<>(path);
        client.delete(path, version, done(reply), reply);
        reply.value();
    }

    @Override
    Stat exists(String path, Watcher watcher) throws Exception {
        Reply<Stat> reply = new Reply<>(path);
        client.exists(path, watcher, stat(reply), reply);
        return orNull(reply);
    }

    @Override
    Stat exists(String path, boolean watch) throws Exception {
        Reply<Stat> reply = new Reply<>(path);
        client.exists(path, watch, stat(reply), reply);
        return orNull(reply);
    }

    private static Stat orNull(Reply<Stat> reply) throws Exception {
        try {
            return reply.value();
        } catch (KeeperException.NoNodeException missing) {
            return null;
        }
    }

    private static AsyncCallback.DataCallback data(Reply<byte[]> reply, Stat stat) {
        return (rc, path, context, data, found) -> {
            if (rc == 0) {
                copy(found, stat);
            }
            reply.complete(rc, path, context, data);
        };
    }

    @Override
    byte[] getData(String path, Watcher watcher, Stat stat) throws Exception {
        Reply<byte[]> reply = new Reply<>(path);
        client.getData(path, watcher, data(reply, stat), reply);
        return reply.value();
    }

    @Override
    byte[] getData(String path, boolean watch, Stat stat) throws Exception {
        Reply<byte[]> reply = new Reply<>(path);
        client.getData(path, watch, data(reply, stat), reply);
        return reply.value();
    }

    @Override
    byte[] getConfig(Watcher watcher, Stat stat) throws Exception {
        Reply<byte[]> reply = new Reply<>("/zookeeper/config");
        client.getConfig(watcher, data(reply, stat), reply);
        return reply.value();
    }

    @Override
    Stat setData(String path, byte[] data, int version) throws Exception {
        Reply<Stat> reply = new Reply<>(path);
        client.setData(path, data, version, stat(reply), reply);
        return reply.value();
    }

    @Override
    List<ACL> getACL(String path, Stat stat) throws Exception {
        Reply<List<ACL>> reply = new Reply<>(path);
        AsyncCallback.ACLCallback callback = (rc, at, context, acl, found) -> {
            if (rc == 0) {
                copy(found, stat);
            }
            reply.complete(rc, at, context, acl);
        };
        client.getACL(path, new Stat(), callback, reply);
        return reply.value();
    }

    @Override
    Stat setACL(String path, List<ACL> acl, int version) throws Exception {
        Reply<Stat> reply = new Reply<>(path);
        client.setACL(path, acl, version, stat(reply), reply);
        return reply.value();
    }

    @Override
    List<String> getChildren(String path, Watcher watcher) throws Exception {
        Reply<List<String>> reply = new Reply<>(path);
        AsyncCallback.ChildrenCallback callback = (rc, at, context, names) -> reply.complete(rc, at, context, names);
        client.getChildren(path, watcher, callback, reply);
        return reply.value();
    }

    @Override
    List<String> getChildren(String path, boolean watch) throws Exception {
        Reply<List<String>> reply = new Reply<>(path);
        AsyncCallback.ChildrenCallback callback = (rc, at, context, names) -> reply.complete(rc, at, context, names);
        client.getChildren(path, watch, callback, reply);
        return reply.value();
    }

    private static AsyncCallback.Children2Callback children(Reply<List<String>> reply, Stat stat) {
        return (rc, path, context, names, found) -> {
            if (rc == 0) {
                copy(found, stat);
            }
            reply.complete(rc, path, context, names);
        };
    }

    @Override
    List<String> getChildren(String path, Watcher watcher, Stat stat) throws Exception {
        Reply<List<String>> reply = new Reply<>(path);
        client.getChildren(path, watcher, children(reply, stat), reply);
        return reply.value();
    }

    @Override
    List<String> getChildren(String path, boolean watch, Stat stat) throws Exception {
        Reply<List<String>> reply = new Reply<>(path);
        client.getChildren(path, watch, children(reply, stat), reply);
        return reply.value();
    }

    @Override
    int getAllChildrenNumber(String path) throws Exception {
        Reply<Integer> reply = new Reply<>(path);
        client.getAllChildrenNumber(path, (rc, at, context, n) -> reply.complete(rc, at, context, n), reply);
        return reply.value();
    }

    @Override
    List<String> getEphemerals() throws Exception {
        return getEphemerals("/");
    }

    @Override
    List<String> getEphemerals(String prefix) throws Exception {
        // This callback is given no path.
        Reply<List<String>> reply = new Reply<>(null);
        AsyncCallback.EphemeralsCallback callback = (rc, context, paths) -> reply.complete(rc, null, context, paths);
        if (prefix.equals("/")) {
            client.getEphemerals(callback, reply);
        } else {
            client.getEphemerals(prefix, callback, reply);
        }
        return reply.value();
    }

    @Override
    void sync(String path) throws Exception {
        Reply<Void> reply = new Reply<>(path);
        client.sync(path, done(reply), reply);
        reply.value();
    }

    @Override
    List<OpResult> multi(List<Op> ops) throws Exception {
        CompletableFuture<List<OpResult>> future = new CompletableFuture<>();
        AsyncCallback.MultiCallback callback = (rc, path, context, results) -> {
            if (rc == 0) {
                future.complete(results);
            } else {
                future.completeExceptionally(KeeperException.create(Code.get(rc)));
            }
        };
        client.multi(ops, callback, null);
        return Check.await(future);
    }

    @Override
    void addWatch(String path, Watcher watcher, AddWatchMode mode) throws Exception {
        Reply<Void> reply = new Reply<>(path);
        client.addWatch(path, watcher, mode, done(reply), reply);
        reply.value();
    }

    @Override
    void removeWatches(String path, Watcher watcher, WatcherType type) throws Exception {
        Reply<Void> reply = new Reply<>(path);
        client.removeWatches(path, watcher, type, false, done(reply), reply);
        reply.value();
    }

    @Override
    void removeAllWatches(String path, WatcherType type) throws Exception {
        Reply<Void> reply = new Reply<>(path);
        client.removeAllWatches(path, type, false, done(reply), reply);
        reply.value();
    }
}
