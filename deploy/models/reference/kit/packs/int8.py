"""open_clip's layout with towers of 8-bit weights."""

from onnxruntime.quantization import QuantType, quantize_dynamic

from .immich import CLIP_MEAN, CLIP_STD, clear, clip_model, expected, preprocess_config, write_json, write_towers
from .lossy import write_golden


def pack(folder, pictures):
    """Matrix products in 8 bits, quantised as they run; batches of any size."""
    clear(folder)
    model, config, tokenizer = clip_model(folder, seed=17, image_gain=1.0)
    preprocess = preprocess_config(folder, CLIP_MEAN, CLIP_STD, "bicubic", "shortest")
    write_json(folder / "config.json", config)
    write_towers(folder, model, "embedding", "embedding", dynamic=True)
    for tower in ("visual", "textual"):
        path = folder / tower / "model.onnx"
        whole = path.with_name("whole.onnx")
        path.rename(whole)
        # Seven bits of weights: processors without VNNI saturate at eight, and the values would be theirs alone.
        quantize_dynamic(whole, path, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8, reduce_range=True)
        whole.unlink()
    return write_golden(folder, pictures, preprocess, tokenizer, model, expected("int8", config, "max_tokens", pad="<|endoftext|>"))
