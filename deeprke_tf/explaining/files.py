"""The files of an explanation.

attributions.npz   arrays; `arrays_of` says which
motifs.meme        probabilities of the motifs, MEME format, one strand
motifs.tsv         a row for each motif
logos/             of each motif its letters, contributions and loops, PNG
stretches.bed      the stretches with the highest attributions; where sites have
                   coordinates
attributions_plus.bedgraph, attributions_minus.bedgraph and the same as .bw
                   attribution of each nucleotide on each strand; where sites have
                   coordinates, and bigWig where pyBigWig is installed
report.html        a page about the model and all this; not of several runs together
explain.json       settings, measures and all findings; the last file
"""

import dataclasses
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.explaining import figures, tracks
from deeprke_tf.explaining.attributions import Attributions
from deeprke_tf.explaining.file_names import (
    ATTRIBUTIONS,
    LOGOS,
    MANIFEST,
    MEME,
    REPORT,
    TABLE,
)
from deeprke_tf.explaining.meme import write_meme
from deeprke_tf.explaining.statistics import Estimate
from deeprke_tf.system import directories
from deeprke_tf.system.arrays import write_arrays
from deeprke_tf.system.files import write_json, written_aside
from deeprke_tf.system.processes import command_line

if TYPE_CHECKING:
    from deeprke_tf.explaining.result import Explanation, MotifFindings
logger = logging.getLogger(__name__)

EXPLANATION = directories.Kind(
    "explanation",
    MANIFEST,
    r"attributions\.npz|motifs\.(meme|tsv)|logos|report\.html|stretches\.bed"
    r"|attributions_(plus|minus)\.(bedgraph|bw)",
)


def write(explanation: "Explanation", out: Path, overwrite: bool) -> list[str]:
    """Writes all files, as `Explanation.write` describes."""
    with directories.directory_aside(out, overwrite, EXPLANATION) as partial:
        write_arrays(arrays_of(explanation), partial / ATTRIBUTIONS)
        write_meme([f.motif for f in explanation.findings], partial / MEME)
        with written_aside(partial / TABLE) as file:
            explanation.motifs.to_csv(file, sep="\t", index=False, float_format="%.6g")
        (partial / LOGOS).mkdir()
        for found in explanation.findings:
            figures.draw_motif(found, partial / LOGOS / f"{found.motif.name}.png")
        names = [ATTRIBUTIONS, MEME, TABLE, f"{LOGOS}/"]
        names += tracks.write_tracks(explanation, partial)
        if not explanation.run.given:
            names.append(REPORT)
        write_json(partial / MANIFEST, contents_of(explanation, names))
        if REPORT in names:
            _write_report(explanation, partial, out)
    return [*names, MANIFEST]


def _write_report(explanation: "Explanation", partial: Path, out: Path) -> None:
    """Makes the report of all other files."""
    from deeprke_tf.explaining.report import write_report

    try:
        write_report(explanation.run.directory, partial / REPORT, explain=partial)
    except UserError as error:
        # Wrong files beside the model spoil no explanation.
        logger.warning("%s was not written: %s", out / REPORT, error)


