"""Runs preprocessing as a job of Apache Beam, and puts its results in place."""

import json
from typing import Any

from deeprke_tf.data import checks, description, records
from deeprke_tf.data.description import DATASET, SKIPPED
from deeprke_tf.data.plan import Plan
from deeprke_tf.data.stages import SKIPPED_COLUMNS
from deeprke_tf.errors import UserError
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Reason
from pipelines.beam import dataset, files
from pipelines.beam.facts import label_counts
from pipelines.beam.job import BeamJob


def run(plan: Plan, job: BeamJob) -> dict[str, Any]:
    """Makes a dataset; its directory appears when it is whole.

    The files are those that `local_runner.run` makes, byte for byte, but for what is
    listed as not folded.

    Args:
      plan: What to read, how to fold and split it, where to write.
      job: The runner and its options.

    Returns:
      The contents of `dataset.json`, and as `n_folded` what was folded.

    Raises:
      UserError: Input that cannot be read or used, a directory that is in the way, or a
        job that failed.
    """
    with files.directory_aside(plan.out, plan.overwrite, DATASET) as directory:
        for source in plan.sources:
            # A wrong name is found here, before a cluster is asked for.
            SitesFile(source.path, k=plan.encoding.k, label=source.label)
        print(f"running on {job.name}", flush=True)
        counts = job.run(lambda pipeline: dataset.build(pipeline, plan, directory))
        contents = plan.describe() | _settle(plan, directory)
        text = description.as_text(contents)
        files.write(directory, description.FILE_NAME, text.encode())
    for name, n in sorted(counts.items()):
        print(f"counted {name}: {n}")
    return contents | {"n_folded": counts.get("sequences_folded", 0)}


def _settle(plan: Plan, directory: str) -> dict[str, Any]:
    """Gives the files of a job their names; returns what the job says of them."""
    summaries = files.attempts_at(directory, dataset.SUMMARY)
    if not summaries:
        raise UserError("The Beam job ended without a summary; nothing was written.")
    summary = json.loads(files.read(directory, summaries[0]))
    facts = summary["facts"]
    fault = facts.pop("fault")
    if fault is not None:
        raise UserError(fault)
    _add_not_folded(plan, facts, summary["skipped"])
    counts = label_counts({(split, label): n for split, label, n in summary["written"]})
    checks.refuse_skips_if_strict(plan, facts["skipped"])
    n_usable = dict.fromkeys(records.SPLITS, 0)
    n_usable |= {split: sum(labels.values()) for split, labels in counts.items()}
    checks.require_usable_sites(plan, n_usable, facts["skipped"])
    names: dict[str, str] = {}
    splits = {
        split: {
            "n_sites": n_usable[split],
            "n_positive": counts[split][1],
            "longest_site": summary["longest"][split],
            "shards": _named_shards(split, summary["shards"], names),
        }
        for split in records.SPLITS
        if n_usable[split]
    }
    skipped = _skipped_table(directory, summary["skipped"])
    files.settle(directory, names)
    files.write(directory, SKIPPED, skipped)
    return {
        "inputs": facts["inputs"],
        "splits": splits,
        "skipped": facts["skipped"],
        "duplicates": facts["duplicates"],
    }


def _add_not_folded(
    plan: Plan, facts: dict[str, Any], skipped: list[dict[str, Any]]
) -> None:
    """Counts sites that could not be folded among the skipped ones."""
    for of_input in skipped:
        if n := of_input["n_not_folded"]:
            facts["inputs"][of_input["input"]]["n_skipped"] += n
            reasons = facts["skipped"][plan.sources[of_input["input"]].split]
            reasons[Reason.NOT_FOLDED] = reasons.get(Reason.NOT_FOLDED, 0) + n


def _named_shards(
    split: str, shards: list[dict[str, Any]], names: dict[str, str]
) -> list[dict[str, Any]]:
    """Returns the shards of a split in order; adds the names of their attempts."""
    ordered = sorted(
        (shard for shard in shards if shard["split"] == split),
        key=lambda shard: shard["index"],
    )
    described = []
    for index, shard in enumerate(ordered):
        name = records.shard_name(split, index, len(ordered))
        names[shard["attempt"]] = name
        described.append(
            {"file": name, "n_sites": shard["n_sites"], "sha256": shard["sha256"]}
        )
    return described


def _skipped_table(directory: str, skipped: list[dict[str, Any]]) -> bytes:
    """Returns the table of skipped sites, by input and row."""
    header = "\t".join(SKIPPED_COLUMNS) + "\n"
    ordered = sorted(skipped, key=lambda of_input: of_input["input"])
    return header.encode() + b"".join(
        files.read(directory, of_input["attempt"]) for of_input in ordered
    )
