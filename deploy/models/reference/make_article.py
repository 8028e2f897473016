#!/usr/bin/env python3
"""Makes the article's two towers in their exact architectures, with random weights, and golden values.

  pip install -r deploy/models/reference/requirements.txt
  python deploy/models/reference/make_article.py OUT

`sentence-transformers/clip-ViT-B-32-multilingual-v1` is a multilingual DistilBERT (119,547 words, 6 layers of
768), the mean of its tokens, and a dense layer of 768 to 512; the pictures' side is CLIP ViT-B/32's vision tower
with its projection to 512. OUT becomes the hub's layout, with golden.json and expected.json, as in the small packs.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import transformers

from kit import pictures, vocabulary
from kit.packs import sentence
from kit.packs.immich import clear


def main():
    """Reads the command line and makes both towers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the pack's folder; one that this script made is made anew")
    out = parser.parse_args().out.resolve()
    if out.exists() and any(out.iterdir()) and not (out / "expected.json").exists():
        parser.error("%s holds something else: name a new folder" % out)
    clear(out)
    (out / "textual").rmdir()
    pictures.write(out / "pictures")
    pictures.write_large(out / "pictures")
    vocabulary.word_piece(out)
    text = transformers.DistilBertConfig(
        vocab_size=119547, dim=768, hidden_dim=3072, n_layers=6, n_heads=12, max_position_embeddings=512,
        sinusoidal_pos_embds=False, pad_token_id=0, attn_implementation="eager",
    )
    vision = transformers.CLIPVisionConfig(
        hidden_size=768, intermediate_size=3072, projection_dim=512, num_hidden_layers=12, num_attention_heads=12,
        image_size=224, patch_size=32, attn_implementation="eager",
    )
    print(sentence.build(out, out / "pictures", text, vision, seed=30, name="article"))


if __name__ == "__main__":
    main()
