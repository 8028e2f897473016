"""The 1,000 classes as texts, and their embeddings."""

import numpy as np

from .sources import LABELS

# Class embeddings are kept in steps of 2^-20: far below what a search can tell, far above what
# two processors differ by in double precision.
STEP = 2.0**-20


def _table(sources, file):
    """A tab-separated file of the wheel as a dictionary."""
    lines = sources.read(LABELS, f"_info/{file}").decode().splitlines()
    return dict(line.split("\t", 1) for line in lines)


def read_classes(sources):
    """`(synonyms, definition)` of each class, in the classifier's order: WordNet's words and gloss."""
    synonyms = _table(sources, "imagenet_synset_to_lemma.txt")
    glosses = _table(sources, "imagenet_synset_to_definition.txt")
    synsets = sources.read(LABELS, "_info/imagenet_synsets.txt").decode().split()
    return [(synonyms[synset], glosses[synset].split(";")[0]) for synset in synsets]


def embed_classes(encoder, classes):
    """`[1000, dimension]` centred class embeddings, and the centre `[dimension]`.

    A class is the sum of four texts' vectors: its first name, all its names, its definition
    (with half the weight), and a caption with name and definition.
    """
    names = [synonyms.split(",")[0].strip() for synonyms, _ in classes]
    synonyms = [synonyms for synonyms, _ in classes]
    glosses = [gloss for _, gloss in classes]
    captions = [f"a photo of a {name}, {gloss}" for name, gloss in zip(names, glosses)]
    total = (
        encoder.encode(names)
        + encoder.encode(synonyms)
        + 0.5 * encoder.encode(glosses)
        + encoder.encode(captions)
    )
    total /= np.linalg.norm(total, axis=1, keepdims=True)
    centre = total.mean(0)
    return _round(total - centre), _round(centre)


def _round(values):
    return np.round(values / STEP) * STEP
