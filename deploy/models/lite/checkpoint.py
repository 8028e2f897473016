"""Reads a torch checkpoint without torch, and without running anything that it contains.

The file is five pickles (magic number, protocol, system, the state dictionary, the storage keys)
followed by the storages: a 64-bit count of elements, then the elements. The unpickler knows
tensors and ordered dictionaries, and refuses every other name.
"""

import collections
import io
import pickle
import struct

import numpy as np

DTYPES = {"FloatStorage": np.float32, "LongStorage": np.int64}


class _Storage:
    """A run of numbers that tensors are views of; filled after the pickles are read."""

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)
        self.values = None


class _View:
    """A tensor as the pickle has it: a storage, an offset, a shape and strides, in elements."""

    def __init__(self, storage, offset, shape, strides, *_):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def to_array(self):
        strides = [stride * self.storage.dtype.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(self.storage.values[self.offset :], self.shape, strides).copy()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file):
        super().__init__(file)
        self.storages = {}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return _View
        raise pickle.UnpicklingError(f"the checkpoint names {module}.{name}, which is not allowed")

    def persistent_load(self, saved_id):
        dtype, key = saved_id[1], saved_id[2]
        return self.storages.setdefault(key, _Storage(dtype))


def read_checkpoint(raw):
    """The state dictionary in a checkpoint's bytes: parameter names to arrays."""
    file = io.BytesIO(raw)
    for _ in range(3):
        _Unpickler(file).load()
    unpickler = _Unpickler(file)
    state = unpickler.load()
    for key in _Unpickler(file).load():
        storage = unpickler.storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        storage.values = np.frombuffer(file.read(count * storage.dtype.itemsize), storage.dtype)
    return {name: view.to_array() for name, view in state.items()}
