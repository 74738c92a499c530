"""Explains what a trained model has learned: attributions, motifs, loops.

python -m deeprke_tf.explain --model runs/QKI --data tfrecords/QKI --out explained/QKI

`deeprke_tf.explaining.files` says what the directory will hold.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deeprke_tf import api, cli
from deeprke_tf.system.tables import text_table

if TYPE_CHECKING:
    from deeprke_tf.explaining.result import Explanation, MotifFindings


@dataclass(frozen=True)
class ExplainFlags:
    """Shows what a model reads: its motifs, and the loops that it wants them in.

    The sites with the highest probabilities are explained: what each nucleotide and
    each loop context adds to the log odds. Motifs are made of the stretches that stand
    out, and set into shuffled sites to see what the model says of them there.
    """

    model: Path
    """Run or ensemble of `deeprke train`, or a name that `deeprke models` lists."""
    out: Path
    """Directory to make."""
    rbp: str | None = None
    """Of a joint run: the RBP to use."""
    sites: Path | None = None
    """FASTA file or table of sites, plain or compressed."""
    data: Path | None = None
    """In place of --sites: directory that `deeprke preprocess` made."""
    split: Literal["train", "validation", "test"] = "test"
    """With --data: split to explain."""
    top: int = 1000
    """Sites to explain, those with the highest probabilities; the others are compared
    with them."""
    method: Literal["gradients", "mutagenesis"] = "gradients"
    """Integrated gradients from shuffled sites, or every mutant of every site, which
    takes longer and assumes nothing."""
    check: int = 100
    """Explained sites that the other method is applied to, to measure agreement."""
    refold: bool = False
    """Fold mutants, too: adds to attributions.npz what they change then."""
    known: Path | None = None
    """Motif file in MEME format: the most similar motifs are named, with q-values.
    Needs memelite (extra `motifs`)."""
    backgrounds: int = 100
    """Shuffled sites that motifs are set into."""
    seed: int = 1
    """Random seed of shuffles and comparisons."""
    max_length: int = 5000
    """Longest site, in nucleotides; longer ones are skipped."""
    batch_size: int = 512
    """Sites scored at once."""
    workers: int | None = None
    """Folding processes; all cores by default."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""
    overwrite: bool = False
    """Replace the explanation in --out."""


def explain(flags: ExplainFlags) -> None:
    """Explains a model, writes the files and prints a summary.

    Raises:
      UserError: An argument cannot be used, or `out` is not empty.
    """
    given = {field.name: getattr(flags, field.name) for field in fields(flags)}
    run = api.load_single(given.pop("model"), rbp=given.pop("rbp"))
    explanation = run.explain(given.pop("sites"), **given, progress=True)
    print(_summary(explanation))
    print(f"wrote {flags.out}")


def _summary(explanation: "Explanation") -> str:
    measures = explanation.attributions.measures()
    chosen = explanation.sites
    rows = [["sites", f"{len(chosen.explained):,} explained of {chosen.n_read:,}"]]
    if chosen.skipped:
        rows.append(["skipped", f"{chosen.skipped.total():,}"])
    rows += [
        [method, f"{speed:g} sites/s"]
        for method, speed in measures["sites_per_second"].items()
    ]
    if "completeness" in measures:
        error = measures["completeness"]["median_relative_error"]
        rows.append(["completeness error", f"{error:.1%} of the difference (median)"])
    if "agreement" in measures:
        found = measures["agreement"]
        texts = [
            f"{view} {found[view]:.2f}"
            for view in ("sequence", "structure")
            if found[view] is not None
        ]
        rows.append(["agreement (Spearman)", ", ".join(texts)])
    table = [
        ["motif", "sites", "effect", "loop", "best imposed loop", "known, q-value"]
    ]
    table += [_motif_row(found) for found in explanation.findings]
    return f"{text_table(rows)}\n\n{text_table(table)}"


def _motif_row(found: "MotifFindings") -> list[str]:
    loop = found.preference.preferred if found.preference else None
    best = found.counterfactual.preferred if found.counterfactual else None
    known = (
        f"{found.known[0].name}, {found.known[0].q_value:.2g}" if found.known else ""
    )
    return [
        *(found.motif.consensus, f"{found.motif.n_sites:,}"),
        *(f"{found.motif.effect.mean:+.2f}", loop or "-", best or "-", known),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run(*("explain", ExplainFlags, explain, argv), uses_tensorflow=True)


if __name__ == "__main__":
    sys.exit(main())
