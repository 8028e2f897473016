"""Packs of pictures only: a copy detector that takes bytes of any size, and a score from BGR."""

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import normalize

from .. import export, golden
from .immich import clear, shown, write_json

SIDE, DIMENSION = 32, 24


def u8_pack(folder, pictures):
    """Bytes `[batch, height, width, 3]` of any size, normalised inside, to a unit vector: SSCD's kind."""
    clear(folder)
    (folder / "textual").rmdir()
    model = export.spread(CopyDetector(), seed=10, text_gain=1.5)
    write_json(folder / "visual/preprocess_cfg.json", {
        "size": [SIDE, SIDE], "mean": [0.0] * 3, "std": [1.0] * 3, "interpolation": "bilinear", "resize_mode": "squash",
    })
    axes = {"image": {0: "batch", 1: "height", 2: "width"}, "embedding": {0: "batch"}}
    example = torch.randint(0, 256, (2, SIDE, SIDE, 3), dtype=torch.uint8)
    export.onnx_file(model, (example,), ["image"], "embedding", folder / "visual/model.onnx", axes)
    names, images = golden.uprights(pictures)
    crops = np.stack([np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for image in images])
    with torch.no_grad():
        reference = model(torch.from_numpy(crops))
    onnx = export.session(folder / "visual/model.onnx")
    rows = export.run(onnx, {"image": crops})
    other = torch.from_numpy(crops[:, :, :, ::-1].copy())
    seen = {
        "onnx and torch": export.agree("vision-u8", rows, reference),
        "nearest": export.told_apart("vision-u8", rows),
        "pixels off by one": export.steady("vision-u8", reference, model(torch.from_numpy(_off(crops)))),
        "blue for red": export.noticed("blue for red", reference, model(other)),
    }
    visual = {"model": "visual/model.onnx", "preprocess": "visual/preprocess_cfg.json", "input": "image", "output": "embedding", "layout": "nhwc"}
    golden.manifest(folder, "vision-u8", DIMENSION, visual, field="copy_embedding")
    golden.write(folder / "golden.json", {"pictures": golden.picture_values(names, crops, [None] * len(names), export.unit(rows))})
    return shown(seen)


def _off(crops):
    """Bytes that are each off by one, or not."""
    steps = np.random.default_rng(0).integers(-1, 2, crops.shape)
    return (crops.astype(int) + steps).clip(0, 255).astype(np.uint8)


def _steps(crops):
    """What `_off` adds, in the order of a tower that takes BGR."""
    return np.ascontiguousarray((_off(crops).astype(np.float32) - crops)[:, :, :, ::-1])


class CopyDetector(torch.nn.Module):
    """Convolutions, generalised mean pooling, a linear layer, unit length; bytes go in."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.second = torch.nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.last = torch.nn.Linear(32, DIMENSION)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]))

    def forward(self, image):
        x = ((image.to(torch.float32) / 255 - self.mean) / self.std).permute(0, 3, 1, 2)
        x = torch.relu(self.second(torch.relu(self.first(x)))).clamp_min(1e-6)
        return normalize(self.last(x.pow(3).mean(dim=(2, 3)).pow(1 / 3)), dim=-1)


def nsfw_pack(folder, pictures):
    """open_nsfw's kind: BGR from 0 to 255 less a mean, squashed to one size, the centre of that; two probabilities."""
    clear(folder)
    (folder / "textual").rmdir()
    whole = 36
    model = export.spread(Score(), seed=20, text_gain=1.5)
    # In units of 0 to 1 and in the order red, green, blue, as all preprocessing here is written.
    write_json(folder / "visual/preprocess_cfg.json", {
        "size": [SIDE, SIDE], "resize": whole, "mean": [value / 255 for value in (123, 117, 104)], "std": [1 / 255] * 3,
        "interpolation": "bilinear", "resize_mode": "squash",
    })
    axes = {"input:0": {0: "batch"}, "outputs": {0: "batch"}}
    export.onnx_file(model, (torch.randn(2, SIDE, SIDE, 3) * 50,), ["input:0"], "outputs", folder / "visual/model.onnx", axes)
    names, images = golden.uprights(pictures)
    edge = (whole - SIDE) // 2
    crops = []
    for image in images:
        image = image.resize((whole, whole), Image.Resampling.BILINEAR)
        crops.append(np.asarray(image.crop((edge, edge, edge + SIDE, edge + SIDE))))
    tensors = np.stack([crop[:, :, ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32) for crop in crops])
    with torch.no_grad():
        reference = model(torch.from_numpy(tensors)).numpy()
        wrong = model(torch.from_numpy(tensors[:, :, :, ::-1].copy())).numpy()
        off = np.abs(model(torch.from_numpy(tensors + _steps(np.stack(crops)))).numpy() - reference).max()
    rows = export.run(export.session(folder / "visual/model.onnx"), {"input:0": tensors})
    difference, mistake = np.abs(rows - reference).max(), np.abs(wrong - reference).max()
    if not (difference < 1e-5 and mistake > 0.05 and np.ptp(rows[:, 1]) > 0.3):
        raise SystemExit("nsfw-like: scores differ by %g, range %g, blue for red %g" % (difference, np.ptp(rows[:, 1]), mistake))
    visual = {
        "model": "visual/model.onnx", "preprocess": "visual/preprocess_cfg.json", "input": "input:0", "output": "outputs",
        "layout": "nhwc", "channels": "bgr", "score": {"field": "nsfw", "column": 1},
    }
    golden.manifest(folder, "nsfw-like", 1, visual)
    shown_rgb = [tensor[:, :, ::-1].transpose(2, 0, 1) for tensor in tensors]
    golden.write(folder / "golden.json", {"pictures": golden.picture_values(names, crops, shown_rgb, rows[:, 1], key="score")})
    seen = (difference, np.ptp(rows[:, 1]), off, mistake)
    return "scores by onnx and torch differ by %.0e; range %.2f; pixels off by one %.0e; blue for red %.2f" % seen


class Score(torch.nn.Module):
    """Convolutions and two probabilities from `[batch, height, width, 3]`."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 16, 5, stride=2)
        self.second = torch.nn.Conv2d(16, 24, 3, stride=2)
        self.last = torch.nn.Linear(24, 2)

    def forward(self, image):
        x = image.permute(0, 3, 1, 2) / 80
        x = torch.relu(self.second(torch.relu(self.first(x)))).mean(dim=(2, 3))
        return torch.softmax(2 * self.last(x), dim=-1)
