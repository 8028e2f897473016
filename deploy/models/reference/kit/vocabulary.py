"""Small tokenizers of the kinds that the hub's packs have, trained on the sentences of words.py."""

import gzip
import json
from collections import Counter
from math import log

from open_clip.tokenizer import bytes_to_unicode
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertTokenizer, CLIPTokenizer, PreTrainedTokenizerFast

from .words import SENTENCES


def clip(folder, merges_file):
    """CLIP's byte-level BPE in lower case: `tokenizer.json` and its like, and the merges for open_clip.

    Both number their tokens alike; only the two special ones have other names.
    """
    learner = CLIPTokenizer()._tokenizer
    learner.post_processor = None
    trainer = trainers.BpeTrainer(
        vocab_size=620,
        min_frequency=2,
        end_of_word_suffix="</w>",
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    raw.normalizer, raw.pre_tokenizer = learner.normalizer, learner.pre_tokenizer
    raw.train_from_iterator(SENTENCES, trainer)
    bytes_, merges, words = list(bytes_to_unicode().values()), [], set()
    for pair in _merges(raw):
        # Two merges may give one word, and a word has one number.
        if "".join(pair) not in words:
            words.add("".join(pair))
            merges.append(pair)
    vocabulary = bytes_ + [byte + "</w>" for byte in bytes_] + ["".join(pair) for pair in merges]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    numbered = {word: number for number, word in enumerate(vocabulary)}
    assert len(numbered) == len(vocabulary)
    tokenizer = CLIPTokenizer(vocab=numbered, merges=merges, model_max_length=77)
    tokenizer.save_pretrained(folder)
    lines = ["#version: 0.2"] + [" ".join(pair) for pair in merges]
    merges_file.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return len(vocabulary)


def gemma(folder):
    """SigLIP 2's kind: BPE with bytes to fall back on, spaces as `▁`, `<eos>` at the end, `<pad>` to fill up."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    bytes_ = ["<0x%02X>" % byte for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=special + bytes_, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    # Bytes are fallen back on, and are no words that a text could spell.
    tokenizer = _without_added(tokenizer, set(bytes_))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", pair="$A <eos> $B <eos>", special_tokens=[("<eos>", 1)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>",
        padding_side="right", model_max_length=64,
    )
    fast.save_pretrained(folder)
    return tokenizer.get_vocab_size()


def xlm_roberta(folder):
    """XLM-R's kind: a unigram model over words that begin with `▁`, between `<s>` and `</s>`."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.Unigram([(token, 0.0) for token in special] + _pieces(), unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", bos_token="<s>", unk_token="<unk>",
        cls_token="<s>", sep_token="</s>", model_max_length=512,
    )
    fast.save_pretrained(folder)
    return tokenizer.get_vocab_size()


def word_piece(folder, longest=128):
    """BERT's kind, cased, as the multilingual DistilBERT has it: whole words, their beginnings, and characters."""
    counts = _counts(SENTENCES)
    words = sorted(counts, key=lambda word: (-counts[word], word))
    characters = sorted(set("".join(words)) | set(map(chr, range(33, 127))))
    kept = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + characters + ["##" + one for one in characters]
    kept += [word for word in words if len(word) > 1]
    kept += sorted({"##" + word[-length:] for word in words for length in (2, 3) if len(word) > length})
    numbered = {word: number for number, word in enumerate(dict.fromkeys(kept))}
    tokenizer = BertTokenizer(vocab=numbered, do_lower_case=False, model_max_length=longest)
    tokenizer.save_pretrained(folder)
    return len(numbered)


def _pieces():
    """Pieces of a unigram model with the logarithms of their shares. The library's own training is not repeatable."""
    counts = Counter()
    for word, count in _counts(SENTENCES).items():
        spelled = "▁" + word
        for start in range(len(spelled)):
            for length in range(1, len(spelled) - start + 1):
                counts[spelled[start : start + length]] += count
    kept = {piece: count for piece, count in counts.items() if len(piece) == 1 or (count >= 3 and len(piece) <= 4) or (piece[0] == "▁" and count >= 2)}
    kept |= {chr(code): 1 for code in range(33, 127) if chr(code) not in kept}
    total = sum(kept.values())
    ordered = sorted(kept.items(), key=lambda item: (-item[1], item[0]))
    return [(piece, round(log(count / total), 6)) for piece, count in ordered]


def _counts(sentences):
    return Counter(word for sentence in sentences for word in sentence.split())


def _merges(tokenizer):
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def _without_added(tokenizer, names):
    described = json.loads(tokenizer.to_str())
    described["added_tokens"] = [token for token in described["added_tokens"] if token["content"] not in names]
    return Tokenizer.from_str(json.dumps(described))
