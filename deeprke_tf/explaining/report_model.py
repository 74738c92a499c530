"""What a model is, how it was trained and what made it, for its report."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import figures
from deeprke_tf.explaining.report_quality import Figure
from deeprke_tf.explaining.report_sources import EXPLANATION
from deeprke_tf.explaining.report_tables import Table, number, table
from deeprke_tf.runs import layout
from deeprke_tf.system import files, plotting

if TYPE_CHECKING:
    import pandas as pd

_NETWORKS = {"deeprke": "DeepRKE: convolutions over k-mer vectors, then a BiLSTM"}


class Command(NamedTuple):
    """A command that was given."""

    what: str
    text: str


def facts_of(model: Path, manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """Returns what a model is, as names and texts."""
    settings = files.read_json(model / layout.CONFIG)
    network, training = settings["model"], settings["train"]
    encoding, members = manifest["encoding"], manifest.get("members", ())
    joint = layout.joint_above(model)
    of_all = layout.read_manifest(joint) if joint else manifest
    reads = "sequence and secondary structure" if network["structure"] else "sequence"
    name = network["network"]
    facts = [
        ("network", _NETWORKS.get(name, name)),
        ("reads", f"{reads}, as overlapping {encoding['k']}-mers"),
        ("joint", f"one of {len(of_all['rbps'])} RBPs of one network" if joint else ""),
        ("members", f"an ensemble of {len(members)} trainings" if members else ""),
        ("structures", _folding(encoding["fold"]) if network["structure"] else ""),
        ("dataset", manifest["data"]["directory"]),
        ("trained for", _epochs(of_all.get("n_epochs"), of_all.get("best_epoch"))),
        (
            "training",
            f"batches of {training['batch_size']} sites, learning rate "
            f"{training['learning_rate']:g}, seed {manifest['seed']}",
        ),
        ("threshold", f"{manifest['threshold']:.4f}"),
        ("calibration", manifest["calibration"]["method"]),
        ("devices", ", ".join(manifest.get("devices", ()))),
    ]
    return [(name, text) for name, text in facts if text]


def _folding(fold: dict[str, Any]) -> str:
    span = fold["max_bp_span"]
    widest = f", pairs at most {span} nt apart" if span else ""
    return f"minimum free energy at {fold['temperature']:g} °C (ViennaRNA){widest}"


def _epochs(n_epochs: int | None, best: int | None) -> str:
    if n_epochs is None:
        return ""
    kept = f", of which epoch {best} was kept" if best else ""
    return f"{n_epochs} epochs{kept}"


def data_table(model: Path, manifest: dict[str, Any]) -> Table:
    """Returns the numbers of sites of each split.

    Of one RBP of a joint run those that it was trained on are counted, too.
    """
    splits = {**manifest["data"]["splits"]}
    if joint := layout.joint_above(model):
        rbps = {row["name"]: row for row in layout.read_manifest(joint)["rbps"]}
        trained_on = rbps[model.resolve().name]
        name = "train, without overlaps with validation and test sites of all RBPs"
        splits = {"train": splits.pop("train"), name: trained_on, **splits}
    return table(
        "Sites of each split",
        ("split", "sites", "bound", "background", "longest, nt"),
        [
            [
                *(name, number(split["n_sites"], ",d")),
                number(split["n_positive"], ",d"),
                number(split["n_sites"] - split["n_positive"], ",d"),
                number(split.get("longest_site"), ",d"),
            ]
            for name, split in splits.items()
        ],
    )


def input_table(manifest: dict[str, Any]) -> Table | None:
    """Returns the files that the dataset was made from."""
    inputs = manifest["data"].get("inputs", [])
    if not inputs:
        return None
    return table(
        "Files of sites",
        ("file", "sites", "skipped", "SHA-256"),
        [
            [
                *(file["file"], number(file.get("n_sites"), ",d")),
                *(number(file.get("n_skipped"), ",d"), (file.get("sha256") or "")[:16]),
            ]
            for file in inputs
        ],
    )


def learning_figure(model: Path, manifest: dict[str, Any]) -> Figure | None:
    """Draws the training; of an ensemble, that of its first member.

    Raises:
      UserError: The history cannot be read.
    """
    if members := manifest.get("members"):
        model = model / members[0]["directory"]
    joint = layout.joint_above(model)
    history = _history_of(joint or model, model.resolve().name if joint else "")
    best = int(layout.read_manifest(joint or model).get("best_epoch") or 0)
    if history is None or best not in set(history["epoch"]):
        return None  # a final model is trained without validation sites
    svg = plotting.inline_svg(
        lambda path: figures.learning_curves(history, best, path), "learning", 11
    )
    last = history.iloc[-1]
    of_first = f" of the first of {len(members)} members" if members else ""
    of_all = " The losses are of all RBPs, the AUROC of this one." if joint else ""
    return Figure(
        svg,
        f"Training and validation loss, and validation AUROC, by epoch{of_first}: at "
        f"the end {last['loss']:.3f}, {last['val_loss']:.3f} and "
        f"{last['val_auroc']:.3f}; best epoch {best}.",
        f"Training{of_first}. Where the training loss falls and the validation loss "
        "rises, the model learns its training sites by heart; the weights of the best "
        f"epoch, the dotted line, were kept.{of_all}",
    )


def _history_of(run: Path, rbp: str) -> "pd.DataFrame | None":
    """Reads the history of a run; None: there is none with validation.

    Args:
      run: A training.
      rbp: Of a joint run: whose AUROC is wanted, or nothing.

    Raises:
      UserError: The file cannot be read.
    """
    import pandas as pd

    path = run / layout.HISTORY
    if not path.exists():
        return None
    try:
        history = pd.read_csv(path)
    except ValueError as error:
        raise UserError(f"Cannot read {path}: {error}.") from error
    if rbp and f"val_auroc_{rbp}" in history:
        history["val_auroc"] = history[f"val_auroc_{rbp}"]
    is_known = set(figures.HISTORY_COLUMNS) <= set(history)
    return history if is_known and not history["val_loss"].isna().all() else None


def commands_of(manifest: dict[str, Any], explain: Path | None) -> list[Command]:
    """Returns the commands that made the model and its explanation.

    Raises:
      UserError: The explanation cannot be read.
    """
    commands = [Command("trained the model", manifest["command"])]
    if explain:
        made = files.read_json(explain / EXPLANATION).get("command")
        commands += [Command("explained it", made)] if made else []
    return commands


def versions_of(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """Returns the versions of the software that trained the model."""
    return [("deeprke_tf", manifest["deeprke_tf"]), *manifest["versions"].items()]
