"""Where everything lies. All of it is below `.stack` in the checkout, which git ignores."""

import fcntl
import pathlib
from contextlib import contextmanager

from .say import say

ROOT = pathlib.Path(__file__).resolve().parents[3]
STACK = ROOT / ".stack"

PROGRAMS = STACK / "programs"  # what was downloaded and unpacked
DATA = STACK / "data"  # what the servers keep
LOG = STACK / "log"
RUN = STACK / "run"  # pid files
BLOBS = STACK / "blobs"
MODELS = STACK / "models"
RUNTIME = STACK / "onnxruntime" / "libonnxruntime.so"
VENV = STACK / "venv"
CONFIG = STACK / "tusou.toml"
ENV = STACK / "env"
SECRETS = STACK / "secrets.json"
PORTS = STACK / "ports.json"

BINARIES = ROOT / "target" / "release"


def make_folders():
    """Makes the folders that every part needs, readable for the account that the servers run as."""
    for folder in (STACK, PROGRAMS, DATA, LOG, RUN, BLOBS, MODELS):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)


@contextmanager
def locked():
    """Holds the stack's lock, so that two `up` at once do the work once."""
    STACK.mkdir(exist_ok=True)
    with open(STACK / "lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another `stack` is at work in this checkout; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
