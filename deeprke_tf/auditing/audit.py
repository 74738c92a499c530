"""An audit of labelled sites, from the files to table, figure and warnings."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf import __version__
from deeprke_tf.auditing import figure
from deeprke_tf.auditing.features import sequence_features, structure_features
from deeprke_tf.auditing.findings import (
    Finding,
    WithFindings,
    findings_of,
    overlap_rows,
)
from deeprke_tf.auditing.rules import Rule, try_rules
from deeprke_tf.config import FoldSettings
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.rna import stretches
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site, refuse_long
from deeprke_tf.system import directories, files, tables
from deeprke_tf.system.messages import counted
from deeprke_tf.system.progress import Progress, no_progress

JSON, TABLE, FIGURE = "audit.json", "audit.tsv", "audit.png"

_MIN_SITES = 10  # of each class
_ROWS_SHOWN = 12
_SITES_PER_FOLD_CALL = 200

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, repr=False)
class Audit(WithFindings):
    """The result of an audit.

    Attributes:
      rules: All rules that were tried, the best first.
      findings: Warnings and notes, warnings first.
      overlap: Overlap of classes and splits, from `stretches.overlaps`.
      facts: The other contents of `audit.json`.
    """

    rules: list[Rule]
    findings: list[Finding]
    overlap: dict[str, Any]
    facts: dict[str, Any]

    def __repr__(self) -> str:
        return (
            f"<Audit of {self.facts['n_sites']:,} sites: {len(self.rules)} rules, "
            f"{len(self.warnings)} warnings>"
        )

    @property
    def summary(self) -> str:
        """The best rules and all findings, as text."""
        rows = [["rule", "AUROC", "95 % interval", "difference of the classes"]]
        for rule in _shown(self.rules):
            interval = "{:.3f} to {:.3f}".format(*rule.auroc_ci)
            rows.append(
                [rule.feature.name, f"{rule.auroc:.3f}", interval, rule.difference]
            )
        lines = [
            "{n_sites:,} training sites, {n_positive:,} bound; {n_rules} rules tried, "
            "rules of structure on {n_folded:,} sites".format(**self.facts),
            tables.text_table(rows),
            tables.text_table(overlap_rows(self.overlap)),
            *self.finding_lines(),
        ]
        if not self.findings:
            lines.append(f"no rule reaches an AUROC of {self.facts['threshold']}")
        return "\n".join(lines)

    def write(self, out: str | Path) -> list[Path]:
        """Writes `audit.json`, `audit.tsv` and `audit.png`; returns their paths.

        Raises:
          UserError: The directory cannot be written to.
        """
        import pandas as pd

        out = Path(out)
        directories.make_directory(out)
        rows = [_row(rule) for rule in self.rules]
        contents = {
            **self.facts,
            "rules": rows,
            "overlap": self.overlap,
            "warnings": self.warnings,
            "notes": self.notes,
        }
        table = pd.DataFrame(rows)
        intervals = table.pop("auroc_ci")
        table["auroc_low"], table["auroc_high"] = intervals.str[0], intervals.str[1]
        with files.written_aside(out / TABLE) as file:
            table.to_csv(file, sep="\t", index=False)
        figure.audit_figure(self.rules, self.facts["threshold"], out / FIGURE)
        files.write_json(out / JSON, contents)
        return [out / name for name in (JSON, TABLE, FIGURE)]


def audit_sites(
    sites: Sequence[Path],
    test_sites: Sequence[Path] = (),
    *,
    threshold: float = 0.65,
    max_folded: int = 2000,
    fold: FoldSettings = FoldSettings(),
    max_length: int = 5000,
    workers: int | None = None,
    fold_cache: Path | None = None,
    seed: int = 1,
    progress: Progress = no_progress,
) -> Audit:
    """Audits training sites; see `api.audit_sites` for arguments and errors.

    `sites` is one file with labels, or a file of bound and one of background sites;
    `test_sites` likewise, or empty.
    """
    _require_ranges(threshold, max_length, max_folded, seed)
    train, inputs = _read(sites, "", max_length)
    test, test_inputs = _read(test_sites, "test-", max_length)
    # A table may say which sites are for the test.
    test += [site for site in train if site.split == "test"]
    train = [site for site in train if site.split != "test"]
    # Copies of a site would add no information, and make intervals too narrow.
    distinct = list({(site.sequence, site.label): site for site in train}.values())
    labels = _labels(distinct)
    features = sequence_features(distinct)
    folded = _drawn(labels, max_folded, seed)
    some = [distinct[i] for i in folded]
    of_structure = []
    if some:
        with FoldingPool(fold, fold_cache, workers) as pool:
            dot_brackets = _dot_brackets(some, pool, progress)
        of_structure = structure_features(some, dot_brackets, fold)
    n_rules = len(features) + len(of_structure)
    rules = try_rules(features, labels, n_rules, seed)
    rules += try_rules(of_structure, labels[folded], n_rules, seed)
    rules.sort(key=lambda rule: -rule.auroc)
    overlap = stretches.overlaps(train, test)
    facts = {
        "deeprke_tf": __version__,
        "inputs": inputs + test_inputs,
        "seed": seed,
        "threshold": threshold,
        "n_sites": len(train),
        "n_positive": sum(site.label == 1 for site in train),
        "n_marked_by_case": sum(site.viewpoint is not None for site in train),
        "n_folded": len(folded),
        "n_rules": n_rules,
    }
    return Audit(rules, findings_of(rules, overlap, threshold), overlap, facts)


def _require_ranges(
    threshold: float, max_length: int, max_folded: int, seed: int
) -> None:
    if not 0.5 < threshold < 1:
        raise UserError(f"`threshold` must be between 0.5 and 1, got {threshold}.")
    limits = {"max_length": (max_length, 1), "max_folded": (max_folded, 0)}
    for name, (value, least) in {**limits, "seed": (seed, 0)}.items():
        if value < least:
            raise UserError(f"`{name}` must be at least {least}, got {value}.")


def _read(
    paths: Sequence[Path], prefix: str, max_length: int
) -> tuple[list[Site], list[dict[str, Any]]]:
    """Reads one file with labels or a pair; returns usable sites and the inputs."""
    is_pair = len(paths) == 2
    usable: list[Site] = []
    inputs = []
    for i, path in enumerate(paths):
        label = 1 - i if is_pair else None
        file = SitesFile(path, k=Encoding().k, label=label)
        read = [refuse_long(site, row, max_length) for row, site in enumerate(file, 1)]
        sites = [site for site in read if isinstance(site, Site)]
        usable += sites
        n_skipped = len(read) - len(sites)
        logger.info(
            f"read {path}: {file.format}, {counted(len(read), 'site')}, "
            f"{n_skipped:,} skipped"
        )
        inputs.append(
            {
                "option": f"--{prefix}{'pair' if is_pair else 'sites'}",
                "file": path.name,
                "sha256": files.sha256(path) if path.is_file() else None,
                "n_sites": len(read),
                "n_skipped": n_skipped,
            }
        )
    return usable, inputs


def _labels(sites: Sequence[Site]) -> np.ndarray:
    """Returns the labels, int [n_sites], or refuses too few of a class."""
    labels = np.array([site.label for site in sites], np.int64)
    for label, name in enumerate(("background", "bound")):
        if (n := int((labels == label).sum())) < _MIN_SITES:
            raise UserError(
                f"There are {n} distinct {name} sites; an audit needs {_MIN_SITES}."
            )
    return labels


def _drawn(labels: np.ndarray, max_folded: int, seed: int) -> np.ndarray:
    """Draws the sites to fold, stratified; none if a class would have too few."""
    rng = np.random.default_rng(seed)
    fraction = min(1.0, max_folded / len(labels))
    drawn = [
        rng.permutation(members)[: round(fraction * len(members))]
        for members in (np.flatnonzero(labels == label) for label in (0, 1))
    ]
    if min(map(len, drawn)) < _MIN_SITES:
        return np.zeros(0, np.int64)
    return np.sort(np.concatenate(drawn))


def _dot_brackets(
    sites: Sequence[Site], pool: FoldingPool, progress: Progress
) -> list[str]:
    """Returns the structure of each site, folding batch by batch."""
    dot_brackets: list[str] = []
    with progress(len(sites), "site", "folding") as bar:
        for start in range(0, len(sites), _SITES_PER_FOLD_CALL):
            batch = sites[start : start + _SITES_PER_FOLD_CALL]
            dot_brackets += pool.structures_of(batch)
            bar.update(len(batch))
    return dot_brackets


def _row(rule: Rule) -> dict[str, Any]:
    feature = rule.feature
    return {
        "rule": feature.name,
        "kind": feature.kind,
        "auroc": round(rule.auroc, 6),
        "auroc_ci": [round(end, 6) for end in rule.auroc_ci],
        "better_than_chance": rule.is_significant,
        "telling": rule.difference,
        "anchor": feature.anchor,
        "offset": feature.offset,
        "n_sites": len(feature.codes),
    }


def _shown(rules: Sequence[Rule]) -> list[Rule]:
    """Returns the best rules of all, and the best of each kind and anchor."""
    best: dict[tuple[str, str], Rule] = {}
    for rule in rules:
        best.setdefault((rule.feature.kind, rule.feature.anchor), rule)
    chosen = {id(rule) for rule in [*rules[:_ROWS_SHOWN], *best.values()]}
    return [rule for rule in rules if id(rule) in chosen]
