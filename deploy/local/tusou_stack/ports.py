"""The stack's ports, and who holds one that should be free.

All ports are on 127.0.0.1. `TUSOU_STACK_PORTS=auto` lets the first `up` of a checkout move all of
them by one offset, so that two checkouts can run side by side; the choice is kept in `.stack`.
"""

import json
import os
import pathlib
import socket

from . import paths, processes
from .say import StackError, say

HOST = "127.0.0.1"
BASE = {
    "postgres": 54329,
    "rabbitmq": 56729,
    "rabbitmq-management": 15679,
    "rabbitmq-prometheus": 15699,
    "rabbitmq-distribution": 25679,
    "epmd": 43699,
    "elasticsearch": 19209,
    "elasticsearch-transport": 19309,
    "crawler": 9181,
    "encoder": 9182,
    "indexer": 9183,
    "operator": 9184,
    "search": 8088,
    "demo-handbook": 8801,
    "demo-gallery": 8802,
}
STEP = 10
TRIES = 60


def port(name):
    """The port that the part `name` listens on in this checkout."""
    return BASE[name] + _offset()


def is_open(number, timeout=0.5):
    """Whether something accepts a connection on that port."""
    try:
        with socket.create_connection((HOST, number), timeout):
            return True
    except OSError:
        return False


def owner(number):
    """Names the process that listens on a port: `pid 12 (command)`; None when nobody listens."""
    inodes = _listening_inodes(number)
    if not inodes:
        return None
    wanted = {"socket:[%s]" % inode for inode in inodes}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        if wanted.intersection(_links(folder / "fd")):
            return "pid %s (%s)" % (folder.name, command_of(int(folder.name)))
    return "a process of another account"


def _links(folder):
    """What a process's open files are; none for one that is gone or another account's."""
    try:
        files = os.listdir(folder)
    except OSError:
        return set()
    found = set()
    for file in files:
        try:
            found.add(os.readlink(folder / file))
        except OSError:
            pass  # closed meanwhile
    return found


def command_of(pid):
    """A process's command line, cut to a readable length."""
    try:
        words = pathlib.Path("/proc/%d/cmdline" % pid).read_bytes().split(b"\0")
    except OSError:
        return "gone"
    line = b" ".join(words).decode("utf-8", "replace").strip()
    return line if len(line) <= 160 else line[:157] + "..."


def must_be_free(name):
    """Stops with the owner's name when somebody else listens on the port of `name`."""
    number = port(name)
    holder = owner(number)
    if holder:
        raise StackError(
            "port %d, which %s needs, is taken by %s: stop that process, or use other ports by "
            "`make down`, `rm -f %s` and `TUSOU_STACK_PORTS=auto make up`"
            % (number, name, holder, paths.PORTS)
        )


def _offset():
    try:
        return json.loads(paths.PORTS.read_text())["offset"]
    except FileNotFoundError:
        return _choose()
    except (ValueError, KeyError):
        raise StackError("%s is damaged: delete it and run again" % paths.PORTS)


def _choose():
    if os.environ.get("TUSOU_STACK_PORTS") != "auto":
        return 0
    # Whoever started without asking for a choice has the first ports, and holds them itself.
    if any(processes.running(name) for name in processes.names()):
        return 0
    for offset in range(0, STEP * TRIES, STEP):
        if all(_bindable(number + offset) for number in BASE.values()):
            paths.STACK.mkdir(exist_ok=True)
            paths.PORTS.write_text(json.dumps({"offset": offset}) + "\n")
            if offset:
                say("ports are moved by %d, because others are taken" % offset)
            return offset
    raise StackError("no free set of ports was found in %d tries" % TRIES)


def _bindable(number):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
            return True
        except OSError:
            return False


def _listening_inodes(number):
    """The socket inodes that listen on a port, from the kernel's tables (state 0A is LISTEN)."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = pathlib.Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == number:
                found.add(fields[9])
    return found
