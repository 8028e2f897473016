"""A text tower as sentence-transformers keeps it, and CLIP's picture tower by transformers: the article's pair."""

import json
import os
import shutil

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Dense, Pooling, Transformer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from .. import export, golden, vocabulary
from ..words import TEXTS
from .immich import Compose, clear, shown, write_json

MAX_TOKENS = 128


def pack(folder, pictures):
    """The article's layout, small."""
    clear(folder)
    (folder / "textual").rmdir()
    words = vocabulary.word_piece(folder)
    text = transformers.DistilBertConfig(
        vocab_size=words, dim=32, hidden_dim=64, n_layers=1, n_heads=2, max_position_embeddings=MAX_TOKENS,
        sinusoidal_pos_embds=False, pad_token_id=0, attn_implementation="eager",
    )
    vision = transformers.CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, projection_dim=24, num_hidden_layers=1, num_attention_heads=2,
        image_size=32, patch_size=8, attn_implementation="eager",
    )
    return build(folder, pictures, text, vision, seed=6, name="sentence")


def build(folder, pictures, text, vision, seed, name):
    """Both towers with random weights, in `folder` where the tokenizer is, and golden values beside them."""
    side, dimension = vision.image_size, vision.projection_dim
    picture_tower = export.spread(transformers.CLIPVisionModelWithProjection(vision), seed, image_gain=0.9)
    bert = export.spread(transformers.DistilBertModel(text), seed + 1)
    dense = export.spread(Dense(text.dim, dimension, bias=False, activation_function=torch.nn.Identity()), seed + 2)

    # sentence-transformers reads its model from a folder, with torch's weights.
    whole = folder.with_name(folder.name + ".torch")
    shutil.rmtree(whole, ignore_errors=True)
    shutil.copytree(folder, whole)
    bert.save_pretrained(whole)
    module = Transformer(str(whole), max_seq_length=MAX_TOKENS)
    pooling = Pooling(text.dim, pooling_mode="mean")
    reference = SentenceTransformer(modules=[module, pooling, dense], device="cpu")
    module.auto_model.eval()
    torch_rows = reference.encode(TEXTS, batch_size=4, convert_to_numpy=True, normalize_embeddings=True)

    _write_text(folder, bert, dense, text, dimension)
    _write_vision(folder, picture_tower, vision)
    rows, ids = _by_files(folder, dense)
    seen = {
        "onnx and sentence-transformers, texts": export.agree(name + " texts", rows, torch_rows),
        "nearest texts": export.told_apart(name + " texts", rows),
    }
    records, more = _pictures(folder, pictures, picture_tower, side, name)
    golden.write(folder / "expected.json", _expected(name, dimension, side))
    golden.write(folder / "golden.json", {"texts": golden.text_values(TEXTS, ids, export.unit(rows)), "pictures": records})
    shutil.rmtree(whole)
    return shown(seen | more)


def _write_text(folder, bert, dense, config, dimension):
    """The files of the hub's repository that are of use, in the form that it has them in (of library 2.x)."""

    def encode(model, input_ids, attention_mask):
        return model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    mask = torch.ones(2, 6, dtype=torch.int64)
    mask[1, 4:] = 0
    axes = {name: {0: "batch_size", 1: "sequence_length"} for name in ("input_ids", "attention_mask", "last_hidden_state")}
    example = (torch.arange(12).reshape(2, 6) + 5, mask)
    export.onnx_file(export.Calls(bert, encode), example, ["input_ids", "attention_mask"], "last_hidden_state", folder / "onnx/model.onnx", axes)
    kinds = "sentence_transformers.models."
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")]
    write_json(folder / "modules.json", [{"idx": at, "name": str(at), "path": path, "type": kinds + kind} for at, (path, kind) in enumerate(modules)])
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": MAX_TOKENS, "do_lower_case": False})
    write_json(folder / "config.json", {"architectures": ["DistilBertModel"], "model_type": "distilbert", "dim": config.dim, "vocab_size": config.vocab_size})
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling/config.json", {
        "word_embedding_dimension": config.dim, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False,
    })
    (folder / "2_Dense").mkdir()
    write_json(folder / "2_Dense/config.json", {
        "in_features": config.dim, "out_features": dimension, "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity",
    })
    from safetensors.torch import save_file

    save_file({"linear.weight": dense.linear.weight.contiguous()}, str(folder / "2_Dense/model.safetensors"))


