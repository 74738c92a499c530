"""The tasks of a benchmark, and the paths of their results.

A task is one experiment, preset, seed, protocol and mask. Its result is one JSON file,
written when the task is done.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf.benchmarking import linear_baselines
from deeprke_tf.benchmarking.experiments import Benchmark, Experiment, Protocol
from deeprke_tf.config import RunConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.presets import PRESETS, preset

# Letters in a k-mer where a preset's paper says so.
_K = {"ideepv": 6}

# Controls: a preset trained and tested on structures permuted over sites.
SHUFFLED = {
    "shuffled-structure": "paper",
    "deeprke-shuffled-structure": "deeprke",
}


@dataclasses.dataclass(frozen=True)
class Task:
    """A model to train and test on one experiment.

    Attributes:
      benchmark: "rbp31" or "rbp24".
      experiment: The files of the sites.
      preset: A preset of `train`, a key of `SHUFFLED`, or a linear baseline.
      protocol: How validation is split off: "frozen" or "grouped".
      seed: Training seed.
      mask: Which bases of the sites are masked; see `experiments.MASKS`.
      mixed_precision: Whether a network is trained in bfloat16 and float32.
    """

    benchmark: Benchmark
    experiment: Experiment
    preset: str
    protocol: Protocol
    seed: int
    mask: str
    mixed_precision: bool = False

    @property
    def label(self) -> str:
        """Name within the experiment, and the stem of its file names."""
        return f"{self.preset}.{self.protocol}.seed{self.seed}.{self.mask}"

    @property
    def name(self) -> str:
        """Name within the benchmark."""
        return f"{self.experiment.name} {self.label}"

    @property
    def is_linear(self) -> bool:
        """Whether the model is a linear baseline; else it is a network."""
        return self.preset in linear_baselines.NAMES

    @property
    def shuffled(self) -> bool:
        """Whether structures are permuted over sites."""
        return self.preset in SHUFFLED

    @property
    def reads_structure(self) -> bool:
        """Whether the model reads the structures of sites."""
        return not self.is_linear and self.settings.model.structure

    @property
    def settings(self) -> RunConfig:
        """The settings of the network."""
        settings = preset(SHUFFLED.get(self.preset, self.preset))
        train = dataclasses.replace(
            settings.train, seed=self.seed, mixed_precision=self.mixed_precision
        )
        return dataclasses.replace(settings, train=train)

    @property
    def k(self) -> int:
        """Letters in a k-mer."""
        return _K.get(self.preset, Encoding().k)

    def result_path(self, out: Path) -> Path:
        """Returns the file of the result."""
        return self._path(out, "results", ".json")

    def predictions_path(self, out: Path) -> Path:
        """Returns the file of the labels and probabilities behind the result."""
        return self._path(out, "predictions", ".npz")

    def run_path(self, out: Path) -> Path:
        """Returns the run directory of the network."""
        return self._path(out, "runs", "")

    def _path(self, out: Path, kind: str, suffix: str) -> Path:
        directory = out / self.benchmark / kind / self.experiment.name
        return directory / f"{self.label}{suffix}"

    def lock_path(self, out: Path) -> Path:
        """Returns the path that a process locks (`locks.held`) to run the task."""
        return self._path(out, "results", "").resolve()


def plan(
    benchmark: Benchmark,
    experiments: Sequence[Experiment],
    presets: Sequence[str],
    seeds: Sequence[int],
    protocols: Sequence[Protocol],
    masks: Sequence[str],
    mixed_precision: bool = False,
) -> list[Task]:
    """Returns all tasks, experiment by experiment.

    Masks other than "none" are left out where letter case does not mark the site.

    Raises:
      UserError: A preset is unknown.
    """
    known = [*PRESETS, *SHUFFLED, *linear_baselines.NAMES]
    for name in presets:
        if name not in known:
            raise UserError(f"No preset {name!r}; there are: {', '.join(known)}.")
    return [
        Task(benchmark, experiment, preset, protocol, seed, mask, mixed_precision)
        for experiment in experiments
        for mask in masks
        for preset in presets
        for protocol in protocols
        for seed in seeds
        if not experiment.missing
        and (mask == "none" or (benchmark == "rbp24" and experiment.edges_are_marked))
    ]
