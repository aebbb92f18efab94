"""A pytest plugin: kazoo's harness starts the server it is told to, and every test's outcome goes to a file.

The harness stays kazoo's own (`kazoo.testing`): it writes zoo.cfg, starts, stops and resets servers. Only the program behind
`java ... QuorumPeerMain zoo.cfg` is another when HEADKEEPER_BINARY is set. Where it is not, HEADKEEPER_CLASSPATH has Apache's jars.

HEADKEEPER_ABSENT  file of tests that are not run, a line `name: reason` each; a `*` ends a name that stands for many
HEADKEEPER_OUTCOMES  file for the outcomes: `PASS name`, `FAIL name: why`, `SKIP name: why`
"""

import os
import socket
import subprocess
import types

import kazoo.testing.common
import pytest

PORTS_FIRST = 21200
PORTS_EACH = 60
# What kazoo's harness takes for a server.
PORTS_PER_SERVER = 10
# TLS and SASL belong to what the server does not have yet; the harness asks for both in every configuration.
ABSENT_KEYS = ("secureClientPort", "ssl.", "authProvider.", "serverCnxnFactory")


def pytest_configure(config):
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    first = PORTS_FIRST + PORTS_EACH * int(worker.removeprefix("gw"))
    os.environ.setdefault("ZOOKEEPER_CLUSTER_SIZE", "1")
    ports = PORTS_PER_SERVER * int(os.environ["ZOOKEEPER_CLUSTER_SIZE"])
    os.environ["ZOOKEEPER_PORT_OFFSET"] = str(free_block(first, ports))
    os.environ["ZOOKEEPER_VERSION"] = "3.9.5"
    os.environ["ZOOKEEPER_CLASSPATH"] = os.environ.get("HEADKEEPER_CLASSPATH", "unused")
    if "HEADKEEPER_BINARY" in os.environ:
        kazoo.testing.common.subprocess = types.SimpleNamespace(Popen=start_headkeeper)


def free_block(first, ports):
    """The first of so many ports in a row that nobody listens on."""
    for start in range(first, first + PORTS_EACH - ports + 1, PORTS_PER_SERVER):
        try:
            for port in range(start, start + ports):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
            return start
        except OSError:
            continue
    raise pytest.UsageError(f"no {ports} free ports in a row from {first} to {first + PORTS_EACH}")


def start_headkeeper(args):
    """Takes java's command line and starts our server with the same configuration and properties."""
    configuration = args[-1]
    with open(configuration) as file:
        kept = [line for line in file if not line.startswith(ABSENT_KEYS)]
    with open(configuration, "w") as file:
        file.writelines(kept)
    properties = [a for a in args if a.startswith("-D") and "zookeeper." in a or a.startswith("-Dreadonlymode")]
    output = open(os.path.join(os.path.dirname(configuration), "zookeeper.log"), "a")
    command = [os.environ["HEADKEEPER_BINARY"], "serve", *properties, configuration]
    return subprocess.Popen(command, stdout=output, stderr=output)


def name_of(test):
    """`test_client::TestClient::test_create` for an item or a report of it; the node id alone may lack the file."""
    file, _, rest = test.nodeid.partition("::")
    if not file.endswith(".py"):
        # Where it was written, which for inherited tests is another file.
        file = test.location[0]
    return os.path.basename(file).removesuffix(".py") + "::" + rest


def absent_tests():
    with open(os.environ["HEADKEEPER_ABSENT"]) as file:
        return [line.rstrip("\n").split(": ", 1) for line in file if line.strip()]


def pytest_collection_modifyitems(config, items):
    for item in items:
        name = name_of(item)
        for test, reason in absent_tests():
            if name == test or test.endswith("*") and name.startswith(test[:-1]):
                item.add_marker(pytest.mark.skip(reason=reason))


class Outcomes:
    """One outcome for each test: the worst of set-up, call and tear-down."""

    def __init__(self):
        self.failed = {}

    def pytest_runtest_logreport(self, report):
        name = name_of(report)
        if report.failed:
            self.failed.setdefault(name, f"{report.when}: {reason_of(report)}")
        elif report.skipped:
            self.write(f"SKIP {name}: {reason_of(report)}")
            self.failed.setdefault(name, None)
        if report.when == "teardown":
            why = self.failed.get(name, "")
            if why == "":
                self.write(f"PASS {name}")
            elif why is not None:
                self.write(f"FAIL {name}: {why}")

    def write(self, line):
        with open(os.environ["HEADKEEPER_OUTCOMES"], "a") as file:
            file.write(line.replace("\n", " ") + "\n")


def reason_of(report):
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return (crash.message if crash else str(report.longrepr))[:500]


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session):
    if "PYTEST_XDIST_WORKER" not in os.environ:
        session.config.pluginmanager.register(Outcomes())
