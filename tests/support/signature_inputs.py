"""Random sites as inputs of every signature, and their probabilities in Python."""

import random

import numpy as np
import tensorflow as tf

from deeprke_tf.data import records
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.rna.sites import Site, clean_site
from deeprke_tf.rna.structure import fold, loop_contexts
from deeprke_tf.runs.batching import score_sites
from tests.support.small_models import compiled_scorer

ENCODING = Encoding()


def random_texts(n_sites, seed):
    """Sequences in DNA or RNA, some padded or with N inside, and their structures."""
    rng = random.Random(seed)
    texts = []
    for _ in range(n_sites):
        letters = rng.choice(["ACGU", "ACGT", "acgu", "ACGTacgtN"])
        sequence = "".join(rng.choices(letters, k=rng.randint(3, 90)))
        padding = rng.choice([0, 0, 3])
        dot_bracket = fold(clean_letters(sequence))[0]
        ends = "N" * padding, "." * padding
        texts.append((ends[0] + sequence + ends[0], ends[1] + dot_bracket + ends[1]))
    return texts


def clean_letters(sequence):
    return sequence.upper().replace("T", "U")


def python_probabilities(model, texts):
    """The probability of each site, NaN where Python skips it."""
    views = [tensor.name for tensor in model.inputs]
    sites = [clean_site("", 1, s, k=3, dot_bracket=d) for s, d in texts]
    encoded = [
        dict(zip(views, ENCODING.encode(site.sequence, site.dot_bracket), strict=False))
        for site in sites
        if isinstance(site, Site)
    ]
    probabilities = np.full(len(sites), np.nan, np.float32)
    usable = [isinstance(site, Site) for site in sites]
    probabilities[usable] = score_sites(compiled_scorer(model), encoded, batch_size=32)
    return probabilities


def inputs_of(texts):
    """Every input that a signature may have, for the same sites."""
    sequences, dot_brackets = map(list, zip(*texts, strict=True))
    encoded = [
        ENCODING.encode(site.sequence, site.dot_bracket)
        if isinstance(site := clean_site("", 1, s, k=3, dot_bracket=d), Site)
        else ([], [])
        for s, d in texts
    ]
    sequence_kmers, structure_kmers = map(list, zip(*encoded, strict=True))
    examples = [records.serialize("site", *ids, label=0) for ids in encoded]
    return {
        "sequence": tf.constant(sequences),
        "dot_bracket": tf.constant(dot_brackets),
        "contexts": tf.constant([loop_contexts(d) for d in dot_brackets]),
        "sequence_kmers": tf.ragged.constant(sequence_kmers, tf.int64).to_tensor(),
        "structure_kmers": tf.ragged.constant(structure_kmers, tf.int64).to_tensor(),
        "records": tf.constant(examples),
    }
