"""Three RabbitMQ nodes of one cluster, for the tests that ask for them.

The distribution that the stack unpacked runs three times more, from a folder of the test's own. Whoever runs this
command holds its standard input: lines say which node to kill or to start again, and its end ends all.
"""

import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import time

from . import account, paths, ports, rabbitmq
from .say import StackError
from .secrets_file import USER

NODES = ("a", "b", "c")
START_SECONDS = 180

# The first forms the cluster and the others join it. Leaders are spread, as they would be over machines.
CONFIG = (
    rabbitmq.COMMON
    + """\
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = {first}
cluster_partition_handling = pause_minority
queue_leader_locator = balanced
vm_memory_high_watermark.absolute = 256MB
disk_free_limit.absolute = 64MB
"""
)

# One core is enough for each, and none of them spins while it waits.
ERLANG = "-start_epmd false +S 1:1 +SDio 2 +sbwt none +sbwtdcpu none +sbwtdio none"


class _Cluster:
    def __init__(self, folder, numbers):
        self.folder = folder
        self.epmd_port = numbers[-1]
        self.numbers = {name: numbers[3 * place : 3 * place + 3] for place, name in enumerate(NODES)}
        self.password = secrets.token_hex(12)
        self.running = {}

    def prepare(self):
        cookie = secrets.token_hex(12)
        for name in NODES:
            amqp, management, _ = self.numbers[name]
            home = self.folder / name
            home.mkdir()
            config = CONFIG.format(
                amqp=amqp, management=management, user=USER, password=self.password, first=_node(NODES[0])
            )
            (home / "rabbitmq.conf").write_text(config)
            (home / "advanced.config").write_text(rabbitmq.ADVANCED)
            (home / "enabled_plugins").write_text("[rabbitmq_management].\n")
            (home / "no-environment-file").write_text("")
            rabbitmq.write_cookie(home, cookie)
            account.own(home)
        # Whoever runs the servers must be able to walk there.
        self.folder.chmod(0o755)

    def start_epmd(self):
        _, erlang, env = rabbitmq.programs(self.folder, self.epmd_port)
        self.running["epmd"] = self._run("epmd", rabbitmq.epmd(erlang, self.epmd_port), self.folder, env)
        self._wait(["epmd"], lambda _: ports.is_open(self.epmd_port))

    def start(self, names):
        """Starts them at once, and waits until each is well."""
        for name in names:
            home = self.folder / name
            server, _, env = rabbitmq.programs(home, self.epmd_port)
            env.update(rabbitmq.environment(home, _node(name), self.numbers[name][2]))
            env["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = ERLANG
            self.running[name] = self._run(name, list(account.prefix()) + [str(server)], home, env)
        self._wait(names, lambda name: rabbitmq.is_well(self.api(name), self.numbers[name][0], self.password))

    def kill(self, name):
        """As a crash does: the launcher and the server, which share a session."""
        child = self.running.pop(name)
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()

    def api(self, name):
        return "http://%s:%d" % (ports.HOST, self.numbers[name][1])

    def told(self):
        """What a client needs to know, node by node."""
        credentials = "%s:%s@%s" % (USER, self.password, ports.HOST)
        return {
            "nodes": [_node(name) for name in NODES],
            "amqp": ["amqp://%s:%d/%%2f" % (credentials, self.numbers[name][0]) for name in NODES],
            "api": ["http://%s:%d" % (credentials, self.numbers[name][1]) for name in NODES],
        }

    def _run(self, name, command, home, env):
        with open(self.folder / (name + ".log"), "ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=str(home),
                start_new_session=True,
            )

    def _wait(self, names, is_up):
        end = time.monotonic() + START_SECONDS
        waiting = list(names)
        while True:
            waiting = [name for name in waiting if not is_up(name)]
            if not waiting:
                return
            for name in waiting:
                if self.running[name].poll() is not None or time.monotonic() > end:
                    log = (self.folder / (name + ".log")).read_text(errors="replace")
                    raise StackError("%s is not up.\n%s" % (name, "\n".join(log.splitlines()[-25:])))
            time.sleep(0.2)


def run(folder, numbers):
    """Starts all, prints one line of JSON when they are one cluster, and obeys until the input ends."""
    folder = pathlib.Path(folder).resolve()
    with paths.locked():
        paths.make_folders()
        rabbitmq.obtain()
    cluster = _Cluster(folder, numbers)
    # A test runner that gives up says SIGTERM.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        cluster.prepare()
        cluster.start_epmd()
        cluster.start(NODES[:1])
        cluster.start(NODES[1:])
        print(json.dumps(cluster.told()), flush=True)
        for line in sys.stdin:
            words = line.split()
            if len(words) != 2 or words[1] not in NODES:
                raise StackError("`%s` is no command: say `kill` or `start`, and a node" % line.strip())
            action, name = words
            if action == "kill" and name in cluster.running:
                cluster.kill(name)
                print("killed " + name, flush=True)
            elif action == "start" and name not in cluster.running:
                cluster.start([name])
                print("started " + name, flush=True)
            else:
                raise StackError("`%s` cannot be done now" % line.strip())
    finally:
        for name in list(cluster.running):
            cluster.kill(name)


def _node(name):
    return "tusou-%s@localhost" % name
