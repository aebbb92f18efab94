package headkeeper;

import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.KeeperException;

/** Assertions, each of which throws when it does not hold. */
public final class Check {
    private static final int TEXT_MAX = 400;
    private static final long PATIENCE_MS = 30_000;

    private Check() {}

    public interface Call {
        void run() throws Exception;
    }

    public static void that(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    public static void equal(Object wanted, Object found) {
        if (!Objects.deepEquals(wanted, found)) {
            throw new AssertionError("wanted " + text(wanted) + ", found " + text(found));
        }
    }

    /** `call` must be refused with exactly this code. */
    public static void refused(KeeperException.Code code, Call call) throws Exception {
        try {
            call.run();
        } catch (KeeperException e) {
            equal(code, e.code());
            return;
        }
        throw new AssertionError("wanted " + code + ", but it was done");
    }

    /** `call` must throw exactly this. */
    public static <T extends Throwable> T raises(Class<T> kind, Call call) throws Exception {
        try {
            call.run();
        } catch (Throwable t) {
            if (t.getClass() == kind) {
                return kind.cast(t);
            }
            throw new AssertionError("wanted " + kind.getName() + ", found " + t, t);
        }
        throw new AssertionError("wanted " + kind.getName() + ", but nothing was thrown");
    }

    /** Waits until `condition` holds. */
    public static void eventually(String what, Callable<Boolean> condition) throws Exception {
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        while (!condition.call()) {
            that(System.currentTimeMillis() < deadline, what + ": not so after " + PATIENCE_MS + " ms");
            Thread.sleep(20);
        }
    }

    /** The result of a stage, or the exception it ended with. */
    public static <T> T await(CompletionStage<T> stage) throws Exception {
        try {
            return stage.toCompletableFuture().get(PATIENCE_MS, TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Exception cause) {
                throw cause;
            }
            throw e;
        }
    }

    private static String text(Object value) {
        String text = value instanceof byte[] bytes ? "bytes " + Arrays.toString(bytes) : String.valueOf(value);
        return text.length() <= TEXT_MAX ? text : text.substring(0, TEXT_MAX) + "…";
    }
}
