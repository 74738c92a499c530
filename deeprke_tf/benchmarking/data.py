"""The datasets of a benchmark's tasks, made once for all tasks that share them."""

import csv
import hashlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import filelock
import numpy as np

from deeprke_tf import cli
from deeprke_tf.benchmarking.edge_masking import write_masked
from deeprke_tf.benchmarking.linear_baselines import letters_of
from deeprke_tf.benchmarking.tasks import N_PUBLISHED_FOLDS, Task
from deeprke_tf.data import description, records
from deeprke_tf.data.description import Dataset
from deeprke_tf.data.structure_shuffling import permutation
from deeprke_tf.errors import UserError
from deeprke_tf.fleets.packs import PackedSites
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site
from deeprke_tf.system.files import read_json, sha256, write_json, written_aside

_SOURCES = "sources.json"


def dataset_of(task: Task, part: int, out: Path, fold_flags: Sequence[str]) -> Dataset:
    """Returns the dataset of a task, preprocessed if it is not there.

    Args:
      task: The task.
      part: Which of the trainings of the published protocol, from 0.
      out: The directory of the results.
      fold_flags: Flags of `preprocess` for folding.

    Raises:
      UserError: The sites cannot be preprocessed, or are not those of earlier tasks.
    """
    split = f"third{part + 1}" if task.is_optimistic else task.protocol
    directory = out / task.benchmark / "data" / task.experiment.name
    plain = directory / f"{split}.{task.mask}.k{task.k}"
    unfolded = plain.with_name(f"{plain.name}.unfolded")
    # Sequences alone need no folding; where they are folded already, that serves too.
    is_folded = task.reads_structure or (
        (plain / description.FILE_NAME).exists() and not unfolded.exists()
    )
    plain = plain if is_folded else unfolded
    data = plain.with_name(f"{plain.name}.shuffled") if task.shuffled else plain
    _require_same_files(task, directory, out)
    with _lock(plain, task, out):
        if not (plain / description.FILE_NAME).exists():
            arguments = ["--out", str(plain), "--k", str(task.k), *fold_flags]
            if task.protocol == "grouped":
                arguments += ["--validation-groups", "overlap"]
            if task.is_optimistic:
                fraction = str(1 / N_PUBLISHED_FOLDS)
                arguments += ["--validation-fraction", fraction]
                arguments += ["--seed", str(part + 1)]
            arguments += _inputs(task, directory, is_folded)
            _command("preprocess", arguments)
        if not (data / description.FILE_NAME).exists():
            _write_shuffled(description.read(plain), data)
    return description.read(data)


def _require_same_files(task: Task, directory: Path, out: Path) -> None:
    """Notes what files an experiment's datasets are made of, and refuses others."""
    files = (*task.experiment.train, *task.experiment.test)
    sources = {path.name: sha256(path) for path, _label in files}
    noted = directory / _SOURCES
    with _lock(noted, task, out):
        if not noted.exists():
            directory.mkdir(parents=True, exist_ok=True)
            write_json(noted, sources)
        elif read_json(noted) != sources:
            raise UserError(
                f"The files of {task.experiment.name} are not those that {directory} "
                "was made of; name another --out, or delete what there is of this "
                f"experiment in data, runs and results of {out / task.benchmark}."
            )


def _lock(path: Path, task: Task, out: Path) -> filelock.BaseFileLock:
    """Returns the lock of something that tasks share."""
    key = hashlib.sha256(str(path.relative_to(out)).encode()).hexdigest()[:24]
    locks = task.lock_path(out).parent
    locks.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(locks / f"data-{key}.lock")


def _inputs(task: Task, directory: Path, is_folded: bool) -> list[str]:
    """Returns the flags that name the sites: the files, or what is written of them."""
    arguments = []
    names = {1: "positives", 0: "negatives", None: "sites"}
    for prefix, files in (
        ("--", task.experiment.train),
        ("--test-", task.experiment.test),
    ):
        paths = [(_masked(task, *file, directory), file[1]) for file in files]
        if is_folded:
            for path, label in paths:
                arguments += [f"{prefix}{names[label]}", str(path)]
        else:
            name = f"{task.mask}.k{task.k}{prefix}sites.tsv"
            table = directory / "unfolded" / name
            _write_unfolded(paths, task.k, table)
            arguments += [f"{prefix}sites", str(table)]
    return arguments


