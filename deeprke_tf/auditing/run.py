"""An audit from its files to its table, figure and warnings."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf import __version__
from deeprke_tf.audit import AuditFlags
from deeprke_tf.auditing import features as cheap_features
from deeprke_tf.auditing import figure
from deeprke_tf.auditing import findings as audit_words
from deeprke_tf.auditing import rules as shortcuts
from deeprke_tf.auditing.rules import Rule
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.rna import stretches
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site, refuse_long
from deeprke_tf.system import directories, files, tables
from deeprke_tf.system.files import sha256
from deeprke_tf.system.progress import progress_bar

JSON, TABLE, FIGURE = "audit.json", "audit.tsv", "audit.png"

_FEWEST = 10  # sites of each class
_ROWS_SHOWN = 12
_SITES_PER_FOLD_CALL = 200


def audit_run(flags: AuditFlags) -> dict[str, Any]:
    """Audits a set of sites.

    Returns:
      The contents of `audit.json`.

    Raises:
      UserError: The input cannot be read, or has too few sites.
    """
    directories.make_directory(flags.out)
    train, inputs = _read(
        *(flags.sites, flags.positives, flags.negatives), "--", flags.max_length
    )
    if not train:
        raise UserError("No input: give --sites, or --positives and --negatives.")
    test, test_inputs = _read(
        *(flags.test_sites, flags.test_positives, flags.test_negatives),
        *("--test-", flags.max_length),
    )
    rules, n_folded = _rules(flags, train)
    shared = stretches.overlaps(train, test)
    findings = audit_words.findings(rules, shared, flags.threshold)
    audited = {
        "deeprke_tf": __version__,
        "inputs": inputs + test_inputs,
        "seed": flags.seed,
        "threshold": flags.threshold,
        "n_sites": len(train),
        "n_positive": sum(site.label == 1 for site in train),
        "n_marked_by_case": sum(site.viewpoint is not None for site in train),
        "n_folded": n_folded,
        "n_rules": len(rules),
        "rules": [_row(rule) for rule in rules],
        "overlap": shared,
        "warnings": [f.text for f in findings if f.is_warning],
        "notes": [f.text for f in findings if not f.is_warning],
    }
    _write_table(rules, flags.out / TABLE)
    figure.audit_figure(rules, flags.threshold, flags.out / FIGURE)
    files.write_json(flags.out / JSON, audited)
    print(_summary(audited, rules, findings))
    for name in (JSON, TABLE, FIGURE):
        print(f"wrote {flags.out / name}")
    return audited


def _read(
    sites: Path | None,
    positives: Path | None,
    negatives: Path | None,
    prefix: str,
    max_length: int,
) -> tuple[list[Site], list[dict[str, Any]]]:
    """Reads one file with labels or a pair; returns usable sites and what was read."""
    if (sites and (positives or negatives)) or bool(positives) != bool(negatives):
        raise UserError(
            f"Give either {prefix}sites, or {prefix}positives and {prefix}negatives."
        )
    labelled: list[tuple[Path, int | None]] = []
    if sites:
        labelled = [(sites, None)]
    if positives and negatives:
        labelled = [(positives, 1), (negatives, 0)]
    k = Encoding().k
    files = [SitesFile(path, k=k, label=label) for path, label in labelled]
    usable: list[Site] = []
    inputs = []
    for file in files:
        read = [
            refuse_long(site, row, max_length) for row, site in enumerate(file, start=1)
        ]
        usable_here = [site for site in read if isinstance(site, Site)]
        usable += usable_here
        n_skipped = len(read) - len(usable_here)
        print(
            f"read {file.path}: {file.format}, {len(read)} sites, {n_skipped} skipped"
        )
        inputs.append(
            {
                "option": f"{prefix}{'sites' if sites else 'pair'}",
                "file": file.path.name,
                "sha256": sha256(file.path) if file.path.is_file() else None,
                "n_sites": len(read),
                "n_skipped": n_skipped,
            }
        )
    return usable, inputs


def _rules(flags: AuditFlags, sites: Sequence[Site]) -> tuple[list[Rule], int]:
    """Tries all rules; returns them, the best first, and how many sites were folded."""
    # Copies of a site would tell nothing new, and make intervals too narrow.
    distinct = list({(site.sequence, site.label): site for site in sites}.values())
    labels = np.array([site.label for site in distinct])
    for label, name in enumerate(("background", "bound")):
        if (n := int((labels == label).sum())) < _FEWEST:
            raise UserError(
                f"There are {n} distinct {name} sites; an audit needs {_FEWEST}."
            )
    features = cheap_features.sequence_features(distinct)
    folded = _drawn(labels, flags.max_folded, flags.seed)
    some = [distinct[i] for i in folded]
    of_structure = []
    if some:
        dot_brackets = _dot_brackets(flags, some)
        of_structure = cheap_features.structure_features(some, dot_brackets, flags.fold)
    n_rules = len(features) + len(of_structure)
    rules = shortcuts.try_rules(features, labels, n_rules, flags.seed)
    rules += shortcuts.try_rules(of_structure, labels[folded], n_rules, flags.seed)
    return sorted(rules, key=lambda rule: -rule.auroc), len(some)


def _drawn(labels: np.ndarray, max_folded: int, seed: int) -> np.ndarray:
    """Returns the sites to fold: a share of each class, none if one had too few."""
    rng = np.random.default_rng(seed)
    share = min(1.0, max_folded / len(labels))
    drawn = [
        rng.permutation(members)[: round(share * len(members))]
        for members in (np.flatnonzero(labels == label) for label in (0, 1))
    ]
    if min(map(len, drawn)) < _FEWEST:
        return np.zeros(0, np.int64)
    return np.sort(np.concatenate(drawn))


def _dot_brackets(flags: AuditFlags, sites: Sequence[Site]) -> list[str]:
    """Returns the structure of each site: its own, or folded through the cache."""
    sequences = {site.sequence for site in sites if site.dot_bracket is None}
    folds: dict[str, str] = {}
    with (
        FoldingPool(flags.fold, flags.fold_cache, flags.workers) as pool,
        progress_bar(len(sequences), "fold", "folding") as bar,
    ):
        for batch in _batches(sorted(sequences)):
            folds |= pool.structures(batch)
            bar.update(len(batch))
    return [site.dot_bracket or folds[site.sequence] for site in sites]


def _batches(sequences: Iterable[str]) -> Iterable[list[str]]:
    sequences = iter(sequences)
    return iter(lambda: list(itertools.islice(sequences, _SITES_PER_FOLD_CALL)), [])


def _row(rule: Rule) -> dict[str, Any]:
    feature = rule.feature
    return {
        "rule": feature.name,
        "kind": feature.kind,
        "auroc": round(rule.auroc, 6),
        "auroc_ci": [round(bound, 6) for bound in rule.auroc_ci],
        "better_than_chance": rule.is_sure,
        "telling": rule.telling,
        "anchor": feature.anchor,
        "offset": feature.offset,
        "n_sites": len(feature.codes),
    }


def _write_table(rules: Sequence[Rule], path: Path) -> None:
    import pandas as pd

    rows = [_row(rule) for rule in rules]
    for row in rows:
        row["auroc_low"], row["auroc_high"] = row.pop("auroc_ci")
    with files.written_aside(path) as file:
        pd.DataFrame(rows).to_csv(file, sep="\t", index=False)


def _summary(
    audited: dict[str, Any],
    rules: Sequence[Rule],
    findings: Sequence[audit_words.Finding],
) -> str:
    lines = [
        f"{audited['n_sites']} training sites, {audited['n_positive']} bound; "
        f"{len(rules)} rules tried, those of structure on {audited['n_folded']} sites"
    ]
    rows = [["rule", "AUROC", "95 % interval", "what the classes have"]]
    rows += [
        [
            rule.feature.name,
            f"{rule.auroc:.3f}",
            "{:.3f} to {:.3f}".format(*rule.auroc_ci),
            rule.telling,
        ]
        for rule in _shown(rules)
    ]
    lines += [tables.text_table(rows), audit_words.overlap_table(audited["overlap"])]
    lines += [f"{'WARNING' if f.is_warning else 'note'}: {f.text}" for f in findings]
    if not findings:
        lines.append(f"no rule reaches an AUROC of {audited['threshold']}")
    return "\n".join(lines)


def _shown(rules: Sequence[Rule]) -> list[Rule]:
    """Returns the best rules of all, and the best of each kind and anchor."""
    best: dict[tuple[str, str], Rule] = {}
    for rule in rules:
        best.setdefault((rule.feature.kind, rule.feature.anchor), rule)
    chosen = {id(rule) for rule in [*rules[:_ROWS_SHOWN], *best.values()]}
    return [rule for rule in rules if id(rule) in chosen]
