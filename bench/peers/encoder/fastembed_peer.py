#!/usr/bin/env python3
"""Pictures to embeddings by fastembed, on the ONNX file of a pack in the shape of CLIP ViT-B/32.

  fastembed_peer.py PACK FOLDER [--batch 32] [--threads 2] [--count N] [--save FILE.npy]

fastembed knows models by name and takes their files from a folder: it is given its CLIP ViT-B/32 with the pack's own
ONNX file. Prints one line of JSON: `images`, `seconds`, `images_per_second`, `cpu_seconds`.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from fastembed import ImageEmbedding

MODEL = "Qdrant/clip-ViT-B-32-vision"


def main():
    """Encodes the folder."""
    arguments = _arguments()
    visual = json.loads((arguments.pack / "pack.json").read_text())["visual"]
    config = json.loads((arguments.pack / visual["preprocess"]).read_text())
    files = sorted(entry.path for entry in os.scandir(arguments.folder) if entry.is_file())[: arguments.count]
    if not files:
        sys.exit("fastembed_peer: %s holds no files: name a folder of pictures" % arguments.folder)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.onnx").symlink_to((arguments.pack / visual["model"]).resolve())
        (Path(folder) / "preprocessor_config.json").write_text(json.dumps(_processor(config)))
        model = ImageEmbedding(
            MODEL, specific_model_path=folder, threads=arguments.threads, local_files_only=True, cuda=False
        )
        list(model.embed(files[:1], batch_size=1))
        began, cpu = time.perf_counter(), time.process_time()
        rows = np.stack(list(model.embed(files, batch_size=arguments.batch)))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    if not np.isfinite(rows).all():
        sys.exit("fastembed_peer: an embedding is not finite")
    if arguments.save:
        np.save(arguments.save, rows.astype(np.float32))
    report = {
        "images": len(rows),
        "seconds": seconds,
        "images_per_second": len(rows) / seconds,
        "cpu_seconds": cpu,
        "batch": arguments.batch,
        "threads": arguments.threads,
    }
    print(json.dumps(report))


def _processor(config):
    """The pack's preprocessing as transformers' `CLIPImageProcessor` has it, which fastembed reads."""
    size = config["size"] if isinstance(config["size"], int) else config["size"][0]
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": config.get("resize") or size},
        "resample": {"bilinear": 2, "bicubic": 3}[config["interpolation"]],
        "do_center_crop": True,
        "crop_size": {"height": size, "width": size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": config["mean"],
        "image_std": config["std"],
    }


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path, help="a model pack's folder")
    parser.add_argument("folder", type=Path, help="a folder of pictures")
    parser.add_argument("--batch", type=int, default=32, help="pictures a run")
    parser.add_argument("--threads", type=int, default=2, help="the model's threads")
    parser.add_argument("--count", type=int, help="the first so many files, by name")
    parser.add_argument("--save", type=Path, help="where the unit vectors go, as .npy, in the files' order")
    return parser.parse_args()


if __name__ == "__main__":
    main()
