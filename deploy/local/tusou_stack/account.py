"""The account that the servers run as.

Postgres and Elasticsearch refuse to run as root. An ordinary user runs all servers as himself; root
runs them as `nobody`, by util-linux's `setpriv`.
"""

import os
import pathlib
import pwd
import shutil
import subprocess
from functools import lru_cache

from . import paths
from .say import StackError

NAME = "nobody"


def is_root():
    """Whether this program runs as root, and so has rights to drop."""
    return os.geteuid() == 0


def own(path):
    """Gives a file or folder, and all that lies in it, to the servers' account."""
    if not is_root():
        return
    entry = pwd.getpwnam(NAME)
    for folder, _, files in os.walk(path):
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        for name in files:
            os.chown(os.path.join(folder, name), entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    if pathlib.Path(path).is_file():
        os.chown(path, entry.pw_uid, entry.pw_gid)


@lru_cache(maxsize=None)
def prefix():
    """The words to put before a server's command so that it runs without root's rights."""
    if not is_root():
        return ()
    if not shutil.which("setpriv"):
        raise StackError("`setpriv` is missing: install util-linux, or run as an ordinary user")
    entry = pwd.getpwnam(NAME)
    plain = (
        "setpriv",
        "--reuid=%d" % entry.pw_uid,
        "--regid=%d" % entry.pw_gid,
        "--clear-groups",
    )
    if _can_read(plain):
        return plain
    # A checkout below a folder that only root may enter (/root, a private temporary folder): the
    # servers keep the one right of walking through such folders, and still are not root.
    # (Without `no_setuid_fixup`, access(2) would still say no.)
    through = plain + (
        "--securebits=+no_setuid_fixup",
        "--inh-caps=+dac_read_search",
        "--ambient-caps=+dac_read_search",
    )
    if _can_read(through):
        return through
    raise StackError(
        "as root the servers run as `%s`, which cannot enter %s: move the checkout below a folder "
        "that everybody may enter, or `chmod o+x` that one, or run as an ordinary user"
        % (NAME, _closed_folder(plain))
    )


def _can_read(words):
    probe = paths.STACK / "run"
    return (
        subprocess.run(
            list(words) + ["test", "-r", str(probe)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ).returncode
        == 0
    )


def _closed_folder(words):
    for folder in list(reversed(paths.STACK.parents)) + [paths.STACK]:
        if subprocess.run(list(words) + ["test", "-x", str(folder)]).returncode != 0:
            return str(folder)
    return str(paths.STACK)
