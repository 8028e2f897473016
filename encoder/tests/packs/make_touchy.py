"""Makes `touchy`: a picture tower that fails for two pictures, to test that others are not hurt.

The mean colour c becomes c * (255 - c) / sum(c): not a number for black, zero for white, a good vector for
what lies between. Needs `onnx`; made twice, it is the same bytes.
"""

import hashlib
import json
from pathlib import Path

from onnx import TensorProto, checker, helper, numpy_helper
import numpy

FOLDER = Path(__file__).parent / "touchy"


def model():
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "sides"], ["colour"], keepdims=0),
        helper.make_node("ReduceSum", ["colour", "last"], ["sum"], keepdims=1),
        helper.make_node("Sub", ["white", "colour"], ["rest"]),
        helper.make_node("Mul", ["colour", "rest"], ["product"]),
        helper.make_node("Div", ["product", "sum"], ["embedding"]),
    ]
    constants = {"sides": [1, 2], "last": [1], "white": 255.0}
    kinds = {"sides": numpy.int64, "last": numpy.int64, "white": numpy.float32}
    graph = helper.make_graph(
        nodes,
        "touchy",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", "height", "width", 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(numpy.array(value, kinds[name]), name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(made, full_check=True)
    return made.SerializeToString()


def main():
    preprocess = {"size": 16, "resize_mode": "squash", "interpolation": "bilinear", "mean": [0.0] * 3, "std": [1.0] * 3}
    files = {
        "visual/model.onnx": model(),
        "visual/preprocess_cfg.json": (json.dumps(preprocess, indent=2) + "\n").encode(),
    }
    (FOLDER / "visual").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (FOLDER / name).write_bytes(content)
    manifest = {
        "format": 1,
        "name": "touchy",
        "licence": "CC0-1.0",
        "source": "encoder/tests/packs/make_touchy.py",
        "dimension": 3,
        "field": "copy_embedding",
        "visual": {
            "model": "visual/model.onnx",
            "preprocess": "visual/preprocess_cfg.json",
            "input": "image",
            "output": "embedding",
            "layout": "nhwc",
        },
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    (FOLDER / "pack.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
