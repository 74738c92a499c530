"""Asks a model of simulated sites which variants break the motif or its hairpin.

    python benchmarks/simulated_variants.py --out RESULTS [--seed 1]

`deeprke simulate` plants UGUANAUA in hairpin loops, and elsewhere as decoy. A model of
4,000 such sites scores substitutions in bound sites of another simulation. The truth is
the rule of the simulation: a site is bound if the motif lies in a hairpin loop with all
its letters.

    motif letter    the motif is gone
    hairpin opened  the motif is there, but the mutant folds otherwise and the motif
                    lies wholly in a hairpin loop no more
    the other kinds keep both: at the motif's N, in the hairpin's stem, elsewhere

Printed: mean change of the log odds by kind, one value a site, and the AUROC of telling
variants that break something from those that do not, by -delta and by |delta|, with
intervals of a bootstrap over sites. Finished steps are not done again.
"""

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from side_by_side import deeprke, machine, versions

from deeprke_tf.evaluation import metrics
from deeprke_tf.explaining.statistics import mean_of
from deeprke_tf.rna.simulation import SimulationConfig, motif_pattern, simulate
from deeprke_tf.rna.sites import NUCLEOTIDES
from deeprke_tf.rna.structure import base_pairs, fold, loop_contexts
from deeprke_tf.system.files import write_json

MOTIF = SimulationConfig.motif
BROKEN = ("motif letter", "hairpin opened")
KEPT = ("at the motif's N", "in the stem", "elsewhere")
_PER_SITE = 3  # variants of each kind
_RESAMPLES = 1_000


class Variant(NamedTuple):
    """A substitution in a simulated site; `position` is from 0."""

    kind: str
    position: int
    alt: str


