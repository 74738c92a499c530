"""Asks which RBPs gain from which: the network of one, read on few sites of another.

    python benchmarks/transfer.py --results OUT [--preset deeprke] --out transfer

OUT is that of `deeprke benchmark rbp31`, with the runs of the preset. For each pair of
experiments, what the network of the one computes before its output is read on 300
training sites of the other, by a logistic regression, whose strength is chosen on 100
more. The gain is its AUROC on validation sites less that of the linear baseline
`position-kmer`, fitted to the same sites: positive where a network of another RBP says
more than 300 sites of one's own. It is the mean of three draws.

The network has seen no site that counts: a validation site that shares 38 letters with
a training or validation site of the network is left out, for both models. No test site
is read. `--shard 1/2` and `2/2` divide the networks; what is there is not made again,
and the last one to end writes transfer.json and transfer.png.
"""

import argparse
import functools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import split_sites
from fixed_network import Features, feature_function, regression
from scipy.cluster import hierarchy

from deeprke_tf.benchmarking import linear_baselines
from deeprke_tf.benchmarking.linear_baselines import Labelled
from deeprke_tf.benchmarking.names import short_names
from deeprke_tf.data import description
from deeprke_tf.evaluation import metrics
from deeprke_tf.runs.run import Run
from deeprke_tf.system import files, plotting, tensorflow

N_FITTED, N_CHOOSING, N_DRAWS = 300, 100, 3
LEAST_OF_A_CLASS = 50


class Experiment:
    """The sites of an experiment, as networks and the linear baseline read them.

    Args:
      run: A run of `deeprke benchmark`.
    """

    def __init__(self, run: Path):
        self.run = run
        self.name = run.parent.name
        loaded = Run.load(run)
        self.views = loaded.views
        data = run.parents[2] / "data" / self.name
        self._info = description.read(data / loaded.manifest["data"]["directory"])
        self.validation = self._sites("validation")
        train = self._sites("train")
        rng = np.random.default_rng(1)
        order = rng.permutation(len(train.labels))
        n = N_FITTED + N_CHOOSING
        self.draws = [_some(train, order[i * n :][:n]) for i in range(N_DRAWS)]

    def _sites(self, split: str) -> Labelled:
        """Returns ids and labels of a split."""
        sites = split_sites.inputs(self._info, split, self.views)
        return Labelled(sites, split_sites.labels(self._info, split))

    def letters(self, sites: Labelled) -> list[str]:
        """Returns the sequences of sites."""
        ids = [site["sequence_kmers"] for site in sites.sequences]
        vocabulary = self._info.encoding.sequence_vocabulary
        return linear_baselines.letters_of(ids, vocabulary)

    @functools.cached_property
    def stretches(self) -> np.ndarray:
        """Stretches of letters of all sites that the network was made with."""
        splits = ("train", "validation")
        letters = [split_sites.letters(self._info, split) for split in splits]
        return split_sites.stretches([one for some in letters for one in some])

    @functools.cached_property
    def linear_scores(self) -> list[np.ndarray]:
        """Scores of the validation sites by `position-kmer`, for each draw."""
        tested = self.letters(self.validation)
        scores = []
        for sites in self.draws:
            whole = Labelled(self.letters(sites), sites.labels)
            score, _chosen = linear_baselines.fit("position-kmer", *_halves(whole), 1)
            scores.append(score(tested))
        return scores

    def unseen_by(self, other: "Experiment") -> np.ndarray:
        """Returns which validation sites the network of another one has not seen."""
        letters = self.letters(self.validation)
        return ~split_sites.overlapping(letters, other.stretches)


def _some(sites: Labelled, places: np.ndarray) -> Labelled:
    return Labelled([sites.sequences[i] for i in places], sites.labels[places])


def _halves(sites: Any) -> tuple[Any, Any]:
    """Returns the sites to fit and those to choose the strength on."""
    kind = type(sites)
    return (
        kind(sites[0][:N_FITTED], sites[1][:N_FITTED]),
        kind(sites[0][N_FITTED:], sites[1][N_FITTED:]),
    )


