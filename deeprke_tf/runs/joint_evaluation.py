"""Evaluation of a joint run, and its comparison with runs of single RBPs."""

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError
from deeprke_tf.runs import catalog, evaluation, layout
from deeprke_tf.runs.evaluation import Evaluation
from deeprke_tf.runs.joint import JointRun
from deeprke_tf.runs.run import Run
from deeprke_tf.system import directories, files

if TYPE_CHECKING:
    import pandas as pd

TABLE = "rbps.tsv"
COMPARISON = "comparison.tsv"
_LEAST_PAIRS = 5  # for a test of their differences
_MEASURES = ("auroc", "auprc", "accuracy", "mcc", "f1")


@dataclasses.dataclass(frozen=True, repr=False)
class JointEvaluation:
    """The measures of several RBPs of a joint run.

    Attributes:
      split: The split that was measured.
      evaluations: By RBP.
      run: The joint run.
    """

    split: str
    evaluations: Mapping[str, Evaluation]
    run: JointRun

    def __repr__(self) -> str:
        return (
            f"<JointEvaluation of {len(self.evaluations)} RBPs on {self.split} sites: "
            f"mean AUROC {self.mean_auroc:.4f}>"
        )

    @property
    def mean_auroc(self) -> float:
        """Mean over the RBPs; NaN where an RBP has sites of one class alone."""
        return float(self.table["auroc"].astype(float).mean(skipna=False))

    @property
    def table(self) -> "pd.DataFrame":
        """A row for each RBP: `rbp`, `data`, counts, measures and intervals."""
        import pandas as pd

        rows = []
        for name, of_rbp in self.evaluations.items():
            measured = of_rbp.measures
            row: dict[str, Any] = {
                "rbp": name,
                "data": of_rbp.data.directory.resolve().name,
            }
            row |= {count: measured[count] for count in ("n_sites", "n_positive")}
            for measure in _MEASURES:
                low, high = measured.get(f"{measure}_ci") or (None, None)
                row |= {
                    measure: measured[measure],
                    f"{measure}_low": low,
                    f"{measure}_high": high,
                }
            rows.append(row)
        return pd.DataFrame(rows)

    @property
    def usual_place(self) -> Path:
        """The default directory of its files, which replaces no other evaluation.

        It is `rbps` in the joint run for the test splits of the data that it was
        trained on, and `evaluated/SPLIT` in it for all other sites, or of one dataset
        `evaluated/DATA-SPLIT`. Models of the catalog, and runs that cannot be written
        to, have `evaluated/MODEL-SPLIT` or `evaluated/MODEL-DATA-SPLIT` in the working
        directory.
        """
        directory = self.run.directories[0]
        data = [of.data.directory.resolve().name for of in self.evaluations.values()]
        evaluated = "-".join([*(data if len(data) == 1 else []), self.split])
        name = catalog.name_in_catalog(directory)
        if name or not os.access(directory, os.W_OK):
            return Path("evaluated") / f"{name or directory.name}-{evaluated}"
        are_own = all(
            of_rbp.run.manifest["data"]["dataset_sha256"] == of_rbp.data.sha256
            for of_rbp in self.evaluations.values()
        )
        if self.split == "test" and are_own and len(self.run.directories) == 1:
            return directory / layout.RBPS
        return directory / "evaluated" / evaluated

    def write(self, out: str | Path) -> list[Path]:
        """Writes the table, and a directory for each RBP as `Evaluation.write` does.

        Raises:
          UserError: A directory cannot be written to.
        """
        out = Path(out)
        directories.make_directory(out)
        written = []
        for name, of_rbp in self.evaluations.items():
            written += of_rbp.write(out / name)
        with files.written_aside(out / TABLE) as file:
            self.table.to_csv(file, sep="\t", index=False, float_format="%.6g")
        return [*written, out / TABLE]


