package headkeeper;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Named cases; each prints a line `PASS name` or `FAIL name: why`, and on standard error how long it took. */
public final class Story {
    private static final long LIMIT_SECONDS = 90;
    /** Most cases wait most of the time, so a few of them run at once. */
    private static final int AT_ONCE = 4;

    /** One case: does something with a server and fails by throwing. */
    public interface Case {
        void run(Scene scene) throws Exception;
    }

    private record Named(int number, String name, boolean alone, Case body) {}

    private final List<Named> cases = new ArrayList<>();
    private final AtomicBoolean good = new AtomicBoolean(true);

    /** A case that does not mind others beside it. */
    public void add(String name, Case body) {
        put(name, false, body);
    }

    /** A case that kills the server, or changes what all share: it runs alone, after the others. */
    public void alone(String name, Case body) {
        put(name, true, body);
    }

    private void put(String name, boolean alone, Case body) {
        if (cases.stream().anyMatch(other -> other.name.equals(name))) {
            throw new IllegalArgumentException("two cases are called " + name);
        }
        cases.add(new Named(cases.size() + 1, name, alone, body));
    }

    /** Runs the cases whose names contain `filter`; the process ends with 0 when all passed. */
    public void tell(String address, String filter) throws Exception {
        List<Named> chosen = cases.stream().filter(one -> one.name.contains(filter)).toList();
        ExecutorService workers = Executors.newFixedThreadPool(AT_ONCE);
        List<Future<?>> running = new ArrayList<>();
        for (Named one : chosen) {
            if (!one.alone) {
                running.add(workers.submit(() -> tell(address, one)));
            }
        }
        for (Future<?> one : running) {
            one.get();
        }
        for (Named one : chosen) {
            if (one.alone) {
                tell(address, one);
            }
        }
        System.out.flush();
        // Threads that a failed case left behind must not hold the process.
        Runtime.getRuntime().halt(good.get() ? 0 : 1);
    }

    private void tell(String address, Named one) {
        long start = System.nanoTime();
        Throwable trouble = run(one, new Scene(address, "/case" + one.number));
        System.err.printf("%6d ms  %s%n", (System.nanoTime() - start) / 1_000_000, one.name);
        if (trouble == null) {
            System.out.println("PASS " + one.name);
        } else {
            good.set(false);
            trouble.printStackTrace();
            System.out.println("FAIL " + one.name + ": " + trouble.toString().replaceAll("\\s+", " "));
        }
    }

    private static Throwable run(Named one, Scene scene) {
        AtomicReference<Throwable> trouble = new AtomicReference<>();
        Thread thread = new Thread(() -> {
            try (scene) {
                one.body.run(scene);
            } catch (Throwable t) {
                trouble.set(t);
            }
        }, one.name);
        thread.setDaemon(true);
        thread.start();
        try {
            thread.join(TimeUnit.SECONDS.toMillis(LIMIT_SECONDS));
        } catch (InterruptedException e) {
            return e;
        }
        if (!thread.isAlive()) {
            return trouble.get();
        }
        String where = Stream.of(thread.getStackTrace()).map(String::valueOf).collect(Collectors.joining(", "));
        thread.interrupt();
        return new AssertionError("not done after " + LIMIT_SECONDS + " s, at " + where);
    }
}