def main():
    """Prints both tables, and writes them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--n-sites", type=int, default=100, help="bound sites")
    parser.add_argument("--seed", type=int, default=1, help="of everything")
    flags = parser.parse_args()
    flags.out.mkdir(parents=True, exist_ok=True)
    run = train(flags.out, flags.seed)
    kinds = write_variants(flags.out, flags.n_sites, flags.seed + 1)
    do(
        *("variants", "--model", run, "--sites", flags.out / "bound.fa"),
        *("--mutations", flags.out / "mutations.tsv", "--out", flags.out / "variants"),
        "--overwrite",
    )
    table = pd.read_csv(flags.out / "variants" / "variants.tsv", sep="\t", comment="#")
    table["kind"] = table["name"].map(kinds)
    table["site"] = table["name"].str.partition(":")[0]
    assert table["delta_log_odds"].notna().all() and table["kind"].notna().all()
    contents = summary_of(table, flags.seed)
    measured = json.loads((run / "metrics.json").read_text())
    contents |= {"auroc_of_sites": measured["auroc"], "split": measured["split"]}
    contents |= {"seed": flags.seed, "machine": machine(), "versions": versions()}
    write_json(flags.out / "simulated_variants.json", contents)
    print(json.dumps({k: contents[k] for k in ("by_kind", "auroc")}, indent=1))


def train(out: Path, seed: int) -> Path:
    """Simulates, preprocesses and trains, unless it is done; returns the run."""
    run, data = out / "run", out / "data"
    sites, test = out / "train.fa.gz", out / "test.fa.gz"
    if not test.exists():
        do("simulate", "--seed", seed, "--out", sites, "--test-out", test)
    if not (data / "dataset.json").exists():
        do("preprocess", "--sites", sites, "--test-sites", test, "--out", data)
    if not (run / "manifest.json").exists():
        network = ("--preset", "paper", "--batch-norm", "--epochs", 12)
        do("train", "--data", data, "--out", run, *network, "--seed", seed)
        do("evaluate", "--model", run, "--data", data)
    return run


def do(*arguments: object) -> None:
    """Runs a command of the package; its output goes to standard error."""
    command = [*map(str, deeprke(*arguments))]
    subprocess.run(command, check=True, stdout=sys.stderr)


def write_variants(out: Path, n_sites: int, seed: int) -> dict[str, str]:
    """Writes bound sites and their variants; returns the kind of each by its name."""
    rng = random.Random(seed)
    kinds, rows, fasta = {}, ["name\tposition\tref\talt"], []
    config = SimulationConfig(n_sites=n_sites, positive_fraction=1, seed=seed)
    for site in simulate(config):
        fasta.append(f">{site.name}\n{site.sequence}")
        for kind, position, alt in variants_of(site.sequence, rng):
            ref = site.sequence[position]
            rows.append(f"{site.name}\t{position + 1}\t{ref}\t{alt}")
            kinds[f"{site.name}:{position + 1}:{ref}>{alt}"] = kind
    (out / "bound.fa").write_text("\n".join([*fasta, ""]))
    (out / "mutations.tsv").write_text("\n".join([*rows, ""]))
    return kinds


def variants_of(sequence: str, rng: random.Random) -> Iterator[Variant]:
    """Yields some substitutions of each kind, in random order.

    Args:
      sequence: A bound site; it has the motif once.
      rng: Chooses them.
    """
    (start,) = places_of(sequence)
    pairs = base_pairs(fold(sequence)[0])
    inside = [pair for pair in pairs if pair[0] < start < pair[1]]
    stem = {position for pair in inside for position in pair}
    every = [
        (position, alt)
        for position, letter in enumerate(sequence)
        for alt in NUCLEOTIDES.replace(letter, "")
    ]
    rng.shuffle(every)
    planted = range(start, start + len(MOTIF))
    left = dict.fromkeys((*BROKEN, *KEPT), _PER_SITE)
    for position, alt in every:
        is_elsewhere = position not in stem and position not in planted
        if is_elsewhere and not left["elsewhere"]:
            continue  # There are many: folding them all takes longest.
        kind = kind_of(sequence, start, stem, position, alt)
        if kind and left[kind]:
            left[kind] -= 1
            yield Variant(kind, position, alt)
        if not any(left.values()):
            return


def places_of(sequence: str) -> list[int]:
    """Returns where the motif begins."""
    return [match.start() for match in motif_pattern(MOTIF).finditer(sequence)]


def kind_of(
    sequence: str, start: int, stem: set[int], position: int, alt: str
) -> str | None:
    """Returns the kind of a substitution; None for one that makes another motif.

    Args:
      sequence: The site.
      start: Of its motif.
      stem: Positions of the pairs around the motif.
      position: Of the substitution.
      alt: Its letter.
    """
    mutant = sequence[:position] + alt + sequence[position + 1 :]
    found = places_of(mutant)
    if not found:
        return "motif letter"
    if found != [start]:
        return None
    end = start + len(MOTIF)
    if set(loop_contexts(fold(mutant)[0])[start:end]) != {"H"}:
        return "hairpin opened"
    if start <= position < end:
        return "at the motif's N"
    return "in the stem" if position in stem else "elsewhere"


def summary_of(table: pd.DataFrame, seed: int) -> dict[str, object]:
    """Returns means by kind and AUROCs.

    Args:
      table: Columns `site`, `kind` and `delta_log_odds`.
      seed: Of the bootstrap.
    """
    by_kind = {}
    for kind in (*BROKEN, *KEPT):
        some = table[table["kind"] == kind]
        each = some.groupby("site")["delta_log_odds"].mean()
        by_kind[kind] = {
            "n_variants": len(some),
            "n_sites": len(each),
            **mean_of(each)._asdict(),
            "fraction_below_0": float((some["delta_log_odds"] < 0).mean()),
        }
    groups = {"both": BROKEN, **{kind: (kind,) for kind in BROKEN}}
    auroc = {
        name: {
            score: _auroc(table[table["kind"].isin([*kinds, *KEPT])], kinds, sign, seed)
            for score, sign in (("-delta", np.negative), ("|delta|", np.abs))
        }
        for name, kinds in groups.items()
    }
    return {"by_kind": by_kind, "auroc": auroc}


def _auroc(table: pd.DataFrame, kinds, score, seed: int) -> dict[str, float]:
    """Returns the AUROC of variants of these kinds, with its interval over sites."""
    labels = table["kind"].isin(kinds).to_numpy(int)
    scores = score(table["delta_log_odds"].to_numpy())
    # Ranks from 0 to 1, as `metrics.auroc` takes probabilities.
    scores = stats.rankdata(scores) / len(scores)
    rows = list(table.groupby("site").indices.values())
    rng = np.random.default_rng(seed)
    resampled = []
    for _ in range(_RESAMPLES):
        chosen = rng.integers(len(rows), size=len(rows))
        some = np.concatenate([rows[i] for i in chosen])
        resampled.append(metrics.auroc(labels[some], scores[some]))
    low, high = np.quantile(resampled, [0.025, 0.975])
    return {
        "auroc": float(metrics.auroc(labels, scores)),
        "low": float(low),
        "high": float(high),
    }


if __name__ == "__main__":
    main()
