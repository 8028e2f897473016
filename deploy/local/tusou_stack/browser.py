"""What tests of the pages need beside Chromium: its driver, a font with Chinese letters, and axe-core. Nothing of it is shipped."""

import os
import pathlib
import re
import shutil

from . import chromium, debs, paths, versions
from .download import python, remove, run, sha256, unzip, wheel, whole
from .say import StackError, say

DRIVER_NAME = "chromedriver"
WRAPPER_NAME = "tusou-chromedriver"
# Where the machine has Chromium and not its driver.
ROOT = paths.PROGRAMS / DRIVER_NAME
FONT = paths.PROGRAMS / versions.FONT_PACKAGE
FONTS = FONT / "fonts.conf"
AXE = paths.PROGRAMS / "axe" / "axe.min.js"

# The machine's own fonts stand behind: a page is to look the same everywhere, and yet show every script that can be shown.
FONTCONFIG = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{root}/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{root}/cache</cachedir>
  <match target="pattern">
    <test name="family" compare="eq"><string>monospace</string></test>
    <edit name="family" mode="prepend" binding="strong"><string>WenQuanYi Micro Hei Mono</string></edit>
  </match>
  <match target="pattern">
    <edit name="family" mode="append_last"><string>WenQuanYi Micro Hei</string></edit>
  </match>
</fontconfig>
"""


WRAPPER = """\
#!/bin/sh
# Written by the local stack: Debian's driver where it is unpacked, with the libraries that this machine lacks.
export LD_LIBRARY_PATH={libraries}
exec {program} "$@"
"""


def obtain():
    """Gets what is not there; where there is no Chromium and no apt, the tests of the pages say so and fail."""
    _obtain_axe()
    if not chromium.program():
        return
    chromium.obtain()
    if shutil.which("apt-get"):
        _obtain_font()
        _obtain_driver()


def variables():
    """What the tests are told, whether it was obtained already or not."""
    return {
        "TUSOU_CHROMEDRIVER": str(_driver()),
        "TUSOU_BROWSER": str(_browser()),
        "TUSOU_FONTS": str(FONTS),
        "TUSOU_AXE": str(AXE),
    }


def _driver():
    if _unpacked():
        return chromium.ROOT / WRAPPER_NAME
    own = ROOT / WRAPPER_NAME
    return own if own.exists() else _installed() or own


def _browser():
    """The Chromium of the driver's version: the machine's, unless the driver came with its own."""
    own = ROOT / chromium.WRAPPER.name
    return own if own.exists() and not _unpacked() else chromium.program()


def _unpacked():
    return chromium.program() == str(chromium.WRAPPER)


def _installed():
    return "" if debs.IGNORE_INSTALLED else shutil.which(DRIVER_NAME) or ""


def _obtain_driver():
    if _unpacked():
        _write_wrapper(chromium.ROOT)
    if _fits():
        return
    if _unpacked():
        raise StackError(
            "%s and the driver beside it do not fit: remove %s, and try again" % (_browser(), chromium.ROOT)
        )
    # The machine's packages may have been replaced by newer ones since.
    remove(ROOT)
    debs.unpacked(DRIVER_NAME, [versions.DRIVER_PACKAGE])
    if (ROOT / "usr/lib/chromium/chromium").exists():
        chromium.usable(ROOT)  # the machine's is older than any driver that can be had: a pair came
    _write_wrapper(ROOT)
    if not _fits():
        raise StackError(
            "%s is no driver for %s: update Chromium, or install the driver of its version (chromium-driver)"
            % (_driver(), _browser())
        )


def _fits():
    """Whether both are there and of one major version, which is what the driver asks for."""
    driver, browser = (pathlib.Path(path) for path in (_driver(), _browser()))
    return driver.exists() and browser.exists() and _major(driver) == _major(browser)


def _major(program):
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(paths.STACK)}
    said = run([program, "--version"], "asking %s for its version" % program, env=environment)
    found = re.search(r"(?:Chromium|Chrome|ChromeDriver) (\d+)\.", said)
    return int(found.group(1)) if found else None


def _write_wrapper(root):
    wrapper = root / WRAPPER_NAME
    part = wrapper.with_name(wrapper.name + ".part")
    part.write_text(WRAPPER.format(libraries=debs.library_path(root), program=root / chromium.DRIVER))
    part.chmod(0o755)
    part.rename(wrapper)


def _obtain_font():
    if FONTS.exists():
        return
    remove(FONT)
    debs.one(versions.FONT_PACKAGE, versions.FONT_PACKAGE)
    FONTS.write_text(FONTCONFIG.format(root=FONT))


def _obtain_axe():
    if AXE.exists():
        return
    python()
    with whole(AXE.parent) as part:
        archive = wheel(versions.AXE_WHEEL, part)
        unzip(archive, part, lambda name: name == versions.AXE_MEMBER)
        file = part / versions.AXE_MEMBER
        if not file.exists() or sha256(file) != versions.AXE_SHA256:
            raise StackError(
                "%s does not hold the axe-core that was pinned (SHA-256 %s)"
                % (versions.AXE_WHEEL, versions.AXE_SHA256)
            )
        file.rename(part / AXE.name)
        remove(part / pathlib.PurePath(versions.AXE_MEMBER).parts[0])
        archive.unlink()
    say("axe-core is in %s (MPL-2.0; only tests run it)" % AXE)
