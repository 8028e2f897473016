"""The systemd units and their drop-ins."""

import pathlib
import re
import shutil
import tempfile

from . import text, tools

UNITS = text.DEPLOY / "systemd"

# The most of systemd's exposure that each may have, in tenths; none is above what it is now by more than one. What the
# crawler has more is Chromium's, and is told in its unit.
EXPOSURE = {"crawler": 24, "encoder": 15, "indexer": 13, "migrate": 13, "operate": 13, "search": 15}

# By unit, the drop-ins that can be put to it.
DROP_INS = {
    "crawler": ["bucket", "no-chromium", "public-addresses-only"],
    "encoder": ["bucket", "cuda", "stores-only"],
    "indexer": ["stores-only"],
    "operate": ["bucket", "stores-only"],
    "search": ["bucket"],
}


def complaints():
    """Everything that is wrong."""
    found = []
    units = {file.stem[len("tusou-") :]: file for file in UNITS.glob("*.service")}
    if set(units) != set(EXPOSURE):
        found.append("systemd: deploy/check/ship/units.py knows other units than deploy/systemd holds")
    used = {name for names in DROP_INS.values() for name in names}
    if used != {file.stem for file in (UNITS / "drop-ins").glob("*.conf")}:
        found.append("systemd: deploy/check/ship/units.py knows other drop-ins than deploy/systemd/drop-ins holds")
    with tempfile.TemporaryDirectory() as kept:
        for name, limit in sorted(EXPOSURE.items()):
            sets = [[]] + [[one] for one in DROP_INS.get(name, [])]
            for drop_ins in sets:
                found += _one(pathlib.Path(kept), units, name, drop_ins, limit)
    return found


def _one(folder, units, name, drop_ins, limit):
    """One unit with its drop-ins, beside all others, as they would be in /etc/systemd/system."""
    shutil.rmtree(folder / "units", ignore_errors=True)
    place = folder / "units"
    place.mkdir()
    for file in list(units.values()) + [UNITS / "tusou.target"]:
        # The programs are not installed where this is checked.
        content = re.sub(r"^ExecStart=/usr/bin/(tusou\S*)", "ExecStart=/bin/true \\1", file.read_text(encoding="utf-8"), flags=re.M)
        (place / file.name).write_text(content, encoding="utf-8")
    unit = place / units[name].name
    for drop_in in drop_ins:
        target = place / (unit.name + ".d") / (drop_in + ".conf")
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(UNITS / "drop-ins" / (drop_in + ".conf"), target)
    called = " with ".join(["systemd: " + unit.name] + drop_ins)
    env = {"SYSTEMD_UNIT_PATH": str(place) + ":", "PATH": "/usr/bin:/bin", "SYSTEMD_LOG_LEVEL": "warning"}
    found = []
    try:
        said = tools.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit], called, env=env)
        # What it does not know it ignores, and says so with exit code 0.
        found += ["%s: %s" % (called, line) for line in said.splitlines() if line.strip()]
    except tools.Missing as failed:
        found.append(str(failed))
    # Drop-ins are not looked at offline: the unit with them is one text.
    whole = folder / unit.name
    whole.write_text("\n".join([unit.read_text()] + [(UNITS / "drop-ins" / (one + ".conf")).read_text() for one in drop_ins]), encoding="utf-8")
    bound = limit + 25 if "cuda" in drop_ins else limit
    try:
        tools.run(["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=%d" % bound, whole], called + ": exposed beyond %.1f" % (bound / 10), env=env)
    except tools.Missing as failed:
        found.append(str(failed).splitlines()[0] + " " + str(failed).splitlines()[-1])
    return found