def _masked(task: Task, path: Path, label: int | None, directory: Path) -> Path:
    """Returns the file of sites as the task's mask leaves them."""
    if task.mask == "none" or label is None:
        return path
    masked_path = directory / "masked" / f"{task.mask}.{path.name}"
    if not masked_path.exists():
        write_masked(path, label, task.mask, masked_path)
    return masked_path


def _write_unfolded(
    files: Sequence[tuple[Path, int | None]], k: int, path: Path
) -> None:
    """Writes sites as one table in which every nucleotide is unpaired.

    Sites that cannot be used stay in it without a sequence: they are counted again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as file:
        table = csv.writer(file, "excel-tab")
        table.writerow(["name", "sequence", "label", "structure"])
        for source, label in files:
            for site in SitesFile(source, k=k, label=label):
                if isinstance(site, Site):
                    unpaired = "." * len(site.sequence)
                    row = [site.name, site.sequence, site.label, unpaired]
                else:
                    row = [site.name, "", label or 0, ""]
                table.writerow(row)


def _command(name: str, arguments: Iterable[str]) -> None:
    """Runs a command of this package in this process."""
    if cli.main([name, *arguments]) != 0:
        raise UserError(f"`deeprke {name}` failed; see above.")
    sys.stdout.flush()


def _write_shuffled(info: Dataset, directory: Path) -> None:
    """Writes a dataset again, each site with the structure of another one."""
    from deeprke_tf.data import batches

    directory.mkdir(parents=True, exist_ok=True)
    splits = dict(info.contents["splits"])
    for split in info.splits:
        views = {
            view: batches.sample_kmers(info, split, view, -1)
            for view in ("sequence_kmers", "structure_kmers")
        }
        order = permutation([*map(len, views["structure_kmers"])], split)
        names, labels = batches.names_and_labels(info, split)
        path = directory / records.shard_name(split, 0, 1)
        with records.ShardWriter(path) as writer:
            writer.write(
                records.serialize_all(
                    names,
                    views["sequence_kmers"],
                    [views["structure_kmers"][place] for place in order],
                    labels,
                )
            )
        shard = {"file": path.name, "sha256": writer.sha256, "n_sites": len(names)}
        splits[split] = splits[split] | {"shards": [shard]}
    note = "structures permuted over the sites of equal length of each split"
    contents = info.contents | {"splits": splits, "structures": note}
    description.write(directory, contents)


def site_order(info: Dataset, split: str) -> np.ndarray:
    """Returns the places in the shards of the sites ordered by name, then sequence.

    The order of the shards is another one with each seed of `preprocess`; this is not.

    Returns:
      int64 [n_sites].
    """
    from deeprke_tf.data import batches

    names, _labels = batches.names_and_labels(info, split)
    sequences = batches.sample_kmers(info, split, "sequence_kmers", -1)
    keys = [(name, ids.tobytes()) for name, ids in zip(names, sequences, strict=True)]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)


def letters(info: Dataset, split: str) -> PackedSites:
    """Returns the sites of a split as letters, in the order of their shards."""
    from deeprke_tf.data import batches

    views = []
    for view, vocabulary in (
        ("sequence_kmers", info.encoding.sequence_vocabulary),
        ("structure_kmers", info.encoding.structure_vocabulary),
    ):
        texts: list[str] = []
        sites = batches.sample_kmers(info, split, view, -1)
        for start in range(0, len(sites), 1_000):
            some = sites[start : start + 1_000]
            padded = np.zeros((len(some), max(map(len, some))), np.int64)
            for target, row in zip(padded, some, strict=True):
                target[: len(row)] = row
            texts += letters_of(padded, vocabulary)
        views.append(texts)
    _names, labels = batches.names_and_labels(info, split)
    return PackedSites(views[0], views[1], np.array(labels))
