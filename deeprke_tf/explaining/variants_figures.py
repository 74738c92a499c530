"""Pictures of variants: what the model reads in either allele, and how each folds.

Bars are the fall of the log odds when a letter is replaced by a random other one, rings
that of a loop context, by in-silico mutagenesis. Below them is the structure, colored
by the sum of both; the letters of the allele are framed.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.explaining.log_odds import LogOdds
from deeprke_tf.explaining.mutagenesis import importance, mutagenize
from deeprke_tf.explaining.report_sites import LETTER_COLORS, draw_structure
from deeprke_tf.explaining.sites import FoldedSite
from deeprke_tf.explaining.variants_alleles import pairs
from deeprke_tf.explaining.variants_rows import Row, name_of
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import NUCLEOTIDES, rna_letters
from deeprke_tf.rna.structure import LOOP_CONTEXTS, all_loop_contexts
from deeprke_tf.system import plotting

_STRANDS = {"+": "_plus", "-": "_minus", ".": ""}


def draw_variant(
    row: Row, log_odds: LogOdds, pool: FoldingPool | None, window: int, directory: Path
) -> str:
    """Draws both alleles of a scored variant; returns the name of the file.

    Args:
      row: The variant, with its scores.
      log_odds: The model.
      pool: Folds the windows; None for a model that does not read structure.
      window: Length of a window, in nucleotides.
      directory: To write into.
    """
    assert row.place and row.effect, row
    change, effect = row.place.change, row.effect
    pair = next(pairs(change, window, every=False))
    letters = [rna_letters(pair.ref), rna_letters(pair.alt)]
    folds = pool.structures(letters) if pool else {}
    figure = plotting.new_figure(max(9.0, 0.16 * window), 7.2 if pool else 4.4)
    # Tracks are wide: each has a row of its own, above the two structures.
    grid = figure.add_gridspec(3 if pool else 2, 2)
    tracks = [figure.add_subplot(grid[i, :]) for i in range(2)]
    words = zip(("REF", "ALT"), (change.ref, change.alt), effect[1:3], strict=True)
    for i, (word, allele, probability) in enumerate(words):
        sequence = letters[i]
        contexts = all_loop_contexts([folds[sequence]])[0] if pool else ""
        of_each = _attributions(sequence, contexts, log_odds)
        framed = range(pair.before, pair.before + len(allele))
        tracks[i].set_title(f"{word} {rna_letters(allele)}: {probability:.3f}")
        _draw_track(tracks[i], sequence, *of_each, framed)
        if pool:
            panel = figure.add_subplot(grid[2, i], title=word)
            _draw_fold(
                panel, sequence, folds[sequence], of_each[0] + of_each[1], framed
            )
    ends = [end for track in tracks for end in track.get_ylim()]
    for track in tracks:
        track.set_ylim(min(ends), max(ends))
    figure.suptitle(f"{name_of(row)}, change of the log odds {effect.delta:+.3f}")
    name = _file_name(row)
    plotting.write(figure, directory / name)
    return name


def _file_name(row: Row) -> str:
    assert row.place, row
    name, alt = name_of(row), row.allele.alt
    # The name of a record does not tell its alleles apart.
    text = f"{name}_{alt}" if row.record.name else name
    strand = _STRANDS[row.place.strand]
    return f"variant_{re.sub(r'[^a-zA-Z0-9_.-]+', '_', text)[:80]}{strand}.png"


def _attributions(
    sequence: str, contexts: str, log_odds: LogOdds
) -> tuple[np.ndarray, np.ndarray]:
    """Returns attributions of letters and loop contexts, mean over the networks."""
    (found,) = mutagenize([FoldedSite("", sequence, contexts)], log_odds)
    of_letters = importance(found.sequence, sequence, NUCLEOTIDES).mean(axis=0)
    if found.structure is None:
        return of_letters, np.zeros_like(of_letters)
    of_contexts = importance(found.structure, contexts, LOOP_CONTEXTS).mean(axis=0)
    return of_letters, of_contexts


def _draw_track(
    axes: Any,
    sequence: str,
    of_letters: np.ndarray,
    of_contexts: np.ndarray,
    framed: range,
) -> None:
    places = np.arange(len(sequence))
    axes.axvspan(framed.start - 0.5, framed.stop - 0.5, color="#EEEEEE", zorder=0)
    colors = [LETTER_COLORS[letter] for letter in sequence]
    axes.bar(places, of_letters, color=colors, label="letters")
    if of_contexts.any():
        ring = {"facecolors": "none", "edgecolors": "black", "s": 14}
        axes.scatter(places, of_contexts, label="loop contexts", **ring)
        axes.legend(fontsize=7, loc="upper right")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xticks(places, list(sequence), fontsize=7)
    axes.set_xlim(-1, len(sequence))
    axes.set_ylabel("log odds")


def _draw_fold(
    axes: Any, sequence: str, dot_bracket: str, total: np.ndarray, framed: range
) -> None:
    drawing = draw_structure(sequence, dot_bracket, total)
    nucleotides = drawing.nucleotides
    x, y = ([getattr(one, axis) for one in nucleotides] for axis in "xy")
    axes.plot(x, y, color=plotting.GRAY, linewidth=0.8, zorder=1)
    for one, other in drawing.pairs:
        axes.plot([one.x, other.x], [one.y, other.y], color="black", lw=0.8, zorder=1)
    widths = [2.0 if i in framed else 0.4 for i in range(len(sequence))]
    axes.scatter(
        *(x, y),
        **{"s": 60, "zorder": 2, "edgecolors": "black", "linewidths": widths},
        c=[one.color for one in nucleotides],
    )
    for one in nucleotides:
        color = "white" if one.is_dark else "black"
        middle = {"ha": "center", "va": "center"}
        axes.text(one.x, one.y, one.letter, color=color, fontsize=5, **middle)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.axis("off")
