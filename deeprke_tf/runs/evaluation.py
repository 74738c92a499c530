"""Evaluation of a run on the labelled sites of a dataset."""

import dataclasses
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import require_positive
from deeprke_tf.rna.loci import Locus
from deeprke_tf.runs import catalog, layout, table
from deeprke_tf.runs.ensemble import Scores, mean_and_sd
from deeprke_tf.runs.run import Run
from deeprke_tf.system import directories, files

if TYPE_CHECKING:
    import pandas as pd

PREDICTIONS = "predictions.tsv"


@dataclasses.dataclass(frozen=True, repr=False)
class Evaluation:
    """The measures of a run on one split of a dataset, and the predictions.

    Attributes:
      measures: The contents of `metrics.json`.
      labels: 1 bound, 0 background, int [n_sites].
      scores: Predictions for the same sites.
      run: The run that was measured.
      data: The dataset.
      batch_size: Sites that were scored at once; it determines their order.
    """

    measures: dict[str, Any]
    labels: np.ndarray
    scores: Scores
    run: Run
    data: Dataset
    batch_size: int

    def __repr__(self) -> str:
        measured = ", ".join(
            f"{name} {self.measures[name]:.4f}"
            for name in ("auroc", "auprc", "mcc")
            if self.measures[name] is not None
        )
        n_sites = self.measures["n_sites"]
        return f"<Evaluation on {n_sites:,} {self.split} sites: {measured}>"

    @property
    def split(self) -> str:
        """The split that was measured."""
        return self.measures["split"]

    @property
    def auroc(self) -> float | None:
        """Area under the ROC curve; None for sites of one class alone."""
        return self.measures["auroc"]

    @property
    def auprc(self) -> float | None:
        """Area under the precision-recall curve; None for sites of one class alone."""
        return self.measures["auprc"]

    @property
    def accuracy(self) -> float:
        """Fraction of sites that are called correctly at the run's threshold."""
        return self.measures["accuracy"]

    @property
    def mcc(self) -> float:
        """Matthews correlation coefficient at the run's threshold."""
        return self.measures["mcc"]

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall at the run's threshold."""
        return self.measures["f1"]

    @functools.cached_property
    def sites(self) -> "pd.DataFrame":
        """A row for each site, in the order in which the dataset is read.

        Columns: `name`, `label`, `probability`, `calibrated_probability`, for an
        ensemble `probability_sd`; and, where any site has them, `chrom`, `start`,
        `end`, `strand`, `blocks` (of a spliced site) and `gene`.
        """
        import pandas as pd

        from deeprke_tf.data import batches, stored_sites

        read = batches.read_split(
            *(self.data, self.split, self.run.views, self.batch_size), described=True
        )
        texts: dict[str, list[str]] = {"name": [], "locus": [], "gene": []}
        for *_, described in read:
            for column, values in texts.items():
                values += stored_sites.as_texts(described[column])
        columns = {
            "name": texts["name"],
            "label": self.labels,
            **self.scores._asdict(),
        }
        if len(self.run.trainings) == 1:
            del columns["probability_sd"]
        if any(texts["locus"]) or any(texts["gene"]):
            loci = [Locus.parse(text) if text else None for text in texts["locus"]]
            columns |= table.places_of(loci, texts["gene"])
        return pd.DataFrame(columns)

    @property
    def usual_place(self) -> Path:
        """The default directory of its files, which replaces no other evaluation.

        It is the run directory for the test split of the data that the run was trained
        on, and `evaluated/DATA-SPLIT` in it for all other sites. Models of the catalog,
        and runs that cannot be written to, have `evaluated/MODEL-DATA-SPLIT` in the
        working directory.
        """
        directory = self.run.directory
        evaluated = f"{self.measures['data']}-{self.split}"
        name = catalog.name_in_catalog(directory)
        if name or not os.access(directory, os.W_OK):
            return Path("evaluated") / f"{name or self.run.name}-{evaluated}"
        trained_on = self.run.manifest["data"]["dataset_sha256"]
        if self.split == "test" and self.data.sha256 == trained_on:
            return directory
        return directory / "evaluated" / evaluated

    def write(self, out: str | Path) -> list[Path]:
        """Writes `metrics.json`, `predictions.tsv` and figures; returns their paths.

        What training measured on validation stays in the `metrics.json` of a run.

        Raises:
          UserError: The directory cannot be written to, or the `metrics.json` of the
            run cannot be read.
        """
        from deeprke_tf.evaluation import figures

        out = Path(out)
        directories.make_directory(out)
        measures = dict(self.measures)
        if (out / layout.METRICS).exists() and out.samefile(self.run.directory):
            measures["validation"] = layout.validation_measures(out)
        drawn = figures.evaluation_figures(
            out / layout.FIGURES,
            self.split,
            self.labels,
            self.scores.probability,
            measures,
        )
        with files.written_aside(out / PREDICTIONS) as file:
            # Nine digits distinguish float32 probabilities.
            self.sites.to_csv(file, sep="\t", index=False, float_format="%.9g")
        files.write_json(out / layout.METRICS, measures)
        return [out / layout.METRICS, out / PREDICTIONS, *drawn]


def evaluate(
    run: Run,
    data: Dataset,
    split: str = "test",
    *,
    n_bootstrap: int = 1000,
    batch_size: int = 512,
) -> Evaluation:
    """Scores a split and measures the predictions; of an ensemble, also each member.

    The arguments are as for `deeprke_tf.api.Run.evaluate`.

    Raises:
      UserError: An argument is out of range, the data do not match the model, or a
        shard is damaged.
    """
    from deeprke_tf.data import batches, stored_sites
    from deeprke_tf.evaluation import metrics
    from deeprke_tf.runs.scorer import score_labelled

    require_positive(n_bootstrap=n_bootstrap, batch_size=batch_size)
    data.require_encoding(run.encoding, run.views)
    stored_sites.verify_shards(data, split)
    read = batches.read_split(data, split, run.views, batch_size)
    each = []
    for training in run.trainings:
        labels, probabilities = score_labelled(training.network_scorer, read)
        each.append(probabilities)
    mean, sd = mean_and_sd(each)
    # Like the validation probabilities that threshold and calibration were fitted to.
    mean = mean.astype(np.float32)
    scores = Scores(mean, run.calibration(mean), sd)
    measures = _measures(run, data, split, labels, scores, n_bootstrap)
    if run.members and measures["auroc"] is not None:
        measures["members_auroc"] = {
            member.directory.name: metrics.auroc(labels, of_member)
            for member, of_member in zip(run.members, each, strict=True)
        }
    return Evaluation(measures, labels, scores, run, data, batch_size)


def _measures(
    run: Run,
    data: Dataset,
    split: str,
    labels: np.ndarray,
    scores: Scores,
    n_bootstrap: int,
) -> dict[str, Any]:
    from deeprke_tf.evaluation import metrics, reliability

    before, after = scores.probability, scores.calibrated_probability
    return {
        "split": split,
        "data": data.directory.resolve().name,
        "model": run.full_name,
        **metrics.evaluate_probabilities(
            labels, before, run.threshold, n_bootstrap=n_bootstrap
        ),
        "calibration": {
            "method": run.calibration.method,
            "before": reliability.calibration_measures(labels, before),
            "after": reliability.calibration_measures(labels, after),
        },
    }
