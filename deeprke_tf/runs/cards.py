"""The card of a model: what it was made of, how good it is, what it is not for.

All numbers come from the manifest and the measures of the run; `card.json`, which lies
in the directory of a model, has the texts that no run knows. Its keys, each optional:

about, data, data_license, license, protocol, citation    texts
not_for                                                   a list of sentences

Neither network nor TensorFlow is loaded.
"""

import dataclasses
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.reliability import ece_interval
from deeprke_tf.runs import catalog, layout
from deeprke_tf.runs.catalog import Entry
from deeprke_tf.system import files
from deeprke_tf.system.messages import counted
from deeprke_tf.system.tables import text_table

CARD = "card.json"
TEXTS = {
    "data": "Data",
    "data_license": "License of the data",
    "license": "License of the model",
    "protocol": "Protocol",
    "citation": "Cite",
}

# Of any model of this package, with the facts of its training split.
LIMITS = (
    "The probability holds for sites like the training sites: {n_positive:,} of its "
    "{n_sites:,} sites were bound. Among random windows of a transcriptome far fewer "
    "are, and the same threshold gives more false positives there.",
    "Training sites have at most {longest_site} nt; longer ones are extrapolated.",
    "A site that is bound in one cell type need not be bound in another.",
    "The model learns whatever separates bound from background sites in these data, "
    "including biases of the experiment such as RNase cut sites at the ends of peaks.",
    "Performance was measured on sites of the same experiment; other experiments were "
    "not tested.",
    "Not for clinical use.",
)
_LIMITS_OF_ANY = LIMITS[2:]
_MEASURES = ("auroc", "auprc", "ece")
_COLUMNS = ("RBP", "sites", "bound", "split", "AUROC", "AUPRC", "calibration error")


@dataclasses.dataclass(frozen=True)
class Output:
    """One output of a model and how good it is.

    Attributes:
      rbp: Name of the RBP.
      measures: `auroc`, `auprc` and `ece`, the expected calibration error of the
        calibrated probabilities, each value with its 95 % interval, which may be None;
        what was not measured is not there.
      split: The split that was measured; empty: none.
      n_sites: Its sites.
      n_positive: Those of them that are bound.
    """

    rbp: str
    measures: dict[str, tuple[float, tuple[float, float] | None]]
    split: str
    n_sites: int
    n_positive: int


@dataclasses.dataclass(frozen=True)
class Card:
    """The card of a model.

    Attributes:
      entry: The model.
      n_bytes: Size of its files.
      texts: Of `card.json`, or what the manifest knows.
      limits: What it must not be used for, in sentences.
      outputs: One for each RBP, in the order of the network's outputs.
      fault: What is wrong with its files; empty: nothing.
    """

    entry: Entry
    n_bytes: int
    texts: dict[str, str]
    limits: list[str]
    outputs: list[Output]
    fault: str = ""

    def mean(self, measure: str) -> float | None:
        """Returns the mean of a measure over all outputs; None: one has none."""
        values = [output.measures.get(measure) for output in self.outputs]
        known = [value[0] for value in values if value is not None]
        return float(np.mean(known)) if known and len(known) == len(values) else None


