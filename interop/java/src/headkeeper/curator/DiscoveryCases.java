package headkeeper.curator;

import static headkeeper.Check.equal;
import static headkeeper.Check.eventually;

import headkeeper.Scene;
import headkeeper.Server;
import headkeeper.Story;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceProvider;
import org.apache.curator.x.discovery.ServiceType;
import org.apache.curator.x.discovery.details.ServiceCacheListener;
import org.apache.curator.x.discovery.strategies.RoundRobinStrategy;

/** Service discovery. */
final class DiscoveryCases {
    private DiscoveryCases() {}

    static void register(Story story) {
        story.add("ServiceDiscovery: register, query, update, unregister", DiscoveryCases::register);
        story.add("ServiceDiscovery: provider and cache follow", DiscoveryCases::follow);
        story.add("ServiceDiscovery: registered again after a killed session", DiscoveryCases::killedSession);
        story.alone("ServiceDiscovery: over a killed server", DiscoveryCases::killedServer);
    }

    private static ServiceInstance<String> instance(String id, int port, String payload) throws Exception {
        return ServiceInstance.<String>builder().name("service").id(id).address("10.0.0.1").port(port).payload(payload)
                .serviceType(ServiceType.DYNAMIC).build();
    }

    private static ServiceDiscovery<String> discovery(Scene scene, CuratorFramework client) throws Exception {
        ServiceDiscovery<String> discovery = scene.closing(
                ServiceDiscoveryBuilder.builder(String.class).client(client).basePath(scene.root + "/services").build());
        discovery.start();
        return discovery;
    }

    private static Set<String> ids(ServiceDiscovery<String> discovery) throws Exception {
        Set<String> ids = new HashSet<>();
        discovery.queryForInstances("service").forEach(instance -> ids.add(instance.getId()));
        return ids;
    }

    private static void register(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        ServiceDiscovery<String> one = discovery(scene, clients.get(0));
        ServiceDiscovery<String> two = discovery(scene, clients.get(1));
        one.registerService(instance("a", 1, "first"));
        two.registerService(instance("b", 2, "second"));
        equal(List.of("service"), new ArrayList<>(one.queryForNames()));
        equal(Set.of("a", "b"), ids(one));
        equal("second", one.queryForInstance("service", "b").getPayload());
        equal(null, one.queryForInstance("service", "c"));
        two.updateService(instance("b", 2, "changed"));
        equal("changed", one.queryForInstance("service", "b").getPayload());
        two.unregisterService(instance("b", 2, "changed"));
        equal(Set.of("a"), ids(two));
        one.close();
        equal(Set.of(), ids(two));
    }

    private static void follow(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        ServiceDiscovery<String> one = discovery(scene, clients.get(0));
        ServiceDiscovery<String> two = discovery(scene, clients.get(1));
        ServiceCache<String> cache = scene.closing(two.serviceCacheBuilder().name("service").build());
        AtomicInteger changes = new AtomicInteger();
        cache.addListener(new ServiceCacheListener() {
            @Override
            public void cacheChanged() {
                changes.incrementAndGet();
            }

            @Override
            public void stateChanged(CuratorFramework client, ConnectionState state) {}
        });
        cache.start();
        ServiceProvider<String> provider = scene.closing(two.serviceProviderBuilder().serviceName("service")
                .providerStrategy(new RoundRobinStrategy<>()).build());
        provider.start();
        equal(null, provider.getInstance());
        for (int i = 0; i < 3; i++) {
            one.registerService(instance("i" + i, i, ""));
        }
        eventually("the cache has three", () -> cache.getInstances().size() == 3 && changes.get() >= 3);
        eventually("the provider has three", () -> provider.getAllInstances().size() == 3);
        Set<String> given = new HashSet<>();
        for (int i = 0; i < 3; i++) {
            given.add(provider.getInstance().getId());
        }
        equal(Set.of("i0", "i1", "i2"), given);
        one.close();
        eventually("the cache is empty", () -> cache.getInstances().isEmpty());
        eventually("the provider has none", () -> provider.getInstance() == null);
    }

    private static void killedSession(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        ServiceDiscovery<String> one = discovery(scene, clients.get(0));
        ServiceDiscovery<String> two = discovery(scene, clients.get(1));
        one.registerService(instance("a", 1, "x"));
        long before = clients.get(1).checkExists().forPath(scene.root + "/services/service/a").getCzxid();
        Curator.killSession(scene, clients.get(0));
        eventually("it is registered by the new session", () -> {
            var stat = clients.get(1).checkExists().forPath(scene.root + "/services/service/a");
            return stat != null && stat.getCzxid() > before;
        });
        equal("x", two.queryForInstance("service", "a").getPayload());
    }

    private static void killedServer(Scene scene) throws Exception {
        List<CuratorFramework> clients = Curator.open(scene, 2);
        ServiceDiscovery<String> one = discovery(scene, clients.get(0));
        ServiceDiscovery<String> two = discovery(scene, clients.get(1));
        ServiceCache<String> cache = scene.closing(two.serviceCacheBuilder().name("service").build());
        cache.start();
        one.registerService(instance("before", 1, ""));
        eventually("the cache has it", () -> cache.getInstances().size() == 1);
        Server.kill();
        Server.start();
        one.registerService(instance("after", 2, ""));
        eventually("the cache has both", () -> cache.getInstances().size() == 2);
        equal(Set.of("before", "after"), ids(two));
    }
}
