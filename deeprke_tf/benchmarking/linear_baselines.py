"""Linear baselines of k-mer counts and positions; no TensorFlow.

    oli           Livi and Blanzieri, BMC Bioinformatics 15, 123 (2014): frequencies of
                  the 4-mers of a site, linear support vector machine.
    position-kmer our own reference: one-hot letters at each position, counted from
                  the center, and counts of 3-mers and 5-mers; logistic regression.

The regularization with the highest AUROC on validation is selected.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse, special
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.svm import LinearSVC

from deeprke_tf.data.kmers import FIRST_KMER_ID, PAD_ID, UNKNOWN_ID, KmerVocabulary
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import metrics
from deeprke_tf.rna.sites import NUCLEOTIDES

NAMES = ("oli", "position-kmer")

STRENGTHS = {"oli": (0.01, 0.1, 1.0), "position-kmer": (0.001, 0.01, 0.1)}

Score = Callable[[Sequence[str]], np.ndarray]


class Labelled(NamedTuple):
    """Sites and their labels, [n_sites]."""

    sequences: Sequence[str]
    labels: np.ndarray


def fit(
    name: str, train: Labelled, validation: Labelled, seed: int
) -> tuple[Score, dict[str, Any]]:
    """Fits a linear model.

    Args:
      name: One of `NAMES`.
      train: Sites to fit on.
      validation: Sites to select the regularization on.
      seed: Random seed of the solver.

    Returns:
      A function from sequences to probabilities, float64 [n_sites]; and the selected
      `C` with its `validation_auroc`.

    Raises:
      UserError: There is no baseline of that name.
    """
    if name not in NAMES:
        raise UserError(f"No baseline {name!r}; there are: {', '.join(NAMES)}.")
    reach = max(len(sequence) for sequence in train.sequences) // 2
    x_train = _features(name, train.sequences, reach)
    x_validation = _features(name, validation.sequences, reach)
    candidates = []
    for strength in STRENGTHS[name]:
        model = _model(name, strength, seed).fit(x_train, train.labels)
        scores = special.expit(model.decision_function(x_validation))
        auroc = metrics.auroc(validation.labels, scores)
        candidates.append((auroc, strength, model))
    auroc, strength, chosen = max(candidates, key=lambda candidate: candidate[0])

    def score(sequences: Sequence[str]) -> np.ndarray:
        x = _features(name, sequences, reach)
        return special.expit(chosen.decision_function(x))

    return score, {"C": strength, "validation_auroc": auroc}


def _model(name: str, strength: float, seed: int) -> Any:
    if name == "oli":
        return make_pipeline(MaxAbsScaler(), LinearSVC(C=strength, random_state=seed))
    return LogisticRegression(
        C=strength, solver="liblinear", random_state=seed, max_iter=200
    )


def _features(name: str, sequences: Sequence[str], reach: int) -> sparse.csr_matrix:
    """Returns the features of each site, float64 [n_sites, n_features]."""
    if name == "oli":
        counts = _kmer_counts(sequences, 4)
        n_kmers = np.maximum(1, np.array([len(s) - 3 for s in sequences]))
        return sparse.diags_array(1 / n_kmers) @ counts
    parts = [
        _positions(sequences, reach),
        *(_kmer_counts(sequences, k) for k in (3, 5)),
    ]
    return sparse.hstack(parts, format="csr")


def _kmer_counts(sequences: Sequence[str], k: int) -> sparse.csr_matrix:
    """Counts the known k-mers of each site, [n_sites, 4^k]."""
    vocabulary = KmerVocabulary(NUCLEOTIDES, k)
    ids = [
        vocabulary.encode(sequence) if len(sequence) >= k else np.zeros(0, np.int64)
        for sequence in sequences
    ]
    rows = np.repeat(np.arange(len(ids)), [len(one) for one in ids])
    columns = np.concatenate(ids) - FIRST_KMER_ID
    known = columns >= 0
    ones = np.ones(int(known.sum()))
    shape = (len(ids), len(vocabulary) - FIRST_KMER_ID)
    return sparse.csr_matrix((ones, (rows[known], columns[known])), shape)


def _positions(sequences: Sequence[str], reach: int) -> sparse.csr_matrix:
    """One-hot letters up to `reach` from the center, [n_sites, 4 (2 reach + 1)]."""
    vocabulary = KmerVocabulary(NUCLEOTIDES, 1)
    rows, columns = [], []
    for row, sequence in enumerate(sequences):
        digits = vocabulary.encode(sequence) - FIRST_KMER_ID
        offsets = np.arange(len(sequence)) - len(sequence) // 2 + reach
        kept = (digits >= 0) & (offsets >= 0) & (offsets <= 2 * reach)
        columns.append(4 * offsets[kept] + digits[kept])
        rows.append(np.full(int(kept.sum()), row))
    hot = np.concatenate(columns)
    shape = (len(sequences), 4 * (2 * reach + 1))
    return sparse.csr_matrix((np.ones(len(hot)), (np.concatenate(rows), hot)), shape)


def letters_of(sites: Sequence[np.ndarray], vocabulary: KmerVocabulary) -> list[str]:
    """Returns the letters of sites that are given as overlapping k-mers.

    A letter that no known k-mer covers becomes N, such as a letter between two N. The
    result has the same k-mers.

    >>> vocabulary = KmerVocabulary("ACGU", k=3)
    >>> letters_of([vocabulary.encode("ACGUNACG")], vocabulary)
    ['ACGUNACG']

    Args:
      sites: k-mer ids of each site, int [n_kmers].
      vocabulary: Their vocabulary.
    """
    # Behind its k-mers each site has a pad for each letter that the last one adds, so
    # that place i is both k-mer i and letter i.
    pad = np.full(vocabulary.k - 1, PAD_ID)
    ids = np.concatenate([part for site in sites for part in (site, pad)])
    n_letters = len(vocabulary.alphabet)
    letters = np.full(len(ids) + vocabulary.k - 1, n_letters)
    known = ids > UNKNOWN_ID
    digits = ids[known] - FIRST_KMER_ID
    for offset in reversed(range(vocabulary.k)):
        digits, remainder = np.divmod(digits, n_letters)
        letters[offset : offset + len(ids)][known] = remainder
    codes = np.frombuffer(f"{vocabulary.alphabet}N".encode(), np.uint8)
    text = codes[letters].tobytes().decode()
    ends = np.cumsum([0, *(len(site) + len(pad) for site in sites)]).tolist()
    return [text[start:end] for start, end in itertools.pairwise(ends)]
