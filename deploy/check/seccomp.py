"""deploy/compose/seccomp-chromium.json: Docker's default profile, and what Chromium's sandbox needs besides.

    python3 deploy/check/seccomp.py DEFAULT.json            compares; the exit code says whether they agree
    python3 deploy/check/seccomp.py DEFAULT.json --write    writes it anew

DEFAULT.json is `default.json` of the Go module github.com/moby/profiles/seccomp (Apache-2.0).
"""

import json
import pathlib
import sys

PROFILE = pathlib.Path(__file__).resolve().parents[1] / "compose" / "seccomp-chromium.json"

# Chromium's namespace sandbox (sandbox/linux/services/{credentials,namespace_sandbox}.cc) makes a user namespace and, in
# it, namespaces of processes and of the network, and locks itself into an empty root. `clone` is allowed with any flags;
# `clone3`, whose flags no filter can see, stays ENOSYS, for which glibc takes `clone`. `chroot` still wants its capability,
# which a process has within a user namespace of its own only.
NEEDED = {
    "names": ["chroot", "clone", "unshare"],
    "action": "SCMP_ACT_ALLOW",
    "comment": "Chromium's sandbox: namespaces of its own",
}


def profile(default):
    """Docker's profile with one more rule at its end."""
    return dict(default, syscalls=default["syscalls"] + [NEEDED])


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--write"]):
        sys.exit(__doc__)
    wanted = profile(json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")))
    if sys.argv[2:]:
        PROFILE.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
    elif json.loads(PROFILE.read_text(encoding="utf-8")) != wanted:
        sys.exit("%s is not %s and the one rule that deploy/check/seccomp.py adds: write it anew by --write" % (PROFILE, sys.argv[1]))


main()
