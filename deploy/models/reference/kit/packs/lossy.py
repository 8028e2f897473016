"""Golden values of files that are less exact than the model they come from: the file itself is the reference."""

import numpy as np
import torch

from .. import export, golden
from ..words import TEXTS
from .immich import as_hub_users_do, crop, shown


def write_golden(folder, pictures, preprocess, tokenizer, model, said):
    """golden.json and expected.json from the pack's own ONNX files; returns how far they are from torch in f32."""
    tokens = tokenizer(TEXTS)
    names, images = golden.uprights(pictures)
    tensors = torch.stack([preprocess(image) for image in images])
    crops = [crop(preprocess, image) for image in images]
    visual, textual = export.session(folder / "visual/model.onnx"), export.session(folder / "textual/model.onnx")
    kind = np.float16 if "float16" in visual.get_inputs()[0].type else np.float32
    rows = export.run(visual, {"image": tensors.numpy().astype(kind)})
    texts = export.run(textual, {"text": tokens.numpy().astype(np.int32)})
    _, ids = as_hub_users_do(folder, said, TEXTS)
    with torch.no_grad():
        seen = {
            "from f32, texts": export.agree("texts", texts, model.encode_text(tokens, normalize=True), 0.05),
            "from f32, pictures": export.agree("pictures", rows, model.encode_image(tensors, normalize=True), 0.05),
        }
    seen |= {"nearest texts": export.told_apart("texts", texts), "nearest pictures": export.told_apart("pictures", rows)}
    off = export.off_by_one(tensors, preprocess.transforms[-1].std).astype(kind)
    seen["pixels off by one"] = export.steady("pictures", rows, export.run(visual, {"image": off}))
    golden.write(folder / "expected.json", said)
    records = golden.picture_values(names, crops, tensors.numpy(), export.unit(rows))
    golden.write(folder / "golden.json", {"texts": golden.text_values(TEXTS, ids, export.unit(texts)), "pictures": records})
    return shown(seen)
