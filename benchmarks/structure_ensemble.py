"""Asks on validation sites what structures of the Boltzmann ensemble are worth.

    deeprke benchmark rbp31 --data-dir DATA --out RESULTS --presets deeprke \
        --protocols grouped --experiments 10 18 22 --plan PLAN
    python benchmarks/structure_ensemble.py --plan PLAN --out OUT
    python benchmarks/structure_ensemble.py --plan PLAN --cost      # of sampling, alone

In place of the one MFE structure of a site, 20 are sampled by their Boltzmann weights
(`RNA.fold_compound.pbacktrack`). The forms that are compared:

    none      the sequence alone
    mfe       k-mers of the MFE structure, as the method has it
    contexts  of each nucleotide the shares of the six loop contexts in the samples
    other     the same, of another site
    vectors   the frozen vectors of the samples' k-mers, averaged at each place

OUT keeps what was sampled and a JSON file of each training; what is there is not done
again. The test sites are neither folded nor scored.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import multiprocessing
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deeprke_tf.system import files

if TYPE_CHECKING:
    import keras

    from deeprke_tf.config import ModelConfig, RunConfig
    from deeprke_tf.fleets.plan import Training

FORMS = ("none", "mfe", "contexts", "other", "vectors")
N_SAMPLES = 20
SPLITS = ("train", "validation")


def main() -> None:
    """Trains what there is no result of, and prints all results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--preset", default="deeprke")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--workers", type=int, help="that fold; all cores if left out")
    flags = parser.parse_args()
    from deeprke_tf.fleets import plan

    trainings = [
        one for one in plan.read(flags.plan) if one.label.startswith(f"{flags.preset}.")
    ]
    if flags.cost:
        return _print_cost(flags.plan / trainings[0].dataset)
    if not flags.out:
        parser.error("--out is needed, or --cost")
    for one in trainings:
        for form in flags.forms:
            path = flags.out / one.experiment / f"{one.label}.{form}.json"
            if not path.exists():
                result = _trained(one, form, flags)
                path.parent.mkdir(parents=True, exist_ok=True)
                files.write_json(path, result)
            result = json.loads(path.read_text())
            print(
                f"{result['best_auroc']:.4f}  {form:<8}  seed {one.config.train.seed}  "
                f"{one.experiment}",
                flush=True,
            )


def _trained(one: "Training", form: str, flags: argparse.Namespace) -> dict[str, Any]:
    """Trains one form on one experiment; returns what validation said."""
    from deeprke_tf.fleet_train import vectors_of
    from deeprke_tf.fleets import data
    from deeprke_tf.training import objective

    dataset = flags.plan / one.dataset
    splits = data.encoded(dataset, one.k, shuffled=False)
    vectors = vectors_of(one, flags.plan)
    config = dataclasses.replace(
        one.config,
        # k-mer counts would have the same share in each form.
        model=dataclasses.replace(
            one.config.model, structure=form == "mfe", kmer_weight=0.0
        ),
    )
    inputs = {name: {**splits[name].ids} for name in SPLITS}
    if form not in ("none", "mfe"):
        sampled = _sampled(dataset, flags.out / one.experiment, flags.workers)
        for name in SPLITS:
            views = _dense(sampled[name], form, name, vectors["structure"], one.k)
            inputs[name]["structure"] = views
    labels = {name: splits[name].labels for name in SPLITS}
    started = time.monotonic()
    history = _fit(config, vectors, inputs, labels, one.k)
    best = objective.best_epoch(history)
    return {
        "experiment": one.experiment,
        "form": form,
        "seed": one.config.train.seed,
        "best_auroc": history[best - 1]["val_auroc"],
        "best_epoch": best,
        "history": history,
        "seconds": round(time.monotonic() - started),
        "config": dataclasses.asdict(config),
    }


# === Structures ===


def _sampled(dataset: Path, directory: Path, workers: int | None) -> dict[str, Any]:
    """Returns loop contexts of sampled structures by split, uint8 [n_sites, 20, nt].

    They are numbers of `LOOP_CONTEXTS`, kept in a file for the next training.
    """
    from deeprke_tf.fleets import packs, plan

    path = directory / "samples.npz"
    if path.exists():
        return plan.read_arrays(path)
    packed = packs.read(dataset)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        arrays: dict[str, Any] = {
            name: np.stack(
                list(pool.map(_samples, packed[name].sequences, chunksize=64))
            )
            for name in SPLITS
        }
    directory.mkdir(parents=True, exist_ok=True)
    plan.write_arrays(arrays, path)
    return arrays


def _print_cost(dataset: Path, n_sites: int = 300) -> None:
    """Prints the processor time of sampling, over that of folding the same sites."""
    from deeprke_tf.fleets import packs
    from deeprke_tf.rna.structure import all_loop_contexts, fold

    sequences = packs.read(dataset)["validation"].sequences[:n_sites]

    def mfe(sequence: str) -> None:
        all_loop_contexts([fold(sequence)[0]])

    for _round in range(3):
        seconds = []
        for work in (mfe, _samples):
            started = time.process_time()
            for sequence in sequences:
                work(sequence)
            seconds.append(time.process_time() - started)
        one, sampled = seconds
        print(
            f"MFE {n_sites / one:.0f} sites/s, {N_SAMPLES} samples "
            f"{n_sites / sampled:.0f} sites/s, {sampled / one:.2f} x as long"
        )


