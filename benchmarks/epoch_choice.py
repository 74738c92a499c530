"""Which epoch of a training on few sites is best: the choices that validation offers.

    python benchmarks/epoch_choice.py --data-dir DATA --out OUT

OUT is that of `few_sites.py`, with its joint network. Networks are trained on 100 and
300 sites of its six RBPs, from scratch and from the joint network, and after each epoch
4,000 training sites that were not drawn, and share no 38 letters with one that was, are
scored. The table has the mean AUROC there, had the epoch been chosen by validation
AUROC, by validation loss, or were it the last or the best there is. Test sites are not
read.
"""

import argparse
import json
import logging
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import few_sites
import numpy as np
import split_sites
from few_sites import VIEWS, WITHHELD, Draw
from joint_network import train_run

from deeprke_tf.data import description
from deeprke_tf.data.description import Dataset
from deeprke_tf.evaluation import metrics
from deeprke_tf.runs import batching, scorer
from deeprke_tf.system import files, tensorflow
from deeprke_tf.training.checkpoint import TrainingState
from deeprke_tf.training.objective import EpochChoice, best_epoch

SIZES = (100, 300)
_DRAW = 12  # none of those of few_sites.py
_N_JUDGES = 4_000


class Judges(NamedTuple):
    """Sites that judge each epoch, and their labels, [n_sites]."""

    sites: list[split_sites.Site]
    labels: np.ndarray


def judges(draw: Draw, whole: Dataset) -> Judges:
    """Returns training sites that were not drawn, and their labels."""
    sequences = split_sites.letters(whole, "train")
    labels = split_sites.labels(whole, "train")
    drawn = (draw.directory / "sites.fa").read_text().splitlines()[1::2]
    overlaps = split_sites.overlapping(sequences, split_sites.stretches(drawn))
    overlaps |= np.isin(sequences, drawn)
    order = np.random.default_rng(5).permutation(len(sequences))
    chosen = order[~overlaps[order]][:_N_JUDGES]
    sites = split_sites.inputs(whole, "train", VIEWS)
    return Judges([sites[i] for i in chosen], labels[chosen])


def train_judged(out: Path, of: Judges, *flags: object) -> list[dict[str, Any]]:
    """Trains a run; returns its history with the AUROC on the judges beside."""
    path = out.with_suffix(".json")
    if path.exists():
        return json.loads(path.read_text())
    history: list[dict[str, Any]] = []
    end_epoch = TrainingState.end_epoch

    def judged(self: TrainingState, row: dict[str, Any], model: Any) -> None:
        scores = batching.score_sites(scorer.scorer(model), of.sites, 512)
        history.append(row | {"judged": metrics.auroc(of.labels, scores)})
        end_epoch(self, row, model)

    TrainingState.end_epoch = judged
    try:
        train_run(out, *flags, "--mixed-precision", "--overwrite")
    finally:
        TrainingState.end_epoch = end_epoch
    files.write_json(path, history)
    return history


def chosen(history: list[dict[str, Any]], n_frozen: int) -> dict[str, float]:
    """Returns the AUROC of the epoch that each rule chooses."""
    found = {}
    for measure in ("val_auroc", "val_loss"):
        for n in sorted({0, n_frozen}):
            epoch = best_epoch(history, EpochChoice(measure, n))
            name = f"{measure}, not frozen" if n else measure
            found[name] = history[epoch - 1]["judged"]
    judged = [row["judged"] for row in history]
    return found | {"last": judged[-1], "best there is": max(judged)}


def main() -> None:
    """Trains what is not there yet, and prints a row for each rule."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    flags = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    tensorflow.import_tensorflow()
    data, trunk = few_sites.prepare(flags.data_dir, flags.out)
    starts = {
        "scratch": (("--preset", "deeprke-no-structure"), 0),
        "trunk": (("--init-from", trunk), 2),
    }
    aurocs: dict[tuple[int, str, str], list[float]] = defaultdict(list)
    for n_sites in SIZES:
        for rbp in WITHHELD:
            draw = Draw(rbp, n_sites, _DRAW, flags.out / "epoch_choice")
            whole = description.read(data[rbp])
            dataset = few_sites.write_draw(draw, whole)
            sites = judges(draw, whole)
            for name, (start, n_frozen) in starts.items():
                always = ("--data", dataset.directory, "--seed", _DRAW)
                out = draw.directory / name
                history = train_judged(out, sites, *always, *start)
                for rule, auroc in chosen(history, n_frozen).items():
                    aurocs[n_sites, name, rule].append(auroc)
    for (n_sites, name, rule), found in aurocs.items():
        print(f"{n_sites:>6}  {name:8} {rule:24} {np.mean(found):.4f}")


if __name__ == "__main__":
    main()
