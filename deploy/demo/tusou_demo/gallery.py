"""A gallery site made from Tux Paint's stamps: a page for each picture, and pages of 24 by folder."""

import html
import itertools
import urllib.parse
from collections import namedtuple

PER_PAGE = 24

# Captions of these come first, because readers (and crawlers with a cap) read the beginning.
FIRST = ("zh_CN", "zh_TW", "ja", "ko", "de", "fr", "es", "pt", "it", "ru", "pl", "tr", "ar", "th", "vi", "hi")

Stamp = namedtuple("Stamp", "path folder english captions")
"""A picture: its path and folder below the stamps, its English caption, the others by language."""


def read(folder):
    """Every stamp that has both a PNG and a caption file, sorted by path."""
    found = []
    for text in sorted(folder.rglob("*.txt")):
        picture = text.with_suffix(".png")
        if not picture.exists():
            continue
        english, captions = _captions(text)
        if english:
            path = picture.relative_to(folder)
            found.append(Stamp(path.as_posix(), path.parent.as_posix(), english, captions))
    return found


def write(site, stamps):
    """Writes the site's pages into a folder that has the stamps themselves below `stamps`."""
    folders = []
    for folder, group in itertools.groupby(
        sorted(stamps, key=lambda stamp: (stamp.folder, stamp.path)), lambda stamp: stamp.folder
    ):
        group = list(group)
        place = site / "folder" / folder
        place.mkdir(parents=True)
        count = (len(group) + PER_PAGE - 1) // PER_PAGE
        names = ["page-%d.html" % number for number in range(1, count + 1)]
        for number, name in enumerate(names):
            shown = group[number * PER_PAGE : (number + 1) * PER_PAGE]
            links = "".join(
                '<a href="%s">%d</a> ' % (other, place_in + 1) for place_in, other in enumerate(names)
            )
            body = "<p><a href=/index.html>All folders</a></p>\n%s<p>%s</p>" % (
                "".join(map(_thumbnail, shown)),
                links,
            )
            _page(place / name, "Stamps: " + folder, body)
        folders.append(
            '<li><a href="%s">%s</a> (%d)</li>\n'
            % (_quoted("folder/%s/%s" % (folder, names[0])), html.escape(folder), len(group))
        )
        for stamp in group:
            _picture_page(site, stamp)
    _page(site / "index.html", "Tux Paint stamps", "<ul>\n%s</ul>" % "".join(folders))


def page_of(stamp):
    """The path of a stamp's own page."""
    return "picture/%s.html" % stamp.path[: -len(".png")]


def _picture_page(site, stamp):
    place = site / page_of(stamp)
    place.parent.mkdir(parents=True, exist_ok=True)
    words = "".join(
        ' <span lang="%s">%s</span>' % (html.escape(_tag(language)), html.escape(caption))
        for language, caption in _ordered(stamp.captions)
    )
    body = (
        "<p><a href=/index.html>All folders</a></p>\n"
        '<figure><img src="%s" alt="%s" title="%s">\n<figcaption><span lang=en>%s</span>%s</figcaption></figure>'
        % (
            _source(stamp),
            html.escape(stamp.english),
            html.escape(_title(stamp)),
            html.escape(stamp.english),
            words,
        )
    )
    _page(place, stamp.english, body)


def _thumbnail(stamp):
    return (
        '<figure><a href="/%s"><img src="%s" alt="%s" title="%s" width=160></a>'
        "<figcaption>%s</figcaption></figure>\n"
        % (
            _quoted(page_of(stamp)),
            _source(stamp),
            html.escape(stamp.english),
            html.escape(_title(stamp)),
            html.escape(stamp.english),
        )
    )


def _title(stamp):
    """The caption in Chinese where there is one; each stamp's title is in one language."""
    return stamp.captions.get("zh_CN") or stamp.captions.get("zh_TW") or stamp.english


def _ordered(captions):
    first = [(language, captions[language]) for language in FIRST if language in captions]
    rest = sorted((language, caption) for language, caption in captions.items() if language not in FIRST)
    return first + rest


def _captions(file):
    """The first line is English; further ones are `<language>.utf8=<caption>`."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    english = lines[0].lstrip("=").strip() if lines else ""
    captions = {}
    for line in lines[1:]:
        language, mark, caption = line.partition(".utf8=")
        if mark and caption.strip():
            captions[language.strip()] = caption.strip()
    return english, captions


def _tag(language):
    """`zh_CN` as HTML says it: `zh-CN`; `ca@valencia`: `ca-valencia`."""
    return language.replace("_", "-").replace("@", "-")


def _source(stamp):
    return "/stamps/" + _quoted(stamp.path)


def _quoted(path):
    return urllib.parse.quote(path)


def _page(place, title, body):
    place.write_text(
        "<!doctype html>\n<html lang=en><meta charset=utf-8>\n<title>%s</title>\n<h1>%s</h1>\n%s\n</html>\n"
        % (html.escape(title), html.escape(title), body),
        encoding="utf-8",
    )
