"""Learning curves: how good models of few sites of an RBP get, by what they start from.

    python benchmarks/few_sites.py --data-dir DATA --out OUT

For six experiments of RBP-31, 100, 300, 1,000 and 3,000 training sites are drawn three
times, and all of them are taken once. Of each draw `deeprke preprocess` takes a tenth
as validation, and models are trained on the rest:

    scratch            preset deeprke-no-structure
    trunk              the same from a joint network, `train --init-from`
    two from scratch   two of the first, of other seeds, averaged as `predict` does (in
                       the first draw only)
    scratch and trunk  the first and the second, averaged
    position-kmer      the linear baseline of `deeprke benchmark`
    fixed trunk        a logistic regression of what the joint network computes before
                       its output

The joint network is trained before, on the experiments of RBP-31 without these six RBPs
and their replicates (`train --joint --hold-out`), with the settings of
`joint_network.py`. Sites that share 38 letters with a test site of their experiment are
left out before drawing. A site is drawn for all larger numbers, too.

The test split of RBP-31 is scored; no choice is made on it, and the AUROC on the
validation sites is kept beside. What is there is not made again. With `--shard 1/2`
and `2/2` two processes share the work; `--report` writes few_sites.json and
few_sites.png of what is there. `--known` names a few_sites.json of another machine,
whose results are not made again.
"""

import argparse
import itertools
import json
import logging
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import split_sites
from fixed_network import Features, feature_function, regression
from joint_network import SETTINGS, make_datasets, train_run

from deeprke_tf.benchmarking import linear_baselines
from deeprke_tf.benchmarking.linear_baselines import Labelled
from deeprke_tf.data import description
from deeprke_tf.data.description import Dataset
from deeprke_tf.evaluation import metrics
from deeprke_tf.runs import batching
from deeprke_tf.runs.joint_network import JointNetwork
from deeprke_tf.runs.run import Run
from deeprke_tf.system import files, locks, plotting, tensorflow
from pipelines import preprocess

# From sharp motifs to diffuse preferences; which RBPs are withheld from the joint
# network for each: HNRNPLL is a paralog of HNRNPL and has its motif.
WITHHELD = {
    "PUM2": ("PUM2",),
    "QKI": ("QKI",),
    "NSUN2": ("NSUN2",),
    "MOV10": ("MOV10",),
    "HNRNPL-HeLa": ("HNRNPL-HeLa", "HNRNPL-U266", "HNRNPLL"),
    "IGF2BP1-3": ("IGF2BP1-3",),
}
SIZES = (100, 300, 1_000, 3_000, None)  # None: all
N_DRAWS = 3
VIEWS = ("sequence_kmers",)
MODELS = ("position-kmer", "fixed trunk", "scratch", "trunk", "scratch and trunk")
CONTROL = "two from scratch"


class Draw(NamedTuple):
    """Some training sites of an experiment, and where what is made of them goes."""

    rbp: str
    n_sites: int | None
    number: int
    out: Path

    @property
    def directory(self) -> Path:
        """Dataset, runs and results of this draw."""
        return self.out / "draws" / f"{self.rbp}.{self.n_sites or 'all'}.{self.number}"


class Scored(NamedTuple):
    """Labels and probabilities of the validation and the test sites."""

    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


# === Data ===


def write_draw(draw: Draw, whole: Dataset) -> Dataset:
    """Draws sites of the training split and preprocesses them, unless they are there.

    The validation split has both classes: where it has not, it is drawn again.
    """
    directory = draw.directory / "data"
    if (directory / description.FILE_NAME).exists():
        return description.read(directory)
    fasta = _write_fasta(draw, whole)
    flags = ["--sites", fasta, "--no-structure", "--validation-groups", "overlap"]
    # By the seed of the whole dataset, its own validation sites would be drawn again.
    for seed in range(100 * draw.number + 1, 100 * draw.number + 20):
        more = ["--seed", seed, "--out", directory]
        if preprocess.main(list(map(str, [*flags, *more]))) == 0:
            return description.read(directory)
    raise SystemExit(f"{draw} could not be preprocessed.")


def _write_fasta(draw: Draw, whole: Dataset) -> Path:
    sequences = split_sites.letters(whole, "train")
    labels = split_sites.labels(whole, "train")
    # The order of records in shards is that of a hash, the same on all machines.
    order = np.random.default_rng(draw.number).permutation(len(sequences))
    of_test = split_sites.stretches(split_sites.letters(whole, "test"))
    overlaps = split_sites.overlapping(sequences, of_test)
    chosen = order[~overlaps[order]][: draw.n_sites]
    path = draw.directory / "sites.fa"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(f">{i}; class:{labels[i]}\n{sequences[i]}\n" for i in chosen)
    )
    return path


