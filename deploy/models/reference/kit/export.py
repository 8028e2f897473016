"""Weights that tell inputs apart, ONNX files, and sessions that run them."""

import warnings

import numpy as np
import onnxruntime
import torch

OPSET = 17

# The exporter has no name for the fused attention.
torch.backends.mha.set_fastpath_enabled(False)


def spread(model, seed, image_gain=1.2, text_gain=2.0):
    """Random weights of a size that makes the output depend on the input.

    As models are initialised for training, their outputs hardly differ, and any two embeddings would
    agree whatever was wrong before them. Text towers need more of it: their output stands at one token,
    which is the same for all texts, and only attention brings the others in.
    """
    random = torch.Generator().manual_seed(seed)
    for name, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=random)
        low = name.lower()
        gain = image_gain if low.startswith("visual") or "vision" in low else text_gain
        if value.dim() >= 2 and not any(word in low for word in ("embedding", "embed.weight", "pos", "cls", "latent")):
            fan = value[0].numel() if value.dim() > 2 or "proj" not in low.rsplit(".", 1)[-1] else value.shape[0]
            value.data = gain * noise / fan**0.5
        elif value.dim() >= 2:
            value.data = noise * (0.5 if "token" in low or "word" in low else 0.2)
        elif low.endswith("weight"):
            value.data = 1 + 0.1 * noise
        else:
            value.data = 0.1 * noise
    return model.eval().requires_grad_(False)


class Calls(torch.nn.Module):
    """A module whose forward pass is a function over it: what the exporter follows."""

    def __init__(self, model, function):
        super().__init__()
        self.model, self.function = model, function

    def forward(self, *inputs):
        return self.function(self.model, *inputs)


def onnx_file(module, inputs, names, output, path, dynamic=None):
    """Writes a module as ONNX, and returns what it gave for `inputs` as an array."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), inputs, str(path), input_names=names, output_names=[output],
            opset_version=OPSET, dynamic_axes=dynamic, dynamo=False,
        )
        return module(*inputs).numpy()


def session(path, threads=1):
    """A session on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(onnx, feed):
    """The first output, a run for each row: batches are the product's business, and some files take one only."""
    rows = len(next(iter(feed.values())))
    outputs = [onnx.run(None, {name: value[row : row + 1] for name, value in feed.items()})[0] for row in range(rows)]
    return np.concatenate(outputs).astype(np.float32)


def unit(rows):
    """Rows of length 1."""
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def worst(left, right):
    """1 − the lowest cosine between rows of the same place."""
    return float(1 - (unit(left) * unit(right)).sum(-1).min())


def agree(name, left, right, tolerance=1e-6):
    """Stops where two references that should be the same are not; returns the worst difference."""
    difference = worst(left, right)
    if not difference < tolerance:
        raise SystemExit("%s: 1 - cosine is %.2e, and %.0e is allowed" % (name, difference, tolerance))
    return difference


def told_apart(name, rows, least=0.002):
    """Stops where two different inputs have nearly one embedding: a test by such a model could not fail."""
    rows = unit(rows)
    cosines = rows @ rows.T - 2 * np.eye(len(rows))
    if cosines.max() > 1 - least:
        at = np.unravel_index(cosines.argmax(), cosines.shape)
        raise SystemExit("%s: inputs %s have cosine %.5f" % (name, at, cosines.max()))
    return float(cosines.max())


def noticed(name, right, wrong, least=3e-4):
    """Stops where a known mistake would hardly change any embedding; returns how much it changes the worst one."""
    difference = worst(right, wrong)
    if difference < least:
        raise SystemExit("%s would change embeddings by %.1e only, and %.0e is wanted" % (name, difference, least))
    return difference


def off_by_one(pixels, std=(1.0, 1.0, 1.0)):
    """Tensors `[n, 3, height, width]` of pixels that are each one step of 255 off, or none, at random."""
    random = np.random.default_rng(0)
    steps = random.integers(-1, 2, pixels.shape) / 255 / np.array(std).reshape(3, 1, 1)
    return (np.asarray(pixels) + steps).astype(np.float32)


def steady(name, right, off, most=5e-5):
    """Stops where a tower is so touchy that a pixel's last bit matters; returns how much it does."""
    difference = worst(right, off)
    if difference > most:
        raise SystemExit("%s: pixels that are off by one change embeddings by %.1e, and %.0e is allowed" % (name, difference, most))
    return difference