def arrays_of(explanation: "Explanation") -> dict[str, np.ndarray]:
    """Returns the arrays of `attributions.npz`.

    Nucleotide `j` of site `i` is row `offsets[i] + j` of the arrays by nucleotide.
    Units are log odds.

    Returns:
      `names`, `sequences`, `loop_contexts`, `dot_brackets`: text [n_sites]; the last
      two are empty if the model reads no structure.
      `labels`: int8 [n_sites], 1 bound, 0 background, -1 not known.
      `offsets`: int64 [n_sites + 1].
      `log_odds`: float32 [n_sites], mean over the networks.
      `sequence`, `structure`: float32 [n_nucleotides], the attributions by view.
      `sequence_sd`, `structure_sd`: likewise, sample standard deviation over the
      networks; of ensembles alone.
      `completeness_error`: float32 [n_sites], sum of the attributions minus difference
      of the log odds from the baseline; NaN for sites without gradients.
      `mutated`: int64 [n_mutated], the sites with mutants.
      `mutated_offsets`: int64 [n_mutated + 1], as `offsets` for these sites.
      `nucleotide_changes`: float32 [n, 4], change of the log odds with A, C, G or U in
      place of each nucleotide, structure kept; and `refolded_changes` with the mutants
      folded, if asked for.
      `loop_changes`: float32 [n, 6], with F, T, I, H, M or S in place of its loop
      context; if the model reads structure.
    """
    attributions = explanation.attributions
    sites = attributions.sites
    arrays = {
        "names": np.array([site.name for site in sites]),
        "sequences": np.array([site.sequence for site in sites]),
        "loop_contexts": np.array([site.loop_contexts for site in sites]),
        "dot_brackets": np.array([site.dot_bracket for site in sites]),
        "labels": np.array(
            [-1 if s.label is None else s.label for s in sites], np.int8
        ),
        "offsets": _offsets([len(site.sequence) for site in sites]),
        "log_odds": explanation.sites.log_odds.astype(np.float32),
    }
    for view in ("sequence", "structure"):
        rows = np.concatenate(getattr(attributions, view), axis=1)
        arrays[view] = rows.mean(axis=0).astype(np.float32)
        if len(rows) > 1:
            arrays[f"{view}_sd"] = rows.std(axis=0, ddof=1).astype(np.float32)
    errors = np.full(len(sites), np.nan, np.float32)
    for place, gradients in attributions.gradients.items():
        errors[place] = gradients.completeness_error.mean()
    return arrays | {"completeness_error": errors} | _mutants(attributions)


def _offsets(lengths: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _mutants(attributions: Attributions) -> dict[str, np.ndarray]:
    places = sorted(attributions.mutants)
    if not places:
        return {}
    found = [attributions.mutants[place] for place in places]
    arrays = {
        "mutated": np.array(places, np.int64),
        "mutated_offsets": _offsets([m.sequence.shape[1] for m in found]),
        "nucleotide_changes": _joined([m.sequence for m in found]),
    }
    if found[0].structure is not None:
        arrays["loop_changes"] = _joined([m.structure for m in found])
    if found[0].refolded is not None:
        arrays["refolded_changes"] = _joined([m.refolded for m in found])
    return arrays


def _joined(changes: list[Any]) -> np.ndarray:
    """Returns the means over the networks, float32 [n_nucleotides, n_letters]."""
    return np.concatenate([some.mean(axis=0) for some in changes])


def contents_of(explanation: "Explanation", names: list[str]) -> dict[str, Any]:
    """Returns the contents of `explain.json`."""
    chosen = explanation.sites
    contents = {
        "command": command_line(),
        "model": explanation.run.full_name,
        "model_sha256": explanation.run.model_sha256,
        "n_networks": len(explanation.run.trainings),
        "settings": dataclasses.asdict(explanation.settings),
        "sites": {
            "read": chosen.n_read,
            "explained": len(chosen.explained),
            "skipped": dict(chosen.skipped),
            "log_odds": [float(chosen.log_odds[0]), float(chosen.log_odds[-1])],
        },
        "measures": explanation.attributions.measures(),
        "motifs": [_motif(explanation, found) for found in explanation.findings],
        "spacings": [dataclasses.asdict(spacing) for spacing in explanation.spacings],
        "files": names,
    }
    return _as_json(contents)


def _motif(explanation: "Explanation", found: "MotifFindings") -> dict[str, Any]:
    motif, preference, test = found.motif, found.preference, found.counterfactual
    positions, _edges = np.histogram(motif.positions, bins=10, range=(0, 1))
    return {
        "name": motif.name,
        "consensus": motif.consensus,
        "probabilities": motif.probabilities.round(6),
        "contributions": motif.contributions.round(6),
        "n_sites": motif.n_sites,
        "n_occurrences": len(motif.occurrences),
        "effect": motif.effect,
        "occurrences_by_tenth_of_the_site": positions,
        "examples": explanation.examples(motif),
        "known": [hit._asdict() for hit in found.known],
        "preferred_loop": preference.preferred if preference else None,
        "structure_preference": dataclasses.asdict(preference) if preference else None,
        "best_structure": test.preferred if test else None,
        "counterfactual": dataclasses.asdict(test) if test else None,
    }


def _as_json(value: Any) -> Any:
    """Returns values as JSON has them: lists for arrays, null for infinite ones."""
    if isinstance(value, Estimate):
        return {name: _as_json(part) for name, part in value._asdict().items()}
    if isinstance(value, dict):
        return {str(name): _as_json(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_as_json(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
