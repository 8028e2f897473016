"""Two Elasticsearch nodes of one cluster with TLS and a password, for the tests that ask for them.

The distribution that the stack unpacked runs a second and a third time, from a folder of the test's own. Whoever
runs this command holds its standard input: lines say which node to kill, and its end ends both.
"""

import base64
import json
import secrets
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

from . import account, elasticsearch, paths, ports
from .children import CERTIFICATES, Children, with_certificates
from .say import StackError

NODES = ("a", "b")
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
    folder = with_certificates(folder)
    with paths.locked():
        paths.make_folders()
        elasticsearch.obtain()
    password = secrets.token_hex(12)
    with Children(folder, START_SECONDS) as children:
        _prepare(folder, node_ports, password)
        for name in NODES:
            _start(children, name, folder / name)
        urls = ["https://%s:%d" % (ports.HOST, http) for http, _ in node_ports]
        ask = _asking(folder, urls[0], password)
        children.wait(NODES, lambda _: ask() == len(NODES))
        ready = {"urls": urls, "username": "elastic", "password": password}
        print(json.dumps(ready), flush=True)
        for line in sys.stdin:
            name = line.strip()
            if name not in children:
                raise StackError("there is no node `%s`" % name)
            children.kill(name)
            print("killed " + name, flush=True)


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


def _start(children, name, home):
    command = list(account.prefix()) + [elasticsearch.HOME / "bin" / "elasticsearch"]
    children.start(name, command, home, _environment(home))


def _asking(folder, url, password):
    """Asks how many nodes are one cluster; 0 while nobody says."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    credentials = base64.b64encode(("elastic:" + password).encode()).decode()
    request = urllib.request.Request(
        url + "/_cluster/health", headers={"Authorization": "Basic " + credentials}
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )

    def ask():
        try:
            with opener.open(request, timeout=5) as answer:
                return json.load(answer)["number_of_nodes"]
        except (OSError, urllib.error.URLError, ValueError, KeyError):
            return 0

    return ask
