"""Runs scoring as a job of Apache Beam, and puts its tables in place."""

import collections
import json
from typing import Any

from deeprke_tf import __version__
from deeprke_tf.errors import UserError
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.system.directories import Kind
from pipelines.beam import files, scores
from pipelines.beam.job import BeamJob
from pipelines.beam.score_plan import ScorePlan

SCORES = Kind("set of scores", "scores.json", r".*-\d+-of-\d+\.(tsv|parquet)")


def run(plan: ScorePlan, job: BeamJob) -> dict[str, Any]:
    """Scores sites; the directory appears when it is whole.

    Args:
      plan: What to read, how to score it, where to write.
      job: The runner and its options.

    Returns:
      The contents of `scores.json`.

    Raises:
      UserError: Sites that cannot be read, a directory that is in the way, or a job
        that failed.
    """
    with files.directory_aside(plan.out, plan.overwrite, SCORES) as directory:
        for path in plan.files:
            # A wrong name is found here, before a cluster is asked for.
            SitesFile(path, k=plan.encoding.k, labelled=False)
        print(f"running on {job.name}", flush=True)
        counts = job.run(lambda pipeline: scores.build(pipeline, plan, directory))
        contents = _settle(plan, directory)
        text = json.dumps(contents, indent=2) + "\n"
        files.write(directory, SCORES.marker, text.encode())
    for name, n in sorted(counts.items()):
        print(f"counted {name}: {n}")
    return contents


def _settle(plan: ScorePlan, directory: str) -> dict[str, Any]:
    """Gives the tables of a job their names; returns the contents of `scores.json`."""
    summaries = files.attempts_at(directory, scores.SUMMARY)
    if not summaries:
        raise UserError("The Beam job ended without a summary; nothing was written.")
    summary = json.loads(files.read(directory, summaries[0]))
    inputs = sorted(summary["inputs"], key=lambda facts: facts["input"])
    for facts in inputs:
        if facts["fault"]:
            raise UserError(facts["fault"])
    names: dict[str, str] = {}
    models = [
        _model(plan, index, summary["shards"], names)
        for index in range(len(plan.models))
    ]
    files.settle(directory, names)
    return {
        "deeprke_tf": __version__,
        "format": plan.format,
        "inputs": [
            {
                "file": plan.files[facts["input"]].name,
                "format": facts["format"],
                "n_sites": facts["n_sites"],
            }
            for facts in inputs
        ],
        "models": models,
    }


def _model(
    plan: ScorePlan, index: int, shards: list[dict[str, Any]], names: dict[str, str]
) -> dict[str, Any]:
    """Describes the scores of one model; adds the names of its attempts."""
    model = plan.models[index]
    ordered = sorted(
        (shard for shard in shards if shard["model"] == index),
        key=lambda shard: (shard["input"], shard["index"]),
    )
    skipped: collections.Counter[str] = collections.Counter()
    described = []
    for number, shard in enumerate(ordered):
        name = f"{model.name}-{number:05d}-of-{len(ordered):05d}.{plan.format}"
        names[shard["attempt"]] = name
        skipped.update(shard["skipped"])
        described.append(
            {"file": name, "n_sites": shard["n_sites"], "sha256": shard["sha256"]}
        )
    return {
        "name": model.name,
        "path": model.path,
        "model_sha256": model.sha256,
        "threshold": model.threshold,
        "n_bound": sum(shard["n_bound"] for shard in ordered),
        "skipped": dict(skipped),
        "shards": described,
    }
