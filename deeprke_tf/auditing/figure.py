"""The figure of an audit: the AUROC of each rule, by name and by position."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from deeprke_tf.auditing.rules import Rule
from deeprke_tf.system import plotting

_MOST_BARS = 24


def audit_figure(rules: Sequence[Rule], threshold: float, path: Path) -> None:
    """Draws the AUROC of each rule: by name at the left, by position at the right.

    Args:
      rules: All rules that were tried, the best first.
      threshold: AUROC from which a rule is reported; marked.
      path: PNG file to write or replace.
    """
    positions: dict[str, list[Rule]] = {}
    for rule in rules:
        if rule.feature.kind == "position":
            positions.setdefault(rule.feature.anchor, []).append(rule)
    named = [rule for rule in rules if rule.feature.kind != "position"][:_MOST_BARS]
    anchors = [
        anchor
        for anchor in ("5' end", "center", "3' end", "site start", "site end")
        if anchor in positions
    ]
    figure = plotting.new_figure(11.0, 2.2 + 0.2 * max(len(named), 7 * len(anchors)))
    parts = figure.subplot_mosaic(
        [["rules", anchor] for anchor in anchors] or [["rules"]], sharex=False
    )
    _draw_named(parts["rules"], named, threshold)
    for anchor in anchors:
        _draw_positions(parts[anchor], anchor, positions[anchor], threshold)
    plotting.write(figure, path)


def _draw_named(axes: Axes, rules: Sequence[Rule], threshold: float) -> None:
    plotting.style(axes)
    rows = range(len(rules))
    aurocs = [rule.auroc for rule in rules]
    axes.hlines(
        rows,
        [rule.auroc_ci[0] for rule in rules],
        [rule.auroc_ci[1] for rule in rules],
        color=plotting.GRAY,
    )
    for is_above, color in ((False, plotting.BLUE), (True, plotting.VERMILION)):
        chosen = [i for i in rows if (aurocs[i] > threshold) == is_above]
        axes.plot([aurocs[i] for i in chosen], chosen, "o", color=color)
    axes.set_xlim(0.45, 1.0)
    axes.set_yticks(list(rows), [rule.feature.name for rule in rules])
    axes.invert_yaxis()
    axes.axvline(threshold, linestyle="--", color=plotting.GRAY)
    axes.axvline(0.5, linestyle=":", color=plotting.GRAY)
    axes.set_xlabel("AUROC of the rule alone (cross-validated, 95 % interval)")
    axes.set_title("Length, composition, structure")


def _draw_positions(
    axes: Axes, anchor: str, rules: Sequence[Rule], threshold: float
) -> None:
    plotting.style(axes)
    rules = sorted(rules, key=lambda rule: rule.feature.offset)
    offsets = [rule.feature.offset for rule in rules]
    axes.plot(offsets, [rule.auroc for rule in rules], "-", color=plotting.BLUE)
    above = [rule for rule in rules if rule.auroc > threshold]
    axes.plot(
        [rule.feature.offset for rule in above],
        [rule.auroc for rule in above],
        "o",
        color=plotting.VERMILION,
    )
    axes.axhline(threshold, linestyle="--", color=plotting.GRAY)
    axes.set_ylim(0.45, 1.0)
    axes.set_ylabel("AUROC")
    axes.set_title(f"Base at the {anchor}")
    axes.set_xlabel("Position (nt)")
