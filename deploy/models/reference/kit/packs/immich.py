"""Packs as the hub's `immich-app/*` have them: open_clip's CLIP and SigLIP, and M-CLIP's text towers."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import open_clip
import timm
import torch
import transformers
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from open_clip.transform import PreprocessCfg, image_transform_v2
from torch.nn.functional import normalize
from torchvision.transforms import Compose, InterpolationMode, Resize

from .. import export, golden, vocabulary
from ..words import TEXTS, UNCLEAN

SIDE, WIDTH, DIMENSION = 32, 32, 24
CLIP_MEAN, CLIP_STD = list(open_clip.OPENAI_DATASET_MEAN), list(open_clip.OPENAI_DATASET_STD)
VISION = {"image_size": SIDE, "layers": 1, "width": WIDTH, "head_width": 16, "mlp_ratio": 2.0, "patch_size": 8}


def open_clip_pack(folder, pictures):
    """CLIP as the hub has it: a batch of one, `text` i32 filled up to 77, shortest side, bicubic."""
    clear(folder)
    model, config, tokenizer = clip_model(folder, seed=1)
    preprocess = preprocess_config(folder, CLIP_MEAN, CLIP_STD, "bicubic", "shortest")
    write_json(folder / "config.json", config)
    write_towers(folder, model, "embedding", "embedding", dynamic=False)
    return write_golden(folder, pictures, preprocess, tokenizer, model, expected("open-clip", config, "max_tokens", pad="<|endoftext|>"))


def open_clip_u8_pack(folder, pictures):
    """CLIP as later exports are: u8 pixels that the file itself normalises, batches of any size, other names."""
    clear(folder)
    model, config, tokenizer = clip_model(folder, seed=2)
    preprocess = preprocess_config(folder, CLIP_MEAN, CLIP_STD, "bicubic", "shortest")
    write_json(folder / "config.json", config)
    write_towers(folder, model, "image_embedding", "text_embedding", dynamic=True, bytes_in=True)
    said = expected("open-clip-u8", config, "max_tokens", pad="<|endoftext|>", outputs=("image_embedding", "text_embedding"))
    said["visual"]["layout"] = "nhwc"
    return write_golden(folder, pictures, preprocess, tokenizer, model, said, bytes_in=True)


def siglip_pack(folder, pictures):
    """SigLIP 2: squash, text canonicalized and filled up with `<pad>`, both towers in batches of any size."""
    clear(folder)
    words = vocabulary.gemma(folder / "textual")
    context = 24  # the hub's have 64
    config = {
        "embed_dim": WIDTH,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {"image_size": SIDE, "timm_model_name": "vit_base_patch16_siglip_224",
                       "timm_model_pretrained": False, "timm_pool": "map", "timm_proj": "none"},
        "text_cfg": {"context_length": context, "vocab_size": words, "hf_tokenizer_name": "timm/ViT-B-16-SigLIP2",
                     "tokenizer_kwargs": {"clean": "canonicalize"}, "width": 16, "heads": 2, "layers": 2, "mlp_ratio": 2.0,
                     "no_causal_mask": True, "proj_bias": True, "pool_type": "last",
                     "norm_kwargs": {"eps": 1e-6}, "act_kwargs": {"approximate": "tanh"}},
    }
    model = export.spread(Siglip(words, context), seed=103, image_gain=0.9, text_gain=3.0)
    write_json(folder / "config.json", config)
    preprocess = preprocess_config(folder, [0.5] * 3, [0.5] * 3, "bicubic", "squash")
    write_towers(folder, model, "embedding", "embedding", dynamic=True)
    tokenizer = HFTokenizer(str(folder / "textual"), context_length=context, clean="canonicalize")
    said = expected("siglip", config, "max_tokens", pad="<pad>", clean="canonicalize")
    return write_golden(folder, pictures, preprocess, tokenizer, model, said)


class Siglip(torch.nn.Module):
    """timm's SigLIP vision tower and open_clip's text tower, as `CustomTextCLIP` pairs them."""

    def __init__(self, words, context):
        super().__init__()
        self.visual = timm.create_model(
            "vit_base_patch16_siglip_224", img_size=SIDE, patch_size=8, embed_dim=WIDTH, depth=1, num_heads=2, num_classes=0,
            mlp_ratio=2.0,
        )
        self.visual.attn_pool.fused_attn = False
        for block in self.visual.blocks:
            block.attn.fused_attn = False
        self.text = open_clip.transformer.TextTransformer(
            context_length=context, vocab_size=words, width=16, heads=2, layers=2, mlp_ratio=2.0, output_dim=WIDTH,
            no_causal_mask=True, proj_bias=True, pool_type="last",
            norm_layer=lambda width: open_clip.transformer.LayerNorm(width, eps=1e-6),
            act_layer=lambda: torch.nn.GELU(approximate="tanh"),
        )

    def encode_image(self, image, normalize=False):
        return torch.nn.functional.normalize(self.visual(image), dim=-1)

    def encode_text(self, text, normalize=False):
        return torch.nn.functional.normalize(self.text(text), dim=-1)


def m_clip_pack(folder, pictures):
    """M-CLIP: XLM-R's text tower with mean and projection inside, bilinear pictures, a batch of one."""
    clear(folder)
    words = vocabulary.xlm_roberta(folder / "textual")
    # The tokenizer's configuration as the hub's older packs have it: a token may be an object.
    path = folder / "textual/tokenizer_config.json"
    said = json.loads(path.read_text())
    said["pad_token"] = {"content": "<pad>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "__type": "AddedToken"}
    write_json(path, said)
    tower = transformers.XLMRobertaModel(
        transformers.XLMRobertaConfig(
            vocab_size=words, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            max_position_embeddings=100, type_vocab_size=1, bos_token_id=0, pad_token_id=1, eos_token_id=2,
            attn_implementation="eager",
        ),
        add_pooling_layer=False,
    )
    model = export.spread(MClip(tower, torch.nn.Linear(WIDTH, DIMENSION)), seed=4)
    clip = export.spread(open_clip.CLIP(DIMENSION, VISION, {"vocab_size": 64, "width": 16, "heads": 2, "layers": 1}), seed=5)
    # The configuration beside it is its picture tower's, as the hub has it: what it says of texts is CLIP's.
    config = {"embed_dim": DIMENSION, "vision_cfg": VISION,
              "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}}
    write_json(folder / "config.json", config)
    preprocess = preprocess_config(folder, CLIP_MEAN, CLIP_STD, "bilinear", "shortest")
    write_visual(folder, clip, "embedding", dynamic=False)
    one = torch.ones(1, 77, dtype=torch.int32)
    export.onnx_file(model, (one, one), ["input_ids", "attention_mask"], "embedding", folder / "textual/model.onnx")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "textual")
    # M-CLIP asks for no filling and cuts nothing; the hub's export has 77 tokens, no more and no less.
    filled = tokenizer(TEXTS, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
    with torch.no_grad():
        reference = torch.cat([model(ids[None], mask[None]) for ids, mask in zip(filled.input_ids, filled.attention_mask)])
        shorter = torch.cat([model(*tokenizer(text, truncation=True, max_length=77, return_tensors="pt").values()) for text in TEXTS])
    feed = {name: filled[name].numpy().astype(np.int32) for name in ("input_ids", "attention_mask")}
    rows = export.run(export.session(folder / "textual/model.onnx"), feed)
    seen = {"onnx and torch, texts": export.agree("m-clip texts", rows, reference),
            "filled and not filled": export.agree("m-clip filling", reference, shorter)}
    export.told_apart("m-clip texts", rows)
    ids = [tokenizer(text, truncation=True, max_length=77).input_ids for text in TEXTS]
    picture_records, more = picture_golden(folder, pictures, preprocess, clip)
    seen |= more
    said = expected("m-clip", config, "max_tokens", pad="<pad>")
    said["textual"] |= {"input_ids": "input_ids", "attention_mask": "attention_mask"}
    golden.write(folder / "expected.json", said)
    golden.write(folder / "golden.json", {"texts": golden.text_values(TEXTS, ids, export.unit(rows)), "pictures": picture_records})
    return shown(seen)


class MClip(torch.nn.Module):
    """What M-CLIP does after its transformer, as the hub's export has it."""

    def __init__(self, transformer, projection):
        super().__init__()
        self.transformer, self.LinearTransformation = transformer, projection

    def forward(self, input_ids, attention_mask):
        tokens = self.transformer(input_ids, attention_mask)[0]
        mean = (tokens * attention_mask.unsqueeze(2)).sum(dim=1) / attention_mask.sum(dim=1)[:, None]
        return normalize(self.LinearTransformation(mean), dim=-1)


def clip_model(folder, seed, image_gain=1.2):
    """A small CLIP, its configuration, and open_clip's own tokenizer over the merges of the pack's."""
    with tempfile.TemporaryDirectory() as scratch:
        merges = Path(scratch) / "merges.txt.gz"
        words = vocabulary.clip(folder / "textual", merges)
        tokenizer = SimpleTokenizer(str(merges))
    text = {"context_length": 77, "vocab_size": words, "width": 16, "heads": 2, "layers": 2, "mlp_ratio": 2.0}
    model = export.spread(open_clip.CLIP(DIMENSION, VISION, text, quick_gelu=True), seed=seed, image_gain=image_gain)
    return model, {"embed_dim": DIMENSION, "quick_gelu": True, "vision_cfg": VISION, "text_cfg": text}, tokenizer


def preprocess_config(folder, mean, std, interpolation, mode):
    """`preprocess_cfg.json`, as open_clip writes it; returns open_clip's own transform."""
    config = {"size": [SIDE, SIDE], "mode": "RGB", "mean": mean, "std": std, "interpolation": interpolation,
              "resize_mode": mode, "fill_color": 0}
    write_json(folder / "visual/preprocess_cfg.json", config)
    return image_transform_v2(PreprocessCfg(**{key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}), is_train=False)


def write_towers(folder, model, image_output, text_output, dynamic, bytes_in=False):
    """Both ONNX files of an open_clip model."""
    write_visual(folder, model, image_output, dynamic, bytes_in)
    write_text(folder, model, text_output, dynamic)


def write_text(folder, model, output, dynamic):
    """The text tower's ONNX file."""
    text = export.Calls(model, lambda model, text: model.encode_text(text, normalize=True))
    inputs = (torch.ones(2 if dynamic else 1, model_context(model), dtype=torch.int32),)
    axes = {"text": {0: "batch"}, output: {0: "batch"}} if dynamic else None
    export.onnx_file(text, inputs, ["text"], output, folder / "textual/model.onnx", axes)


def write_visual(folder, model, output, dynamic, bytes_in=False):
    """The picture tower's ONNX file."""

    def encode(model, image):
        if bytes_in:
            mean, std = torch.tensor(CLIP_MEAN), torch.tensor(CLIP_STD)
            image = ((image.to(torch.float32) / 255 - mean) / std).permute(0, 3, 1, 2)
        return model.encode_image(image, normalize=True)

    batch = 2 if dynamic else 1
    image = torch.randint(0, 256, (batch, SIDE, SIDE, 3), dtype=torch.uint8) if bytes_in else torch.randn(batch, 3, SIDE, SIDE)
    axes = {"image": {0: "batch"}, output: {0: "batch"}} if dynamic else None
    export.onnx_file(export.Calls(model, encode), (image,), ["image"], output, folder / "visual/model.onnx", axes)


def write_golden(folder, pictures, preprocess, tokenizer, model, said, bytes_in=False):
    """golden.json and expected.json of a pack whose text tower takes `text`."""
    tokens = tokenizer(TEXTS)
    with torch.no_grad():
        reference = model.encode_text(tokens, normalize=True)
    filled, ids = as_hub_users_do(folder, said, TEXTS)
    texts = export.session(folder / "textual/model.onnx")
    rows = export.run(texts, {"text": tokens.numpy().astype(np.int32)})
    seen = {
        "onnx and torch, texts": export.agree("texts", rows, reference),
        "open_clip's tokens and tokenizer.json's": export.agree("tokens", rows, export.run(texts, {"text": filled})),
    }
    seen["nearest texts"] = export.told_apart("texts", rows)
    if said["textual"].get("clean"):
        raw, _ = as_hub_users_do(folder, said | {"textual": said["textual"] | {"clean": None}}, TEXTS)
        seen["texts not cleaned"] = export.noticed("texts not cleaned", rows, export.run(texts, {"text": raw}))
    records, more = picture_golden(folder, pictures, preprocess, model, bytes_in)
    cleaned = [{"text": text, "cleaned": tokenizer.clean_fn(text)} for text in UNCLEAN]
    golden.write(folder / "expected.json", said)
    golden.write(folder / "golden.json", {"texts": golden.text_values(TEXTS, ids, export.unit(rows)), "pictures": records, "cleaned": cleaned})
    return shown(seen | more)


def as_hub_users_do(folder, said, texts):
    """Tokens by `tokenizer.json` alone: filled up as i32, and without filling."""
    from tokenizers import Tokenizer

    textual = said["textual"]
    tokenizer = Tokenizer.from_file(str(folder / "textual/tokenizer.json"))
    tokenizer.enable_truncation(textual["max_tokens"])
    clean = open_clip.tokenizer.canonicalize_text if textual.get("clean") == "canonicalize" else lambda text: " ".join(text.split())
    encoded = [tokenizer.encode(clean(text)).ids for text in texts]
    pad = tokenizer.token_to_id(textual["pad_token"])
    filled = [ids + [pad] * (textual["max_tokens"] - len(ids)) for ids in encoded]
    return np.array(filled, np.int32), encoded


def picture_golden(folder, pictures, preprocess, model, bytes_in=False):
    """Golden values of pictures by open_clip's transform, and what was seen of differences."""
    names, images = golden.uprights(pictures)
    tensors = torch.stack([preprocess(image) for image in images])
    crops = [crop(preprocess, image) for image in images]
    with torch.no_grad():
        reference = model.encode_image(tensors, normalize=True)
    onnx = export.session(folder / "visual/model.onnx")
    feed = np.stack(crops) if bytes_in else tensors.numpy()
    rows = export.run(onnx, {"image": feed})
    seen = {
        "onnx and torch, pictures": export.agree("pictures", rows, reference),
        "nearest pictures": export.told_apart("pictures", rows),
    }
    std = preprocess.transforms[-1].std
    with torch.no_grad():
        off = model.encode_image(torch.from_numpy(export.off_by_one(tensors, std)), normalize=True)
    seen["pixels off by one"] = export.steady("pictures", reference, off)
    for mistake, change in mistakes(preprocess).items():
        with torch.no_grad():
            wrong = model.encode_image(torch.stack([change(image) for image in images]), normalize=True)
        seen[mistake] = export.noticed(mistake, reference, wrong)
    return golden.picture_values(names, crops, tensors.numpy(), export.unit(rows)), seen


def mistakes(preprocess):
    """Ways to get the preprocessing wrong that the golden values have to show."""
    resize = next(step for step in preprocess.transforms if type(step).__name__ == "Resize")
    other = InterpolationMode.BILINEAR if resize.interpolation == InterpolationMode.BICUBIC else InterpolationMode.BICUBIC

    def with_other_filter(image):
        return Compose([Resize(resize.size, interpolation=other), *preprocess.transforms[1:]])(image)

    def with_floored_crop(image):
        image = resize(image)
        left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
        return Compose(preprocess.transforms[2:])(image.crop((left, top, left + SIDE, top + SIDE)))

    squash = not any(type(step).__name__ == "CenterCrop" for step in preprocess.transforms)
    return {"the other filter": with_other_filter} | ({} if squash else {"a floored crop": with_floored_crop})


def crop(preprocess, image):
    """The pixels after open_clip's resize and crop, before they become numbers."""
    for step in preprocess.transforms:
        if type(step).__name__ in ("Resize", "CenterCrop"):
            image = step(image)
    return np.asarray(image.convert("RGB"))


def expected(name, config, padding, pad, clean=None, outputs=("embedding", "embedding")):
    """What `tusou models add` should write into pack.json, but for `files`, `licence` and `source`."""
    textual = {
        "model": "textual/model.onnx",
        "tokenizer": "textual/tokenizer.json",
        "input_ids": "text",
        "output": outputs[1],
        "max_tokens": config["text_cfg"]["context_length"],
        "padding": padding,
        "pad_token": pad,
    }
    textual |= {"clean": clean} if clean else {}
    visual = {"model": "visual/model.onnx", "preprocess": "visual/preprocess_cfg.json", "input": "image", "output": outputs[0]}
    return {"name": name, "dimension": config["embed_dim"], "visual": visual, "textual": textual}


def model_context(model):
    """How many tokens the text tower takes."""
    return getattr(model, "context_length", None) or model.text.context_length


def clear(folder):
    """An empty folder, with rooms for both towers."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "visual").mkdir(parents=True)
    (folder / "textual").mkdir()


def write_json(path, value):
    """A configuration as the hub has it."""
    path.write_text(json.dumps(value, indent=2) + "\n")


def shown(seen):
    """What was seen, in a line."""
    return "; ".join("%s %.1e" % (what, value) if "nearest" not in what else "%s %.3f" % (what, value) for what, value in seen.items())
