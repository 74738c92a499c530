"""Makes the plan of a fleet from the tasks of a benchmark; see `fleet_plan`."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deeprke_tf.benchmarking import data as benchmark_data
from deeprke_tf.benchmarking import run as benchmark_run
from deeprke_tf.benchmarking.tasks import Task
from deeprke_tf.data import description
from deeprke_tf.data.kmers import KmerVocabulary
from deeprke_tf.errors import UserError
from deeprke_tf.fleets import packs
from deeprke_tf.fleets import plan as fleet_plan
from deeprke_tf.fleets.plan import Training
from deeprke_tf.networks import word2vec
from deeprke_tf.system import files
from deeprke_tf.system.progress import progress_bar
from deeprke_tf.training import vectors as run_vectors

_INDEX = "index.json"


def make_plan(
    tasks: Sequence[Task], out: Path, fold_flags: Sequence[str], plan: Path
) -> int:
    """Writes what a fleet needs for the networks among the tasks that are not done.

    Datasets and vectors that the plan holds are not made again.

    Args:
      tasks: Of the benchmark.
      out: The directory of its results.
      fold_flags: Flags of `preprocess` for folding.
      plan: Directory to write to.

    Returns:
      How many trainings the plan has.

    Raises:
      UserError: A task is of a protocol of several trainings, or has a result of other
        settings.
    """
    left = [
        task
        for task in tasks
        if not task.is_linear and not benchmark_run.is_done(task, out)
    ]
    other = [task for task in left if task.is_optimistic]
    if other:
        raise UserError(
            f"A plan is for one training a task, not for {other[0].protocol!r}; do "
            "those tasks without --plan."
        )
    for name in ("datasets", "vectors"):
        (plan / name).mkdir(parents=True, exist_ok=True)
    trainings = []
    with progress_bar(len(left), "training", "plan") as bar:
        for task in left:
            trainings.append(_training(task, out, fold_flags, plan))
            bar.update()
    fleet_plan.write(plan, trainings)
    return len(trainings)


def _training(task: Task, out: Path, fold_flags: Sequence[str], plan: Path) -> Training:
    info = benchmark_data.dataset_of(task, 0, out, fold_flags)
    # The fleet permutes structures itself: the sites travel once.
    plain = benchmark_data.dataset_of(task.unshuffled, 0, out, fold_flags)
    dataset = _packed(plain, plan)
    return Training(
        experiment=task.experiment.name,
        label=task.label,
        dataset=dataset,
        dataset_sha256=info.sha256,
        vectors=_vectors(task, info, plan),
        k=task.k,
        shuffled=task.shuffled,
        transfer=task.is_transfer,
        config=task.settings,
    )


def _packed(info: description.Dataset, plan: Path) -> str:
    """Packs a dataset; returns its file, the same for datasets of equal sites."""
    index_path = plan / "datasets" / _INDEX
    index = files.read_json(index_path) if index_path.exists() else {}
    dataset_sha256 = info.sha256
    if dataset_sha256 not in index:
        splits = {split: benchmark_data.letters(info, split) for split in info.splits}
        digest = hashlib.sha256()
        for sites in splits.values():
            digest.update(",".join([*sites.sequences, *sites.contexts]).encode())
            digest.update(np.asarray(sites.labels, np.uint8).tobytes())
        name = f"datasets/{digest.hexdigest()[:16]}.npz"
        if not (plan / name).exists():
            packs.write(splits, plan / name)
        files.write_json(index_path, index | {dataset_sha256: name})
        return name
    return index[dataset_sha256]


def _vectors(task: Task, info: description.Dataset, plan: Path) -> dict[str, str]:
    """Makes the k-mer vectors of a training, as `train` would.

    Returns:
      Their files by view; trainings that differ in the network alone share them.
    """
    settings = task.settings
    vocabularies = {"sequence": info.encoding.sequence_vocabulary}
    if settings.model.structure:
        vocabularies["structure"] = info.encoding.structure_vocabulary
    names = {}
    for view, vocabulary in vocabularies.items():
        if settings.model.one_hot:
            key: tuple[object, ...] = (view, task.k, "one-hot")
        else:
            of_structure = task.shuffled and view == "structure"
            data = info.sha256
            key = (view, settings.vectors, task.seed, data, of_structure)
        names[view] = f"vectors/{fleet_plan.file_name(*key)}"
        if not (plan / names[view]).exists():
            vectors = _view_vectors(task, info, view, vocabulary)
            fleet_plan.write_arrays({view: vectors}, plan / names[view])
    if settings.model.counts_kmers:
        data = info.sha256
        key = ("k-mer weights", settings.train.class_weights, data)
        names["kmer_weights"] = f"vectors/{fleet_plan.file_name(*key)}"
        if not (plan / names["kmer_weights"]).exists():
            weights = run_vectors.kmer_weights(info, settings)
            fleet_plan.write_arrays(
                {"kmer_weights": weights}, plan / names["kmer_weights"]
            )
    return names


def _view_vectors(
    task: Task, info: description.Dataset, view: str, vocabulary: KmerVocabulary
) -> np.ndarray:
    from deeprke_tf.data import batches

    settings = task.settings
    if settings.model.one_hot:
        return word2vec.one_hot_vectors(vocabulary)
    sites = batches.sample_kmers(
        info, "train", f"{view}_kmers", settings.vectors.vector_sites
    )
    return word2vec.train_vectors(sites, vocabulary, settings.vectors, task.seed)
