"""A real S3-compatible server for tests: VersityGW (Apache-2.0) before a folder, built from the Go module proxy."""

import os
import shutil

from . import paths, versions
from .download import run, whole
from .say import StackError, say

NAME = "versitygw"
FOLDER = paths.PROGRAMS / ("%s-%s" % (NAME, versions.VERSITYGW))
PROGRAM = FOLDER / NAME


def obtain():
    """Builds it once, which takes both cores of a small machine a minute. Tests start it, nothing ships it."""
    if PROGRAM.exists():
        return
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if not go:
        raise StackError(
            "there is no Go, which builds the S3 server of the tests: install Go 1.25 or newer (https://go.dev/dl)"
        )
    say("building %s %s, an S3 server for tests" % (NAME, versions.VERSITYGW))
    with whole(FOLDER) as part:
        environment = dict(os.environ, GOBIN=str(part), CGO_ENABLED="0")
        module = "%s@v%s" % (versions.VERSITYGW_PACKAGE, versions.VERSITYGW)
        # Without its tables of symbols it links faster and is half as large.
        run([go, "install", "-trimpath", "-ldflags=-s -w", module], "building " + module, env=environment)
        _check(go, part / NAME)
    say("%s is in %s (only tests run it)" % (NAME, FOLDER))


def _check(go, program):
    """Go compares with its public list of checksums, where that is not turned off; here it is pinned as well."""
    said = run([go, "version", "-m", program], "looking at " + NAME)
    if versions.VERSITYGW_SUM not in said:
        raise StackError("%s was not built from the source that is pinned (%s)" % (NAME, versions.VERSITYGW_SUM))
