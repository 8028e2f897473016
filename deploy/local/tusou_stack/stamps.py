"""Tux Paint's captioned stamps: real pictures with words in 77 languages, for the demo and the model's tests."""

from . import debs, paths

NAME = "tuxpaint-stamps-default"
FOLDER = paths.PROGRAMS / NAME / "usr" / "share" / "tuxpaint" / "stamps"


def obtain():
    """Gets Debian's package of them; installs nothing."""
    debs.one(NAME, NAME)
