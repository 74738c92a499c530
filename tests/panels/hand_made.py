"""A joint run whose probabilities are known by hand, without a network."""

from types import SimpleNamespace

import numpy as np

from deeprke_tf.data.encoding import Encoding

ENCODING = Encoding()


class HandMade:
    """Each RBP is a motif: its probability grows with the best match of a site.

    Args:
      motifs: By RBP, each as long as the others.
      background: Probabilities of the background validation sites of each RBP.
      threshold: Of each RBP.
    """

    name = "hand-made"
    views = ("sequence_kmers",)
    reads_structure = False
    longest_site = 60
    encoding = ENCODING

    def __init__(self, motifs, background=np.linspace(0, 0.6, 199), threshold=0.7):
        self.names = tuple(motifs)
        self._motifs = [ENCODING.sequence_vocabulary.encode(m) for m in motifs.values()]
        labels = np.repeat([1, 0], [50, len(background)])
        probabilities = np.concatenate([np.linspace(0.5, 1, 50), background])
        self._run = SimpleNamespace(
            validation=(labels, probabilities.astype(np.float32)), threshold=threshold
        )

    def run(self, _name):
        return self._run

    def scorer(self, batch_size, names=(), prior=None, few=False):
        def score(sites):
            probabilities = np.array(
                [[_match(s["sequence_kmers"], m) for m in self._motifs] for s in sites]
            )
            return probabilities, probabilities / 2, probabilities * np.nan

        return score


def _match(ids, motif):
    """0.9 for the whole motif, less for a part of it."""
    ids = np.pad(np.asarray(ids), (0, len(motif)))
    places = np.lib.stride_tricks.sliding_window_view(ids, len(motif))
    return 0.9 * (places == motif).sum(axis=1).max() / len(motif)
