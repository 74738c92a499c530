"""What share k-mer counts should have in the log odds, on validation sites.

    python benchmarks/kmer_weight.py --results RESULTS

RESULTS is that of `deeprke benchmark rbp31 --presets deeprke --protocols grouped`: its
runs and datasets are read, nothing is trained but the logistic regressions, and no test
site is scored. A run tells the log odds of its network, whatever share it was given.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy import special

from deeprke_tf.data import description, stored_sites
from deeprke_tf.evaluation import metrics
from deeprke_tf.networks import kmer_counts
from deeprke_tf.runs import layout
from deeprke_tf.runs.batching import score_sites
from deeprke_tf.runs.run import Run
from deeprke_tf.training import vectors

_SHARES = (0.0, 0.1, 0.2, 0.3, 0.4)


def by_share(run: Path, info: description.Dataset) -> list[float]:
    """Returns the validation AUROC of a run for each share."""
    loaded = Run.load(run)
    settings = loaded.config
    views = {
        v: stored_sites.sample_kmers(info, "validation", v, -1) for v in loaded.views
    }
    sites = [
        dict(zip(views, ids, strict=True)) for ids in zip(*views.values(), strict=True)
    ]
    probabilities = score_sites(loaded.network_scorer, sites, 512)
    labels = stored_sites.sample_labels(info, "validation", -1)
    ids = np.zeros((len(sites), max(len(s["sequence_kmers"]) for s in sites)), np.int32)
    for row, site in zip(ids, sites, strict=True):
        row[: len(site["sequence_kmers"])] = site["sequence_kmers"]
    counted = regression(info.encoding.k, vectors.kmer_weights(info, settings), ids)
    log_odds = special.logit(np.clip(probabilities.astype(float), 1e-7, 1 - 1e-7))
    given = settings.model.kmer_weight
    log_odds = (log_odds - given * counted) / (1 - given)
    mixed = (special.expit((1 - s) * log_odds + s * counted) for s in _SHARES)
    return [metrics.auroc(labels, some) for some in mixed]


def regression(k: int, weights: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Returns the log odds of the regression alone, float64 [n_sites]."""
    layer = kmer_counts.KmerCounts(k, share=1.0)
    network = np.zeros((len(ids), 1), np.float32)
    layer.build(network.shape, ids.shape)
    layer.set_weights([weights])
    return np.asarray(layer(network, ids))[:, 0].astype(float)


def main() -> None:
    """Prints a row for each experiment, and means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--run", default="deeprke.grouped.seed1.none")
    flags = parser.parse_args()
    directory = flags.results / "rbp31"
    rows = []
    print("| experiment | " + " | ".join(map(str, _SHARES)) + " |", flush=True)
    for run in sorted((directory / "runs").glob(f"*/{flags.run}")):
        if not (run / layout.MANIFEST).exists():
            continue
        data = layout.read_manifest(run)["data"]["directory"]
        info = description.read(directory / "data" / run.parent.name / data)
        rows.append(by_share(run, info))
        cells = [f"{auroc:.4f}" for auroc in rows[-1]]
        print(f"| {run.parent.name[:24]} | " + " | ".join(cells) + " |", flush=True)
    if not rows:
        sys.exit(f"{directory / 'runs'} has no finished run {flags.run}.")
    table = np.array(rows)
    print("| mean | " + " | ".join(f"{mean:.4f}" for mean in table.mean(axis=0)) + " |")
    better = (table > table[:, :1]).sum(axis=0)
    print(f"| better than 0.0 | {' | '.join(map(str, better))} | of {len(table)}")


if __name__ == "__main__":
    main()