def _labelled(info: Dataset, split: str) -> Labelled:
    return Labelled(split_sites.letters(info, split), split_sites.labels(info, split))


# === Models ===


def prepare(data_dir: Path, out: Path) -> tuple[dict[str, Path], Path]:
    """Makes all datasets, and trains the joint network without the six RBPs.

    Returns:
      The dataset of each experiment, and the joint run.
    """
    names = make_datasets(data_dir, out / "data")
    data = {name: out / "data" / name for name in names}
    replicates = out / "replicates.tsv"
    rows = [(name, rbp) for rbp, names in WITHHELD.items() for name in names]
    replicates.write_text("".join(f"{name}\t{rbp}\n" for name, rbp in rows))
    flags = ("--joint", "--data", *data.values(), *shlex.split(SETTINGS))
    withheld = ("--hold-out", *WITHHELD, "--replicates", replicates)
    with locks.held((out / "data").resolve(), seconds=-1):
        return data, train_run(out / "trunk", *flags, *withheld)


def trained(
    draw: Draw, data: Dataset, test: Dataset, name: str, *flags: object
) -> Scored:
    """Trains a network on a draw, and scores its sites."""
    import keras

    keras.utils.clear_session()
    run = train_run(draw.directory / name, "--data", data.directory, *flags)
    score = Run.load(run).network_scorer

    def scored(info: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
        labels = split_sites.labels(info, split)
        return labels, batching.score_sites(
            score, split_sites.inputs(info, split, VIEWS), 512
        )

    return Scored(scored(data, "validation"), scored(test, "test"))


def linear(draw: Draw, data: Dataset, test: Dataset) -> Scored:
    """Fits the linear baseline to a draw."""
    splits = (_labelled(data, "train"), _labelled(data, "validation"))
    score, _chosen = linear_baselines.fit("position-kmer", *splits, draw.number)
    tested = _labelled(test, "test")
    return Scored(
        (splits[1].labels, score(splits[1].sequences)),
        (tested.labels, score(tested.sequences)),
    )


def fixed_trunk(features: Any, data: Dataset, test: Dataset) -> Scored:
    """Fits a logistic regression to what the joint network computes."""
    train, validation, tested = (
        Features(
            features(split_sites.inputs(info, split, VIEWS)),
            split_sites.labels(info, split),
        )
        for info, split in ((data, "train"), (data, "validation"), (test, "test"))
    )
    model = regression(train, validation)
    return Scored(
        *(
            (of.labels, model.predict_proba(of.values)[:, 1])
            for of in (validation, tested)
        )
    )


def mean(one: Scored, other: Scored) -> Scored:
    """Returns the mean probabilities of two networks."""
    return Scored(*((a[0], (a[1] + b[1]) / 2) for a, b in zip(one, other, strict=True)))


# === Results ===


def run_draw(draw: Draw, whole: Dataset, trunk: Path, features: Any) -> None:
    """Trains and scores all models of a draw, and writes their AUROCs."""
    data = write_draw(draw, whole)
    preset = ("--preset", "deeprke-no-structure", "--seed")
    one = trained(draw, data, whole, "scratch", *preset, draw.number)
    start = ("--init-from", trunk, "--seed")
    of_trunk = trained(draw, data, whole, "trunk", *start, draw.number)
    scored = {
        "position-kmer": linear(draw, data, whole),
        "fixed trunk": fixed_trunk(features, data, whole),
        "scratch": one,
        "trunk": of_trunk,
        "scratch and trunk": mean(one, of_trunk),
    }
    if draw.number == 1:
        seed = draw.number + N_DRAWS
        other = trained(draw, data, whole, "scratch-2", *preset, seed)
        scored[CONTROL] = mean(one, other)
    splits = {name: data.split(name) for name in ("train", "validation")}
    result = {
        "rbp": draw.rbp,
        "asked": draw.n_sites,
        "draw": draw.number,
        "n_sites": {name: split.n_sites for name, split in splits.items()},
        "n_positive": {name: split.n_positive for name, split in splits.items()},
        "auroc": {m: metrics.auroc(*of.test) for m, of in scored.items()},
        "validation_auroc": {
            m: metrics.auroc(*of.validation) for m, of in scored.items()
        },
    }
    files.write_json(draw.directory / "result.json", result)


def draws(out: Path) -> Iterator[Draw]:
    """Yields all draws, the first of each number of sites before the second.

    All sites, which can be drawn in one way only, come last.
    """
    for number, n_sites in itertools.product(range(1, N_DRAWS + 1), SIZES[:-1]):
        yield from (Draw(rbp, n_sites, number, out) for rbp in WITHHELD)
    yield from (Draw(rbp, None, 1, out) for rbp in WITHHELD)


def _key(result: dict[str, Any]) -> tuple[Any, ...]:
    """Returns the draw of a result, as the first fields of `Draw`."""
    return result["rbp"], result["asked"], result["draw"]


def report(out: Path, known: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Writes table and figure of the results that are there, and of known ones."""
    paths = [draw.directory / "result.json" for draw in draws(out)]
    made = [json.loads(path.read_text()) for path in paths if path.exists()]
    found_for = {_key(result): result for result in (*known, *made)}
    results = [found_for[draw[:3]] for draw in draws(out) if draw[:3] in found_for]
    summary = {"settings_of_joint_network": SETTINGS, "results": results, "means": []}
    for asked, numbers in itertools.product(SIZES, ([1], [*range(1, N_DRAWS + 1)])):
        some = [r for r in results if r["asked"] == asked and r["draw"] in numbers]
        drawn = sorted({found["draw"] for found in some})
        if drawn == [1] == numbers or len(drawn) > 1:
            models = (*MODELS, CONTROL) if numbers == [1] else MODELS
            means = {m: float(np.mean([r["auroc"][m] for r in some])) for m in models}
            row = {"asked": asked, "draws": drawn, "n": len(some)}
            others = [m for m in models if m != "scratch and trunk"]
            row["n_both_better"] = {m: _n_better(some, m) for m in others}
            if numbers == [1]:
                row["gain_over_two"] = {
                    r["rbp"]: r["auroc"]["scratch and trunk"] - r["auroc"][CONTROL]
                    for r in some
                }
            summary["means"].append(row | means)
    files.write_json(out / "few_sites.json", summary)
    draw_curves(results, out / "few_sites.png")
    return summary


def _n_better(results: list[dict[str, Any]], model: str) -> int:
    """Returns on how many draws the mean of both is better than another model."""
    aurocs = [found["auroc"] for found in results]
    return sum(of["scratch and trunk"] > of[model] for of in aurocs)


def draw_curves(results: list[dict[str, Any]], path: Path) -> None:
    """Draws the AUROC of each model by the number of sites, a panel for each RBP."""
    lines = {
        "position-kmer": ("position-kmer", "0.5"),
        "scratch": ("from scratch", plotting.VERMILION),
        "trunk": ("from a joint network", plotting.BLUE),
        "scratch and trunk": ("the mean of both", plotting.GREEN),
    }
    figure = plotting.new_figure(7.5, 5.2)
    panels = figure.subplots(2, 3, sharex=True).ravel()
    for axes, rbp in zip(panels, WITHHELD, strict=True):
        of_rbp = [found for found in results if found["rbp"] == rbp]
        for model, (label, color) in lines.items():
            by_size: dict[int, list[float]] = {}
            for found in of_rbp:
                size = found["asked"] or sum(found["n_sites"].values())
                by_size.setdefault(size, []).append(found["auroc"][model])
            sizes = sorted(by_size)
            means = [np.mean(by_size[size]) for size in sizes]
            axes.plot(sizes, means, "o-", color=color, label=label, markersize=3)
            for size in sizes:
                ends = min(by_size[size]), max(by_size[size])
                axes.plot([size, size], ends, color=color, linewidth=0.8)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_title(rbp, fontsize=9)
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=len(lines), fontsize=8)
    panels[3].set_xlabel("Sites, training and validation")
    panels[3].set_ylabel("Test AUROC")
    plotting.write(figure, path)


def main() -> None:
    """Makes what is not there yet, and prints the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shard", default="1/1")
    parser.add_argument("--known", type=Path)
    parser.add_argument("--report", action="store_true", help="train nothing")
    flags = parser.parse_args()
    known = json.loads(flags.known.read_text())["results"] if flags.known else []
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not flags.report:
        tensorflow.import_tensorflow()
        data, trunk = prepare(flags.data_dir, flags.out)
        features = feature_function(JointNetwork.load(trunk).model)
        first, step = map(int, flags.shard.split("/"))
        are_known = set(map(_key, known))
        wanted = [draw for draw in draws(flags.out) if draw[:3] not in are_known]
        for draw in itertools.islice(wanted, first - 1, None, step):
            if not (draw.directory / "result.json").exists():
                whole = description.read(data[draw.rbp])
                run_draw(draw, whole, trunk, features)
    for row in report(flags.out, known)["means"]:
        print(row)


if __name__ == "__main__":
    sys.exit(main())
