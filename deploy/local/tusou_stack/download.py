"""Gets things once: into a temporary folder first, renamed when whole, so a broken download is redone."""

import hashlib
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager

from . import paths
from .say import StackError, say

_venv_lock = threading.Lock()


@contextmanager
def whole(target):
    """Yields a fresh folder to fill; it becomes `target` only when the block ends without an error."""
    target = pathlib.Path(target)
    part = target.with_name(target.name + ".part")
    remove(part)
    part.mkdir(parents=True)
    part.chmod(0o755)
    yield part
    remove(target)
    part.rename(target)


def remove(path):
    """Deletes a folder if it is there."""
    if path.exists():
        shutil.rmtree(path)


def run(command, what, cwd=None, env=None, seconds=1800):
    """Runs a command to its end and returns what it printed; an error holds its last lines."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd or paths.STACK,
            env=env,
            timeout=seconds,
        )
    except FileNotFoundError:
        raise StackError("%s needs the program `%s`, which is not installed" % (what, words[0]))
    except subprocess.TimeoutExpired:
        raise StackError("%s took longer than %d s: %s" % (what, seconds, " ".join(words)))
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        end = "\n".join(output.splitlines()[-20:])
        raise StackError("%s failed (exit %d): %s\n%s" % (what, done.returncode, " ".join(words), end))
    return output


def sha256(path):
    """A file's SHA-256 in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def unzip(archive, folder, wanted=lambda name: True):
    """Unpacks a zip with its files' modes; each file's checksum is verified on the way."""
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            if not wanted(entry.filename):
                continue
            path = opened.extract(entry, folder)
            mode = entry.external_attr >> 16
            if mode and not entry.is_dir():
                os.chmod(path, stat.S_IMODE(mode) | 0o644)


def python():
    """The interpreter of the stack's own virtual environment, made on first use."""
    finished = paths.VENV / "finished"
    with _venv_lock:
        if not finished.exists():
            # Not through `whole`: a virtual environment's scripts hold its path, so it cannot be renamed.
            remove(paths.VENV)
            run(
                [sys.executable, "-m", "venv", paths.VENV],
                "making a virtual environment (on Debian: the package python3-venv)",
            )
            finished.touch()
    return paths.VENV / "bin" / "python"


def wheel(requirement, folder):
    """Downloads one wheel for this machine into `folder` and returns its path; pip verifies its hash."""
    say("getting %s from PyPI" % requirement)
    run(
        [
            python(),
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--dest",
            folder,
            requirement,
        ],
        "downloading " + requirement,
    )
    found = sorted(pathlib.Path(folder).glob("*.whl"))
    if len(found) != 1:
        raise StackError("downloading %s left %d wheels in %s" % (requirement, len(found), folder))
    return found[0]
