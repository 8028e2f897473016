"""Chromium, which renders pages that need JavaScript: the machine's own, else Debian's package unpacked."""

import os
import pathlib
import shutil

from . import debs, paths, versions
from .download import remove, run
from .say import StackError, say

NAME = "chromium"
ROOT = paths.PROGRAMS / NAME
WRAPPER = ROOT / "tusou-chromium"
DRIVER = "usr/bin/chromedriver"  # below a root

# Nothing of the machine's own folders is needed: a bare one has neither fonts nor fontconfig.
FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{root}/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{root}/fonts-cache</cachedir>
</fontconfig>
"""

# Of what its packages depend on: drivers of graphics cards, and texts and icons for desktops. A third of all.
NOT_NEEDED = (
    "usr/lib/*-linux-gnu*/dri",
    "usr/lib/*-linux-gnu*/libLLVM*",
    "usr/lib/*-linux-gnu*/libz3.so*",
    "usr/lib/chromium/libVkLayer*",
    "usr/share/doc",
    "usr/share/icons",
    "usr/share/locale",
    "usr/share/man",
)

SCRIPT = """\
#!/bin/sh
# Written by the local stack: Debian's Chromium where it is unpacked, with the libraries beside it.
export LD_LIBRARY_PATH={libraries}
export FONTCONFIG_FILE="${{TUSOU_FONTS:-{root}/fonts.conf}}"
export CHROME_DEVEL_SANDBOX=
exec {root}/usr/lib/chromium/chromium "$@"
"""


def obtain():
    """Finds Chromium on the machine, or gets it; without apt there is none, and nothing is rendered."""
    if _installed():
        return
    # One that an older checkout got has no driver.
    if not WRAPPER.exists() or not (ROOT / DRIVER).exists():
        if not shutil.which("apt-get"):
            say("there is no Chromium: pages that need JavaScript are not rendered (install it to have them)")
            return
        remove(ROOT)
        debs.unpacked(NAME, versions.CHROMIUM_PACKAGES)
        usable(ROOT)
    _try(WRAPPER)


def usable(root):
    """Makes what was unpacked at `root` a program that finds what lies beside it; returns that program."""
    _slim(root)
    return _write_wrapper(root)


def program():
    """Its path, whether it was obtained already or not; empty where it cannot be had."""
    installed = _installed()
    if installed:
        return installed
    return str(WRAPPER) if WRAPPER.exists() or shutil.which("apt-get") else ""


def _installed():
    if debs.IGNORE_INSTALLED:
        return ""
    return shutil.which("chromium") or shutil.which("google-chrome-stable") or ""


def _slim(root):
    for path in [path for pattern in NOT_NEEDED for path in root.glob(pattern)]:
        if path.is_dir():
            remove(path)
        else:
            path.unlink()


def _write_wrapper(root):
    (root / "fonts.conf").write_text(FONTS.format(root=root))
    private = [str(folder) for folder in sorted(root.glob("usr/lib/*-linux-gnu*/pulseaudio"))]
    libraries = ":".join([debs.library_path(root)] + private)
    wrapper = root / WRAPPER.name
    part = wrapper.with_name(wrapper.name + ".part")
    part.write_text(SCRIPT.format(root=root, libraries=libraries))
    part.chmod(0o755)
    part.rename(wrapper)
    return wrapper


def _try(program):
    """A library that is missing shows here, not with the first page."""
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(paths.STACK)}
    said = run([pathlib.Path(program), "--version"], "trying Chromium", env=environment)
    if "Chromium" not in said:
        raise StackError("%s says %r for its version: remove %s, and try again" % (program, said.strip(), ROOT))
