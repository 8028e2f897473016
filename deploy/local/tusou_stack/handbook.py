"""The Debian Administrator's Handbook: real pages in 26 languages, for the demo, tests and benchmarks."""

from . import debs, paths

NAME = "debian-handbook"
FOLDER = paths.PROGRAMS / NAME / "usr" / "share" / "doc" / NAME / "html"


def obtain():
    """Gets Debian's package of it; installs nothing."""
    debs.one(NAME, NAME)
