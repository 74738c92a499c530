"""Trains models of RBPs whose motif is known, and looks whether they have learned it.

    python benchmarks/known_motifs.py --data-dir DATA --out RESULTS --fold-cache FOLDS
    python benchmarks/known_motifs.py --data-dir DATA --out RESULTS --single SINGLE

DATA holds `rbp31`, the files of the benchmark, and `motifs`: Ray2013_rbp_RNA.meme (Ray
et al., Nature 499, 172, 2013), and CISBP_ATtRACT.meme with its table of proteins. For
each RBP: preprocess as the protocol `grouped` does, train preset `deeprke`, evaluate
once on the test split, explain the 1,000 test sites with the highest log odds. What is
finished is not done again. With SINGLE, where `deeprke benchmark rbp31 --protocols
grouped --presets deeprke-no-structure` has trained, nothing is trained: these models
are explained, whose AUROC is that of validation. At the end a table is printed and
written to RESULTS as known_motifs.tsv, and with all figures and commands as
known_motifs.json.
"""

import argparse
import csv
import datetime
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from side_by_side import deeprke, machine, versions

from deeprke_tf.explaining.known import compare, read_known
from deeprke_tf.explaining.meme import KnownMotif, read_meme
from deeprke_tf.system.files import write_json, written_aside

_HITS = 3  # among which the RBP is looked for
_SIMILAR = 0.05  # q-value up to which a hit counts
# Imposed loops of the counterfactual test, by loop context that a motif prefers. An
# internal loop is not imposed.
_IMPOSED = {"H": "hairpin", "S": "stem", "F": "unpaired", "T": "unpaired"}
_IMPOSED |= {"M": "unpaired"}


class Experiment(NamedTuple):
    """An experiment of RBP-31; `names` are those of the RBP and its closest paralogs.

    HNRNPCL1 and RALY are like HNRNPC; HuR is ELAVL1, and U2AF2 U2AF65.
    """

    rbp: str
    names: frozenset[str]


EXPERIMENTS = {
    23: Experiment("PUM2", frozenset({"PUM2", "PUM1"})),
    24: Experiment("QKI", frozenset({"QKI"})),
    17: Experiment("HNRNPC", frozenset({"HNRNPC", "HNRNPCL1", "RALY", "RALYL"})),
    27: Experiment("TDP-43", frozenset({"TARDBP"})),
    8: Experiment("ELAVL1", frozenset({"HuR", "ELAVL1", "ELAVL2", "ELAVL3", "ELAVL4"})),
    31: Experiment("U2AF65", frozenset({"U2AF2"})),
    25: Experiment("SRSF1", frozenset({"SRSF1", "SRSF9"})),
    28: Experiment("TIA1", frozenset({"TIA1", "TIAL1"})),
}
_HNRNPL = frozenset({"HNRNPL", "HNRNPLL"})
# Others whose motif is known; more experiments of the same RBPs among them.
MORE = {
    9: EXPERIMENTS[8]._replace(rbp="ELAVL1-PARCLIP-MNase"),
    10: EXPERIMENTS[8]._replace(rbp="ELAVL1-PARCLIP-A"),
    11: EXPERIMENTS[8]._replace(rbp="ELAVL1-CLIPseq"),
    13: Experiment("FUS", frozenset({"FUS", "EWSR1", "TAF15"})),
    15: Experiment("IGF2BP1-3", frozenset({"IGF2BP1", "IGF2BP2", "IGF2BP3"})),
    16: EXPERIMENTS[17]._replace(rbp="HNRNPC-1"),
    18: Experiment("HNRNPL-HeLa", _HNRNPL),
    19: Experiment("HNRNPL-U266", _HNRNPL),
    20: Experiment("HNRNPLL", _HNRNPL),
    29: Experiment("TIAL1", frozenset({"TIA1", "TIAL1"})),
    30: EXPERIMENTS[31]._replace(rbp="U2AF65-1"),
}
_ALL = EXPERIMENTS | MORE


