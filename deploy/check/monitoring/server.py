"""A real Prometheus for the time of the check, and its programs."""

import json
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "deploy" / "local"))

from tusou_stack import debs  # noqa: E402


class Failed(Exception):
    """The check cannot go on, and why."""


def programs():
    """prometheus and promtool: the machine's own, else Debian's package unpacked below `.stack`."""
    own = [shutil.which(name) for name in ("prometheus", "promtool")]
    if all(own):
        return own
    folder = debs.one("prometheus", "prometheus") / "usr" / "bin"
    return [str(folder / name) for name in ("prometheus", "promtool")]


@contextmanager
def running(program, config, folder):
    """Prometheus on a free port of loopback, as its base address, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "prometheus.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [
                program,
                "--config.file=%s" % config,
                "--storage.tsdb.path=%s" % (folder / "data"),
                "--web.listen-address=127.0.0.1:%d" % port,
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    base = "http://127.0.0.1:%d" % port
    try:
        _wait(base, process, log)
        yield base
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(base, process, log):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Failed("Prometheus ended at once:\n" + log.read_text()[-2000:])
        try:
            with urllib.request.urlopen(base + "/-/ready", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise Failed("Prometheus is not ready after 30 s:\n" + log.read_text()[-2000:])


def ask(base, path, **parameters):
    """The `data` of an answer; what Prometheus refuses is a `ValueError` with its words."""
    url = base + path + ("?" + urllib.parse.urlencode(parameters) if parameters else "")
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise ValueError(json.load(error).get("error", "answered %d" % error.code))
