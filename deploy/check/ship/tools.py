"""The programs that judge what is shipped, below .stack/deploy-tools. Each is got once, by its pinned version."""

import json
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
TOOLS = ROOT / ".stack" / "deploy-tools"
REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")

# Built by Go: no package index carries it prebuilt. A minute and a half on two cores.
HELM = "helm.sh/helm/v3/cmd/helm@v3.19.5"

# Modules that are downloaded for files in them: definitions of objects that Kubernetes itself does not know, and Docker's profile.
KEDA = "github.com/kedacore/keda/v2@v2.17.2"
PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
SECCOMP = "github.com/moby/profiles/seccomp@v0.3.0"


class Missing(Exception):
    """A program that cannot be had, with the remedy."""


def run(words, what, **more):
    """Runs a program and returns what it said; a failure shows that."""
    try:
        done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    except FileNotFoundError:
        raise Missing("%s: `%s` is not installed" % (what, words[0]))
    if done.returncode != 0:
        raise Missing("%s failed (exit %d):\n%s" % (what, done.returncode, done.stdout.decode("utf-8", "replace")))
    return done.stdout.decode("utf-8", "replace")


def python():
    """Python with what reads YAML and schemas; hadolint and docker-compose are beside it."""
    place = TOOLS / "python"
    mark = place / "finished"
    if not mark.exists() or mark.read_text() != REQUIREMENTS.read_text():
        shutil.rmtree(place, ignore_errors=True)
        run(["python3", "-m", "venv", place], "making an environment for the checks")
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
        run([place / "bin" / "pip", "install"] + options + ["-r", REQUIREMENTS], "getting the checks' Python packages")
        mark.write_text(REQUIREMENTS.read_text())
    return place / "bin"


def helm():
    """Helm's program."""
    version = HELM.rpartition("@")[2]
    program = TOOLS / ("helm-" + version) / "helm"
    if not program.exists():
        if not shutil.which("go"):
            raise Missing("Helm is built by Go, which is not installed: install Go 1.24 or newer, or put Helm %s at %s" % (version, program))
        print("check-deploy: building Helm %s (once; a minute and a half on two cores)" % version, flush=True)
        part = program.parent.with_suffix(".part")
        env = dict(os.environ, GOBIN=str(part), GOFLAGS="-trimpath")
        run(["go", "install", "-ldflags=-s -w", HELM], "building Helm", env=env, cwd="/")
        shutil.rmtree(program.parent, ignore_errors=True)
        part.rename(program.parent)
    return program


def module(name):
    """The folder of a module's files, out of Go's own cache."""
    said = run(["go", "mod", "download", "-json", name], "getting " + name, cwd="/")
    return pathlib.Path(json.loads(said)["Dir"])
