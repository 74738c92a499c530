"""The datasets of a benchmark's tasks, each preprocessed once for all its tasks."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from deeprke_tf.benchmarking.edge_masking import write_masked
from deeprke_tf.benchmarking.tasks import Task
from deeprke_tf.data import description, local_runner, records
from deeprke_tf.data.description import Dataset
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.plan import Plan, Source
from deeprke_tf.data.structure_shuffling import permutation
from deeprke_tf.errors import UserError
from deeprke_tf.system import locks
from deeprke_tf.system.files import read_json, sha256, write_json

_SOURCES = "sources.json"


@dataclasses.dataclass(frozen=True)
class Datasets:
    """The datasets of a benchmark.

    Attributes:
      out: Directory of the results.
      workers: Folding processes; all cores if None.
      fold_cache: File of known folds, if not the one in the user's cache directory.
    """

    out: Path
    workers: int | None = None
    fold_cache: Path | None = None

    def of(self, task: Task) -> Dataset:
        """Returns the dataset of a task, preprocessed if it is missing.

        Models that read the sequence alone need no folding; they take a dataset with
        structure only if it was there before theirs.

        Raises:
          UserError: The sites cannot be preprocessed, or the files of the experiment
            have changed since its first dataset was made.
        """
        directory = self.out.resolve() / task.benchmark / "data" / task.experiment.name
        directory.mkdir(parents=True, exist_ok=True)
        data = directory / f"{task.protocol}.{task.mask}.k{task.k}"
        unfolded = data.with_name(f"{data.name}.unfolded")
        with locks.held(directory, seconds=-1):
            _require_same_files(task, directory)
            if not task.reads_structure and (
                _is_complete(unfolded) or not _is_complete(data)
            ):
                data = unfolded
            if not _is_complete(data):
                self._preprocess(task, directory, data)
            dataset = description.read(data)
            if not task.shuffled:
                return dataset
            shuffled = data.with_name(f"{data.name}.shuffled")
            if not _is_complete(shuffled):
                _write_shuffled(dataset, shuffled)
            return description.read(shuffled)

    def _preprocess(self, task: Task, directory: Path, out: Path) -> None:
        sources = (
            Source(split, _masked(task, path, label, directory), label)
            for split, files in (
                ("train", task.experiment.train),
                ("test", task.experiment.test),
            )
            for path, label in files
        )
        local_runner.run(
            Plan(
                sources=tuple(sources),
                out=str(out),
                encoding=Encoding(k=task.k),
                structure=task.reads_structure,
                fold_cache=self.fold_cache,
                validation_fraction=0.1,
                validation_groups=(
                    "overlap" if task.protocol == "grouped" else "sequence"
                ),
                seed=1,
                max_length=5_000,
                sites_per_shard=10_000,
                workers=self.workers,
                strict=False,
                overwrite=False,
            )
        )


def _require_same_files(task: Task, directory: Path) -> None:
    """Records the digests of an experiment's files, and refuses other files."""
    files = (*task.experiment.train, *task.experiment.test)
    sources = {path.name: sha256(path) for path, _label in files}
    recorded = directory / _SOURCES
    if not recorded.exists():
        write_json(recorded, sources)
    elif read_json(recorded) != sources:
        raise UserError(
            f"The files of {task.experiment.name} have changed since {directory} was "
            "made; name another `out`, or delete this experiment from data, runs and "
            f"results of {directory.parent.parent}."
        )


def _is_complete(directory: Path) -> bool:
    return (directory / description.FILE_NAME).exists()


def _masked(task: Task, path: Path, label: int | None, directory: Path) -> Path:
    """Returns the file of sites with the task's mask applied."""
    if task.mask == "none" or label is None:
        return path
    masked_path = directory / "masked" / f"{task.mask}.{path.name}"
    if not masked_path.exists():
        write_masked(path, label, task.mask, masked_path)
    return masked_path


def _write_shuffled(dataset: Dataset, directory: Path) -> None:
    """Writes a dataset again, its structures permuted over sites of equal length."""
    from deeprke_tf.data import stored_sites

    def shuffled(split: str) -> list[np.ndarray]:
        ids = stored_sites.sample_kmers(dataset, split, "structure_kmers", -1)
        return [ids[place] for place in permutation([*map(len, ids)], split)]

    note = "structures permuted over the sites of equal length of each split"
    write_with_structures(dataset, directory, shuffled, note)


def write_with_structures(
    dataset: Dataset,
    directory: Path,
    structures: Callable[[str], Sequence[np.ndarray]],
    note: str,
) -> None:
    """Writes a dataset again with other structures.

    Args:
      dataset: Its sites, labels and splits stay.
      directory: Where to write; made if it is missing.
      structures: Gives the structure k-mer ids of the sites of a split, each
        int64 [n_kmers], in the order of the shards.
      note: What the structures are, for `dataset.json`.
    """
    from deeprke_tf.data import stored_sites

    directory.mkdir(parents=True, exist_ok=True)
    splits = dict(dataset.contents["splits"])
    for split in dataset.splits:
        sequences = stored_sites.sample_kmers(dataset, split, "sequence_kmers", -1)
        sites = stored_sites.sites_of_split(dataset, split)
        path = directory / records.shard_name(split, 0, 1)
        with records.ShardWriter(path) as writer:
            writer.write(
                records.serialize_all(
                    *(sites["name"], sequences, structures(split), sites["label"]),
                    *(sites["locus"], sites["gene"]),
                )
            )
        shard = {"file": path.name, "sha256": writer.sha256, "n_sites": len(sequences)}
        splits[split] = splits[split] | {"shards": [shard]}
    contents = dataset.contents | {"splits": splits, "structures": note}
    description.write(directory, contents)


def site_order(dataset: Dataset, split: str) -> np.ndarray:
    """Returns the order of sites by name, then sequence, as indices into the shards.

    The order within the shards depends on the seed of `preprocess`; this one does not.

    Returns:
      int64 [n_sites].
    """
    from deeprke_tf.data import stored_sites

    names = stored_sites.sites_of_split(dataset, split)["name"]
    sequences = stored_sites.sample_kmers(dataset, split, "sequence_kmers", -1)
    keys = [(name, ids.tobytes()) for name, ids in zip(names, sequences, strict=True)]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
