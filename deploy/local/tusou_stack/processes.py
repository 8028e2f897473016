"""Starts background programs, knows them again by their pid files, and stops them.

A pid file holds the pid together with the start time that the kernel gives, so that a pid which
now belongs to another program is never taken for ours, let alone stopped.
"""

import json
import os
import pathlib
import signal
import subprocess
import threading
import time

from . import paths
from .say import StackError, say

LOG_TAIL = 25
_children = {}
_children_lock = threading.Lock()


def log_of(name):
    """The log file of a program."""
    return paths.LOG / (name + ".log")


def start(name, command, env=None, mark=""):
    """Starts a program in a session of its own, writing to its log; `mark` is kept in its pid file."""
    log = log_of(name)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    with open(log, "ab") as output:
        child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=str(paths.STACK),
            start_new_session=True,
            umask=0o022,
        )
    with _children_lock:
        _children[child.pid] = child
    record = {"pid": child.pid, "started": _start_time(child.pid), "mark": mark}
    temporary = _pid_file(name).with_suffix(".part")
    temporary.write_text(json.dumps(record) + "\n")
    temporary.replace(_pid_file(name))
    return child.pid


def running(name):
    """The pid of a program that we started and that still runs, else None."""
    record = _record(name)
    if record is None or record["started"] is None:
        return None
    return record["pid"] if _start_time(record["pid"]) == record["started"] else None


def already_runs(name):
    """Whether a program runs; if it crashed, what it left behind is cleared away first."""
    if running(name):
        return True
    record = _record(name)
    if record is not None:
        _end_leftovers(name, record["pid"])
    _pid_file(name).unlink(missing_ok=True)
    return False


def mark_of(name):
    """What `start` was given as `mark`."""
    record = _record(name)
    return record["mark"] if record else None


def names():
    """Every program that has a pid file."""
    return sorted(file.stem for file in paths.RUN.glob("*.json"))


def stop(name, grace):
    """SIGTERM, then after `grace` seconds SIGKILL to the whole session. True when it was running."""
    if not already_runs(name):
        return False
    pid = running(name)
    _signal(pid, signal.SIGTERM, whole_session=False)
    if not _gone(name, grace):
        say("%s did not stop within %d s; it is killed" % (name, grace))
        _signal(pid, signal.SIGKILL, whole_session=True)
        _gone(name, 10)
    _pid_file(name).unlink(missing_ok=True)
    return True


def wait_until(name, ready, seconds, what):
    """Waits until `ready()` is true. Stops with the end of the log if the program dies or time is up."""
    end = time.monotonic() + seconds
    while True:
        if ready():
            return
        if running(name) is None:
            raise StackError("%s stopped while starting.%s" % (name, tail(name)))
        if time.monotonic() > end:
            raise StackError("%s did not %s within %d s.%s" % (name, what, seconds, tail(name)))
        time.sleep(0.1)


def tail(name, lines=LOG_TAIL):
    """The last lines of a program's log, with a heading, to be put behind an error."""
    log = log_of(name)
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.path.getsize(log) - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return " It wrote no log."
    return "\nLast lines of %s:\n%s" % (log, "\n".join(text.splitlines()[-lines:]))


def _pid_file(name):
    return paths.RUN / (name + ".json")


def _record(name):
    try:
        record = json.loads(_pid_file(name).read_text())
        return record if isinstance(record["pid"], int) and "started" in record else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _start_time(pid):
    """Clock ticks from boot to the process's start, and None once it is dead or a zombie."""
    with _children_lock:
        child = _children.get(pid)
        if child is not None:
            child.poll()  # lets the kernel forget a child of ours that has died
    try:
        text = pathlib.Path("/proc/%d/stat" % pid).read_text()
    except OSError:
        return None
    # The second field, the name, may hold spaces and brackets, so count from its closing one.
    fields = text.rsplit(")", 1)[1].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _end_leftovers(name, session):
    """Kills what outlived the leader of its session (a Java server whose launcher was killed)."""
    # The kernel gives no new process a number that is still a session's, and ours work below `.stack`.
    killed = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        try:
            place = pathlib.Path(os.readlink(folder / "cwd"))
            in_session = os.getsid(pid) == session
        except OSError:
            continue  # gone meanwhile, or another account's
        if in_session and paths.STACK in [place] + list(place.parents):
            say("%s left pid %d behind; it is killed" % (name, pid))
            _signal(pid, signal.SIGKILL, whole_session=False)
            killed.append(pid)
    end = time.monotonic() + 10
    while any(_start_time(pid) for pid in killed) and time.monotonic() < end:
        time.sleep(0.05)  # until their ports are free again


def _signal(pid, number, whole_session):
    try:
        if whole_session:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass


def _gone(name, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if running(name) is None:
            return True
        time.sleep(0.05)
    return running(name) is None