def main():
    """Does what is not done yet, and prints a row for each RBP."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fold-cache", type=Path)
    parser.add_argument("--single", type=Path, help="where models are already")
    parser.add_argument("--seed", type=int, default=1, help="of the training")
    parser.add_argument(
        "--experiments",
        type=int,
        nargs="+",
        choices=_ALL,
        default=list(EXPERIMENTS),
    )
    flags = parser.parse_args()
    flags.out.mkdir(parents=True, exist_ok=True)
    known = flags.out / "known.meme"
    if not known.exists():
        write_known(known_motifs(flags.data_dir / "motifs"), known)
    # Networks first: they take longest.
    if flags.single is None:
        for number in flags.experiments:
            train(number, flags)
    rows = []
    for number in flags.experiments:
        explained = explain(number, known, flags)
        measured = json.loads((_run(number, flags) / "metrics.json").read_text())
        contents = json.loads((explained / "explain.json").read_text())
        own = own_hit(explained, known, _ALL[number].names)
        rows.append({**row_of(number, measured, contents), "own": own})
    write_tables(rows, flags)


# --- The steps -----------------------------------------------------------------------


def train(number: int, flags: argparse.Namespace) -> None:
    """Preprocesses, trains and evaluates, unless it is done."""
    data, run = _data(number, flags), _run(number, flags)
    sites = {}
    for split in ("train", "test"):
        (sites[split],) = (flags.data_dir / "rbp31").glob(f"{number}_*.{split}.fa.gz")
    if not (data / "dataset.json").exists():
        do(
            *("preprocess", "--sites", sites["train"], "--test-sites", sites["test"]),
            *("--validation-groups", "overlap", "--seed", 1),
            *("--fold-cache", flags.fold_cache, "--out", data),
        )
    if not (run / "manifest.json").exists():
        do(
            *("train", "--data", data, "--out", run),
            *("--preset", "deeprke", "--seed", flags.seed),
        )
    if json.loads((run / "metrics.json").read_text())["split"] != "test":
        do("evaluate", "--model", run, "--data", data)


def explain(number: int, known: Path, flags: argparse.Namespace) -> Path:
    """Explains a model, unless it is done; returns the directory."""
    explained = flags.out / "explained" / _ALL[number].rbp
    folds = ("--fold-cache", flags.fold_cache) if flags.fold_cache else ()
    if not (explained / "explain.json").exists():
        do(
            *("explain", "--model", _run(number, flags)),
            *("--data", _data(number, flags), "--split", "test", "--top", 1000),
            *("--known", known, *folds, "--out", explained),
        )
    return explained


def do(*arguments: object) -> None:
    """Runs a command of the package; its output goes to standard error."""
    print(f"$ deeprke {shlex.join(map(str, arguments))}", file=sys.stderr, flush=True)
    command = [*map(str, deeprke(*arguments))]
    subprocess.run(command, check=True, stdout=sys.stderr)


def _data(number: int, flags: argparse.Namespace) -> Path:
    if flags.single is None:
        return flags.out / "data" / _ALL[number].rbp
    (directory,) = flags.single.glob(f"rbp31/data/{number}_*/grouped.*.unfolded")
    return directory


def _run(number: int, flags: argparse.Namespace) -> Path:
    if flags.single is None:
        return flags.out / "runs" / _ALL[number].rbp
    name = "deeprke-no-structure.grouped.seed1.none"
    (directory,) = flags.single.glob(f"rbp31/runs/{number}_*/{name}")
    return directory


# --- The known motifs ----------------------------------------------------------------


def known_motifs(directory: Path) -> list[KnownMotif]:
    """Returns the motifs of both collections, each with the name of its protein."""
    lines = (directory / "CISBP_ATtRACT.metadata.tsv").read_text().splitlines()
    table = csv.DictReader(lines, delimiter="\t")
    proteins = {row["Motif_ID"]: row["RBP_Name"] for row in table}
    named = [
        motif._replace(alternative=proteins.get(motif.name, motif.alternative))
        for motif in read_meme(directory / "CISBP_ATtRACT.meme")
    ]
    return [*read_meme(directory / "Ray2013_rbp_RNA.meme"), *named]


def write_known(motifs: Sequence[KnownMotif], path: Path) -> None:
    """Writes motifs to one file in MEME format."""
    with written_aside(path) as file:
        file.write("MEME version 4\n\nALPHABET= ACGU\n")
        for motif in motifs:
            width = len(motif.probabilities)
            file.write(f"\nMOTIF {motif.name} {motif.alternative}\n")
            file.write(f"letter-probability matrix: alength= 4 w= {width}\n")
            for row in motif.probabilities:
                file.write(" ".join(f"{value:.6f}" for value in row) + "\n")


# --- The table -----------------------------------------------------------------------


def row_of(
    number: int, measured: dict[str, Any], contents: dict[str, Any]
) -> dict[str, Any]:
    """Returns what the table says of one RBP.

    Args:
      number: Of the experiment.
      measured: Contents of `metrics.json`, on the test split.
      contents: Contents of `explain.json`.
    """
    experiment, motifs = _ALL[number], contents["motifs"]
    first = motifs[0] if motifs else None
    return {
        "number": number,
        "rbp": experiment.rbp,
        "auroc_of": measured["split"],
        "auroc": measured["auroc"],
        "auroc_ci": measured["auroc_ci"],
        "measures": contents["measures"],
        "model_sha256": contents["model_sha256"],
        "n_motifs": len(motifs),
        "consensuses": [motif["consensus"] for motif in motifs],
        "hits": first["known"][:_HITS] if first else [],
        **(_structure_of(first) if first else {}),
    }


def own_hit(
    explained: Path, known: Path, names: frozenset[str]
) -> dict[str, Any] | None:
    """Returns how like a protein's motif the first motif of a model is.

    Args:
      explained: Directory of `deeprke explain`.
      known: The known motifs.
      names: Of the protein and its closest paralogs.

    Returns:
      `name`; `rank` among the proteins, 1 for the most similar, and `n_similar`
      proteins with q < 0.05; `q_value`. None if there is no motif.
    """
    motifs, all_known = read_meme(explained / "motifs.meme"), read_known(known)
    for hits in compare(motifs[:1], all_known, most=len(all_known)):
        own = [hit.name.split()[-1] in names for hit in hits]
        hit = hits[own.index(True)]
        return {
            "name": hit.name,
            "rank": own.index(True) + 1,
            "q_value": hit.q_value,
            "n_similar": sum(hit.q_value < _SIMILAR for hit in hits),
        }
    return None


def _structure_of(motif: dict[str, Any]) -> dict[str, Any]:
    """Returns a motif's loops, what the model makes of them, and if both agree."""
    loop, preference = motif["preferred_loop"], motif["structure_preference"]
    found = {
        "n_sites": motif["n_sites"],
        "effect": motif["effect"],
        "preferred_loop": loop,
        "effects": motif["counterfactual"]["effects"],
        "best_structure": motif["best_structure"],
        "survives": bool(loop) and _IMPOSED.get(loop) == motif["best_structure"],
    }
    if loop:
        for group in ("occurrences", "matched"):
            found[f"{group}_fraction"] = preference["fractions"][group][loop]
        found["difference"] = preference["differences"]["matched"][loop]
    return found


