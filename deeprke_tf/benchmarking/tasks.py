"""The tasks of a benchmark: what is trained on what, and where its result lies.

A task is one experiment, preset, seed, protocol and mask. Its result is one JSON file,
there when the task is done: a run that was killed goes on with the others.

Protocols:

    frozen     validation is split off train and all is chosen on it; the test is scored
               once
    grouped    as frozen, and validation shares no stretch of letters with training
    published  three trainings, each with another third of train for validation; the
               best of the three *on the test* is reported, as the paper did: optimistic
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf.benchmarking import linear_baselines
from deeprke_tf.benchmarking.experiments import Benchmark, Experiment, Protocol
from deeprke_tf.config import RunConfig, TrainConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.presets import PRESETS, preset

N_PUBLISHED_FOLDS = 3

# Letters in a k-mer where a preset's paper says so.
_K = {"ideepv": 6}

# Presets that each site's structure is withheld from: it has that of another site.
SHUFFLED = {
    "shuffled-structure": "paper",
    "deeprke-shuffled-structure": "deeprke",
}


# Presets that start from a trunk of all experiments (`deeprke_tf.fleets.trunk`), and
# how they go on from there.
TRANSFER = {"deeprke-transfer": "deeprke"}
_AFTER_TRUNK = TrainConfig(epochs=10, schedule="cosine", warmup_epochs=1)

BENCHMARK_ONLY = {**SHUFFLED, **TRANSFER}


@dataclasses.dataclass(frozen=True)
class Task:
    """One result to be made.

    Attributes:
      benchmark: Which benchmark.
      experiment: What is trained and tested on.
      preset: A preset of `train`, or a linear baseline.
      protocol: How it is chosen and measured.
      seed: Of the training.
      mask: What of the sites is masked, of `benchmark_experiments.MASKS`.
    """

    benchmark: Benchmark
    experiment: Experiment
    preset: str
    protocol: Protocol
    seed: int
    mask: str

    @property
    def label(self) -> str:
        """Names the task within its experiment; also its file's stem."""
        return f"{self.preset}.{self.protocol}.seed{self.seed}.{self.mask}"

    @property
    def is_linear(self) -> bool:
        """Whether it is a linear baseline; else a network."""
        return self.preset in linear_baselines.NAMES

    @property
    def is_optimistic(self) -> bool:
        """Whether the test has a say in what is reported."""
        return self.protocol == "published"

    @property
    def shuffled(self) -> bool:
        """Whether structures are permuted over sites."""
        return self.preset in SHUFFLED

    @property
    def reads_structure(self) -> bool:
        """Whether its model reads the structures of sites."""
        return not self.is_linear and self.settings.model.structure

    @property
    def is_transfer(self) -> bool:
        """Whether its network starts from a trunk of all experiments."""
        return self.preset in TRANSFER

    @property
    def unshuffled(self) -> "Task":
        """The task on the same sites, each with its own structure."""
        return dataclasses.replace(self, preset=SHUFFLED.get(self.preset, self.preset))

    @property
    def settings(self) -> RunConfig:
        """The settings of its network."""
        settings = preset(BENCHMARK_ONLY.get(self.preset, self.preset))
        training = _AFTER_TRUNK if self.is_transfer else settings.train
        training = dataclasses.replace(training, seed=self.seed)
        return dataclasses.replace(settings, train=training)

    @property
    def k(self) -> int:
        """Letters in a k-mer."""
        return _K.get(self.preset, Encoding().k)

    def result_path(self, out: Path) -> Path:
        """Returns where its result lies."""
        directory = out / self.benchmark / "results" / self.experiment.name
        return directory / f"{self.label}.json"

    def predictions_path(self, out: Path) -> Path:
        """Returns where the probabilities behind its result lie."""
        directory = out / self.benchmark / "predictions" / self.experiment.name
        return directory / f"{self.label}.npz"

    def lock_path(self, out: Path) -> Path:
        """Returns the file that who works on it locks."""
        key = hashlib.sha256(f"{self.experiment.name} {self.label}".encode())
        return out / self.benchmark / "locks" / f"{key.hexdigest()[:24]}.lock"


def plan(
    benchmark: Benchmark,
    experiments: Sequence[Experiment],
    presets: Sequence[str],
    seeds: Sequence[int],
    protocols: Sequence[Protocol],
    masks: Sequence[str],
) -> list[Task]:
    """Returns all tasks, those of one experiment together: they share its folds.

    Masks other than "none" are left out where the site is not marked.

    Raises:
      UserError: A preset is not known.
    """
    for name in presets:
        known = ", ".join([*PRESETS, *BENCHMARK_ONLY, *linear_baselines.NAMES])
        if name not in known.split(", "):
            raise UserError(f"No preset {name!r}; there are: {known}.")
    return [
        Task(benchmark, experiment, preset, protocol, seed, mask)
        for experiment in experiments
        for mask in masks
        for preset in presets
        for protocol in protocols
        for seed in seeds
        if not experiment.missing
        and (mask == "none" or (benchmark == "rbp24" and experiment.edges_are_marked))
    ]
