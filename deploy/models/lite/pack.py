"""The pack's folder: its manifest, and how it comes into being whole or not at all."""

import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from .sources import WHEELS, sha256_of

MANIFEST = "pack.json"
# Bumped with every change of what the build writes, so that an older pack is built again.
RECIPE = 2

# The least cosine of an answer, by what is asked: docs/search.md has the rates and how they were measured.
RELEVANCE = {"words": 0.37, "picture": 0.8}

DESCRIPTION = (
    "Finds pictures by words in 16 languages and by likeness. It knows the 1,000 classes of ImageNet "
    "(animals, plants, food, vehicles, household things and the like) and mixtures of them, and nothing else: "
    "no people's names, no places, no text in pictures, no counts and no compositions such as "
    "`a dog left of a cat`. Small enough for any machine; replace it by a CLIP model for real collections."
)
LANGUAGES = ["ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh-Hans", "zh-Hant"]


def manifest(folder, visual, textual, dimension):
    """The manifest of the files that `folder` holds."""
    files = sorted(str(path.relative_to(folder).as_posix()) for path in folder.rglob("*") if path.is_file())
    return {
        "format": 1,
        "name": "lite",
        "recipe": RECIPE,
        "description": DESCRIPTION,
        "licence": "Apache-2.0",
        "languages": LANGUAGES,
        "dimension": dimension,
        "visual": visual,
        "textual": textual,
        "relevance": RELEVANCE,
        "sources": [wheel.describe() for wheel in WHEELS],
        "files": {name: sha256_of(folder / name) for name in files},
    }


def is_current(folder):
    """Whether `folder` holds a whole pack of this recipe."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        pinned = [wheel.describe() for wheel in WHEELS]
        return (
            found["recipe"] == RECIPE
            and found["sources"] == pinned
            and all(sha256_of(folder / name) == digest for name, digest in found["files"].items())
        )
    except (OSError, ValueError, KeyError):
        return False


def write_json(path, value):
    """Writes JSON the same way every time."""
    text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    path.write_text(text, encoding="utf-8")


@contextmanager
def replaced_whole(target):
    """Yields an empty folder beside `target`, which takes its place when the block ends well."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    building, former = (target.with_name(f".{target.name}.{word}") for word in ("building", "former"))
    for left_over in (building, former):
        shutil.rmtree(left_over, ignore_errors=True)
    building.mkdir()
    yield building
    if target.exists():
        os.rename(target, former)
    os.rename(building, target)
    shutil.rmtree(former, ignore_errors=True)