def _write_vision(folder, tower, config):
    """The picture tower in a folder of its own, with the files that such an export has."""
    axes = {"pixel_values": {0: "batch_size"}, "image_embeds": {0: "batch_size"}}
    module = export.Calls(tower, lambda model, pixels: model(pixel_values=pixels).image_embeds)
    example = (torch.randn(2, 3, config.image_size, config.image_size),)
    export.onnx_file(module, example, ["pixel_values"], "image_embeds", folder / "visual/model.onnx", axes)
    write_json(folder / "visual/config.json", {"architectures": ["CLIPVisionModelWithProjection"], "model_type": "clip_vision_model", "projection_dim": config.projection_dim})
    write_json(folder / "visual/preprocessor_config.json", processor_config(config.image_size))


def processor_config(side):
    """CLIPImageProcessor's configuration, in the form that the hub has it in."""
    return {
        "crop_size": {"height": side, "width": side}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
        "do_rescale": True, "do_resize": True, "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_processor_type": "CLIPImageProcessor", "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3,
        "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": side},
    }


def _by_files(folder, dense):
    """Texts by the folder's files alone, as the product does it: tokenizer, ONNX, mean over the mask, dense."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    weight = load_file(str(folder / "2_Dense/model.safetensors"))["linear.weight"]
    assert np.array_equal(weight, dense.linear.weight.numpy())
    onnx, rows, ids = export.session(folder / "onnx/model.onnx"), [], []
    for text in TEXTS:
        tokens = tokenizer.encode(text).ids
        given = {"input_ids": np.array([tokens], np.int64), "attention_mask": np.ones((1, len(tokens)), np.int64)}
        hidden = onnx.run(None, given)[0]
        rows.append(hidden[0].mean(0) @ weight.T)
        ids.append(tokens)
    return np.stack(rows), ids


def _pictures(folder, pictures, tower, side, name):
    """Golden values of pictures by transformers' processor on Pillow; how far the one on torchvision is off."""
    names, images = golden.uprights(pictures)
    config = {key: value for key, value in json.loads((folder / "visual/preprocessor_config.json").read_text()).items() if key != "image_processor_type"}
    by_pillow, by_torch = CLIPImageProcessorPil(**config), transformers.CLIPImageProcessor(**config)
    tensors = np.concatenate([by_pillow(images=image, return_tensors="np").pixel_values for image in images])
    others = np.concatenate([by_torch(images=image, return_tensors="np").pixel_values for image in images])
    bare = CLIPImageProcessorPil(**config | {"do_rescale": False, "do_normalize": False})
    crops = [bare(images=image, return_tensors="np").pixel_values[0].transpose(1, 2, 0) for image in images]
    with torch.no_grad():
        reference = tower(pixel_values=torch.from_numpy(tensors)).image_embeds
    onnx = export.session(folder / "visual/model.onnx")
    rows = export.run(onnx, {"pixel_values": tensors})
    torchvision = export.run(onnx, {"pixel_values": others})
    off = export.run(onnx, {"pixel_values": export.off_by_one(tensors, config["image_std"])})
    rounded = export.run(onnx, {"pixel_values": _as_open_clip_crops(images, side)})
    seen = {
        "onnx and torch, pictures": export.agree(name + " pictures", rows, reference),
        "nearest pictures": export.told_apart(name + " pictures", rows),
        "pixels off by one": export.steady(name + " pictures", rows, off),
        "Pillow's and torchvision's processors": export.worst(rows, torchvision),
        "transformers' and open_clip's crops": export.noticed("the crop of open_clip", rows, rounded),
    }
    where = os.path.relpath(pictures, folder)
    return golden.picture_values(names, crops, tensors, export.unit(rows), folder=where), seen


def _as_open_clip_crops(images, side):
    from open_clip.transform import PreprocessCfg, image_transform_v2

    transform: Compose = image_transform_v2(PreprocessCfg(size=side), is_train=False)
    return torch.stack([transform(image) for image in images]).numpy()


def _expected(name, dimension, side):
    """What `tusou models add` should write into pack.json and, of the picture tower, as preprocessing."""
    config = processor_config(side)
    return {
        "name": name,
        "dimension": dimension,
        "visual": {"model": "visual/model.onnx", "input": "pixel_values", "output": "image_embeds"},
        "preprocess": {
            "size": side, "mean": config["image_mean"], "std": config["image_std"], "interpolation": "bicubic",
            "resize_mode": "shortest", "crop": "floor",
        },
        "textual": {
            "model": "onnx/model.onnx", "tokenizer": "tokenizer.json", "input_ids": "input_ids",
            "attention_mask": "attention_mask", "output": "last_hidden_state", "max_tokens": MAX_TOKENS,
            "padding": "longest", "pooling": "mean", "dense": "2_Dense/model.safetensors",
        },
    }
