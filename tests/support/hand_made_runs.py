"""Runs whose log odds are known by hand, without a network."""

from pathlib import Path

import numpy as np

from deeprke_tf.api import Run
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.presets import preset

ENCODING = Encoding()
LONGEST_SITE = 41


def hand_made_run(log_odds, preset_name="no-structure"):
    """A run by its log odds, a function of one batch of ids by view to [batch]."""
    manifest = {"longest_site": LONGEST_SITE, "model_sha256": preset_name}
    run = Run(Path("hand-made"), preset(preset_name), ENCODING, manifest)
    run.log_odds_scorer = lambda inputs: np.asarray(log_odds(inputs), np.float32)
    return run


def ensemble_of(*runs):
    """Several such runs as one."""
    first = runs[0]
    return Run(
        *(first.directory, first.config, first.encoding, first.manifest), members=runs
    )


def motif_run(motif, weight=1.0):
    """Log odds: how many 3-mers of the motif the best place has, times a weight."""
    wanted = ENCODING.sequence_vocabulary.encode(motif)

    def log_odds(inputs):
        ids = np.asarray(inputs["sequence_kmers"])
        ids = np.pad(ids, ((0, 0), (0, len(wanted))))
        places = np.lib.stride_tricks.sliding_window_view(ids, len(wanted), axis=1)
        return weight * (places == wanted).sum(axis=2).max(axis=1) - 3

    return hand_made_run(log_odds)


def stem_run():
    """Log odds: how many 3-mers of the structure lie in a stem."""
    (in_stem,) = ENCODING.structure_vocabulary.encode("SSS")
    return hand_made_run(
        lambda inputs: (np.asarray(inputs["structure_kmers"]) == in_stem).sum(axis=1),
        "paper",
    )
