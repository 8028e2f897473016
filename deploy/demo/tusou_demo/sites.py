"""The two sites, laid out below `.stack/demo` from the files of two Debian packages."""

import html
import pathlib

from tusou_stack import handbook as book
from tusou_stack import paths
from tusou_stack import stamps as tux_paint
from tusou_stack.download import whole

from . import gallery

SITES = paths.STACK / "demo"
HANDBOOK = SITES / "handbook"
GALLERY = SITES / "gallery"


def handbook():
    """The Debian Administrator's Handbook in all its languages, below one page that links to each."""
    book.obtain()
    books = book.FOLDER
    if not (HANDBOOK / "index.html").exists():
        with whole(HANDBOOK) as site:
            languages = sorted(folder.name for folder in books.iterdir() if folder.is_dir())
            for language in languages:
                (site / language).symlink_to(books / language)
            links = "".join(
                '<li><a href="%s/index.html">%s</a></li>\n' % (html.escape(name), html.escape(name))
                for name in languages
            )
            (site / "index.html").write_text(
                "<!doctype html>\n<html lang=en><meta charset=utf-8>"
                "<title>The Debian Administrator's Handbook</title>\n"
                "<h1>The Debian Administrator's Handbook</h1>\n<ul>\n%s</ul>\n</html>\n" % links,
                encoding="utf-8",
            )
    return HANDBOOK


def stamps():
    """Where the pictures of Tux Paint's stamps lie."""
    tux_paint.obtain()
    return tux_paint.FOLDER


def stamps_gallery():
    """A gallery of the stamps that have a caption, with its captions in many languages."""
    pictures = stamps()
    if not (GALLERY / "index.html").exists():
        with whole(GALLERY) as site:
            (site / "stamps").symlink_to(pictures)
            gallery.write(pathlib.Path(site), gallery.read(pictures))
    return GALLERY
