package headkeeper;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;

/** The server process, which belongs to whoever started this one: asked for on standard output, answered on standard input. */
public final class Server {
    private static final BufferedReader ANSWERS = new BufferedReader(new InputStreamReader(System.in));

    private Server() {}

    /** Ends it with SIGKILL. */
    public static void kill() throws IOException {
        ask("SERVER kill");
    }

    /** Starts it again on its data and port and waits until it serves; `settings` are lines of zoo.cfg for this run alone. */
    public static void start(String... settings) throws IOException {
        ask(("SERVER start " + String.join(" ", settings)).trim());
    }

    private static synchronized void ask(String request) throws IOException {
        System.out.println(request);
        System.out.flush();
        String answer = ANSWERS.readLine();
        if (!"done".equals(answer)) {
            throw new IOException(request + ": " + answer);
        }
    }
}
