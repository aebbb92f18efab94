package headkeeper.client;

import java.util.List;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.WatcherType;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Stat;

/** The client's calls in their blocking form; {@link AsyncCalls} makes the same ones with callbacks. */
class Calls {
    final ZooKeeper client;

    Calls(ZooKeeper client) {
        this.client = client;
    }

    String create(String path, byte[] data, List<ACL> acl, CreateMode mode) throws Exception {
        return client.create(path, data, acl, mode);
    }

    String create(String path, byte[] data, List<ACL> acl, CreateMode mode, Stat stat) throws Exception {
        return client.create(path, data, acl, mode, stat);
    }

    String create(String path, byte[] data, List<ACL> acl, CreateMode mode, Stat stat, long ttl) throws Exception {
        return client.create(path, data, acl, mode, stat, ttl);
    }

    void delete(String path, int version) throws Exception {
        client.delete(path, version);
    }

    Stat exists(String path, Watcher watcher) throws Exception {
        return client.exists(path, watcher);
    }

    Stat exists(String path, boolean watch) throws Exception {
        return client.exists(path, watch);
    }

    byte[] getData(String path, Watcher watcher, Stat stat) throws Exception {
        return client.getData(path, watcher, stat);
    }

    byte[] getData(String path, boolean watch, Stat stat) throws Exception {
        return client.getData(path, watch, stat);
    }

    Stat setData(String path, byte[] data, int version) throws Exception {
        return client.setData(path, data, version);
    }

    List<ACL> getACL(String path, Stat stat) throws Exception {
        return client.getACL(path, stat);
    }

    Stat setACL(String path, List<ACL> acl, int version) throws Exception {
        return client.setACL(path, acl, version);
    }

    List<String> getChildren(String path, Watcher watcher) throws Exception {
        return client.getChildren(path, watcher);
    }

    List<String> getChildren(String path, boolean watch) throws Exception {
        return client.getChildren(path, watch);
    }

    List<String> getChildren(String path, Watcher watcher, Stat stat) throws Exception {
        return client.getChildren(path, watcher, stat);
    }

    List<String> getChildren(String path, boolean watch, Stat stat) throws Exception {
        return client.getChildren(path, watch, stat);
    }

    int getAllChildrenNumber(String path) throws Exception {
        return client.getAllChildrenNumber(path);
    }

    List<String> getEphemerals() throws Exception {
        return client.getEphemerals();
    }

    List<String> getEphemerals(String prefix) throws Exception {
        return client.getEphemerals(prefix);
    }

    void sync(String path) throws Exception {
        client.sync(path);
    }

    List<OpResult> multi(List<Op> ops) throws Exception {
        return client.multi(ops);
    }

    void addWatch(String path, Watcher watcher, AddWatchMode mode) throws Exception {
        client.addWatch(path, watcher, mode);
    }

    void removeWatches(String path, Watcher watcher, WatcherType type) throws Exception {
        client.removeWatches(path, watcher, type, false);
    }

    void removeAllWatches(String path, WatcherType type) throws Exception {
        client.removeAllWatches(path, type, false);
    }

    byte[] getConfig(Watcher watcher, Stat stat) throws Exception {
        return client.getConfig(watcher, stat);
    }
}
