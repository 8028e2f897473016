"""The configuration's keys and its secrets, and the queues' names, as the sources have them."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[3]
CONFIG = ROOT / "crates" / "platform" / "src" / "config"

# Variables that are no key: of the build, and where the file is.
OTHERS = {"TUSOU_COMMIT", "TUSOU_CONFIG"}


def known():
    """Every `section.key`."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted((CONFIG / "sections").glob("*.rs")))
    structs = {name: re.findall(r"^    pub (\w+): ([\w:<>]+),", body, re.M) for name, body in re.findall(r"^pub struct (\w+) \{\n(.*?)^\}", text, re.M | re.S)}
    keys = {"%s.%s" % (section, key) for section, kind in structs["Config"] for key, _ in structs[kind]}
    if len(keys) < 50:
        raise ValueError("crates/platform/src/config/sections is not read right any more: %d keys" % len(keys))
    return keys


def secrets():
    """Those that no listing shows."""
    text = (CONFIG / "keys.rs").read_text(encoding="utf-8")
    return set(re.findall(r'"([a-z_.]+)"', re.search(r"const SECRETS: \[&str; \d+\] = \[(.*?)\];", text, re.S)[1]))


def variable(key):
    """`crawler.hosts` as `TUSOU_CRAWLER_HOSTS`."""
    return "TUSOU_" + key.replace(".", "_").upper()


def variables():
    """Every variable that sets a key, itself or by a file."""
    names = {variable(key) for key in known()}
    return names | {name + "_FILE" for name in names}


def queues():
    """The work queues."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "crates" / "contract" / "src").glob("queue*.rs"))
    return set(re.findall(r'Self::Images\w+ => "([a-z.]+)"', text))
