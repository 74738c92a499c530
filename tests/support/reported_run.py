"""A run, its evaluation and audit as files, for reports: nothing is trained."""

import dataclasses
import json

import numpy as np
import pandas as pd

from deeprke_tf.config import RunConfig
from deeprke_tf.evaluation import metrics, reliability
from deeprke_tf.system.arrays import write_arrays

THRESHOLD = 0.4
SHA = "ab" * 32


def make_reported_run(directory, seed=1):
    """Makes a directory as `deeprke run` does, without what a report does not read."""
    rng = np.random.default_rng(seed)
    write(directory / "workflow.json", {})
    model = directory / "model"
    write(model / "config.json", dataclasses.asdict(RunConfig()))
    write(model / "manifest.json", MANIFEST)
    labels, probabilities = simulated_predictions(rng, 60)
    write(model / "metrics.json", measures("validation", labels, probabilities))
    pd.DataFrame({"label": labels, "probability": probabilities}).to_csv(
        model / "validation.csv", index=False
    )
    epochs = np.arange(1, 6)
    history = {"epoch": epochs, "loss": 1 / epochs, "val_loss": 1.1 / epochs}
    pd.DataFrame(history | {"val_auroc": 1 - 0.3 / epochs}).to_csv(
        model / "history.csv", index=False
    )
    make_evaluation(directory / "evaluation", rng)
    write(directory / "audit" / "audit.json", AUDIT)
    write(directory / "sites" / "extract.json", EXTRACTION)
    write(directory / "sites" / "matching.json", {"properties": PROPERTIES})
    return directory


def make_evaluation(directory, rng):
    """Writes an evaluation on 80 test sites."""
    labels, probabilities = simulated_predictions(rng, 80)
    measured = measures("test", labels, probabilities)
    measured["calibration"] = {
        "method": "none",
        "before": reliability.calibration_measures(labels, probabilities),
        "after": reliability.calibration_measures(labels, probabilities),
    }
    write(directory / "metrics.json", measured)
    pd.DataFrame(
        {
            # A site may be called anything.
            "name": ["NA", "<b>site</b>", *(f"peak{i}" for i in range(2, 80))],
            "label": labels,
            "probability": probabilities,
            "calibrated_probability": probabilities,
            "chrom": ["", *["chr1"] * 79],
            "start": ["", *range(1000, 80_000, 1000)],
            "end": ["", *range(1101, 80_000, 1000)],
            "strand": ["", *["-"] * 79],
            "gene": "",
        }
    ).to_csv(directory / "predictions.tsv", sep="\t", index=False)


def make_explanation(directory):
    """Writes an explanation of a motif in a hairpin loop, as `deeprke explain` does."""
    write(directory / "explain.json", EXPLANATION)
    names = ["peak2", "peak3", "<b>site</b>", "elsewhere"]
    sequences = ["GGGGAUGUAUAACCCCAAAA", "GGGGAAAAAAAACCCCAAAA"] * 2
    contexts = ["SSSSHHHHHHHHSSSSTTTT"] * 4
    values = np.zeros((4, 20))
    values[:, 5:11] = 0.5
    write_arrays(
        {
            "names": np.array(names),
            "sequences": np.array(sequences),
            "loop_contexts": np.array(contexts),
            "dot_brackets": np.array(["((((........))))....", "", *DRAWN]),
            "labels": np.array([1, 0, 0, -1], np.int8),
            "offsets": np.arange(5) * 20,
            "log_odds": np.array([4, 3, 2, 1], np.float32),
            "sequence": values.ravel().astype(np.float32),
            "structure": -values.ravel().astype(np.float32) / 2,
        },
        directory / "attributions.npz",
    )
    return directory


def simulated_predictions(rng, n_sites):
    labels = np.tile([1, 0], n_sites // 2)
    return labels, np.clip(rng.normal(0.3 + 0.3 * labels, 0.15), 0, 1).round(4)


def measures(split, labels, probabilities):
    measured = metrics.evaluate_probabilities(
        labels, probabilities, THRESHOLD, n_bootstrap=50
    )
    return {"split": split, "data": "dataset", **measured}


def write(path, contents):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(contents))


DRAWN = ["((((........))))...."] * 2


def _estimate(mean):
    return {"mean": mean, "low": mean - 0.05, "high": mean + 0.05}


