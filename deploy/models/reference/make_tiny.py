#!/usr/bin/env python3
"""Makes the small model packs that the tests run, with their golden values.

  pip install -r deploy/models/reference/requirements.txt
  python deploy/models/reference/make_tiny.py [--out crates/model/tests/golden/packs] [NAME...]

The packs have random weights, the real architectures, and the folders' layouts of the model hub. Every
golden value comes from the reference implementations (open_clip, transformers, sentence-transformers,
Pillow) around the very ONNX file of the pack; the script stops where torch and the ONNX file disagree,
or where a model would not notice a wrong input. The packs' README.md says what was run.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from kit import pictures
from kit.packs import half, immich, int8, sentence, vision

HERE = Path(__file__).resolve().parent
PACKS = HERE.parents[2] / "crates/model/tests/golden/packs"
MAKERS = {
    "open-clip": immich.open_clip_pack,
    "open-clip-u8": immich.open_clip_u8_pack,
    "siglip": immich.siglip_pack,
    "m-clip": immich.m_clip_pack,
    "sentence": sentence.pack,
    "vision-u8": vision.u8_pack,
    "nsfw-like": vision.nsfw_pack,
    "int8": int8.pack,
    "f16": half.pack,
}


def main():
    """Reads the command line and makes the packs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="packs to make: %s; all where none is named" % ", ".join(MAKERS))
    parser.add_argument("--out", type=Path, default=PACKS, help="the folder of the packs")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(MAKERS)
    if unknown:
        parser.error("%s is no pack; these are: %s" % (unknown.pop(), ", ".join(MAKERS)))
    arguments.out.mkdir(parents=True, exist_ok=True)
    pictures.write(arguments.out / "pictures")
    for name in arguments.names or MAKERS:
        report = MAKERS[name](arguments.out / name, arguments.out / "pictures")
        size = sum(file.stat().st_size for file in (arguments.out / name).rglob("*") if file.is_file())
        print("%-13s %4d KB  %s" % (name, size // 1024, report), flush=True)


if __name__ == "__main__":
    main()
