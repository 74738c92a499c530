"""How well a background matches: properties of both classes, and what gives it away.

The same numbers are given for random windows, drawn from the same source before they
were matched. All rules are those of the audit that need no folding, and in addition the
place of a site: its region, repeats, splice sites and transcript ends.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deeprke_tf.auditing import matching_figure
from deeprke_tf.auditing.features import (
    Feature,
    composition_features,
    numeric_feature,
    sequence_features,
)
from deeprke_tf.auditing.findings import Finding, WithFindings, findings_of
from deeprke_tf.auditing.rules import N_CV_FOLDS, Rule, short, try_rules
from deeprke_tf.rna.sites import Site, clean_site
from deeprke_tf.system import files, tables

if TYPE_CHECKING:
    import pandas as pd

JSON, TABLE, FIGURE = "matching.json", "matching.tsv", "matching.png"

_REGION = "region"
# Columns of the sites that tell where they lie: name, and unit.
_PLACES = {
    "repeats": ("fraction of repeats (lower case)", ""),
    "to_splice_site": ("distance to the nearest splice site", "nt"),
    "to_transcript_end": ("distance to the nearest transcript end", "nt"),
}
_MIN_SITES = 2 * N_CV_FOLDS  # of each class
# Of each class, that rules are tried on: more take gigabytes, and 95 % intervals of an
# AUROC are 0.01 wide by then.
_MOST_SITES = 20_000


class Group(NamedTuple):
    """Sites of one sort: bound, or background before or after matching.

    Attributes:
      name: In words.
      sites: The sites.
      region: Their regions, [n_sites].
      values: Numeric properties by name, each float64 [n_sites], NaN where unknown.
    """

    name: str
    sites: list[Site]
    region: np.ndarray
    values: dict[str, np.ndarray]

    def fraction_in(self, region: str) -> float:
        """Returns the fraction of the sites that lie in a region."""
        return float((self.region == region).sum() / max(1, len(self.region)))

    def some(self, n_sites: int, seed: int) -> "Group":
        """Returns at most a number of its sites, drawn at random."""
        if len(self.sites) <= n_sites:
            return self
        drawn = np.random.default_rng(seed).permutation(len(self.sites))[:n_sites]
        return self._replace(
            sites=[self.sites[i] for i in drawn],
            region=self.region[drawn],
            values={name: values[drawn] for name, values in self.values.items()},
        )


class Row(NamedTuple):
    """A property of the groups: its median, or the fraction of sites in a region.

    Attributes:
      name: Of the property.
      bound: Of the bound sites; None: it has no single number.
      before: Of the background before matching; None: the same, or there is none.
      after: Of the background.
      auroc_before: What the property alone reaches as a rule; None: not measured.
      auroc_after: The same, after matching.
    """

    name: str
    bound: float | None
    before: float | None
    after: float | None
    auroc_before: float | None
    auroc_after: float | None


@dataclasses.dataclass(frozen=True, repr=False)
class MatchingReport(WithFindings):
    """How bound sites and background differ, before and after matching.

    Attributes:
      rows: The table.
      rules_before: Rules on the background before matching, the best first; may be
        empty.
      rules_after: The same, on the background.
      findings: Rules above the threshold after matching, in words, warnings first.
      groups: Bound sites, background before matching where there is one, background.
      threshold: AUROC from which a rule is named.
    """

    rows: list[Row]
    rules_before: list[Rule]
    rules_after: list[Rule]
    findings: list[Finding]
    groups: list[Group]
    threshold: float

    @property
    def summary(self) -> str:
        """The table and the rules that still tell the classes apart, as text."""
        shown = [
            row
            for row in self.rows
            if not row.name.startswith(("dinucleotide", "content of"))
        ]
        header = ["", "bound", "before", "after", "AUROC before", "AUROC after"]
        lines = [
            tables.text_table([header, *([r.name, *map(_cell, r[1:])] for r in shown)]),
            *self.finding_lines(),
        ]
        if self.rules_after and not self.findings:
            best = self.rules_after[0]
            lines.append(
                f"no rule exceeds an AUROC of {self.threshold}; the best is the "
                f"{best.feature.name} with {best.auroc:.3f}"
            )
        return "\n".join(lines)

    def write(self, out: Path) -> list[Path]:
        """Writes `matching.json`, `matching.tsv` and `matching.png` into a directory.

        Returns:
          Their paths.
        """
        import pandas as pd

        contents = {
            "threshold": self.threshold,
            "n_sites": {group.name: len(group.sites) for group in self.groups},
            "properties": [row._asdict() for row in self.rows],
            "rules_before": [_as_json(rule) for rule in self.rules_before],
            "rules_after": [_as_json(rule) for rule in self.rules_after],
            "warnings": self.warnings,
            "notes": self.notes,
        }
        files.write_json(out / JSON, contents)
        with files.written_aside(out / TABLE) as file:
            pd.DataFrame(self.rows).to_csv(
                file, sep="\t", index=False, float_format="%.6g"
            )
        matching_figure.draw(self, out / FIGURE)
        return [out / name for name in (JSON, TABLE, FIGURE)]


def matching_report(
    bound: "pd.DataFrame",
    background: "pd.DataFrame",
    before: "pd.DataFrame | None" = None,
    *,
    threshold: float = 0.65,
    seed: int = 1,
) -> MatchingReport:
    """Compares the classes of sites before and after matching.

    Args:
      bound: The bound sites, with columns `sequence` and `region`, and where known
        `repeats`, `to_splice_site` and `to_transcript_end`.
      background: The background, likewise.
      before: Background windows that were drawn without matching; None or empty where
        there are none.
      threshold: AUROC from which a rule is named.
      seed: Seed of the cross-validation.
    """
    first, after = _group("bound", bound), _group("background", background)
    groups = [first, after]
    rules_before: list[Rule] = []
    if before is not None and len(before):
        groups.insert(1, _group("background before matching", before))
        rules_before = _rules(first, groups[1], seed)
    rules_after = _rules(first, after, seed)
    findings = findings_of(rules_after, {}, threshold)
    rows = _rows(groups, rules_before, rules_after)
    return MatchingReport(rows, rules_before, rules_after, findings, groups, threshold)


def _group(name: str, table: "pd.DataFrame") -> Group:
    """Reads the sites of a table; those of N alone are left out."""
    cleaned = [
        clean_site("", row, sequence, k=1)
        for row, sequence in enumerate(table["sequence"], start=1)
    ]
    usable = np.array([isinstance(site, Site) for site in cleaned], bool)
    sites = [site for site in cleaned if isinstance(site, Site)]
    table = table.loc[usable]
    values = {
        feature.name: feature.values
        for feature in (composition_features(sites) if sites else [])
        if feature.values is not None
    }
    for column, (described, _unit) in _PLACES.items():
        if column in table and table[column].notna().any():
            values[described] = table[column].to_numpy(float)
    return Group(name, sites, table["region"].to_numpy(str), values)


def _rules(bound: Group, background: Group, seed: int) -> list[Rule]:
    """Measures all rules; none where a class has too few sites."""
    if min(len(bound.sites), len(background.sites)) < _MIN_SITES:
        return []
    bound, background = (one.some(_MOST_SITES, seed) for one in (bound, background))
    labels = np.repeat([1, 0], [len(bound.sites), len(background.sites)])
    features = sequence_features([*bound.sites, *background.sites])
    for name, unit in _PLACES.values():
        both = [group.values.get(name) for group in (bound, background)]
        if both[0] is not None and both[1] is not None:
            values = np.concatenate([part for part in both if part is not None])
            features.append(numeric_feature(name, "place", values, unit))
    regions = np.concatenate([bound.region, background.region])
    names, codes = np.unique(regions, return_inverse=True)
    if len(names) > 1:
        codes = codes.astype(np.int8)
        features.append(
            Feature(_REGION, "place", codes, len(names), categories=names.tolist())
        )
    return try_rules(features, labels, len(features), seed)


def _rows(
    groups: Sequence[Group], rules_before: Sequence[Rule], rules_after: Sequence[Rule]
) -> list[Row]:
    """Returns a row for each property, one for all regions and one for each region."""
    before, after = (
        {rule.feature.name: rule.auroc for rule in rules}
        for rules in (rules_before, rules_after)
    )
    # A property in which all sites agree is no rule.
    by_chance = [0.5 if rules else None for rules in (rules_before, rules_after)]
    rows = []
    for name in groups[0].values:
        aurocs = before.get(name, by_chance[0]), after.get(name, by_chance[1])
        rows.append(_row(name, [_median(group, name) for group in groups], *aurocs))
    aurocs = before.get(_REGION, by_chance[0]), after.get(_REGION, by_chance[1])
    rows.append(Row(_REGION, None, None, None, *aurocs))
    for region in np.unique(np.concatenate([group.region for group in groups])):
        fractions = [group.fraction_in(region) for group in groups]
        rows.append(_row(f"fraction in {region}", fractions))
    return rows


def _row(
    name: str,
    values: Sequence[float | None],
    auroc_before: float | None = None,
    auroc_after: float | None = None,
) -> Row:
    """Makes a row of the values of two or three groups."""
    before = values[1] if len(values) == 3 else None
    return Row(name, values[0], before, values[-1], auroc_before, auroc_after)


def _median(group: Group, name: str) -> float | None:
    values = group.values.get(name, np.zeros(0))
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def _as_json(rule: Rule) -> dict[str, Any]:
    return {
        "rule": rule.feature.name,
        "auroc": round(rule.auroc, 6),
        "auroc_ci": [round(end, 6) for end in rule.auroc_ci],
        "difference": rule.difference,
    }


def _cell(value: float | None) -> str:
    return "" if value is None else short(value)
