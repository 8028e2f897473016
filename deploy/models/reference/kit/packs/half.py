"""open_clip's layout with towers in half precision, inputs and outputs included."""

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

from .immich import CLIP_MEAN, CLIP_STD, clear, clip_model, expected, preprocess_config, write_json, write_text, write_towers
from .lossy import write_golden


def pack(folder, pictures):
    """f16 from the pixels to the embedding; pictures in batches of any size, texts one by one."""
    clear(folder)
    model, config, tokenizer = clip_model(folder, seed=8)
    preprocess = preprocess_config(folder, CLIP_MEAN, CLIP_STD, "bicubic", "shortest")
    write_json(folder / "config.json", config)
    # A text tower of two layers in f16 that takes batches of any size crashes ONNX Runtime 1.32 as it is
    # loaded on a CPU, with all optimisations on. It is kept apart; a batch of one loads.
    crash = folder.parent / "regressions/f16-text-any-batch.onnx"
    write_towers(folder, model, "embedding", "embedding", dynamic=True)
    crash.parent.mkdir(exist_ok=True)
    _halve(folder / "textual/model.onnx", crash)
    _halve(folder / "visual/model.onnx", folder / "visual/model.onnx")
    write_text(folder, model, "embedding", dynamic=False)
    _halve(folder / "textual/model.onnx", folder / "textual/model.onnx")
    return write_golden(folder, pictures, preprocess, tokenizer, model, expected("f16", config, "max_tokens", pad="<|endoftext|>"))


def _halve(whole, path):
    onnx.save(convert_float_to_float16(onnx.load(whole), keep_io_types=False), path)
