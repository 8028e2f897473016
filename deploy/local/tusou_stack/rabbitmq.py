"""RabbitMQ: a node of our own, with its own cookie, data and epmd, all on loopback."""

import base64
import os
import pathlib
import shutil
import urllib.error
import urllib.request

from . import account, debs, paths, ports, processes, versions
from .download import remove
from .say import StackError, say
from .secrets_file import USER, password

NAME = "rabbitmq"
EPMD = "epmd"
NODE = "tusou@localhost"
HOME = paths.DATA / "rabbitmq"

# Of every node of ours, those of a cluster for tests included.
COMMON = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
default_user = {user}
default_pass = {password}
default_user_tags.administrator = true
collect_statistics_interval = 1000
log.file = false
log.console = true
log.console.level = info
"""

CONFIG = (
    COMMON
    + """\
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = {prometheus}
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 256MB
"""
)

# The port for other nodes, which this node has none of, is on loopback too. Queue depths are a second old
# at most (5 by default), for those who wait until a queue is empty.
ADVANCED = """\
[{kernel, [{inet_dist_use_interface, {127,0,0,1}}]},
 {rabbit, [{quorum_tick_interval, 1000}]}].
"""


# What a node of a test is started with: one core is enough, and it does not spin while it waits.
SMALL = "-start_epmd false +S 1:1 +SDio 2 +sbwt none +sbwtdcpu none +sbwtdio none"


def obtain():
    """Finds RabbitMQ and Erlang on the machine, or gets them."""
    programs()


def start():
    """Starts the node unless it runs."""
    if processes.already_runs(NAME):
        return
    for part in (NAME, "rabbitmq-management", "rabbitmq-prometheus", "rabbitmq-distribution"):
        ports.must_be_free(part)
    server, erlang, env = programs()
    _write_config()
    _start_epmd(erlang, env)
    say("starting RabbitMQ on port %d" % ports.port(NAME))
    env.update(environment(HOME, NODE, ports.port("rabbitmq-distribution")))
    processes.start(NAME, list(account.prefix()) + [server], env=env)


def wait():
    """Waits until the node's management API answers."""
    processes.wait_until(NAME, ready, 120, "answer")


def ready():
    """Whether AMQP is open and the management API says that the node is well."""
    return is_well(api_base(), ports.port(NAME), password("amqp"))


def is_well(api, amqp, secret, trusting=None):
    """The same of any node of ours, by the address of its API, its AMQP port and the user's password; with TLS by a context."""
    if not ports.is_open(amqp):
        return False
    request = urllib.request.Request("%s/api/health/checks/port-listener/%d" % (api, amqp))
    token = base64.b64encode(("%s:%s" % (USER, secret)).encode()).decode()
    request.add_header("Authorization", "Basic " + token)
    try:
        with urllib.request.urlopen(request, timeout=5, context=trusting) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def url():
    """The address of the default virtual host."""
    return "amqp://%s:%s@%s:%d/%%2f" % (USER, password("amqp"), ports.HOST, ports.port(NAME))


def api_base(credentials=""):
    """The address of the management API."""
    return "http://%s%s:%d" % (credentials, ports.HOST, ports.port("rabbitmq-management"))


def api_url():
    """The address of the management API, with user and password."""
    return api_base("%s:%s@" % (USER, password("amqp")))


def _start_epmd(erlang, env):
    if processes.already_runs(EPMD):
        return
    ports.must_be_free(EPMD)
    processes.start(EPMD, epmd(erlang, ports.port(EPMD)), env=env)
    processes.wait_until(EPMD, lambda: ports.is_open(ports.port(EPMD)), 20, "listen")


def epmd(erlang, port):
    """The command that runs Erlang's list of nodes, on loopback."""
    found = sorted(pathlib.Path(erlang).glob("erts-*/bin/epmd")) + sorted(
        pathlib.Path(erlang).glob("bin/epmd")
    )
    if not found:
        raise StackError("Erlang in %s has no epmd" % erlang)
    return list(account.prefix()) + [str(found[0]), "-port", str(port), "-address", "127.0.0.1"]


def environment(home, node, distribution):
    """What tells a node its name, its folder and its port for other nodes."""
    # An absolute path for each: nothing of the system's own node is read or written.
    return {
        "RABBITMQ_NODENAME": node,
        "RABBITMQ_CONF_ENV_FILE": str(home / "no-environment-file"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "generated"),
        "RABBITMQ_PID_FILE": str(home / "node.pid"),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false",
    }


def _write_config():
    config = CONFIG.format(
        amqp=ports.port(NAME),
        management=ports.port("rabbitmq-management"),
        prometheus=ports.port("rabbitmq-prometheus"),
        user=USER,
        password=password("amqp"),
    )
    remove(HOME / "generated")
    write_home(HOME, config, password("erlang_cookie"), "rabbitmq_management,rabbitmq_prometheus")


def write_home(home, config, cookie, plugins="rabbitmq_management"):
    """Writes what a node of ours reads at its start, and gives its folder to the servers' account."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "rabbitmq.conf").write_text(config)
    (home / "rabbitmq.conf").chmod(0o600)
    (home / "advanced.config").write_text(ADVANCED)
    (home / "enabled_plugins").write_text("[%s].\n" % plugins)
    (home / "no-environment-file").write_text("")
    _write_cookie(home, cookie)
    account.own(home)


def _write_cookie(home, secret):
    """Writes what nodes know each other by, unless it is there."""
    cookie = home / ".erlang.cookie"
    if not cookie.exists():
        cookie.touch(mode=0o600)
        cookie.write_text(secret)
        cookie.chmod(0o400)


def programs(home=HOME, epmd_port=None):
    """The server's script, Erlang's root folder, and the environment that both need."""
    found = _installed()
    if found:
        server, erlang, libraries = found
    else:
        root = debs.unpacked("rabbitmq", versions.RABBITMQ_PACKAGES)
        erlang = root / "usr" / "lib" / "erlang"
        _point_erlang_to(erlang)
        server = _server_in(root / "usr" / "lib" / "rabbitmq" / "lib")
        libraries = debs.library_path(root)
    env = {
        "PATH": "%s:%s" % (erlang / "bin", os.environ.get("PATH", "/usr/bin:/bin")),
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "ERL_EPMD_PORT": str(epmd_port or ports.port(EPMD)),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    if libraries:
        env["LD_LIBRARY_PATH"] = libraries
    return server, erlang, env


def _installed():
    if debs.IGNORE_INSTALLED:
        return None
    server = _server_in(pathlib.Path("/usr/lib/rabbitmq/lib"))
    erl = shutil.which("erl")
    if server is None or erl is None:
        return None
    return server, pathlib.Path(erl).resolve().parent.parent, ""


def _server_in(folder):
    found = sorted(folder.glob("rabbitmq_server-%s*/sbin/rabbitmq-server" % versions.RABBITMQ_SERIES))
    return found[-1] if found else None


def _point_erlang_to(erlang):
    """Debian's `erl` knows only /usr/lib/erlang; tell the unpacked one where it lies."""
    for script in [erlang / "bin" / "erl"] + list(erlang.glob("erts-*/bin/erl")):
        text = script.read_text()
        if "=/usr/lib/erlang" in text:
            script.write_text(text.replace("=/usr/lib/erlang", "=" + str(erlang)))
