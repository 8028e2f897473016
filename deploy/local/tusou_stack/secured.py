"""Two Elasticsearch nodes of one cluster with TLS and a password, for the tests that ask for them.

The distribution that the stack unpacked runs a second and a third time, from a folder of the test's own. Whoever
runs this command holds its standard input: lines say which node to kill, and its end ends both.
"""

import base64
import json
import os
import pathlib
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

from . import account, elasticsearch, paths, ports
from .say import StackError

NODES = ("a", "b")
CERTIFICATES = ("ca.pem", "node.pem", "node.key")
START_SECONDS = 240

# Only `a` can lead, so that `b` can be killed: of two that could, the loss of one may end the vote.
SETTINGS = """\
cluster.name: tusou-secured
node.name: {name}
node.roles: [{roles}]
discovery.seed_hosts: ["127.0.0.1:{first_transport}"]
{bootstrap}
action.auto_create_index: false
network.host: 127.0.0.1
http.port: {http}
transport.port: {transport}
path.data: {folder}/data
path.logs: {folder}/logs
cluster.routing.allocation.disk.threshold_enabled: false
xpack.security.enabled: true
xpack.security.enrollment.enabled: false
"""

TLS = """\
xpack.security.{layer}.ssl.enabled: true
xpack.security.{layer}.ssl.key: node.key
xpack.security.{layer}.ssl.certificate: node.pem
xpack.security.{layer}.ssl.certificate_authorities: [ca.pem]
"""

# They live for a minute: the quick compiler alone has them up sooner.
JVM = "-Xms384m\n-Xmx384m\n-XX:-AlwaysPreTouch\n-XX:TieredStopAtLevel=1\n"


def run(folder, node_ports):
    """Starts both, prints one line of JSON when they are one cluster, and obeys until the input ends."""
    folder = pathlib.Path(folder).resolve()
    for name in CERTIFICATES:
        if not (folder / name).is_file():
            raise StackError("%s is not there: the test makes the certificates" % (folder / name))
    with paths.locked():
        paths.make_folders()
        elasticsearch.obtain()
    password = secrets.token_hex(12)
    running = {}
    # A test runner that gives up says SIGTERM.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        _prepare(folder, node_ports, password)
        for name in NODES:
            running[name] = _start(folder / name)
        urls = ["https://%s:%d" % (ports.HOST, http) for http, _ in node_ports]
        _wait(folder, urls[0], password, running)
        ready = {"urls": urls, "username": "elastic", "password": password}
        print(json.dumps(ready), flush=True)
        for line in sys.stdin:
            name = line.strip()
            if name not in running:
                raise StackError("there is no node `%s`" % name)
            _kill(running.pop(name))
            print("killed " + name, flush=True)
    finally:
        for child in running.values():
            _kill(child)


def _prepare(folder, node_ports, password):
    java = elasticsearch.java_home()
    keystore = None
    for name, (http, transport) in zip(NODES, node_ports):
        home = folder / name
        config = home / "config"
        for part in ("data", "logs", "tmp"):
            (home / part).mkdir(parents=True)
        shutil.copytree(
            elasticsearch.HOME / "config",
            config,
            ignore=shutil.ignore_patterns("elasticsearch.keystore", "elasticsearch.yml", "jvm.options.d"),
        )
        for file in CERTIFICATES:
            shutil.copy(folder / file, config)
        (config / "jvm.options.d").mkdir()
        (config / "jvm.options.d" / "local.options").write_text(JVM + elasticsearch.vector_option(java))
        first = name == NODES[0]
        (config / "elasticsearch.yml").write_text(
            SETTINGS.format(
                name=name,
                roles="master, data, ingest" if first else "data, ingest",
                first_transport=node_ports[0][1],
                bootstrap="cluster.initial_master_nodes: [%s]" % name if first else "",
                http=http,
                transport=transport,
                folder=home,
            )
            + "".join(TLS.format(layer=layer) for layer in ("http", "transport"))
        )
        if keystore is None:
            keystore = config / "elasticsearch.keystore"
            account.own(home)
            _add_password(home, password)
        else:
            shutil.copy(keystore, config)
            account.own(home)
    # Whoever runs the servers must be able to walk there.
    folder.chmod(0o755)


def _add_password(home, password):
    done = subprocess.run(
        list(account.prefix())
        + [str(elasticsearch.HOME / "bin" / "elasticsearch-keystore"), "add", "-x", "-f", "bootstrap.password"],
        input=password,
        env=_environment(home),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode != 0:
        raise StackError("the keystore takes no password: %s" % done.stdout)


def _environment(home):
    return dict(elasticsearch.environment(home), ES_PATH_CONF=str(home / "config"))


def _start(home):
    with open(home / "console.log", "ab") as output:
        return subprocess.Popen(
            list(account.prefix()) + [str(elasticsearch.HOME / "bin" / "elasticsearch")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(home),
            cwd=str(home),
            start_new_session=True,
        )


def _wait(folder, url, password, running):
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    credentials = base64.b64encode(("elastic:" + password).encode()).decode()
    request = urllib.request.Request(
        url + "/_cluster/health", headers={"Authorization": "Basic " + credentials}
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with opener.open(request, timeout=5) as answer:
                if json.load(answer)["number_of_nodes"] == len(NODES):
                    return
        except (OSError, urllib.error.URLError, ValueError, KeyError):
            pass
        for name, child in running.items():
            if child.poll() is not None or time.monotonic() > end:
                raise StackError("node %s is not up.\n%s" % (name, _tail(folder / name / "console.log")))
        time.sleep(0.2)


def _tail(log):
    return "\n".join(log.read_text(errors="replace").splitlines()[-25:])


def _kill(child):
    """Kills a node as a crash does: its launcher and its server, which share a session."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