def _samples(sequence: str) -> np.ndarray:
    """Returns the loop contexts of structures sampled for one RNA, uint8 [20, nt]."""
    import RNA

    from deeprke_tf.config import FoldSettings
    from deeprke_tf.rna.structure import LOOP_CONTEXTS, all_loop_contexts

    details = RNA.md()
    details.noLP = int(not FoldSettings().lonely_pairs)
    details.uniq_ML = 1  # without which nothing can be sampled
    details.compute_bpp = 0  # half of the time, and sampling does without
    compound = RNA.fold_compound(sequence, details)
    compound.pf()
    RNA.init_rand(zlib.crc32(sequence.encode()))
    contexts = all_loop_contexts(list(compound.pbacktrack(N_SAMPLES)))
    letters = np.frombuffer("".join(contexts).encode(), np.uint8)
    numbers = np.zeros(256, np.uint8)
    numbers[np.frombuffer(LOOP_CONTEXTS.encode(), np.uint8)] = range(len(LOOP_CONTEXTS))
    return numbers[letters].reshape(N_SAMPLES, -1)


def _dense(
    samples: np.ndarray, form: str, split: str, vectors: np.ndarray, k: int
) -> np.ndarray:
    """Returns what a form reads at each k-mer, float16 [n_sites, n_kmers, channels]."""
    from deeprke_tf.data.structure_shuffling import permutation
    from deeprke_tf.rna.structure import LOOP_CONTEXTS

    if form == "vectors":
        return np.concatenate(
            [_mean_vectors(some, vectors, k) for some in np.array_split(samples, 200)]
        )
    if form == "other":
        samples = samples[permutation([samples.shape[-1]] * len(samples), split)]
    shares = np.stack(
        [(samples == i).mean(axis=1) for i in range(len(LOOP_CONTEXTS))], axis=-1
    )
    # At the middle of each k-mer; the convolution is as much longer (`_network`).
    before = (k - 1) // 2
    n_kmers = samples.shape[-1] - k + 1
    return shares[:, before : before + n_kmers].astype(np.float16)


def _mean_vectors(samples: np.ndarray, vectors: np.ndarray, k: int) -> np.ndarray:
    """Returns the mean of the samples' k-mer vectors, float16 [n_sites, n_kmers, size].

    k-mers are numbered as `KmerVocabulary` does it: as numbers of their letters.
    """
    from deeprke_tf.data.kmers import FIRST_KMER_ID
    from deeprke_tf.rna.structure import LOOP_CONTEXTS

    n_kmers = samples.shape[-1] - k + 1
    ids = np.zeros((*samples.shape[:2], n_kmers), np.int64)
    for i in range(k):
        ids = ids * len(LOOP_CONTEXTS) + samples[..., i : i + n_kmers]
    return vectors[ids + FIRST_KMER_ID].mean(axis=1).astype(np.float16)


# === Training ===


def _network(
    config: "ModelConfig",
    vectors: dict[str, np.ndarray],
    channels: int,
    k: int,
    bound_fraction: float,
) -> "keras.Model":
    """Builds the network; with `channels`, its structure view is dense."""
    import keras
    from keras import ops

    from deeprke_tf.data.kmers import PAD_ID
    from deeprke_tf.networks import blocks, deeprke
    from deeprke_tf.networks.vmap_layers import Conv1D

    if not channels:
        return deeprke.build_model(
            config, vectors["sequence"], vectors.get("structure"), bound_fraction
        )
    ids = keras.Input([None], dtype="int64", name="sequence_kmers")
    dense = keras.Input([None, channels], dtype="float16", name="structure")
    mask = ops.not_equal(ids, PAD_ID)
    x = blocks.kmer_convolution(vectors["sequence"], config, "sequence")(ids)
    sequence, view_mask = deeprke.view_module(x, mask, config, "sequence")
    (filters, *_), (size, *_) = config.shape_of("structure")
    if channels != vectors["structure"].shape[1]:
        size += k - 1  # k-mers see as many nucleotides more
    x = Conv1D(filters, size, name="structure_cnn_conv_1")(ops.cast(dense, "float32"))
    structure, _ = deeprke.view_module(x, mask, config, "structure")
    modules = [sequence, structure]
    log_odds = deeprke.union_log_odds(modules, view_mask, config, bound_fraction)
    probability = blocks.as_probability(log_odds)
    return keras.Model({"sequence_kmers": ids, "structure": dense}, probability)


def _fit(
    config: "RunConfig",
    vectors: dict[str, np.ndarray],
    inputs: dict[str, dict[str, np.ndarray]],
    labels: dict[str, np.ndarray],
    k: int,
) -> list[dict[str, float]]:
    """Trains as `deeprke train` does; returns the validation measures of each epoch."""
    import keras

    from deeprke_tf.training import objective

    n_sites, n_positive = len(labels["train"]), int(labels["train"].sum())
    settings = objective.for_sites(config.train, n_sites)
    keras.utils.set_random_seed(settings.seed)
    channels = inputs["train"].get("structure", np.empty(0)).shape[-1]
    fraction = objective.bound_fraction(settings, n_sites, n_positive)
    network = _network(config.model, vectors, channels, k, fraction)
    network.compile(
        keras.optimizers.Adam(
            objective.step_size(settings, n_sites), clipnorm=settings.clip_norm
        ),
        loss=keras.losses.BinaryCrossentropy(),
        jit_compile=False,
    )
    names = [one.name for one in network.inputs]
    train, validation = (
        {name: inputs[split][name] for name in names} for split in SPLITS
    )
    targets = np.array(objective.targets(settings, n_sites, n_positive), np.float32)
    wanted = targets[labels["train"]][:, np.newaxis]
    history: list[dict[str, float]] = []
    while not objective.is_finished(history, settings):
        network.fit(train, wanted, settings.batch_size, epochs=1, verbose=0)
        found = network.predict(validation, settings.batch_size, verbose=0)[:, 0]
        history.append(objective.validation_measures(labels["validation"], found))
    return history


if __name__ == "__main__":
    main()
