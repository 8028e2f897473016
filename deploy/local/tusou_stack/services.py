"""Tusou's own services: built, the schema brought up to date, started, waited for."""

import hashlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

from . import nasm, paths, ports, processes
from .download import run
from .say import StackError, say
from .settings import SERVICES

STOP_SECONDS = 35  # the services promise to drain within 30


def binary(name):
    """The program of a service. The operator's page is served by the command itself."""
    return paths.BINARIES / ("tusou" if name == "operator" else "tusou-" + name)


def build():
    """Builds every binary. Cargo's own output is shown: the first build takes minutes."""
    command = ["cargo", "build", "--release", "--workspace", "--bins", "--locked"]
    if not binary(SERVICES[0]).exists():
        say("building the binaries (about ten minutes on two cores the first time)")
    try:
        env = dict(os.environ, PATH=nasm.search_path())
        code = subprocess.run(command, cwd=paths.ROOT, env=env, stdout=sys.stderr).returncode
    except FileNotFoundError:
        raise StackError("`cargo` is not installed: get Rust (`rust-version` in Cargo.toml says which)")
    if code != 0:
        raise StackError("the build failed (exit %d)" % code)


def migrate():
    """Creates the schema or brings it up to date."""
    run([paths.BINARIES / "tusou", "--config", paths.CONFIG, "migrate"], "tusou migrate", env=_environment())


def start(name, settings):
    """Starts a service; one that runs an older binary or older settings is started anew."""
    mark = _mark(name, settings)
    if processes.already_runs(name):
        if processes.mark_of(name) == mark:
            return
        say("%s is out of date; starting it anew" % name)
        processes.stop(name, STOP_SECONDS)
    ports.must_be_free(name)
    say("starting %s on port %d" % (name, ports.port(name)))
    words = ["operate"] if name == "operator" else []
    command = [binary(name), "--config", paths.CONFIG] + words
    processes.start(name, command, env=_environment(), mark=mark)


def wait(name):
    """Waits until a service says that it is ready."""
    processes.wait_until(name, lambda: ready(name), 60, "become ready")


def ready(name):
    """Whether a service says that it is ready."""
    return health(name)[0]


def health(name):
    """Ready or not, and the service's own words about it."""
    try:
        with urllib.request.urlopen(
            "http://%s:%d/healthz" % (ports.HOST, ports.port(name)), timeout=3
        ) as answer:
            return answer.status == 200, ""
    except urllib.error.HTTPError as error:
        return False, error.read(500).decode("utf-8", "replace").strip()
    except OSError as error:
        return False, str(error)


def _mark(name, settings):
    program = binary(name)
    if not program.exists():
        raise StackError("%s is missing: run `make up`, which builds it" % program)
    status = program.stat()
    digest = hashlib.sha256(settings.encode()).hexdigest()[:16]
    return json.dumps([status.st_ino, status.st_mtime_ns, status.st_size, digest])


def _environment():
    # Only the configuration file speaks to the services, whatever the shell of `make up` exports.
    return {key: value for key, value in os.environ.items() if not key.startswith("TUSOU_")}
