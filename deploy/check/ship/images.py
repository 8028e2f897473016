"""The Dockerfile and the Compose file."""

import json
import os
import re
import tempfile

from . import keys, text, tools

COMPOSE = text.DEPLOY / "compose"

# Elasticsearch writes a keystore beside its configuration.
WRITABLE = {"elasticsearch"}
# They end.
ONE_OFF = {"migrate", "tools"}
# The programs whose memory deploy/prometheus/alerts.yml has an opinion of.
JOBS = {"crawler": "crawler", "encoder": "encoder", "encoder-cuda": "encoder-gpu", "indexer": "indexer", "search": "search", "operate": "operate"}


def complaints(bin_folder, seccomp_module):
    """Everything that is wrong."""
    found = []
    try:
        tools.run([bin_folder / "hadolint", COMPOSE / "Dockerfile"], "hadolint")
    except tools.Missing as failed:
        found.append(str(failed))
    try:
        tools.run([bin_folder / "python", text.DEPLOY / "check" / "seccomp.py", seccomp_module / "default.json"], "comparing the seccomp profile")
    except tools.Missing as failed:
        found.append(str(failed))
    try:
        found += services(config(bin_folder))
    except tools.Missing as failed:
        found.append(str(failed))
    return found


def config(bin_folder):
    """The Compose file as Compose itself understands it, with every profile."""
    words = [bin_folder / "docker-compose", "-f", COMPOSE / "compose.yaml", "--profile", "*", "config", "--format", "json"]
    with tempfile.TemporaryDirectory() as home:
        env = {"PATH": os.environ["PATH"], "HOME": home}
        return json.loads(tools.run(words, "docker compose config", env=env))


def services(project):
    """What every container must have."""
    found = []
    known, secret = keys.variables(), {keys.variable(key) for key in keys.secrets()}
    limits = text.memory_limits()
    addresses = {}
    for name, service in sorted(project["services"].items()):
        def wrong(words, name=name):
            found.append("compose.yaml: `%s` %s" % (name, words))

        image = service["image"]
        if not image.startswith("tusou/") and not text.is_pinned(image):
            wrong("has an image that is not pinned: " + image)
        if service.get("cap_drop") != ["ALL"] or service.get("cap_add"):
            wrong("keeps capabilities")
        if "no-new-privileges:true" not in service.get("security_opt", []):
            wrong("may gain privileges")
        if any("unconfined" in option for option in service.get("security_opt", [])) or service.get("privileged"):
            wrong("is not confined")
        if bool(service.get("read_only")) == (name in WRITABLE):
            wrong("has a root file system that is %s" % ("read-only" if service.get("read_only") else "writable"))
        for bound in ("mem_limit", "pids_limit"):
            if not service.get(bound):
                wrong("has no " + bound)
        if name not in ONE_OFF and "healthcheck" not in service:
            wrong("has no health check")
        said = service.get("healthcheck", {}).get("test", []) + (service.get("command") or []) + (service.get("entrypoint") or [])
        if any(re.search(r"\bcurl\b[^|;]*/run/secrets/", words) for words in said):
            wrong("has a secret among the arguments of curl")
        for port in service.get("ports", []):
            if port.get("host_ip") != "127.0.0.1":
                wrong("publishes a port beyond loopback")
        for variable, value in service.get("environment", {}).items():
            if variable.startswith("TUSOU_") and variable not in known:
                wrong("sets %s, which is no key" % variable)
            if variable in secret:
                wrong("has the secret %s in its environment" % variable)
            if variable.startswith("TUSOU_") and variable.endswith("_FILE") and (value or "").startswith("/run/secrets/"):
                given = {one.get("target") or one["source"] for one in service.get("secrets", [])}
                if value.rpartition("/")[2] not in {path.rpartition("/")[2] for path in given}:
                    wrong("is not given the file that %s names" % variable)
        named = {(value or "").rpartition("/")[2] for variable, value in service.get("environment", {}).items()}
        for one in service.get("secrets", []):
            if image.startswith("tusou/") and one["source"] not in named:
                wrong("is given the secret %s, and names it nowhere" % one["source"])
        for volume in service.get("volumes", []):
            if volume["type"] == "bind" and volume["target"] != "/backup" and not os.path.exists(volume["source"]):
                wrong("mounts %s, which is not there" % volume["source"])
        if name in JOBS and int(service.get("mem_limit", 0)) != limits.get("tusou-" + JOBS[name]):
            wrong("has another bound for memory than tusou:memory_limit_bytes in deploy/prometheus/alerts.yml")
        for network, place in service.get("networks", {}).items():
            address = (place or {}).get("ipv4_address")
            if address and addresses.setdefault(address, name) != name:
                wrong("has the address of `%s`" % addresses[address])
    if not project["networks"]["stores"].get("internal"):
        found.append("compose.yaml: the network of the stores has a way out")
    for name in ("postgres", "rabbitmq", "elasticsearch", "migrate", "encoder", "encoder-cuda", "indexer"):
        if set(project["services"][name]["networks"]) != {"stores"}:
            found.append("compose.yaml: `%s` is on another network than the stores'" % name)
    operate = project["services"]["operate"]["environment"]
    for name in ("crawler", "encoder", "indexer", "search"):
        asked = operate["TUSOU_%s_LISTEN" % name.upper()].rpartition(":")
        there = project["services"][name]
        serves = there["environment"]["TUSOU_%s_LISTEN" % name.upper()].rpartition(":")
        if (asked[0], asked[2]) != (there["networks"]["stores"]["ipv4_address"], serves[2]):
            found.append("compose.yaml: `operate` asks `%s` where it is not" % name)
    return found
