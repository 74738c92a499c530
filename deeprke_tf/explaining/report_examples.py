"""The sites of an explanation that a report shows: right calls and wrong ones."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.config import FoldSettings
from deeprke_tf.explaining.report_quality import place
from deeprke_tf.explaining.report_sites import ExplainedSite
from deeprke_tf.rna import structure
from deeprke_tf.system.arrays import read_arrays

ATTRIBUTIONS = "attributions.npz"
# What is shown, and how many of each.
_KINDS = {
    "bound, found": 3,
    "background, called bound": 2,
    "bound, missed": 1,
}
_WITHOUT_LABELS = 4  # sites, where no evaluation says what is right

logger = logging.getLogger(__name__)


def read_examples(
    explain: Path, sites: Any, threshold: float, fold: FoldSettings
) -> list[ExplainedSite]:
    """Reads some explained sites, right calls and wrong ones, the surest first.

    Args:
      explain: Directory of `deeprke explain`.
      sites: The predictions of an evaluation; None: labels are not known.
      threshold: Probability from which a site is called bound.
      fold: How the model's sites are folded.

    Raises:
      UserError: The attributions cannot be read.
    """
    arrays = read_arrays(explain / ATTRIBUTIONS)
    places = _places_by_name(arrays)
    chosen = [] if sites is None else _chosen(sites, threshold, places)
    if not chosen:
        # The explained sites are sorted by their log odds.
        return [
            _site(arrays, i, "highest log odds", {}, fold)
            for i in range(min(_WITHOUT_LABELS, len(arrays["names"])))
        ]
    return [_site(arrays, places[row["name"]], kind, row, fold) for kind, row in chosen]


def _places_by_name(arrays: dict[str, np.ndarray]) -> dict[str, int]:
    """Returns the place of each explained site whose name no other one has."""
    names = arrays["names"].tolist()
    places = {name: i for i, name in enumerate(names)}
    repeated = {name for i, name in enumerate(names) if places[name] != i}
    return {name: i for name, i in places.items() if name not in repeated}


def _chosen(
    sites: Any, threshold: float, places: dict[str, int]
) -> list[tuple[str, dict[str, Any]]]:
    known = sites[sites["name"].isin(list(places)) & ~sites["name"].duplicated(False)]
    called, bound = known["probability"] >= threshold, known["label"] == 1
    masks = (called & bound, called & ~bound, ~called & bound)
    chosen = []
    for (kind, most), mask in zip(_KINDS.items(), masks, strict=True):
        some = known[mask].sort_values(
            ["probability", "name"], ascending=[kind == "bound, missed", True]
        )
        chosen += [(kind, row) for row in some.head(most).to_dict("records")]
    return chosen


def _site(
    arrays: dict[str, np.ndarray],
    i: int,
    kind: str,
    row: dict[str, Any],
    fold: FoldSettings,
) -> ExplainedSite:
    start, end = arrays["offsets"][i : i + 2]
    sequence, contexts = (str(arrays[a][i]) for a in ("sequences", "loop_contexts"))
    facts = [("log odds", f"{arrays['log_odds'][i]:.2f}")]
    if row:
        probability = f"{row['probability']:.3f}"
        calibrated = f"{row['calibrated_probability']:.3f}"
        facts = [
            ("place", place(row)),
            ("gene", str(row.get("gene", ""))),
            ("probability", f"{probability}, calibrated {calibrated}"),
            *facts,
        ]
    return ExplainedSite(
        *(str(arrays["names"][i]), kind, [fact for fact in facts if fact[1]]),
        *(sequence, _dot_bracket(sequence, contexts, fold)),
        np.asarray(arrays["sequence"][start:end], np.float64),
        np.asarray(arrays["structure"][start:end], np.float64) if contexts else None,
    )


def _dot_bracket(sequence: str, contexts: str, fold: FoldSettings) -> str | None:
    """Folds a site again, as an explanation keeps its loops and not its pairs.

    A site that came with a structure of its own may differ: it is not drawn.
    """
    if not contexts:
        return None
    dot_bracket, _mfe = structure.fold(sequence, fold)
    return dot_bracket if structure.loop_contexts(dot_bracket) == contexts else None
