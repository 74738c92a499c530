"""What a model reads, for its report: motifs and the structure they want.

All of it comes from the files of `deeprke explain`.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.explaining.report_quality import Figure
from deeprke_tf.explaining.report_sources import EXPLANATION
from deeprke_tf.explaining.report_spacing import spacing_figure
from deeprke_tf.explaining.report_tables import Cell, Table, interval, number, table
from deeprke_tf.rna.sites import NUCLEOTIDES
from deeprke_tf.system import files, plotting

_MOTIFS_SHOWN = 5  # with pictures; the table has all
_LOOPS = {
    **{"H": "hairpin loop", "S": "stem", "I": "internal loop", "M": "multiloop"},
    **{"F": "dangling 5′ end", "T": "dangling 3′ end"},
}
_WAYS = {
    **{"background": "as it folds", "hairpin": "in a hairpin loop"},
    **{"stem": "in a stem", "unpaired": "unpaired"},
}
# Groups of stretches: name, shift, marker and color.
_GROUPS = {
    "occurrences": ("Motif", -0.14, "o", plotting.BLUE),
    "matched": ("Matched sites", 0.14, "s", plotting.VERMILION),
}
_SIMILAR = 0.05  # q-value up to which a known motif is named


class Letter(NamedTuple):
    """A letter of a logo; its foot and height in bits."""

    letter: str
    foot: float
    height: float


class MotifCard(NamedTuple):
    """What the page shows of a motif.

    Attributes:
      name: Such as "motif_1".
      consensus: IUPAC letters.
      logo: Letters of each position, the least frequent first.
      tenths: Fraction of its occurrences in each tenth of the sites.
      facts: Names and texts.
      figures: Structure preferences; none if the model reads no structure.
    """

    name: str
    consensus: str
    logo: list[list[Letter]]
    tenths: list[float]
    facts: list[tuple[str, str]]
    figures: list[Figure]


class Reading(NamedTuple):
    """What a model reads; `spacing` is a figure of two motifs at varying distance."""

    sentences: list[str]
    table: Table
    cards: list[MotifCard]
    spacing: Figure | None


def read_motifs(explain: Path, manifest: dict[str, Any]) -> Reading:
    """Reads the motifs of an explanation.

    Args:
      explain: Directory of `deeprke explain`.
      manifest: Of the model.

    Raises:
      UserError: A file cannot be read, or the explanation is of another model.
    """
    contents = files.read_json(explain / EXPLANATION)
    if contents["model_sha256"] != manifest["model_sha256"]:
        raise UserError(f"`explain` {explain} is of another model.")
    motifs = contents["motifs"]
    return Reading(
        list(_sentences(contents)),
        _motif_table(motifs),
        [_card(motif) for motif in motifs[:_MOTIFS_SHOWN]],
        spacing_figure(contents["spacings"]),
    )


def _sentences(contents: dict[str, Any]) -> Any:
    sites, measures = contents["sites"], contents["measures"]
    found = len(contents["motifs"])
    counted = f"{found} motif{'' if found == 1 else 's'}" if found else "no motif"
    explained = (
        f"All {sites['read']:,} sites"
        if sites["explained"] == sites["read"]
        else f"Of {sites['read']:,} sites the {sites['explained']:,} with the highest "
        "log odds"
    )
    yield f"{explained} were explained; {counted} stood out in their attributions."
    if agreement := measures.get("agreement"):
        values = " and ".join(
            f"{agreement[view]:.2f} for the {view}"
            for view in ("sequence", "structure")
            if agreement[view] is not None
        )
        if values:
            yield (
                f"On {agreement['n_sites']:,} of them, integrated gradients and "
                "in-silico mutagenesis were compared: their rank correlation is "
                f"{values}. The closer to 1, the more the pictures can be trusted."
            )


def _motif_table(motifs: list[dict[str, Any]]) -> Table:
    rows: list[list[Cell | str]] = []
    for motif in motifs:
        best = motif["known"][0] if motif["known"] else None
        effect = motif["effect"]
        rows.append(
            [
                *(motif["name"].replace("_", " "), motif["consensus"]),
                number(motif["n_sites"], ",d"),
                number(effect["mean"], "+.2f"),
                interval([effect["low"], effect["high"]], "+.2f")
                if effect["low"] is not None
                else "–",
                _LOOPS.get(motif["preferred_loop"] or "", "–"),
                best["name"] if best else "–",
                number(best["q_value"], ".2g") if best else "–",
            ]
        )
    head = (
        *("motif", "consensus", "sites", "effect, log odds", "95 % interval"),
        *("preferred loop", "nearest known motif", "q-value"),
    )
    return table("All motifs, the most important one first", head, rows)


def _card(motif: dict[str, Any]) -> MotifCard:
    counts = np.array(motif["occurrences_by_tenth_of_the_site"], float)
    effect = motif["effect"]
    similar = [hit for hit in motif["known"] if hit["q_value"] <= _SIMILAR]
    facts = [
        ("sites", f"{motif['n_sites']:,}"),
        ("effect", f"{_estimate(effect)} log odds lost when it is replaced"),
        (
            "known motifs",
            "; ".join(f"{hit['name']} (q = {hit['q_value']:.2g})" for hit in similar)
            or ("none with q ≤ 0.05" if motif["known"] else "not compared (--known)"),
        ),
        ("loops", _loop_sentence(motif)),
        ("in other loops", _counterfactual_sentence(motif)),
    ]
    return MotifCard(
        *(motif["name"].replace("_", " "), motif["consensus"]),
        _logo(np.array(motif["probabilities"])),
        (counts / max(counts.max(), 1)).tolist(),
        [(name, text) for name, text in facts if text],
        _structure_figures(motif),
    )


def _logo(probabilities: np.ndarray) -> list[list[Letter]]:
    """Returns the letters of a sequence logo, as high as their information in bits."""
    entropy = -np.sum(probabilities * np.log2(np.maximum(probabilities, 1e-12)), axis=1)
    columns = []
    for row, bits in zip(probabilities, 2 - entropy, strict=True):
        foot, letters = 0.0, []
        for place in np.argsort(row, kind="stable"):
            height = float(row[place] * bits)
            letters.append(Letter(NUCLEOTIDES[place], foot, height))
            foot += height
        columns.append(letters)
    return columns


def _estimate(estimate: dict[str, Any]) -> str:
    text = f"{estimate['mean']:.2f}"
    if estimate["low"] is None:
        return text
    return f"{text} ({interval([estimate['low'], estimate['high']], '.2f')})"


def _loop_sentence(motif: dict[str, Any]) -> str:
    """Says which loop the motif prefers over matched sites, and by how much."""
    preference, letter = motif["structure_preference"], motif["preferred_loop"]
    if preference is None:
        return ""
    if letter is None:
        return "no loop is clearly more frequent than in matched sites without it"
    own, matched = (
        preference["fractions"][group][letter]["mean"]
        for group in ("occurrences", "matched")
    )
    difference = preference["differences"]["matched"][letter]
    return (
        f"{own:.0%} of its nucleotides lie in a {_LOOPS[letter]}, {matched:.0%} in "
        f"matched sites without it (difference {_estimate(difference)})"
    )


def _counterfactual_sentence(motif: dict[str, Any]) -> str:
    """Says in which imposed loop the motif has the largest effect."""
    test = motif["counterfactual"]
    if test is None or len(test["effects"]) < 2:
        return ""
    texts = [
        f"{_estimate(effect)} {_WAYS[way]}"
        for way, effect in test["effects"].items()
        if way != "background"
    ]
    best = motif["best_structure"]
    conclusion = (
        f"it counts most {_WAYS[best]}" if best else "no loop stands out by itself"
    )
    return f"set into shuffled sites it adds {', '.join(texts)}: {conclusion}"


def _structure_figures(motif: dict[str, Any]) -> list[Figure]:
    """Draws the loops of a motif, and its effect where loops are imposed."""
    preference, test = motif["structure_preference"], motif["counterfactual"]
    name, drawn = motif["name"].replace("_", "-"), []
    if preference is not None:
        drawn.append(
            Figure(
                plotting.inline_svg(
                    lambda path: _draw_loops(preference["fractions"], path),
                    *(f"{name}-loops", 12),
                ),
                f"Loops of {motif['consensus']}: {_loop_sentence(motif)}.",
                "The loops that the motif lies in, against matched sites without it. "
                "Bars are 95 % intervals.",
            )
        )
    if test is not None and len(test["effects"]) > 1:
        drawn.append(
            Figure(
                plotting.inline_svg(
                    lambda path: _draw_effects(test["effects"], path),
                    *(f"{name}-effects", 12),
                ),
                f"Effect of {motif['consensus']}: {_counterfactual_sentence(motif)}.",
                "What the motif adds to the log odds of shuffled sites where the model "
                "is told that it lies in such a loop. Bars are 95 % intervals.",
            )
        )
    return drawn


def _draw_loops(fractions: dict[str, Any], path: Path) -> None:
    figure = plotting.new_figure(5.0, 3.7)
    axes = figure.subplots()
    for group, (name, *look) in _GROUPS.items():
        if group in fractions:
            estimates = [fractions[group][letter] for letter in _LOOPS]
            _draw_estimates(axes, estimates, *look, name)
    axes.set_yticks(range(len(_LOOPS)), list(_LOOPS.values()))
    axes.set(xlabel="Fraction of nucleotides", xlim=(-0.02, 1.02))
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    _finish(figure, axes, path)


def _draw_effects(effects: dict[str, Any], path: Path) -> None:
    figure = plotting.new_figure(5.0, 2.8)
    axes = figure.subplots()
    ways = [way for way in _WAYS if way in effects]
    estimates = [effects[way] for way in ways]
    _draw_estimates(axes, estimates, 0, "o", plotting.BLUE, None)
    axes.set_yticks(range(len(ways)), [_WAYS[way] for way in ways])
    axes.set_ylim(-0.5, len(ways) - 0.5)
    axes.axvline(0, color=plotting.GRAY, linewidth=1)
    axes.set_xlabel("Effect, log odds")
    _finish(figure, axes, path)


def _finish(figure: Any, axes: Any, path: Path) -> None:
    plotting.style(axes)
    axes.invert_yaxis()
    plotting.write(figure, path)


def _draw_estimates(axes: Any, estimates: list[dict[str, Any]], *look: Any) -> None:
    """Draws means and intervals, one below the other."""
    shift, marker, color, label = look
    means = np.array([estimate["mean"] for estimate in estimates], float)
    rows = np.arange(len(estimates)) + shift
    low, high = (
        np.array([e["mean"] if e[end] is None else e[end] for e in estimates], float)
        for end in ("low", "high")
    )
    axes.hlines(rows, low, high, color=color, linewidth=1.5)
    axes.plot(means, rows, marker, color=color, markersize=5, label=label)
