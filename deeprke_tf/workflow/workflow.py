"""From peaks and a genome to a trained and measured model.

Each step has a directory of its own, and is done once:

workflow.json  settings and SHA-256 of the inputs
sites/         extraction: labelled sites with their coordinates
audit/         simple rules that separate bound from background sites
dataset/       TFRecords
model/         the trained run or ensemble
evaluation/    measures and predictions on the test split
explain/       motifs and loops that the model reads, unless it shall not be explained
summary.txt    how good the model is and what to doubt, in plain words
report.html    the same for the eye: one page that needs nothing else
"""

import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deeprke_tf import api, presets
from deeprke_tf.auditing import audit
from deeprke_tf.auditing.matching_report import matching_report
from deeprke_tf.data import description
from deeprke_tf.errors import UserError
from deeprke_tf.explaining import file_names
from deeprke_tf.explaining.known import read_known
from deeprke_tf.explaining.report import write_report
from deeprke_tf.genome import extraction, extraction_files
from deeprke_tf.genome.extraction_files import Inputs
from deeprke_tf.genome.settings import Settings
from deeprke_tf.runs import layout
from deeprke_tf.system import directories, files
from deeprke_tf.system.damage import one_line_if_damaged
from deeprke_tf.system.paths import PathLike, optional_path
from deeprke_tf.system.progress import Progress, as_progress
from deeprke_tf.training.settings import run_config
from deeprke_tf.workflow.machine import Machine
from deeprke_tf.workflow.request import MANIFEST, Request, require_same
from deeprke_tf.workflow.summary import summary_of

SUMMARY = "summary.txt"
REPORT = "report.html"

# A model is measured on sites of genes that it has not seen.
TEST_FRACTION, VALIDATION_FRACTION = 0.2, 0.1

# Test sites that are explained, those with the highest probabilities.
EXPLAINED = 500

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Workflow:
    """A finished workflow.

    Attributes:
      directory: Its files.
      summary: How good the model is and what to doubt, text.
    """

    directory: Path
    summary: str

    @property
    def model(self) -> Path:
        """Directory of the trained model, for `load_run`."""
        return self.directory / "model"

    @property
    def sites(self) -> Path:
        """Table of the extracted sites, for pandas."""
        return self.directory / "sites" / extraction_files.SITES


def run_workflow(
    peaks: PathLike | Sequence[PathLike],
    *,
    genome: PathLike,
    out: PathLike,
    gtf: PathLike | None = None,
    blacklist: PathLike | None = None,
    preset: str | None = None,
    config: PathLike | None = None,
    epochs: int | None = None,
    ensemble: int = 1,
    explain: bool = True,
    known: PathLike | None = None,
    machine: Machine = Machine(),
    progress: bool | Progress = False,
    **settings: Any,
) -> Workflow:
    """Makes a measured model of peaks, and shows what it reads.

    The steps are: extract, audit, preprocess, train, evaluate, explain.

    A call that was interrupted is resumed by the same call; a finished one does nothing
    again.

    Args:
      peaks: BED, narrowPeak or broadPeak, plain or gzip; or several such files.
      genome: FASTA (plain, gzip or bgzip) or UCSC 2bit.
      out: Directory to make.
      gtf: Annotation, GTF, GFF3 or BED12.
      blacklist: BED; peaks that overlap it are left out.
      preset: Settings of training to start from, as for `fit`. For a model that does
        not read structure, no site is folded.
      config: File of settings in place of a preset.
      epochs: Number of epochs at most, if not the preset's.
      ensemble: Number of runs to train and average as one model.
      explain: Find the motifs of the model in the 500 test sites with the highest
        probabilities. A later call does it, too.
      known: Motif file in MEME format to compare them with; needs memelite.
      machine: Processes, devices and the fold cache.
      progress: Show progress bars, or call this for each stage.
      **settings: As for `extract_sites`. Unless splits are asked for, a fifth of the
        sites is for the test and a tenth for validation, by gene.

    Returns:
      The finished workflow.

    Raises:
      UserError: A step cannot be done, or `out` was made with other settings or inputs.
    """
    if known is not None:
        read_known(Path(known))  # Not after hours of work.
    several = [peaks] if isinstance(peaks, (str, os.PathLike)) else peaks
    inputs = Inputs(
        [Path(path) for path in several],
        *(Path(genome), optional_path(gtf), optional_path(blacklist)),
    )
    preset = preset or (None if config else presets.DEFAULT)
    reads_structure = run_config(preset, config).model.structure
    training = {"preset": preset, "config": config, "epochs": epochs}
    request = Request(
        inputs,
        _with_splits(Settings.of(settings)),
        {name: value for name, value in training.items() if value is not None}
        | {"ensemble": ensemble},
        optional_path(known),
    )
    out = Path(out)
    steps = _Steps(request, out, reads_structure, machine, as_progress(progress))
    markers = _MARKERS | ({"explain": file_names.MANIFEST} if explain else {})
    with directories.only_process(out) as is_free:
        if not is_free:
            raise UserError(
                f"Another process is writing {out}; wait for it, or name another `out`."
            )
        _do_steps(steps, markers, out, request.described())
        return Workflow(out, _write_results(out))


