"""The vision tower: EfficientNet-Lite0's class probabilities, turned into an embedding by ConSE."""

import numpy as np

from .checkpoint import read_checkpoint
from .graph import Graph
from .sources import CLASSIFIER

INPUT, OUTPUT = "pixel_values", "image_embeds"
IMAGE_SIZE = 224
# The short side before the centre crop, and the pixels' scale: (RGB - 127) / 128.
RESIZE = 256
MEAN, STD = 127 / 255, 128 / 255

# EfficientNet-Lite0 (Tan and Le, 2019, without squeeze-and-excitation and with ReLU6):
# (blocks, stride of the first, expansion, channels out). Its depthwise kernels are 3 or 5 wide.
STAGES = (
    (1, 1, 1, 16),
    (2, 2, 6, 24),
    (2, 2, 6, 40),
    (3, 2, 6, 80),
    (3, 1, 6, 112),
    (4, 2, 6, 192),
    (1, 1, 6, 320),
)
STEM_CHANNELS = 32
BATCH_NORM_EPSILON = 1e-3


def same_padding(kernel, stride):
    """TensorFlow's SAME padding as ONNX wants it (top, left, bottom, right), for even image sides."""
    total = kernel - stride
    before = total // 2
    return [before, before, total - before, total - before]


class _Tower:
    """Adds layers to a graph, taking their weights from the checkpoint by name."""

    def __init__(self, weights):
        self.weights = weights
        self.graph = Graph()
        self.zero, self.six = self.graph.reals(0), self.graph.reals(6)

    def convolution(self, x, layer, norm, stride=1, groups=1, activate=True):
        """A convolution with its batch norm folded into the weights, and ReLU6."""
        kernels = self.weights[f"{layer}.weight"].astype(np.float64)
        variance = self.weights[f"{norm}.running_var"].astype(np.float64)
        scale = self.weights[f"{norm}.weight"] / np.sqrt(variance + BATCH_NORM_EPSILON)
        bias = self.weights[f"{norm}.bias"] - self.weights[f"{norm}.running_mean"] * scale
        side = kernels.shape[2]
        y = self.graph.node(
            "Conv",
            x,
            self.graph.reals(kernels * scale[:, None, None, None]),
            self.graph.reals(bias),
            kernel_shape=[side, side],
            strides=[stride, stride],
            pads=same_padding(side, stride),
            group=groups,
        )
        return self.graph.node("Clip", y, self.zero, self.six) if activate else y

    def block(self, x, prefix, channels_in, channels_out, expansion, stride):
        """An inverted residual: widen, filter each channel, narrow, and add the input where shapes allow."""
        y = x
        if expansion != 1:
            y = self.convolution(y, f"{prefix}._expand_conv", f"{prefix}._bn0")
        wide = channels_in * expansion
        y = self.convolution(y, f"{prefix}._depthwise_conv", f"{prefix}._bn1", stride, wide)
        y = self.convolution(y, f"{prefix}._project_conv", f"{prefix}._bn2", activate=False)
        return self.graph.node("Add", x, y) if stride == 1 and channels_in == channels_out else y

    def probabilities(self):
        """The whole classifier, from pixels to the probabilities of its 1,000 classes."""
        x = self.convolution(INPUT, "_conv_stem", "_bn0", stride=2)
        channels, index = STEM_CHANNELS, 0
        for blocks, first_stride, expansion, channels_out in STAGES:
            for position in range(blocks):
                stride = first_stride if position == 0 else 1
                x = self.block(x, f"_blocks.{index}", channels, channels_out, expansion, stride)
                channels, index = channels_out, index + 1
        x = self.convolution(x, "_conv_head", "_bn1")
        features = self.graph.node("Flatten", self.graph.node("GlobalAveragePool", x))
        weight, bias = self.graph.reals(self.weights["_fc.weight"]), self.graph.reals(self.weights["_fc.bias"])
        return self.graph.node("Softmax", self.graph.node("Gemm", features, weight, bias, transB=1), axis=1)


def build(sources, class_embeddings):
    """The tower as an ONNX model.

    `class_embeddings` is `[1000, dimension]`. An image's embedding is their mean, weighted by the
    classes' probabilities, at unit length: ConSE (Norouzi et al., "Zero-Shot Learning by Convex
    Combination of Semantic Embeddings", 2014).
    """
    tower = _Tower(read_checkpoint(sources.read(CLASSIFIER, ".pth")))
    probabilities = tower.probabilities()
    graph = tower.graph
    mixed = graph.node("MatMul", probabilities, graph.reals(class_embeddings, "class_embeddings"))
    graph.unit_length(mixed, OUTPUT)
    return graph.finish(
        inputs=[(INPUT, None, ["batch", 3, IMAGE_SIZE, IMAGE_SIZE])],
        outputs=[(OUTPUT, None, ["batch", class_embeddings.shape[1]])],
        note="EfficientNet-Lite0 (Apache-2.0) with ConSE; pixels (RGB - 127) / 128",
    )


def preprocess_config():
    """The content of `preprocess_cfg.json`: open_clip's keys, and `resize`, the short side before the crop."""
    return {
        "size": IMAGE_SIZE,
        "resize": RESIZE,
        "resize_mode": "shortest",
        "interpolation": "bicubic",
        "mean": [MEAN] * 3,
        "std": [STD] * 3,
        "background": [255, 255, 255],
    }
