#!/usr/bin/env python3
"""Pictures to embeddings as a user writes it with Pillow, numpy and ONNX Runtime: batch by batch, in one loop.

  pillow_peer.py PACK FOLDER [--batch 32] [--threads 2] [--count N] [--draft] [--save FILE.npy]

PACK is a model pack with a `visual` part that takes f32 or f16 `[batch, 3, height, width]`; FOLDER has the pictures. Prints one
line of JSON: `images`, `seconds`, `images_per_second`, `cpu_seconds` (of the whole process while it
encodes), `model_seconds` (inside the model), `overhead_cpu` (processor seconds of the loop outside the model: reading,
decoding, resizing, normalising, stacking; the model's threads do not count, which spin while they wait).
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


class Preprocess:
    """open_clip's preprocessing, shortest or squash, from `preprocess_cfg.json`."""

    def __init__(self, config, draft):
        size = config["size"]
        self.height, self.width = (size, size) if isinstance(size, int) else size
        self.short = config.get("resize") or min(self.height, self.width)
        self.squash = config["resize_mode"] == "squash"
        self.filter = FILTERS[config["interpolation"]]
        self.mean = np.array(config["mean"], np.float32)
        self.std = np.array(config["std"], np.float32)
        self.draft = draft

    def __call__(self, path):
        image = Image.open(path)
        if self.draft:
            image.draft("RGB", (self.width, self.height))
        image = image.convert("RGB")
        if self.squash:
            image = image.resize((self.width, self.height), self.filter)
        else:
            width, height = image.size
            short = min(width, height)
            image = image.resize((int(self.short * width / short), int(self.short * height / short)), self.filter)
            left, top = round((image.width - self.width) / 2), round((image.height - self.height) / 2)
            image = image.crop((left, top, left + self.width, top + self.height))
        return ((np.asarray(image, np.float32) / 255.0 - self.mean) / self.std).transpose(2, 0, 1)


def main():
    """Encodes the folder."""
    arguments = _arguments()
    visual = json.loads((arguments.pack / "pack.json").read_text())["visual"]
    if visual.get("layout", "nchw") != "nchw" or visual.get("channels", "rgb") != "rgb":
        sys.exit("pillow_peer: %s takes other than RGB as [batch, 3, height, width]: name another pack" % arguments.pack)
    preprocess = Preprocess(json.loads((arguments.pack / visual["preprocess"]).read_text()), arguments.draft)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    session = onnxruntime.InferenceSession(str(arguments.pack / visual["model"]), options, providers=["CPUExecutionProvider"])
    kind = np.float16 if "float16" in session.get_inputs()[0].type else np.float32
    files = sorted(entry.path for entry in os.scandir(arguments.folder) if entry.is_file())[: arguments.count]
    if not files:
        sys.exit("pillow_peer: %s holds no files: name a folder of pictures" % arguments.folder)
    _run(session, visual, np.stack([preprocess(files[0])]).astype(kind))

    embeddings, model_seconds, model_cpu = [], 0.0, 0.0
    began, cpu, thread = time.perf_counter(), time.process_time(), time.thread_time()
    for start in range(0, len(files), arguments.batch):
        pixels = np.stack([preprocess(file) for file in files[start : start + arguments.batch]]).astype(kind, copy=False)
        before, before_cpu = time.perf_counter(), time.thread_time()
        rows = _run(session, visual, pixels)
        model_seconds += time.perf_counter() - before
        model_cpu += time.thread_time() - before_cpu
        embeddings.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    seconds, cpu, thread = time.perf_counter() - began, time.process_time() - cpu, time.thread_time() - thread
    rows = np.concatenate(embeddings)
    if not np.isfinite(rows).all():
        sys.exit("pillow_peer: an embedding is not finite")
    if arguments.save:
        np.save(arguments.save, rows.astype(np.float32))
    report = {
        "images": len(rows),
        "seconds": seconds,
        "images_per_second": len(rows) / seconds,
        "cpu_seconds": cpu,
        "model_seconds": model_seconds,
        "overhead_cpu": thread - model_cpu,
        "batch": arguments.batch,
        "threads": arguments.threads,
    }
    print(json.dumps(report))


def _run(session, visual, pixels):
    return session.run([visual["output"]], {visual["input"]: pixels})[0].astype(np.float32)


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path, help="a model pack's folder")
    parser.add_argument("folder", type=Path, help="a folder of pictures")
    parser.add_argument("--batch", type=int, default=32, help="pictures a run")
    parser.add_argument("--threads", type=int, default=2, help="the model's threads")
    parser.add_argument("--count", type=int, help="the first so many files, by name")
    parser.add_argument("--draft", action="store_true", help="let libjpeg decode at a smaller scale")
    parser.add_argument("--save", type=Path, help="where the unit vectors go, as .npy, in the files' order")
    return parser.parse_args()


if __name__ == "__main__":
    main()
