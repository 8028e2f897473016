"""NASM, which assembles libjpeg-turbo's vector code when the binaries are built: the machine's own, else Debian's."""

import os
import shutil

from . import debs, paths, versions

NAME = "nasm"
FOLDER = paths.PROGRAMS / NAME / "usr" / "bin"


def obtain():
    """Finds NASM on the machine, or unpacks Debian's. The Makefile has its folder on the PATH."""
    if not shutil.which(NAME, path=search_path()):
        debs.one(NAME, versions.NASM_PACKAGE)


def search_path():
    """The PATH on which cargo's build scripts find it."""
    return os.pathsep.join([str(FOLDER), os.environ.get("PATH", os.defpath)])
