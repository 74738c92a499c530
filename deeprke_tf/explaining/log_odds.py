"""The log odds that the networks of a run give to sites, any letters and any loops.

Attributions and counterfactual tests ask for many variants of a site, some with loop
contexts that no fold has. So sites come as text, not as `Site`s.
"""

from collections.abc import Sequence

import numpy as np

from deeprke_tf.errors import require_positive
from deeprke_tf.runs import batching
from deeprke_tf.runs.run import Run


class LogOdds:
    """The compiled networks of a run, without their last sigmoid.

    The log odds of an ensemble are the mean of those of its networks, so that
    attributions of an ensemble are the mean of theirs, too.

    Args:
      run: A run, an ensemble, or several runs.
      batch_size: Sites that a network scores at once.

    Attributes:
      run: The run.
      n_networks: Number of its networks.
      reads_structure: Whether any of them reads loop contexts.

    Raises:
      UserError: `batch_size` is below 1.
    """

    def __init__(self, run: Run, batch_size: int = 512):
        require_positive(batch_size=batch_size)
        self.run = run
        self.n_networks = len(run.trainings)
        self.reads_structure = run.reads_structure
        self._batch_size = batch_size
        self._networks = [
            (training.config.model.views, training.log_odds_scorer)
            for training in run.trainings
        ]

    def __call__(
        self, sequences: Sequence[str], loop_contexts: Sequence[str]
    ) -> np.ndarray:
        """Returns float64 [n_networks, n_sites].

        Args:
          sequences: RNA letters of each site, at least k.
          loop_contexts: As long as the sequences; ignored by networks that do not read
            structure.
        """
        encoding = self.run.encoding
        views = {"sequence_kmers": encoding.sequence_vocabulary.encode_all(sequences)}
        if self.reads_structure:
            vocabulary = encoding.structure_vocabulary
            views["structure_kmers"] = vocabulary.encode_all(loop_contexts)
        scores = np.empty((self.n_networks, len(sequences)))
        for row, (names, score) in zip(scores, self._networks, strict=True):
            columns = zip(*(views[name] for name in names), strict=True)
            sites = [dict(zip(names, ids, strict=True)) for ids in columns]
            row[:] = batching.score_sites(score, sites, self._batch_size)
        return scores

    def mean(
        self, sequences: Sequence[str], loop_contexts: Sequence[str]
    ) -> np.ndarray:
        """Returns the mean over the networks, float64 [n_sites]."""
        return self(sequences, loop_contexts).mean(axis=0)