def gain(features: Any, giver: Experiment, taker: Experiment) -> dict[str, Any] | None:
    """Returns the AUROCs of both models of a pair, and the sites behind them.

    None: the network has seen nearly all validation sites, such as its own.
    """
    unseen = taker.unseen_by(giver)
    labels = taker.validation.labels[unseen]
    if min(labels.sum(), len(labels) - labels.sum()) < LEAST_OF_A_CLASS:
        return None
    tested = features(
        [s for s, u in zip(taker.validation.sequences, unseen, strict=True) if u]
    )
    read, linear = [], []
    for sites, scores in zip(taker.draws, taker.linear_scores, strict=True):
        known = Features(features(sites.sequences), sites.labels)
        model = regression(*_halves(known))
        read.append(metrics.auroc(labels, model.predict_proba(tested)[:, 1]))
        linear.append(metrics.auroc(labels, scores[unseen]))
    return {
        "n_sites": len(labels),
        "auroc": float(np.mean(read)),
        "linear_auroc": float(np.mean(linear)),
        "gain": float(np.mean(np.subtract(read, linear))),
    }


def draw(names: list[str], gains: np.ndarray, path: Path) -> None:
    """Draws the gain of each RBP (row) from each network (column)."""
    links = [
        hierarchy.linkage(np.nan_to_num(x), "average", optimal_ordering=True)
        for x in (gains, gains.T)
    ]
    rows, columns = map(hierarchy.leaves_list, links)
    figure = plotting.new_figure(8.5, 8.0)
    axes = figure.subplots()
    most = float(np.nanquantile(np.abs(gains), 0.99))
    cells = axes.pcolormesh(
        gains[np.ix_(rows, columns)], cmap="RdBu_r", vmin=-most, vmax=most
    )
    axes.set_facecolor("0.85")  # pairs without a measure
    places = np.arange(len(names)) + 0.5
    axes.set_xticks(places, [names[i] for i in columns], rotation=90, fontsize=7)
    axes.set_yticks(places, [names[i] for i in rows], fontsize=7)
    axes.set_xlabel("Network trained for")
    axes.set_ylabel("300 sites of")
    axes.invert_yaxis()
    figure.colorbar(cells, label="AUROC less that of position-kmer", shrink=0.6)
    plotting.write(figure, path)


def main() -> None:
    """Reads each network on each experiment, unless that was done before."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--preset", default="deeprke")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shard", default="1/1")
    flags = parser.parse_args()
    tensorflow.import_tensorflow()
    pattern = f"rbp31/runs/*/{flags.preset}.grouped.seed1.none/manifest.json"
    runs = sorted(path.parent for path in flags.results.resolve().glob(pattern))
    everyone = [Experiment(run) for run in runs]
    place, step = map(int, flags.shard.split("/"))
    for giver in everyone[place - 1 :: step]:
        path = flags.out / "pairs" / f"{giver.name}.json"
        if not path.exists():
            features = feature_function(Run.load(giver.run).model)
            found = {of.name: gain(features, giver, of) for of in everyone}
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_json(path, found)
            print(giver.name, flush=True)
    paths = [flags.out / "pairs" / f"{of.name}.json" for of in everyone]
    if all(path.exists() for path in paths):
        _report(everyone, paths, flags.out)


def _report(everyone: list[Experiment], paths: list[Path], out: Path) -> None:
    found = [json.loads(path.read_text()) for path in paths]
    short = short_names([of.name for of in everyone])
    names = [short[of.name] for of in everyone]
    gains = np.array(
        [
            [(of_one[taker.name] or {}).get("gain", np.nan) for of_one in found]
            for taker in everyone
        ]
    )
    pairs = {
        name: {short[taker]: of_pair for taker, of_pair in of_one.items()}
        for name, of_one in zip(names, found, strict=True)
    }
    known = gains[~np.isnan(gains)]
    summary = {
        "n_pairs": len(known),
        "mean_gain": float(known.mean()),
        "n_that_gain_0.02": int((known > 0.02).sum()),
        "n_that_lose_0.02": int((known < -0.02).sum()),
    }
    files.write_json(out / "transfer.json", summary | {"by_network": pairs})
    draw(names, gains, out / "transfer.png")
    best = np.nanargmax(gains, axis=1)
    for name, row, giver in zip(names, gains, best, strict=True):
        print(f"{name:22}{np.nanmean(row):+.3f}  best {names[giver]} {row[giver]:+.3f}")
    print(summary)


if __name__ == "__main__":
    sys.exit(main())
