"""Servers of one test: started in sessions of their own, waited for, and killed as a crash does."""

import os
import pathlib
import signal
import subprocess
import sys
import time

from .say import StackError


# What a test makes for servers that speak TLS.
CERTIFICATES = ("ca.pem", "node.pem", "node.key")


def with_certificates(folder):
    """A test's folder, in which its certificates are."""
    folder = pathlib.Path(folder).resolve()
    for name in CERTIFICATES:
        if not (folder / name).is_file():
            raise StackError("%s is not there: the test makes the certificates" % (folder / name))
    return folder


class Children:
    """Named servers whose output goes to `NAME.log` in a folder. As a context, it kills all at its end."""

    def __init__(self, folder, seconds):
        self._folder = folder
        self._seconds = seconds
        self._running = {}

    def __enter__(self):
        # A test runner that gives up says SIGTERM.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_):
        for name in list(self._running):
            self.kill(name)

    def __contains__(self, name):
        return name in self._running

    def start(self, name, command, home, env):
        """Starts one."""
        with open(self._log(name), "ab") as output:
            self._running[name] = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=str(home),
                start_new_session=True,
            )

    def wait(self, names, is_up):
        """Waits until each of them is up; ends with the log of one that has ended, or takes too long."""
        end = time.monotonic() + self._seconds
        waiting = list(names)
        while True:
            waiting = [name for name in waiting if not is_up(name)]
            if not waiting:
                return
            for name in waiting:
                if self._running[name].poll() is not None or time.monotonic() > end:
                    lines = self._log(name).read_text(errors="replace").splitlines()
                    raise StackError("%s is not up.\n%s" % (name, "\n".join(lines[-25:])))
            time.sleep(0.2)

    def kill(self, name):
        """Kills a launcher and its server, which share a session."""
        child = self._running.pop(name)
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()

    def _log(self, name):
        return self._folder / (name + ".log")
