"""The model card of an export: data, training protocol, performance and limits.

`model_card.json` holds the facts, all taken from the run; `MODEL_CARD.md` shows them to
a reader.
"""

import dataclasses
from pathlib import Path
from typing import Any

from deeprke_tf.evaluation.calling import as_text
from deeprke_tf.evaluation.metrics import MEASURES
from deeprke_tf.runs import layout
from deeprke_tf.runs.cards import LIMITS, limits_of_source
from deeprke_tf.runs.joint import JointRun
from deeprke_tf.runs.run import Run
from deeprke_tf.system import files
from deeprke_tf.system.tables import markdown_table

JSON = "model_card.json"
MARKDOWN = "MODEL_CARD.md"

_ENSEMBLE_LIMIT = (
    "`probability_sd` is the variation between trainings with other seeds, not the "
    "error of the probability."
)
_STRUCTURE_LIMIT = (
    "Structures must be minimum free energy structures from ViennaRNA, with the "
    "settings under Encoding; other structures shift the probability."
)


def write_model_card(
    run: Run, name: str, version: Path, license_name: str
) -> list[Path]:
    """Writes both files of the card into a version directory; returns their paths.

    Args:
      run: The run or ensemble to export.
      name: Name of the served model.
      version: Directory of the SavedModel.
      license_name: License of the model, an SPDX identifier.

    Raises:
      UserError: The metrics of the run cannot be read.
    """
    card = model_card(run, name, license_name)
    return _write(card, as_markdown(card), version)


def _write(card: dict[str, Any], text: str, version: Path) -> list[Path]:
    """Writes a card as JSON, with the digests of the network, and as Markdown."""
    network = sorted([*version.glob("saved_model.pb"), *version.glob("variables/*")])
    digests = {
        path.relative_to(version).as_posix(): files.sha256(path) for path in network
    }
    files.write_json(version / JSON, card | {"files": digests})
    (version / MARKDOWN).write_text(text, encoding="utf-8")
    return [version / MARKDOWN, version / JSON]


def write_joint_card(
    run: JointRun, name: str, version: Path, license_name: str
) -> list[Path]:
    """Writes the card of a joint run; arguments and result as of `write_model_card`.

    Raises:
      UserError: The metrics of an RBP cannot be read.
    """
    outputs = [_joint_output(run.run(rbp), rbp) for rbp in run.names]
    members = run.manifest.get("members", [])
    card = {
        "name": name,
        "license": license_name,
        "task": f"probabilities that each of {len(run.names)} RNA-binding proteins "
        "binds an RNA site, in one pass",
        "model": dataclasses.asdict(run.run(run.names[0]).config.model)
        | {"sha256": run.manifest["model_sha256"]},
        "encoding": run.manifest["encoding"],
        "rbps": outputs,
        **({"members": members} if members else {}),
        "protocol": run.manifest["joint"]
        | {
            key: run.manifest[key]
            for key in ("seed", "best_epoch", "n_epochs")
            if key in run.manifest
        },
        "limits": list(LIMITS[2:]),
        "versions": {
            "deeprke_tf": run.manifest["deeprke_tf"],
            **run.manifest["versions"],
        },
    }
    return _write(card, _joint_text(card), version)


def _joint_text(card: dict[str, Any]) -> str:
    """Returns the card of a joint run as Markdown."""
    rows = [
        [
            *(output["rbp"], f"{output['threshold']:.4f}"),
            *(f"{output['metrics'][0][measure]:.4f}" for measure in ("auroc", "auprc")),
            output["metrics"][0]["split"],
        ]
        for output in card["rbps"]
    ]
    header = ["RBP", "threshold", "AUROC", "AUPRC", "split"]
    members = card.get("members")
    return (
        f"# {card['name']}\n\nOutput: {card['task']}.\n\n"
        f"License: {card['license']}\n\n"
        f"## RBPs, in the order of the outputs\n\n{markdown_table(header, rows)}\n\n"
        f"## Model\n\n{_settings(card['model'])}\n\n"
        f"## Encoding\n\n{_settings(card['encoding'])}\n\n"
        + (f"## Members\n\n{_members(members)}\n\n" if members else "")
        + f"## Protocol\n\n{_settings(card['protocol'])}\n\n## Limits\n\n"
        + "\n".join(f"- {limit}" for limit in card["limits"])
        + f"\n\n## Software\n\n{_settings(card['versions'])}\n"
    )


def _joint_output(run: Run, rbp: str) -> dict[str, Any]:
    return {
        "rbp": rbp,
        "threshold": run.threshold,
        "calibration": run.calibration.to_json(),
        "data": _data(run.manifest["data"]),
        "metrics": _metrics(run.directory),
    }


def model_card(run: Run, name: str, license_name: str) -> dict[str, Any]:
    """Returns the facts of the card, ready for JSON.

    Raises:
      UserError: The metrics of the run cannot be read.
    """
    manifest, settings = run.manifest, run.config
    limits = list(LIMITS)
    if settings.model.structure:
        limits.append(_STRUCTURE_LIMIT)
    if run.members:
        limits.append(_ENSEMBLE_LIMIT)
    train_split = manifest["data"]["splits"]["train"]
    task = "probability that the RNA-binding protein binds an RNA site"
    if run.members:
        task += f", the mean of {len(run.members)} trainings that differ in their seed"
    return {
        "name": name,
        "license": license_name,
        "task": task,
        "model": {
            **dataclasses.asdict(settings.model),
            "n_weights": run.model.count_params(),
            "sha256": manifest["model_sha256"],
        },
        "encoding": manifest["encoding"],
        "threshold": run.threshold,
        "calibration": run.calibration.to_json(),
        "data": _data(manifest["data"]),
        **({"members": manifest["members"]} if run.members else {}),
        "protocol": _protocol(run),
        "metrics": _metrics(run.directory),
        "limits": [limit.format(**train_split) for limit in limits]
        + limits_of_source(manifest),
        "versions": {"deeprke_tf": manifest["deeprke_tf"], **manifest["versions"]},
    }


