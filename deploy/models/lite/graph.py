"""A small builder of ONNX graphs."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8


class Graph:
    """Nodes and constants of a graph, in the order in which they are added.

    `real` is the type of the graph's real numbers, `np.float32` or `np.float64`.
    """

    def __init__(self, real=np.float32):
        self.real = np.dtype(real)
        self.onnx_real = helper.np_dtype_to_tensor_dtype(self.real)
        self._nodes, self._constants, self._count = [], [], 0

    def _fresh(self, stem):
        self._count += 1
        return f"{stem}_{self._count}"

    def constant(self, array, stem="constant"):
        """Adds an array as it is; answers its name."""
        name = self._fresh(stem)
        array = np.asarray(array)
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array) if array.ndim else array, name))
        return name

    def reals(self, array, stem="weight"):
        """Adds an array as real numbers."""
        return self.constant(np.asarray(array, self.real), stem)

    def integers(self, array):
        """Adds an array as 64-bit integers."""
        return self.constant(np.asarray(array, np.int64), "integers")

    def node(self, operator, *inputs, name=None, **attributes):
        """Adds a node with one output; answers the output's name."""
        output = name or self._fresh(operator)
        self._nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def unit_length(self, rows, name):
        """Divides each row by its Euclidean length."""
        length = self.node("ReduceL2", rows, axes=[1], keepdims=1)
        return self.node("Div", rows, self.node("Max", length, self.reals(1e-12)), name=name)

    def finish(self, inputs, outputs, note):
        """The checked model. Inputs and outputs are `(name, type or None for real, shape)`."""

        def infos(tensors):
            return [helper.make_tensor_value_info(n, kind or self.onnx_real, shape) for n, kind, shape in tensors]

        graph = helper.make_graph(self._nodes, "tusou-lite", infos(inputs), infos(outputs), self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version, model.doc_string = IR_VERSION, note
        model.producer_name = "tusou build_lite.py"
        onnx.checker.check_model(model)
        return model


INT64 = TensorProto.INT64
