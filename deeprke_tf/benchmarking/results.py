"""The results of a benchmark and published AUROCs, read from their files."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from deeprke_tf.benchmarking.experiments import PROTOCOLS, Benchmark, Experiment
from deeprke_tf.errors import UserError
from deeprke_tf.presets import PRESETS

# Columns of the table of published AUROCs, and the names of the methods in print.
_PUBLISHED = {
    "deeprke": "DeepRKE",
    "deeprke_minus": "DeepRKE-",
    "sequence_only_onehot": "DeepRKE--",
    "only_cnn_average": "CNN only",
    "ideeps": "iDeepS",
    "deeperbind": "DeeperBind",
    "deepbind": "DeepBind",
    "ideepv": "iDeepV",
    "deepnet_rbp": "deepnet-rbp",
    "graphprot": "GraphProt",
    "oli": "Oli",
}
_KEYS = {"rbp31": "number", "rbp24": "file_stem"}

REQUIRED = ("benchmark", "experiment", "preset", "protocol", "seed", "mask", "auroc")


def read(out: Path, benchmark: Benchmark) -> list[dict[str, Any]]:
    """Reads all results of a benchmark.

    Results of protocols that earlier versions had are left out.

    Raises:
      UserError: A file is not a result.
    """
    results = []
    for path in sorted((out / benchmark / "results").glob("*/[!.]*.json")):
        try:
            result = json.loads(path.read_text())
            if not all(key in result for key in REQUIRED):
                raise ValueError(f"it lacks {set(REQUIRED) - set(result)}")
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"{path} is not a result of this benchmark ({error}); delete it."
            ) from error
        if result["protocol"] in PROTOCOLS:
            results.append(result)
    return results


def aurocs(results: Sequence[Mapping[str, Any]], mask: str) -> pd.DataFrame:
    """Returns the AUROC of each experiment (rows) and method, averaged over seeds.

    A method is a preset, of protocol `grouped` where it has results of it. Results of
    `frozen` are then another method, "<preset>, frozen". Presets are in the order of
    `PRESETS`, others follow by name.
    """
    chosen = [result for result in results if result["mask"] == mask]
    columns = ["experiment", "preset", "protocol", "auroc"]
    table = pd.DataFrame(chosen, columns=columns)
    grouped = set(table.loc[table["protocol"] == "grouped", "preset"])
    is_other = (table["protocol"] == "frozen") & table["preset"].isin(grouped)
    table["method"] = table["preset"].where(~is_other, table["preset"] + ", frozen")
    known = {name: place for place, name in enumerate(PRESETS)}

    def place(method: str) -> tuple[int, str]:
        preset = re.sub(r"(-x\d+)?(, frozen)?$", "", method)
        return known.get(preset, len(known)), method

    pivot = table.pivot_table(index="experiment", columns="method", values="auroc")
    return pivot.reindex(columns=sorted(set(table["method"]), key=place))


def read_published(path: Path | None, benchmark: Benchmark) -> pd.DataFrame:
    """Reads published AUROCs.

    Args:
      path: A CSV file with the column "number" (rbp31) or "file_stem" (rbp24) and one
        column for each method; or the folder of `deeprke_<benchmark>_auroc.csv`; or
        None.
      benchmark: "rbp31" or "rbp24".

    Returns:
      AUROC by number, as text, or by file stem (rows) and method; empty without a path.

    Raises:
      UserError: It cannot be read.
    """
    if path is None:
        return pd.DataFrame()
    if path.is_dir():
        path = path / f"deeprke_{benchmark}_auroc.csv"
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"Cannot read the published table {path}: {error}.") from error
    known = [column for column in _PUBLISHED if column in table]
    if _KEYS[benchmark] not in table or not known:
        raise UserError(
            f"The published table {path} needs the column {_KEYS[benchmark]!r} and at "
            f"least one of {', '.join(_PUBLISHED)}; it has {', '.join(table)}."
        )
    table.index = pd.Index(table[_KEYS[benchmark]].astype(str))
    return table[known].rename(columns=_PUBLISHED)


def published_of(
    published: pd.DataFrame, experiments: Sequence[Experiment]
) -> pd.DataFrame:
    """Returns the published AUROCs by the names of our experiments."""
    keys = [
        str(one.number) if one.number is not None else one.name for one in experiments
    ]
    rows = published.reindex(keys)
    rows.index = pd.Index([one.name for one in experiments])
    return rows.dropna(how="all")