def _split(n_sites):
    return {"n_sites": n_sites, "n_positive": n_sites // 2, "longest_site": 101}


MANIFEST = {
    "deeprke_tf": "0.1.0",
    "command": "deeprke run --peaks 'my peaks.bed' --out RBP",
    "seed": 1,
    "encoding": {
        "k": 3,
        "fold": {"temperature": 37.0, "max_bp_span": None, "lonely_pairs": False},
    },
    "threshold": THRESHOLD,
    "calibration": {"method": "none", "prior": 0.5},
    "data": {
        "directory": "dataset",
        "inputs": [{"file": "sites.tsv", "sha256": SHA, "n_sites": 380}],
        "splits": {"train": _split(240), "validation": _split(60), "test": _split(80)},
    },
    "versions": {"python": "3.11.7", "viennarna": "2.8.0"},
    "best_epoch": 4,
    "n_epochs": 5,
    "devices": ["/device:CPU:0"],
    "model_sha256": "cd" * 32,
}
AUDIT = {
    "inputs": [{"file": "sites.tsv", "sha256": SHA}],
    "threshold": 0.65,
    "n_sites": 300,
    "n_rules": 2,
    "rules": [
        {
            "rule": "GC content",
            "auroc": 0.7,
            "auroc_ci": [0.65, 0.75],
            "telling": "mean 0.6 in bound, 0.4 in background",
        },
        {
            "rule": "length of the sequence",
            "auroc": 0.5,
            "auroc_ci": [0.45, 0.55],
            "telling": "the same",
        },
    ],
    "warnings": ["A rule of the edge: mask these bases."],
    "notes": ["GC content alone reaches 0.7."],
}
EXTRACTION = {
    "warnings": ["Few peaks."],
    "background": {"warnings": ["Background is nearer to the transcript end."]},
}
PROPERTIES = [
    {
        "name": "GC content",
        "bound": 0.6,
        "after": 0.59,
        "auroc_before": 0.2,
        "auroc_after": 0.49,
    },
    {
        "name": "region",
        "bound": None,
        "after": None,
        "auroc_before": None,
        "auroc_after": None,
    },
]
_LOOPS = {letter: _estimate(0.1) for letter in "FTIMS"}
EXPLANATION = {
    "model_sha256": MANIFEST["model_sha256"],
    "command": "deeprke explain --model RBP/model --out RBP/explain",
    "sites": {"read": 80, "explained": 4},
    "measures": {"agreement": {"n_sites": 4, "sequence": 0.9, "structure": None}},
    "spacings": [
        {
            "names": ["motif_1", "motif_2"],
            "distances": [0, 2, 4],
            "interactions": [_estimate(mean) for mean in (0.1, -0.8, 0.0)],
        },
        {"names": ["motif_2", "motif_2"], "distances": [], "interactions": []},
    ],
    "motifs": [
        {
            "name": "motif_1",
            "consensus": "UGUA",
            "probabilities": np.eye(4)[[3, 2, 3, 0]].tolist(),
            "n_sites": 3,
            "effect": _estimate(1.5),
            "occurrences_by_tenth_of_the_site": [0, 0, 1, 2, 0, 0, 0, 0, 0, 0],
            "known": [
                {"name": "M1 PUM2", "p_value": 1e-6, "q_value": 1e-4},
                {"name": "M2 other", "p_value": 0.1, "q_value": 0.5},
            ],
            "preferred_loop": "H",
            "structure_preference": {
                "fractions": {
                    "occurrences": _LOOPS | {"H": _estimate(0.9)},
                    "matched": _LOOPS | {"H": _estimate(0.3)},
                },
                "differences": {"matched": {"H": _estimate(0.6)}},
            },
            "best_structure": "hairpin",
            "counterfactual": {
                "effects": {
                    "background": _estimate(1.0),
                    "hairpin": _estimate(2.0),
                    "stem": _estimate(0.5),
                    "unpaired": _estimate(0.7),
                }
            },
        },
        {
            "name": "motif_2",
            "consensus": "GCAU",
            "probabilities": np.full((4, 4), 0.25).tolist(),
            "n_sites": 1,
            "effect": {"mean": 0.2, "low": None, "high": None},
            "occurrences_by_tenth_of_the_site": [1] * 10,
            "known": [],
            "preferred_loop": None,
            "structure_preference": None,
            "best_structure": None,
            "counterfactual": None,
        },
    ],
}
