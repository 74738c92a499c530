"""Pictures of motifs: letters, contributions, and the loops around them."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deeprke_tf.explaining.preference import FLANK, StructurePreference
from deeprke_tf.rna.sites import NUCLEOTIDES
from deeprke_tf.rna.structure import LOOP_CONTEXTS
from deeprke_tf.system import plotting
from deeprke_tf.system.messages import counted

if TYPE_CHECKING:
    from deeprke_tf.explaining.result import MotifFindings

# Distinct for any color vision.
_LETTERS = {
    **{"A": plotting.GREEN, "C": plotting.BLUE},
    **{"G": plotting.ORANGE, "U": plotting.VERMILION},
}
_LOOPS = {
    **{"F": "#BBBBBB", "T": plotting.GRAY, "I": plotting.PURPLE},
    **{"H": plotting.VERMILION, "M": plotting.GREEN, "S": plotting.BLUE},
}
_LOOP_NAMES = {
    **{"F": "dangling 5' end", "T": "dangling 3' end", "I": "internal loop"},
    **{"H": "hairpin loop", "M": "multiloop", "S": "stem"},
}


def draw_motif(found: "MotifFindings", path: Path) -> None:
    """Draws a motif: information, mean contributions and, if known, its loops."""
    motif = found.motif
    n_rows = 3 if found.preference else 2
    figure = plotting.new_figure(6.4, 1.9 * n_rows)
    information, contributions, *loops = figure.subplots(n_rows, 1)
    heights = motif.probabilities * motif.information[:, np.newaxis]
    _draw_logo(heights, information, "bits")
    information.set_ylim(0, 2)
    _draw_logo(motif.contributions, contributions, "log odds")
    information.set_title(
        f"{motif.name}: {motif.consensus}, {counted(motif.n_sites, 'site')}, effect "
        f"{motif.effect} log odds",
        fontsize=9,
    )
    if found.preference:
        _draw_loops(found.preference, motif.width, loops[0])
    plotting.write(figure, path)


def _draw_logo(heights: np.ndarray, axes, unit: str) -> None:
    import pandas as pd

    with warnings.catch_warnings():
        # Of logomaker about its own use of other libraries.
        warnings.simplefilter("ignore")
        import logomaker

        frame = pd.DataFrame(heights, columns=list(NUCLEOTIDES))
        logomaker.Logo(frame, ax=axes, color_scheme=_LETTERS, show_spines=False)
    axes.set_xticks(range(len(heights)), [str(i + 1) for i in range(len(heights))])
    axes.set_ylabel(unit)


def _draw_loops(preference: StructurePreference, width: int, axes) -> None:
    profile = np.nan_to_num(preference.profiles["occurrences"])
    places = np.arange(-FLANK, width + FLANK) + 1
    bottom = np.zeros(len(profile))
    for letter, heights in zip(LOOP_CONTEXTS, profile.T, strict=True):
        label = f"{letter} {_LOOP_NAMES[letter]}"
        axes.bar(places, heights, 1.0, bottom, color=_LOOPS[letter], label=label)
        bottom += heights
    for edge in (0.5, width + 0.5):
        axes.axvline(edge, color="black", linewidth=1)
    axes.set_ylabel("fraction of sites")
    axes.set_xlabel("nucleotide, counted from the start of the motif")
    axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))
