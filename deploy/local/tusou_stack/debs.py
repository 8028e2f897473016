"""Debian packages unpacked below `.stack`: nothing is installed, so no system service ever starts."""

import os
import pathlib
import re
import shutil
import threading

from . import paths
from .download import remove, run, whole
from .say import StackError, say

# For tests of this very program: act as if the machine had none of the stores' packages.
IGNORE_INSTALLED = os.environ.get("TUSOU_STACK_IGNORE_INSTALLED") == "1"
_IGNORED = re.compile(r"^(postgresql|rabbitmq|erlang|socat|chromium)")

# The C library and its loader must stay a pair: never take one of them from a package.
_NEVER = re.compile(r"^(libc6|libc-bin|libc6-dev|locales)$")

_apt_lock = threading.Lock()
_lists_are_new = []  # holds one True once this run has got newer lists


def unpacked(name, packages):
    """Returns a folder that holds the packages' files and those of what they need and the machine lacks."""
    target = paths.PROGRAMS / name
    if target.exists():
        return target
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise StackError(
                "%s is not installed, and this machine has no `%s` to get it from Debian: install %s yourself"
                % (name, tool, ", ".join(packages))
            )
    say("getting Debian's %s" % ", ".join(packages))
    with whole(target) as part:
        with _apt_lock:
            files = _download(packages, part / "packages")
        for file in files:
            run(["dpkg-deb", "-x", file, part], "unpacking " + file.name)
        remove(part / "packages")
    return target


def one(name, package):
    """Like `unpacked`, for a package of data: that package alone, without what it depends on."""
    target = paths.PROGRAMS / name
    if target.exists():
        return target
    say("getting Debian's %s" % package)
    with whole(target) as part:
        with _apt_lock:
            files = _with_fresh_lists(lambda options: _fetch([package], part / "packages", options))
        for file in files:
            run(["dpkg-deb", "-x", file, part], "unpacking " + file.name)
        remove(part / "packages")
    return target


def library_path(root):
    """The folders of shared libraries in an unpacked tree, for LD_LIBRARY_PATH."""
    found = [
        folder for pattern in ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*") for folder in root.glob(pattern)
    ]
    return ":".join(str(folder) for folder in sorted(found))


def _download(packages, folder):
    return _with_fresh_lists(lambda options: _fetch(_needed(packages, options), folder, options))


def _with_fresh_lists(action):
    """Tries with the system's package lists, then with newer ones that are kept below `.stack`."""
    try:
        return action(_state())
    except StackError:
        lists = paths.STACK / "apt"
        for folder in (lists / "lists" / "partial", lists / "cache" / "archives" / "partial"):
            folder.mkdir(parents=True, exist_ok=True)
        own = ["-o", "Dir::State::lists=%s" % (lists / "lists"), "-o", "Dir::Cache=%s" % (lists / "cache")]
        if not _lists_are_new:
            say("the system's package lists are missing or old; getting newer ones below .stack")
            run(["apt-get", "-q", "update"] + _common() + own, "apt-get update")
            _lists_are_new.append(True)
        return action(_state() + own)


def _needed(packages, options):
    """The packages, as name=version, that apt would install for `packages` on this machine."""
    plan = run(
        ["apt-get", "--simulate", "--no-install-recommends", "install"] + _common() + options + packages,
        "resolving " + ", ".join(packages),
    )
    found = re.findall(r"^Inst (\S+) (?:\[[^]]*\] )?\((\S+)", plan, re.M)
    return ["%s=%s" % (name, version) for name, version in found if not _NEVER.match(name.split(":")[0])]


def _fetch(packages, folder, options):
    remove(folder)
    folder.mkdir(parents=True)
    run(["apt-get", "-q", "download"] + _common() + options + packages, "apt-get download", cwd=folder)
    files = sorted(folder.glob("*.deb"))
    if len(files) != len(packages):
        raise StackError(
            "apt-get download left %d of %d packages in %s" % (len(files), len(packages), folder)
        )
    return files


def _common():
    # Root's downloads need no account of their own: the hashes of the signed lists are verified anyway.
    return ["-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1"]


def _state():
    if not IGNORE_INSTALLED:
        return []
    stanzas = pathlib.Path("/var/lib/dpkg/status").read_text().split("\n\n")
    kept = [one for one in stanzas if not _IGNORED.match(one.replace("Package: ", "", 1))]
    filtered = paths.STACK / "dpkg-status"
    filtered.write_text("\n\n".join(kept))
    return ["-o", "Dir::State::status=%s" % filtered]