def _write_results(out: Path) -> str:
    """Writes summary and report of the finished steps; returns the summary."""
    found = {name: files.read_json(out / path) for name, path in _FACTS.items()}
    with one_line_if_damaged(
        out, "delete the directory of its step, and give the same command again"
    ):
        summary = summary_of(**found)
    with files.written_aside(out / SUMMARY) as file:
        file.write(summary + "\n")
    write_report(out / "model", out / REPORT)
    return summary


def _with_splits(settings: Settings) -> Settings:
    """Returns the settings with a test and a validation split."""
    splits = settings.splits
    if not (splits.test_fraction or splits.test_chromosomes):
        splits = dataclasses.replace(splits, test_fraction=TEST_FRACTION)
    if not (splits.validation_fraction or splits.validation_chromosomes):
        splits = dataclasses.replace(splits, validation_fraction=VALIDATION_FRACTION)
    return dataclasses.replace(settings, splits=splits)


def _do_steps(
    steps: "_Steps", markers: dict[str, str], out: Path, asked: dict[str, Any]
) -> None:
    """Does the steps that are not done yet."""
    require_same(out, asked)
    for name, marker in markers.items():
        if (out / name / marker).exists():
            logger.info("%s: done before", out / name)
            continue
        logger.info("== %s", name)
        getattr(steps, name)(out / name)
        if not (out / MANIFEST).exists():
            # From now on the directory belongs to this request.
            files.write_json(out / MANIFEST, asked)


# The steps in their order, and the last file that each writes.
_MARKERS: dict[str, str] = {
    "sites": extraction_files.MANIFEST,
    "audit": audit.JSON,
    "dataset": description.DATASET.marker,
    "model": layout.MANIFEST,
    "evaluation": layout.METRICS,
}

# What the summary says comes from these files.
_FACTS: dict[str, str] = {
    "sites": f"sites/{extraction_files.MANIFEST}",
    "audit": f"audit/{audit.JSON}",
    "dataset": f"dataset/{description.DATASET.marker}",
    "validation": f"model/{layout.METRICS}",
    "test": f"evaluation/{layout.METRICS}",
}


@dataclasses.dataclass(frozen=True)
class _Steps:
    """What each step does, by its name; it takes the directory to make."""

    request: Request
    out: Path
    reads_structure: bool
    machine: Machine
    progress: Progress

    def sites(self, directory: Path) -> None:
        found = extraction.extract(
            *(self.request.inputs, directory, self.request.settings),
            progress=self.progress,
            make_report=matching_report,
        )
        logger.info(found.summary())

    def audit(self, directory: Path) -> None:
        settings = self._folding | ({} if self.reads_structure else {"max_folded": 0})
        found = api.audit_sites(self._table, **settings, progress=self.progress)
        found.write(directory)

    def dataset(self, directory: Path) -> None:
        api.preprocess(
            self._table,
            out=directory,
            structure=self.reads_structure,
            **self._folding,
            progress=self.progress,
        )

    def model(self, directory: Path) -> None:
        api.fit(
            *(self.out / "dataset", directory),
            **self.request.training,
            devices=self.machine.devices,
            progress=self.progress,
        )

    def evaluation(self, directory: Path) -> None:
        run = api.load_single(self.out / "model")
        run.evaluate(self.out / "dataset").write(directory)

    def explain(self, directory: Path) -> None:
        api.load_single(self.out / "model").explain(
            data=self.out / "dataset",
            out=directory,
            top=EXPLAINED,
            known=self.request.known,
            **self._folding,
            progress=self.progress,
        )

    @property
    def _table(self) -> Path:
        return self.out / "sites" / extraction_files.SITES

    @property
    def _folding(self) -> dict[str, Any]:
        return {"workers": self.machine.workers, "fold_cache": self.machine.fold_cache}