def write_tables(rows: Sequence[dict[str, Any]], flags: argparse.Namespace) -> None:
    """Prints the table and writes it, and all figures with what they were made by."""
    cells = [_cells(row) for row in rows]
    lines = ["\t".join(cells[0]), *("\t".join(row.values()) for row in cells)]
    with written_aside(flags.out / "known_motifs.tsv") as file:
        file.write("\n".join([*lines, ""]))
    contents = {
        "date": datetime.date.today().isoformat(),
        "seed": flags.seed,
        "machine": machine(),
        "versions": versions(),
        "n_found": sum(is_found(row) for row in rows),
        "n_similar": sum(is_similar(row) for row in rows),
        "mean_n_motifs": sum(row["n_motifs"] for row in rows) / len(rows),
        "rows": list(rows),
    }
    write_json(flags.out / "known_motifs.json", contents)
    print("\n".join(lines))
    print(f"own or paralog's motif: {contents['n_found']} of {len(rows)}")
    print(f"similar (q < {_SIMILAR}): {contents['n_similar']}")
    print(f"motifs of a model: {contents['mean_n_motifs']:.1f}")


def is_found(row: dict[str, Any]) -> bool:
    """Tells whether it is among the most similar ones."""
    return is_similar(row) and row["own"]["rank"] <= _HITS


def is_similar(row: dict[str, Any]) -> bool:
    """Tells whether the protein's or its paralog's motif is similar to the first."""
    return bool(row["own"]) and row["own"]["q_value"] < _SIMILAR


def _cells(row: dict[str, Any]) -> dict[str, str]:
    effects = row.get("effects", {})
    return {
        "rbp": row["rbp"],
        "auroc": f"{row['auroc']:.4f}",
        "motifs": str(row["n_motifs"]),
        "first": row["consensuses"][0] if row["consensuses"] else "",
        "hits": "; ".join(f"{h['name']} {h['q_value']:.2g}" for h in row["hits"]),
        "found": "yes" if is_found(row) else "no",
        "own": "{name} {q_value:.2g}, {rank} of {n_similar}".format_map(row["own"])
        if row["own"]
        else "",
        "loop": row.get("preferred_loop") or "",
        "difference": _interval(row.get("difference")),
        **{way: _interval(effects.get(way)) for way in ("hairpin", "stem", "unpaired")},
        "best": row.get("best_structure") or "",
        "survives": "yes" if row.get("survives") else "no",
    }


def _interval(estimate: dict[str, float] | None) -> str:
    if not estimate:
        return ""
    return f"{estimate['mean']:.3g} ({estimate['low']:.3g} to {estimate['high']:.3g})"


if __name__ == "__main__":
    main()