def _protocol(run: Run) -> dict[str, Any]:
    protocol = dataclasses.asdict(run.config.train)
    if run.members:
        del protocol["seed"]  # Each member has its own seed and best epoch.
    else:
        protocol |= {name: run.manifest[name] for name in ("best_epoch", "n_epochs")}
    if "crossvalidation" in run.manifest:
        found = run.manifest["crossvalidation"]
        auroc = found["measures"]["auroc"]
        return protocol | {
            "crossvalidation": f"{found['folds']} folds by {found['groups']}, AUROC "
            f"{auroc['mean']:.4f}, sd {auroc['sd']:.4f}",
            "epoch_chosen_on": "the folds, median",
            "threshold_chosen_on": "out-of-fold MCC",
            "calibration_fitted_on": "out-of-fold probabilities",
        }
    of_mean = ", mean probability of the members" if run.members else ""
    return protocol | {
        "epoch_chosen_on": "validation AUROC",
        "threshold_chosen_on": f"validation MCC{of_mean}",
        "calibration_fitted_on": f"validation sites{of_mean}",
    }


def _data(data: dict[str, Any]) -> dict[str, Any]:
    counts = ("n_sites", "n_positive")
    return {
        "dataset": data["directory"],
        "dataset_sha256": data["dataset_sha256"],
        "inputs": data["inputs"],
        "splits": {
            split: {name: facts[name] for name in counts}
            for split, facts in data["splits"].items()
        },
    }


def as_markdown(card: dict[str, Any]) -> str:
    """Returns the card as Markdown."""
    splits = [
        [split, f"{facts['n_sites']:,}", f"{facts['n_positive']:,}"]
        for split, facts in card["data"]["splits"].items()
    ]
    inputs = [
        [source["file"], source["split"], f"{source['n_sites']:,}", source["sha256"]]
        for source in card["data"]["inputs"]
    ]
    sections = {
        "Model": _settings(card["model"]),
        "Encoding": _settings(card["encoding"]),
        **({"Members": _members(card["members"])} if "members" in card else {}),
        "Calibration": _calibration(card["calibration"]),
        "Data": "\n\n".join(
            [
                f"Dataset `{card['data']['dataset']}`.",
                markdown_table(["split", "sites", "bound"], splits),
                markdown_table(["file", "split", "sites", "SHA-256"], inputs),
            ]
        ),
        "Protocol": _settings(card["protocol"]),
        "Metrics": "\n\n".join(_measured(measured) for measured in card["metrics"]),
        "Limits": "\n".join(f"- {limit}" for limit in card["limits"]),
        "Software": _settings(card["versions"]),
    }
    head = (
        f"# {card['name']}\n\nOutput: {card['task']}; called bound from "
        f"{as_text(card['threshold'])} on.\n\nLicense: {card['license']}\n"
    )
    return head + "".join(
        f"\n## {title}\n\n{text}\n" for title, text in sections.items()
    )


def _members(members: list[dict[str, Any]]) -> str:
    rows = [
        [
            *(member["directory"], str(member["seed"])),
            f"{member['best_epoch']} of {member['n_epochs']}",
            *(f"{member['validation_auroc']:.4f}", member["model_sha256"]),
        ]
        for member in members
    ]
    header = ["member", "seed", "best epoch", "validation AUROC", "SHA-256"]
    return (
        "`probability` is the mean of the members, `probability_sd` their sample "
        f"standard deviation (n - 1).\n\n{markdown_table(header, rows)}"
    )


def _metrics(directory: Path) -> list[dict[str, Any]]:
    """Returns the measures of each split, the test split first."""
    measured = dict(files.read_json(directory / layout.METRICS))
    validation = measured.pop("validation", None)
    return [measured] if validation is None else [measured, validation]


def _measured(measured: dict[str, Any]) -> str:
    rows = []
    for name in MEASURES:
        if measured[name] is not None:
            interval = measured[f"{name}_ci"]
            ends = "{:.4f} to {:.4f}".format(*interval) if interval else "none"
            rows.append([name, f"{measured[name]:.4f}", ends])
    about = (
        f"On the {measured['split']} split of `{measured['data']}`: "
        f"{measured['n_sites']:,} sites, {measured['n_positive']:,} bound; intervals "
        f"of a stratified bootstrap, {measured['n_bootstrap']:,} resamples."
    )
    if "note" in measured:
        about += f" **Note: {measured['note']}**"
    interval = f"{measured['confidence']:.0%} interval"
    return f"{about}\n\n{markdown_table(['measure', 'value', interval], rows)}"


def _calibration(calibration: dict[str, Any]) -> str:
    """Describes the calibration, without the knots of an isotonic one."""
    prior = calibration["prior"]
    shown = {name: calibration[name] for name in calibration if name != "knots"}
    shown["prior"] = "not known" if prior is None else f"{prior:.4g}"
    return (
        "`calibrated_probability` holds where the fraction of bound sites equals the "
        "prior. The threshold applies to `probability`, which is not calibrated.\n\n"
        + _settings(shown)
    )


def _settings(settings: dict[str, Any]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in settings.items())