def evaluate(
    run: JointRun,
    datasets: Sequence[Dataset],
    split: str,
    *,
    n_bootstrap: int = 1000,
    batch_size: int = 512,
) -> JointEvaluation:
    """Measures the RBP of each dataset.

    The arguments are as for `deeprke_tf.api.JointRun.evaluate`.

    Raises:
      UserError: A dataset belongs to no RBP, two to one, or one lacks the split.
    """
    by_rbp: dict[str, Dataset] = {}
    for data in datasets:
        name = _rbp_of(run, data)
        if name in by_rbp:
            raise UserError(
                f"{by_rbp[name].directory} and {data.directory} are both datasets of "
                f"{name}; give one."
            )
        by_rbp[name] = data
    evaluations = {
        name: evaluation.evaluate(
            *(run.run(name), by_rbp[name], split),
            n_bootstrap=n_bootstrap,
            batch_size=batch_size,
        )
        for name in run.names
        if name in by_rbp
    }
    return JointEvaluation(split, evaluations, run)


def _rbp_of(run: JointRun, data: Dataset) -> str:
    """Returns the RBP of a dataset, by its digest or the name of its directory.

    Raises:
      UserError: There is none.
    """
    for name in run.names:
        if run.run(name).manifest["data"]["dataset_sha256"] == data.sha256:
            return name
    name = data.directory.resolve().name
    if name in run.names:
        return name
    raise UserError(
        f"{data.directory} is the dataset of no RBP of {run.name}: none was trained on "
        f"it, and none is called {name!r}; it has: {', '.join(run.names)}."
    )


class Comparison(NamedTuple):
    """The AUROC of a joint run and of runs of single RBPs on the same sites.

    Attributes:
      table: A row for each RBP: `rbp`, `auroc`, `other` (the run), `auroc_other`.
      difference: Mean of `auroc` - `auroc_other`.
      p_value: Two-sided, of Wilcoxon's signed-rank test over the RBPs; NaN for fewer
        than five or no differences.
    """

    table: "pd.DataFrame"
    difference: float
    p_value: float

    def __str__(self) -> str:
        of_other = self.table["auroc_other"].mean()
        n_better = int((self.table["auroc"] > self.table["auroc_other"]).sum())
        test = "" if math.isnan(self.p_value) else f", Wilcoxon p = {self.p_value:.2g}"
        return (
            f"runs of single RBPs: mean AUROC {of_other:.4f}; the joint run differs by "
            f"{self.difference:+.4f} and is better on {n_better} of {len(self.table)}"
            f"{test}"
        )

    def write(self, out: Path) -> Path:
        """Writes the table as `comparison.tsv`; returns its path."""
        with files.written_aside(out / COMPARISON) as file:
            self.table.to_csv(file, sep="\t", index=False, float_format="%.6g")
        return out / COMPARISON


def compare(
    evaluated: JointEvaluation, others: Sequence[Run], *, batch_size: int = 512
) -> Comparison:
    """Compares a joint run with runs of single RBPs.

    Args:
      evaluated: Measures of the joint run.
      others: Each trained on the dataset of one of its RBPs.
      batch_size: Sites that a network scores at once.

    Raises:
      UserError: A run was trained on none of the datasets, or two on one.
    """
    import pandas as pd
    from scipy import stats

    by_data = {of.data.sha256: name for name, of in evaluated.evaluations.items()}
    rows: dict[str, dict[str, Any]] = {}
    for other in others:
        name = by_data.get(other.manifest["data"]["dataset_sha256"])
        if name is None:
            raise UserError(
                f"`compare` takes a run of each RBP: {other.directory} was trained on "
                "no dataset of `data`."
            )
        if name in rows:
            raise UserError(
                f"`compare` takes one run of each RBP: two, {rows[name]['other']} and "
                f"{other.full_name}, were trained on the dataset of {name}."
            )
        of_joint = evaluated.evaluations[name]
        of_other = evaluation.evaluate(
            *(other, of_joint.data, evaluated.split),
            n_bootstrap=1,
            batch_size=batch_size,
        )
        rows[name] = {
            "rbp": name,
            "auroc": of_joint.auroc,
            "other": other.full_name,
            "auroc_other": of_other.auroc,
        }
    table = pd.DataFrame([rows[name] for name in evaluated.evaluations if name in rows])
    differences = (table["auroc"] - table["auroc_other"]).to_numpy(float)
    p_value = math.nan
    if np.count_nonzero(differences) >= _LEAST_PAIRS:
        p_value = float(stats.wilcoxon(differences).pvalue)
    return Comparison(table, float(differences.mean()), p_value)
