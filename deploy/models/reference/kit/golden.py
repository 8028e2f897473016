"""golden.json, expected.json and pack.json of a pack."""

import hashlib
import json

import numpy as np

from . import pictures


def text_values(texts, ids, rows):
    """A record for each text: its tokens without filling, and its unit vector."""
    return [
        {"text": text, "ids": [int(token) for token in tokens], "embedding": _short(row)}
        for text, tokens, row in zip(texts, ids, rows, strict=True)
    ]


def picture_values(names, crops, tensors, rows, key="embedding", folder="../pictures"):
    """A record for each picture: its embedding (or score) and, to look for a fault, what the tower was given.

    `crops` are the 8-bit RGB pixels `[height, width, 3]` after resize and crop, where the reference shows
    them; `tensors` are `[3, height, width]`, RGB, whatever order the model takes.
    """
    records = []
    for name, crop, tensor, row in zip(names, crops, tensors, rows, strict=True):
        record = {"file": "%s/%s" % (folder, name), key: _short(row) if key == "embedding" else float(row)}
        if crop is not None:
            crop = np.ascontiguousarray(crop, np.uint8)
            record["crop"] = {"size": [crop.shape[1], crop.shape[0]], "sha256": hashlib.sha256(crop.tobytes()).hexdigest()}
        if tensor is not None:
            height, width = tensor.shape[1:]
            record["tensor"] = {
                "corner": _short(tensor[:, 0, 0]),
                "centre": _short(tensor[:, height // 2, width // 2]),
                "mean": _short(tensor.reshape(3, -1).mean(1)),
            }
        records.append(record)
    return records


def uprights(folder):
    """The golden pictures: names, and RGB images as each tower is given them."""
    names = sorted(file.name for file in folder.iterdir())
    return names, [pictures.upright(folder / name) for name in names]


def write(path, value):
    """JSON with a line for each text and picture: short, and a change shows where it is."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    text = _joined(text)
    path.write_text(text + "\n", encoding="utf-8")


def manifest(folder, name, dimension, visual, textual=None, field=None):
    """`pack.json`, with the SHA-256 of every other file of the pack."""
    notes = {"golden.json", "expected.json", "pack.json"}
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name not in notes)
    sums = {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    said = {
        "format": 1,
        "name": name,
        "licence": "CC0-1.0",
        "source": "deploy/models/reference (random weights)",
        "dimension": dimension,
    }
    said |= {"field": field} if field else {}
    said |= {"visual": visual} | ({"textual": textual} if textual else {}) | {"files": sums}
    (folder / "pack.json").write_text(json.dumps(said, indent=2) + "\n")


def _short(values):
    return [float("%.7g" % value) for value in np.asarray(values, np.float64).ravel()]


def _joined(text):
    """Puts lists of numbers on one line each."""
    lines, inside = [], False
    for line in text.split("\n"):
        bare = line.strip()
        number = bare.rstrip(",").replace(".", "").replace("-", "").replace("e", "").replace("+", "").isdigit()
        if inside and (number or bare in ("]", "],")):
            lines[-1] += bare
            inside = number
        else:
            lines.append(line)
            inside = bare.endswith("[")
    return "\n".join(lines)
