"""Makes the plan of a fleet from the tasks of a benchmark; see `fleets.plan`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deeprke_tf.benchmarking import run
from deeprke_tf.benchmarking.data import Datasets
from deeprke_tf.benchmarking.tasks import Task
from deeprke_tf.data.description import Dataset
from deeprke_tf.data.kmers import PAD_ID, KmerVocabulary
from deeprke_tf.fleets import data as fleet_data
from deeprke_tf.fleets import plan as fleet_plan
from deeprke_tf.fleets.data import LabelledIds
from deeprke_tf.fleets.plan import Training
from deeprke_tf.networks import word2vec
from deeprke_tf.system import arrays
from deeprke_tf.system.progress import Progress, no_progress
from deeprke_tf.training import vectors as run_vectors


def make_plan(
    tasks: Sequence[Task],
    datasets: Datasets,
    plan: Path,
    progress: Progress = no_progress,
) -> int:
    """Writes what a fleet needs for the networks among the tasks that are not done.

    Datasets and vectors that the plan holds are not made again.

    Args:
      tasks: Of the benchmark.
      datasets: Their datasets.
      plan: Directory to write to.
      progress: Reports progress.

    Returns:
      How many trainings the plan has.

    Raises:
      UserError: A task has a result of other settings.
    """
    left = [
        task
        for task in tasks
        if not task.is_linear and not run.is_done(task, datasets.out)
    ]
    for name in ("datasets", "vectors"):
        (plan / name).mkdir(parents=True, exist_ok=True)
    trainings = []
    with progress(len(left), "training", "plan") as bar:
        for task in left:
            trainings.append(_training(task, datasets.of(task), plan))
            bar.update()
    fleet_plan.write(plan, trainings)
    return len(trainings)


def _training(task: Task, dataset: Dataset, plan: Path) -> Training:
    name = f"datasets/{dataset.sha256[:16]}.npz"
    if not (plan / name).exists():
        splits = {split: _ids(dataset, split) for split in dataset.splits}
        fleet_data.write(splits, plan / name)
    return Training(
        experiment=task.experiment.name,
        label=task.label,
        dataset=name,
        dataset_sha256=dataset.sha256,
        vectors=_vectors(task, dataset, plan),
        config=task.settings,
    )


def _ids(dataset: Dataset, split: str) -> LabelledIds:
    """Returns the sites of a split as padded k-mer ids."""
    from deeprke_tf.data import stored_sites

    vocabularies = {"sequence_kmers": dataset.encoding.sequence_vocabulary}
    if dataset.has_structure:
        vocabularies["structure_kmers"] = dataset.encoding.structure_vocabulary
    ids = {}
    for view, vocabulary in vocabularies.items():
        sites = stored_sites.sample_kmers(dataset, split, view, -1)
        kind = np.uint8 if len(vocabulary) <= 256 else np.uint16
        ids[view] = np.full((len(sites), max(map(len, sites))), PAD_ID, kind)
        for row, site in zip(ids[view], sites, strict=True):
            row[: len(site)] = site
    return LabelledIds(ids, stored_sites.sample_labels(dataset, split, -1))


def _vectors(task: Task, dataset: Dataset, plan: Path) -> dict[str, str]:
    """Makes the k-mer vectors of a training, as `train` would.

    Returns:
      Their files by view; trainings that differ in the network alone share them.
    """
    settings = task.settings
    vocabularies = {"sequence": dataset.encoding.sequence_vocabulary}
    if settings.model.structure:
        vocabularies["structure"] = dataset.encoding.structure_vocabulary
    names = {}
    for view, vocabulary in vocabularies.items():
        key: tuple[object, ...] = (view, settings.vectors, task.seed, dataset.sha256)
        if settings.model.one_hot:
            key = (view, task.k, "one-hot")
        names[view] = f"vectors/{fleet_plan.file_name(*key)}"
        if not (plan / names[view]).exists():
            vectors = _view_vectors(task, dataset, view, vocabulary)
            arrays.write_arrays({view: vectors}, plan / names[view])
    if settings.model.counts_kmers:
        key = ("k-mer weights", settings.train.class_weights, dataset.sha256)
        name = names["kmer_weights"] = f"vectors/{fleet_plan.file_name(*key)}"
        if not (plan / name).exists():
            weights = run_vectors.kmer_weights(dataset, settings)
            arrays.write_arrays({"kmer_weights": weights}, plan / name)
    return names


def _view_vectors(
    task: Task, dataset: Dataset, view: str, vocabulary: KmerVocabulary
) -> np.ndarray:
    from deeprke_tf.data import stored_sites

    settings = task.settings
    if settings.model.one_hot:
        return word2vec.one_hot_vectors(vocabulary)
    sites = stored_sites.sample_kmers(
        dataset, "train", f"{view}_kmers", settings.vectors.vector_sites
    )
    return word2vec.train_vectors(sites, vocabulary, settings.vectors, task.seed)
