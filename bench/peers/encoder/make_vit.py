#!/usr/bin/env python3
"""Makes packs in the shape of CLIP ViT-B/32's picture tower, with random weights: f32, int8 and f16.

  .stack/peers/encoder/bin/python bench/peers/encoder/make_vit.py OUT [f32] [int8] [f16]

OUT/f32, OUT/int8 and OUT/f16 are model packs with one tower. The shape is CLIP's (12 layers of 768, 12 heads,
patches of 32 in 224 × 224, so 50 tokens; to 512), as exporters write it, so it costs what the real one costs;
its embeddings mean nothing. A pack that is there is left as it is.
"""

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

LAYERS, WIDTH, HEADS, INNER, PATCH, SIDE, DIMENSION = 12, 768, 12, 3072, 32, 224, 512
TOKENS = (SIDE // PATCH) ** 2 + 1
INPUT, OUTPUT = "pixel_values", "image_embeds"
KINDS = ("f32", "int8", "f16")
PREPROCESS = {
    "size": SIDE,
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


class Graph:
    """An ONNX graph that is being written: nodes, and weights from one stream of random numbers."""

    def __init__(self, kind):
        self.kind = kind
        self.random = np.random.default_rng(7)
        self.nodes, self.weights = [], []

    def constant(self, name, values, kind=None):
        """A constant, in the graph's own type where none is said."""
        self.weights.append(numpy_helper.from_array(np.asarray(values, kind or self.kind), name))
        return name

    def noise(self, name, *shape, scale, around=0.0):
        """Random weights."""
        return self.constant(name, self.random.normal(around, scale, shape))

    def node(self, kind, inputs, output, **attributes):
        """A node of one output, which it returns."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def linear(self, x, name, wide, narrow, scale):
        """`x · W + b`"""
        product = self.node("MatMul", [x, self.noise(name + ".weight", wide, narrow, scale=scale)], name + ".product")
        return self.node("Add", [product, self.noise(name + ".bias", narrow, scale=0.01)], name)

    def norm(self, x, name):
        """Layer normalisation over the last axis."""
        scale = self.noise(name + ".weight", WIDTH, scale=0.05, around=1.0)
        bias = self.noise(name + ".bias", WIDTH, scale=0.02)
        return self.node("LayerNormalization", [x, scale, bias], name, axis=-1, epsilon=1e-5)


def build(kind):
    """The tower in `np.float32` or `np.float16`, inputs and outputs included."""
    graph = Graph(kind)
    graph.constant("zero", [0], np.int64)
    graph.constant("one", [1], np.int64)
    graph.constant("first", 0, np.int64)
    graph.constant("to_heads", [0, 0, HEADS, WIDTH // HEADS], np.int64)
    graph.constant("from_heads", [0, 0, WIDTH], np.int64)
    graph.constant("head_scale", (WIDTH // HEADS) ** -0.5)
    graph.constant("gelu_slope", 1.702)
    x = _tokens(graph)
    x = graph.norm(x, "pre")
    for layer in range(LAYERS):
        x = _block(graph, x, "layer%d." % layer)
    x = graph.norm(graph.node("Gather", [x, "first"], "class_token", axis=1), "post")
    graph.node("MatMul", [x, graph.noise("projection", WIDTH, DIMENSION, scale=WIDTH**-0.5)], OUTPUT)
    element = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        graph.nodes,
        "vit_b32",
        [value(INPUT, element, ["batch", 3, SIDE, SIDE])],
        [value(OUTPUT, element, ["batch", DIMENSION])],
        graph.weights,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], producer_name="tusou-bench", ir_version=8)
    onnx.checker.check_model(model)
    return model


def _tokens(graph):
    """Patches as tokens, the class token before them, and positions."""
    patch = graph.noise("patch.weight", WIDTH, 3, PATCH, PATCH, scale=0.02)
    x = graph.node("Conv", [INPUT, patch], "patch", kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH])
    shape = graph.constant("patch.shape", [0, WIDTH, TOKENS - 1], np.int64)
    x = graph.node("Transpose", [graph.node("Reshape", [x, shape], "patch.flat")], "patch.tokens", perm=[0, 2, 1])
    batch = graph.node("Slice", [graph.node("Shape", [INPUT], "shape"), "zero", "one", "zero"], "batch_size")
    tail = graph.constant("class.shape.tail", [1, WIDTH], np.int64)
    shape = graph.node("Concat", [batch, tail], "class.shape", axis=0)
    token = graph.node("Expand", [graph.noise("class", 1, 1, WIDTH, scale=0.02), shape], "class.each")
    x = graph.node("Concat", [token, x], "tokens", axis=1)
    return graph.node("Add", [x, graph.noise("positions", 1, TOKENS, WIDTH, scale=0.02)], "embedded")


def _block(graph, x, name):
    """Attention and the two-layer net, each added to what came in."""
    out_scale = (WIDTH * 2 * LAYERS) ** -0.5
    attended = _attention(graph, graph.norm(x, name + "norm1"), name)
    x = graph.node("Add", [x, graph.linear(attended, name + "out", WIDTH, WIDTH, out_scale)], name + "sum1")
    h = graph.linear(graph.norm(x, name + "norm2"), name + "inner", WIDTH, INNER, (2 * WIDTH) ** -0.5)
    slope = graph.node("Mul", [h, "gelu_slope"], name + "slope")
    h = graph.node("Mul", [h, graph.node("Sigmoid", [slope], name + "gate")], name + "quick_gelu")
    return graph.node("Add", [x, graph.linear(h, name + "outer", INNER, WIDTH, out_scale)], name + "sum2")


def _attention(graph, h, name):
    def heads(part, perm):
        x = graph.linear(h, name + part, WIDTH, WIDTH, WIDTH**-0.5)
        if part == "query":
            x = graph.node("Mul", [x, "head_scale"], name + "query.scaled")
        x = graph.node("Reshape", [x, "to_heads"], name + part + ".heads")
        return graph.node("Transpose", [x], name + part + ".turned", perm=perm)

    query, key, value = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
    weights = graph.node("Softmax", [graph.node("MatMul", [query, key], name + "scores")], name + "weights", axis=-1)
    x = graph.node("MatMul", [weights, value], name + "mixed")
    return graph.node("Reshape", [graph.node("Transpose", [x], name + "back", perm=[0, 2, 1, 3]), "from_heads"], name + "joined")


def write_pack(folder, kind):
    """A pack's folder, whole or not at all."""
    making = folder.with_name(folder.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    (making / "visual").mkdir(parents=True)
    model = making / "visual/model.onnx"
    if kind == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic

        whole = making / "whole.onnx"
        onnx.save(build(np.float32), whole)
        # The convolution stays as it is: 8-bit convolutions are slower on a CPU.
        quantize_dynamic(
            whole, model, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"], extra_options={"MatMulConstBOnly": True}
        )
        whole.unlink()
    else:
        onnx.save(build({"f32": np.float32, "f16": np.float16}[kind]), model)
    (making / "visual/preprocess_cfg.json").write_text(json.dumps(PREPROCESS, indent=2) + "\n")
    files = ["visual/model.onnx", "visual/preprocess_cfg.json"]
    manifest = {
        "format": 1,
        "name": "vit-b32-" + kind,
        "licence": "CC0-1.0",
        "source": "bench/peers/encoder/make_vit.py (random weights)",
        "dimension": DIMENSION,
        "visual": {"model": files[0], "preprocess": files[1], "input": INPUT, "output": OUTPUT},
        "files": {name: hashlib.sha256((making / name).read_bytes()).hexdigest() for name in files},
    }
    (making / "pack.json").write_text(json.dumps(manifest, indent=2) + "\n")
    making.rename(folder)


def main():
    """Reads the command line and makes what is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the folder of the packs")
    parser.add_argument("kinds", nargs="*", help="f32, int8, f16; all where none is named")
    arguments = parser.parse_args()
    unknown = set(arguments.kinds) - set(KINDS)
    if unknown:
        parser.error("%s is no kind; these are: %s" % (unknown.pop(), ", ".join(KINDS)))
    arguments.out.mkdir(parents=True, exist_ok=True)
    for kind in arguments.kinds or KINDS:
        folder = arguments.out / kind
        if not (folder / "pack.json").exists():
            print("making %s" % folder, file=sys.stderr)
            write_pack(folder, kind)


if __name__ == "__main__":
    main()
