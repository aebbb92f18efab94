package headkeeper;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.HashSet;
import java.util.Set;

/** Passes bytes between clients and the server, until it is told to cut the connections or to keep clients out. */
public final class Relay implements AutoCloseable {
    private final String host;
    private final int port;
    private final ServerSocket listener;
    private final Set<Socket> sockets = new HashSet<>();
    private boolean barred;

    Relay(String server) throws IOException {
        int colon = server.lastIndexOf(':');
        host = server.substring(0, colon);
        port = Integer.parseInt(server.substring(colon + 1));
        listener = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        background("accept", this::accept);
    }

    /** Where clients connect. */
    public String address() {
        return "127.0.0.1:" + listener.getLocalPort();
    }

    /** Closes all connections; clients may connect again at once. */
    public synchronized void cut() throws IOException {
        for (Socket socket : sockets) {
            socket.close();
        }
        sockets.clear();
    }

    /** Closes all connections and refuses new ones until {@link #admit}. */
    public synchronized void bar() throws IOException {
        barred = true;
        cut();
    }

    public synchronized void admit() {
        barred = false;
    }

    @Override
    public void close() throws IOException {
        listener.close();
        cut();
    }

    private void accept() throws IOException {
        while (true) {
            Socket client = listener.accept();
            try {
                join(client);
            } catch (IOException serverIsAway) {
                client.close();
            }
        }
    }

    private synchronized void join(Socket client) throws IOException {
        if (barred) {
            client.close();
            return;
        }
        Socket server = new Socket(host, port);
        client.setTcpNoDelay(true);
        server.setTcpNoDelay(true);
        sockets.add(client);
        sockets.add(server);
        background("up", () -> pump(client, server));
        background("down", () -> pump(server, client));
    }

    private static void pump(Socket from, Socket to) throws IOException {
        try (from; to) {
            byte[] buffer = new byte[65536];
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                out.write(buffer, 0, n);
            }
        }
    }

    private interface Work {
        void run() throws IOException;
    }

    private static void background(String name, Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (IOException closed) {
                // The end of a connection is the end of its threads.
            }
        }, "relay " + name);
        thread.setDaemon(true);
        thread.start();
    }
}