def card_of(entry: Entry) -> Card:
    """Reads the card of a model.

    Raises:
      UserError: The files of the model cannot be read.
    """
    manifest = layout.read_manifest(entry.directory)
    try:
        written = read_written(entry.directory)
        return Card(
            entry,
            sum(p.stat().st_size for p in entry.directory.rglob("*") if p.is_file()),
            _texts(entry, manifest, written),
            written.get("not_for") or _limits(manifest),
            list(_outputs(entry, manifest)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"The model {entry.name} is damaged: its card cannot be read ({error!r})."
        ) from error


def of_rbp(card: Card, rbp: str) -> Card:
    """Returns the card of one RBP of a joint run.

    Raises:
      UserError: The model has no such RBP.
    """
    directory = catalog.rbp_directory(card.entry, rbp)
    name = f"{card.entry.name}/{rbp}"
    return dataclasses.replace(
        card,
        entry=dataclasses.replace(card.entry, name=name, directory=directory),
        outputs=[output for output in card.outputs if output.rbp == rbp],
    )


def read_written(directory: Path) -> dict[str, Any]:
    """Reads `card.json` of a model; empty: there is none.

    Raises:
      UserError: It is not one.
    """
    path = directory / CARD
    written = files.read_json(path) if path.exists() else {}
    known = ("about", *TEXTS, "not_for")
    if not isinstance(written, dict):
        raise UserError(f"{path} must be a JSON object; got {written!r}.")
    if unknown := sorted(written.keys() - {*known}):
        raise UserError(f"{path}: no key {unknown[0]!r}; keys are {', '.join(known)}.")
    for key, value in written.items():
        is_list = isinstance(value, list) and all(isinstance(v, str) for v in value)
        if not (is_list if key == "not_for" else isinstance(value, str)):
            expected = "a list of sentences" if key == "not_for" else "text"
            raise UserError(f"{path}: `{key}` must be {expected}; got {value!r}.")
    return written


def license_of(run: Path) -> str:
    """Returns the license that `card.json` of a run states, or "not stated".

    The card of an RBP of a joint run is that of the joint run.

    Raises:
      UserError: The card or the manifest cannot be read.
    """
    run = layout.joint_above(run) or run
    return str(read_written(run).get("license", "not stated"))


def _texts(
    entry: Entry, manifest: dict[str, Any], written: dict[str, Any]
) -> dict[str, str]:
    rbps = catalog.rbps_of(manifest)
    manifests = [layout.read_manifest(entry.directory / r["directory"]) for r in rbps]
    texts = {
        "about": "",
        "data": "; ".join(map(_dataset, manifests or [manifest])),
        "data_license": "not stated",
        "license": "not stated",
        "protocol": _protocol(manifest),
        "citation": "",
    }
    return texts | {key: str(written[key]) for key in texts if key in written}


def _dataset(manifest: dict[str, Any]) -> str:
    data = manifest.get("data", {})
    made_of = ", ".join(source["file"] for source in data.get("inputs", ()))
    name = data.get("directory", "")
    return f"{name} ({made_of})" if made_of else name


def _protocol(manifest: dict[str, Any]) -> str:
    if "command" not in manifest:
        return ""
    return f"trained by `{manifest['command']}`; the test split was not read"


def _limits(manifest: dict[str, Any]) -> list[str]:
    train = manifest.get("data", {}).get("splits", {}).get("train", {})
    if rbps := catalog.rbps_of(manifest):
        summed = ("n_sites", "n_positive")
        train = {name: sum(row.get(name, 0) for row in rbps) for name in summed}
        train["longest_site"] = manifest.get("longest_site")
    counts = ("n_sites", "n_positive", "longest_site")
    known = all(train.get(name) is not None for name in counts)
    limits = [limit.format(**train) for limit in (LIMITS if known else _LIMITS_OF_ANY)]
    return limits + limits_of_source(manifest)


def limits_of_source(manifest: dict[str, Any]) -> list[str]:
    """Returns what limits the measures of a network that starts from another one."""
    if "init_from" not in manifest:
        return []
    source = manifest["init_from"]
    return [
        f"Training started from the network of {source}: measures are too good on "
        f"sites that {source} was trained on."
    ]


def _outputs(entry: Entry, manifest: dict[str, Any]) -> Iterator[Output]:
    rbps = catalog.rbps_of(manifest)
    for facts in rbps or ({"name": entry.name, "directory": "."},):
        path = entry.directory / facts["directory"] / layout.METRICS
        yield _output(facts["name"], files.read_json(path) if path.exists() else {})


def _output(rbp: str, measured: dict[str, Any]) -> Output:
    # A run that was evaluated on other sites has them beside those of validation.
    measured = measured if "split" in measured else measured.get("validation", measured)
    found: dict[str, tuple[float, tuple[float, float] | None]] = {}
    for name in ("auroc", "auprc"):
        if measured.get(name) is not None:
            ends = measured.get(f"{name}_ci")
            found[name] = measured[name], tuple(ends) if ends else None
    if "calibration" in measured:
        bins = measured["calibration"]["after"]["bins"]
        found["ece"] = measured["calibration"]["after"]["ece"], ece_interval(bins)
    return Output(
        *(rbp, found, measured.get("split", "")),
        *(measured.get("n_sites", 0), measured.get("n_positive", 0)),
    )


# === As text ===


def as_text(card: Card) -> str:
    """Returns the card for a terminal."""
    n_rbps = len(card.outputs)
    head = (
        f"{card.entry.name}: {card.entry.source} model, "
        f"{counted(n_rbps, 'RBP')}, {size_of(card.n_bytes)}\n"
        f"{card.entry.directory}"
    )
    paragraphs = [head, _wrapped(card.texts["about"])]
    paragraphs += [
        f"{title}: {card.texts[key]}" for key, title in TEXTS.items() if card.texts[key]
    ]
    paragraphs[2:] = map(_wrapped, paragraphs[2:])
    paragraphs += [measures_table(card), _wrapped(_HOW_MEASURED)]
    if any(output.split == "validation" for output in card.outputs):
        paragraphs.append(_wrapped(_NO_TEST))
    limits = [_wrapped(f"- {limit}", "  ") for limit in card.limits]
    paragraphs.append("\n".join(["Mind, and do not use it otherwise:", *limits]))
    if card.fault:
        paragraphs.insert(1, f"DAMAGED: {card.fault}.")
    return "\n\n".join(text for text in paragraphs if text)


_HOW_MEASURED = (
    "In brackets 95 % intervals: of AUROC and AUPRC by a stratified bootstrap of "
    "sites; of the calibration error (of calibrated probabilities, in 15 bins) by a "
    "bootstrap of the bound sites of each bin. By chance, even perfect ones have an "
    "error of about sqrt(15 / sites) / 4."
)


_NO_TEST = (
    "Validation sites have chosen the epoch and the threshold: on new sites the model "
    "may do worse."
)


def measures_table(card: Card) -> str:
    """Returns the measures of all outputs as lines, with their means."""
    rows = [list(_COLUMNS)]
    for output in card.outputs:
        sites = [f"{n:,}" if output.split else "–" for n in _counts(output)]
        rows.append([output.rbp, *sites, output.split or "–", *_cells(output)])
    if len(card.outputs) > 1:
        means = [card.mean(measure) for measure in _MEASURES]
        texts = ["–" if value is None else f"{value:.3f}" for value in means]
        rows.append(["mean", "", "", "", *texts])
    return text_table(rows)


def _counts(output: Output) -> tuple[int, int]:
    return output.n_sites, output.n_positive


def _cells(output: Output) -> Iterator[str]:
    for measure in _MEASURES:
        value, ends = output.measures.get(measure, (None, None))
        if value is None:
            yield "–"
        elif ends is None:
            yield f"{value:.3f}"
        else:
            yield f"{value:.3f} ({ends[0]:.3f} to {ends[1]:.3f})"


def size_of(n_bytes: int) -> str:
    """Returns a size in words.

    >>> size_of(4_210_000), size_of(12_000)
    ('4.2 MB', '12 kB')
    """
    if n_bytes < 1_000_000:
        return f"{n_bytes / 1000:.0f} kB"
    return f"{n_bytes / 1_000_000:.1f} MB"


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 80, subsequent_indent=indent, break_on_hyphens=False)
