"""The text tower's SentencePiece model, written as a `tokenizer.json`."""

import sentencepiece
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram

from .sources import SENTENCES

UNKNOWN, START, END = 0, 1, 2
# Field numbers in SentencePiece's protocol buffers: ModelProto.normalizer_spec, and in it the
# table of replacements, compiled.
NORMALIZER_SPEC, PRECOMPILED_CHARSMAP = 3, 2


def _varint(raw, at):
    """A protocol buffer's variable-length integer: its value and the position behind it."""
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _bytes_fields(raw, number):
    """The values of the length-delimited field `number` in an encoded message."""
    at, found = 0, []
    while at < len(raw):
        tag, at = _varint(raw, at)
        wire_type = tag & 7
        if wire_type == 2:
            length, at = _varint(raw, at)
            if tag >> 3 == number:
                found.append(raw[at : at + length])
            at += length
        elif wire_type == 0:
            _, at = _varint(raw, at)
        else:
            at += {1: 8, 5: 4}[wire_type]
    return found


def build(sources):
    """The tokenizer: SentencePiece's own normalisation and unigram pieces, `<s>` and `</s>` around."""
    raw = sources.read(SENTENCES, "sp.model")
    pieces = sentencepiece.SentencePieceProcessor(model_proto=raw)
    (specification,) = _bytes_fields(raw, NORMALIZER_SPEC)
    (replacements,) = _bytes_fields(specification, PRECOMPILED_CHARSMAP)

    vocabulary = [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(pieces.get_piece_size())]
    tokenizer = Tokenizer(Unigram(vocabulary, unk_id=UNKNOWN, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Precompiled(replacements),
            normalizers.Strip(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always", split=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", START), ("</s>", END)]
    )
    return tokenizer
