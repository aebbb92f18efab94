"""kazoo in an ensemble whose servers come and go: a session with an ephemeral node and a lock, which writes and watches.

hold.py HOSTS PATH prints READY, works below PATH until its input ends, and prints OK and what it did, or FAIL and why.
"""

import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.protocol.states import KazooState
from kazoo.retry import KazooRetry

WATCH_PATIENCE_S = 60


def main(hosts, path):
    lost, stop = threading.Event(), threading.Event()
    retry = KazooRetry(max_tries=-1, delay=0.05, max_delay=0.5)
    client = KazooClient(hosts, timeout=30, connection_retry=KazooRetry(max_tries=-1, max_delay=0.5))
    client.add_listener(lambda state: state == KazooState.LOST and lost.set())
    client.start(timeout=30)
    session = client.client_id[0]
    retry(client.ensure_path, path)
    client.create(f"{path}/held", b"", ephemeral=True)
    client.create(f"{path}/watched", b"0")
    lock = client.Lock(f"{path}/lock", "kazoo")
    lock.acquire(timeout=30)
    print("READY", flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    made, fired = [], 0
    while not stop.wait(0.02) and not lost.is_set():
        made.append(retry(client.create, f"{path}/n-", b"", sequence=True))
        event = threading.Event()
        retry(client.get, f"{path}/watched", watch=lambda _, event=event: event.set())
        retry(client.set, f"{path}/watched", str(len(made)).encode())
        if not event.wait(WATCH_PATIENCE_S):
            return f"FAIL watch {len(made)} did not fire"
        fired += 1
    if lost.is_set() or client.client_id[0] != session:
        return "FAIL the session was lost"
    if sorted(made) != made or len(set(made)) != len(made):
        return "FAIL the numbers of sequential nodes do not rise"
    names = set(retry(client.get_children, path))
    missing = [name for name in made if name.rsplit("/", 1)[1] not in names]
    if missing:
        return f"FAIL {missing} were made and are not there"
    if retry(client.exists, f"{path}/held").owner_session_id != session:
        return "FAIL the ephemeral node belongs to another session"
    contenders = retry(client.get_children, f"{path}/lock")
    if len(contenders) != 1 or not lock.is_acquired:
        return f"FAIL the lock is not ours alone: {contenders}"
    lock.release()
    client.stop()
    client.close()
    return f"OK {len(made)} nodes made, {fired} watches fired, a lock held"


if __name__ == "__main__":
    started = time.monotonic()
    try:
        print(main(*sys.argv[1:]), flush=True)
    except Exception as e:  # noqa: BLE001: whatever it is, it is the verdict
        print(f"FAIL after {time.monotonic() - started:.1f} s: {e!r}", flush=True)
