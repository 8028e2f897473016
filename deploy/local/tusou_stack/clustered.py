"""Three RabbitMQ nodes of one cluster, for the tests that ask for them.

The distribution that the stack unpacked runs three times more, from a folder of the test's own. Whoever runs this
command holds its standard input: lines say which node to kill or to start again, and its end ends all.
"""

import json
import pathlib
import secrets
import sys

from . import account, paths, ports, rabbitmq
from .children import Children
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


class _Cluster:
    def __init__(self, folder, numbers, children):
        self.folder = folder
        self.epmd_port = numbers[-1]
        self.numbers = {name: numbers[3 * place : 3 * place + 3] for place, name in enumerate(NODES)}
        self.password = secrets.token_hex(12)
        self.children = children

    def prepare(self):
        cookie = secrets.token_hex(12)
        for name in NODES:
            amqp, management, _ = self.numbers[name]
            config = CONFIG.format(
                amqp=amqp, management=management, user=USER, password=self.password, first=_node(NODES[0])
            )
            rabbitmq.write_home(self.folder / name, config, cookie)
        # Whoever runs the servers must be able to walk there.
        self.folder.chmod(0o755)

    def start_epmd(self):
        _, erlang, env = rabbitmq.programs(self.folder, self.epmd_port)
        self.children.start("epmd", rabbitmq.epmd(erlang, self.epmd_port), self.folder, env)
        self.children.wait(["epmd"], lambda _: ports.is_open(self.epmd_port))

    def start(self, names):
        """Starts them at once, and waits until each is well."""
        for name in names:
            home = self.folder / name
            server, _, env = rabbitmq.programs(home, self.epmd_port)
            env.update(rabbitmq.environment(home, _node(name), self.numbers[name][2]))
            env["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = rabbitmq.SMALL
            self.children.start(name, list(account.prefix()) + [server], home, env)
        self.children.wait(names, lambda name: rabbitmq.is_well(self.api(name), self.numbers[name][0], self.password))

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


def run(folder, numbers):
    """Starts all, prints one line of JSON when they are one cluster, and obeys until the input ends."""
    folder = pathlib.Path(folder).resolve()
    with paths.locked():
        paths.make_folders()
        rabbitmq.obtain()
    with Children(folder, START_SECONDS) as children:
        cluster = _Cluster(folder, numbers, children)
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
            if action == "kill" and name in children:
                children.kill(name)
                print("killed " + name, flush=True)
            elif action == "start" and name not in children:
                cluster.start([name])
                print("started " + name, flush=True)
            else:
                raise StackError("`%s` cannot be done now" % line.strip())


def _node(name):
    return "tusou-%s@localhost" % name
