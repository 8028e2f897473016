"""What a crawl must find, counted from the sites' files by this page alone, without Tusou's code."""

import hashlib
import html.parser
import json
import pathlib
import re
from collections import namedtuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

Truth = namedtuple("Truth", "pages missing pictures shown")
"""Pages that can be reached by links; links that lead nowhere; the SHA-256 of every picture that
those pages show; how often a page shows a picture's address (each pair once)."""

# A link straight to a picture, and what a style sheet names. (The sites' sheets have no font and nothing
# that holds for some media only.)
_IS_PICTURE = re.compile(r"\.(jpe?g|png|gif|webp|bmp)$", re.I)
_CSS_URL = re.compile(r"""(@import\s+)?url\(\s*['"]?([^'")]+)['"]?\s*\)""")

# The first bytes of what a crawl may store. Everything here is served as it lies on the disk.
_RASTER = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM")


def count(folder, address):
    """Walks the site in `folder`, which is served at `address`, from its first page."""
    start = urljoin(address, "/index.html")
    known, waiting = {start}, [start]
    pages, missing, shown, pictures, sheets = 0, 0, set(), {}, {}
    while waiting:
        page = waiting.pop()
        file = _file(folder, page)
        if not file.is_file():
            missing += 1
            continue
        pages += 1
        links, images, styles = _read(file, page)
        images += [image for style in styles for image in _styled(folder, style, sheets)]
        for image in images:
            if _inside(image, address):
                if image not in pictures:
                    pictures[image] = _digest(_file(folder, image))
                if pictures[image]:
                    shown.add((page, image))
        for link in links:
            if _inside(link, address) and link not in known:
                known.add(link)
                waiting.append(link)
    return Truth(pages, missing, {digest for digest in pictures.values() if digest}, len(shown))


def total(counts):
    """Several sites as one."""
    return Truth(
        sum(count.pages for count in counts),
        sum(count.missing for count in counts),
        set().union(*(count.pictures for count in counts)),
        sum(count.shown for count in counts),
    )


def save(counted, file):
    """Writes a count, so that another process can load it."""
    text = json.dumps(counted._replace(pictures=sorted(counted.pictures)))
    part = pathlib.Path(str(file) + ".part")
    part.write_text(text)
    part.replace(file)


def load(file):
    """Reads what `save` wrote."""
    counted = Truth(*json.loads(pathlib.Path(file).read_text()))
    return counted._replace(pictures=set(counted.pictures))


class _Reader(html.parser.HTMLParser):
    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.page, self.links, self.images, self.styles = page, [], [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag in ("a", "area") and values.get("href"):
            target = self._absolute(values["href"])
            (self.images if _IS_PICTURE.search(target) else self.links).append(target)
        if tag == "link" and values.get("rel") == "stylesheet" and values.get("media") != "print":
            self.styles.append(self._absolute(values["href"]))
        if tag == "img" and values.get("src"):
            self.images.append(self._absolute(values["src"]))

    def _absolute(self, reference):
        return urldefrag(urljoin(self.page, reference.strip()))[0]


def _read(file, page):
    reader = _Reader(page)
    reader.feed(file.read_text(encoding="utf-8"))
    reader.close()
    return reader.links, reader.images, reader.styles


def _styled(folder, sheet, known):
    """The pictures that a style sheet and what it imports name."""
    if sheet not in known:
        known[sheet] = []
        try:
            text = _file(folder, sheet).read_text(encoding="utf-8")
        except OSError:
            return []
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        for is_import, reference in _CSS_URL.findall(text):
            target = urldefrag(urljoin(sheet, reference.strip()))[0]
            known[sheet] += _styled(folder, target, known) if is_import else [target]
    return known[sheet]


def _inside(address, site):
    return urlsplit(address)[:2] == urlsplit(site)[:2]


def _file(folder, address):
    file = pathlib.Path(folder) / unquote(urlsplit(address).path).lstrip("/")
    return file / "index.html" if address.endswith("/") else file


def _digest(file):
    try:
        content = file.read_bytes()
    except OSError:
        return None
    is_webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    return hashlib.sha256(content).hexdigest() if is_webp or content.startswith(_RASTER) else None
