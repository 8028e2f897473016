"""deploy/compose/seccomp-chromium.json: Docker's default profile, and what Chromium's sandbox needs besides;
deploy/helm/seccomp-chromium.json: the same for Kubernetes.

    python3 deploy/check/seccomp.py DEFAULT.json            compares; the exit code says whether they agree
    python3 deploy/check/seccomp.py DEFAULT.json --write    writes both anew

DEFAULT.json is `default.json` of the Go module github.com/moby/profiles/seccomp (Apache-2.0).
"""

import json
import pathlib
import sys

DEPLOY = pathlib.Path(__file__).resolve().parents[1]
OF_DOCKER = DEPLOY / "compose" / "seccomp-chromium.json"
OF_KUBERNETES = DEPLOY / "helm" / "seccomp-chromium.json"

# Chromium's namespace sandbox (sandbox/linux/services/{credentials,namespace_sandbox}.cc) makes a user namespace and, in
# it, namespaces of processes and of the network, and locks itself into an empty root. `clone` is allowed with any flags;
# `clone3`, whose flags no filter can see, stays ENOSYS, for which glibc takes `clone`. `chroot` still wants its capability,
# which a process has within a user namespace of its own only.
NEEDED = {
    "names": ["chroot", "clone", "unshare"],
    "action": "SCMP_ACT_ALLOW",
    "comment": "Chromium's sandbox: namespaces of its own",
}


# Kinds of processor that the chart's nodes may have. What a rule says of others is left out.
PROCESSORS = {"amd64", "arm64"}


def of_docker(default):
    """Docker's profile with one more rule at its end."""
    return dict(default, syscalls=default["syscalls"] + [NEEDED])


def of_kubernetes(docker):
    """What `docker` leaves to a process without capabilities, with no condition in it.

    containerd reads a node's file as the runtime has it (runtime-spec, `linux.seccomp`) and passes over all that is Docker's own:
    rules that hold for a capability alone would hold for everybody, and `mount`, `bpf` and `clone3` be let through.
    """
    rules = []
    for rule in docker["syscalls"]:
        wanted, unwanted = rule.get("includes", {}), rule.get("excludes", {})
        if wanted.get("caps") or PROCESSORS.isdisjoint(wanted.get("arches", PROCESSORS)):
            continue
        if not PROCESSORS.isdisjoint(unwanted.get("arches", [])):
            raise ValueError("one file cannot say what holds on one of %s only: %s" % (sorted(PROCESSORS), rule["names"]))
        # `minKernel` is older than any kernel that runs Kubernetes 1.27.
        rules.append({key: rule[key] for key in ("names", "action", "args", "errnoRet") if rule.get(key)})
    return {
        "defaultAction": docker["defaultAction"],
        "defaultErrnoRet": docker["defaultErrnoRet"],
        # The node's own is always there; these are the other ways into an amd64 kernel.
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules,
    }


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--write"]):
        sys.exit(__doc__)
    docker = of_docker(json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")))
    for file, wanted in ((OF_DOCKER, docker), (OF_KUBERNETES, of_kubernetes(docker))):
        if sys.argv[2:]:
            file.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
        elif json.loads(file.read_text(encoding="utf-8")) != wanted:
            sys.exit("%s is not what deploy/check/seccomp.py makes of %s: write it anew by --write" % (file, sys.argv[1]))


if __name__ == "__main__":
    main()
