"""The result of an explanation, and its tables."""

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deeprke_tf.explaining.attributions import Attributions
from deeprke_tf.explaining.counterfactual import Counterfactual, Spacing
from deeprke_tf.explaining.known import Hit
from deeprke_tf.explaining.motifs import Motif
from deeprke_tf.explaining.preference import StructurePreference
from deeprke_tf.explaining.settings import ExplainSettings
from deeprke_tf.explaining.sites import ChosenSites
from deeprke_tf.explaining.statistics import Estimate
from deeprke_tf.runs.run import Run
from deeprke_tf.system.messages import counted

if TYPE_CHECKING:
    import pandas as pd

_N_EXAMPLES = 3


@dataclasses.dataclass(frozen=True, eq=False)
class MotifFindings:
    """A motif, and what was found of it.

    Attributes:
      motif: The motif.
      known: The known motifs that are most like it; empty if there were none given.
      preference: Its loops; None for a model that does not read structure.
      counterfactual: Its effect in shuffled sites; None if it was not tested.
    """

    motif: Motif
    known: list[Hit]
    preference: StructurePreference | None
    counterfactual: Counterfactual | None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What a run has learned.

    Attributes:
      run: The run.
      settings: How it was explained.
      sites: The explained sites, and others.
      attributions: Of the explained sites.
      findings: By motif, the most important one first.
      spacings: Pairs of motifs at varying distance.
    """

    run: Run
    settings: ExplainSettings
    sites: ChosenSites
    attributions: Attributions
    findings: list[MotifFindings]
    spacings: list[Spacing]

    def __repr__(self) -> str:
        names = ", ".join(found.motif.consensus for found in self.findings[:5])
        n_sites = len(self.sites.explained)
        return f"<Explanation of {counted(n_sites, 'site')}: {names or 'no motif'}>"

    @functools.cached_property
    def motifs(self) -> "pd.DataFrame":
        """A row for each motif, the columns of `motifs.tsv`."""
        import pandas as pd

        rows = [self._row(found) for found in self.findings]
        # Without a motif the columns that every table has.
        return pd.DataFrame(rows) if rows else pd.DataFrame(columns=_COLUMNS)

    def _row(self, found: MotifFindings) -> dict[str, Any]:
        motif = found.motif
        row: dict[str, Any] = dict(
            zip(
                _COLUMNS,
                [
                    *(motif.name, motif.consensus, motif.n_sites),
                    *(len(motif.occurrences), *motif.effect),
                    float(np.median(motif.positions)),
                    "; ".join(self.examples(motif)),
                ],
                strict=True,
            )
        )
        if found.preference is not None:
            row |= _preference_cells(found.preference)
        if found.counterfactual is not None:
            row["best_structure"] = found.counterfactual.preferred or ""
            effects = found.counterfactual.effects.items()
            row |= {f"effect_{way}": effect.mean for way, effect in effects}
        for place, hit in enumerate(found.known[:3], start=1):
            row |= {f"known_{place}": hit.name, f"q_value_{place}": hit.q_value}
        return row

    def examples(self, motif: Motif) -> list[str]:
        """Returns the places of some occurrences, such as `site7:12-20`."""
        return [
            f"{self.sites.explained[o.site].name}:{o.start}-{o.start + motif.width}"
            for o in motif.occurrences[:_N_EXAMPLES]
        ]

    def write(self, out: str | Path, *, overwrite: bool = False) -> list[str]:
        """Writes the files of `deeprke explain` into a directory.

        Returns:
          Their names.

        Raises:
          UserError: `out` is not empty, or cannot be written to.
        """
        from deeprke_tf.explaining import files

        return files.write(self, Path(out), overwrite)


_COLUMNS = [
    *("name", "consensus", "n_sites", "n_occurrences"),
    *("effect", "effect_low", "effect_high", "median_position", "examples"),
]


def _preference_cells(preference: StructurePreference) -> dict[str, Any]:
    letter = preference.preferred
    cells: dict[str, Any] = {"preferred_loop": letter or ""}
    if letter is not None:
        difference: Estimate = preference.differences["matched"][letter]
        cells |= {
            "loop_fraction": preference.fractions["occurrences"][letter].mean,
            "matched_fraction": preference.fractions["matched"][letter].mean,
            "difference_low": difference.low,
            "difference_high": difference.high,
        }
    return cells
