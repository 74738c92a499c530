"""A panel, from sites to tables, figures and a page."""

import contextlib
import dataclasses
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deeprke_tf import __version__
from deeprke_tf.errors import UserError
from deeprke_tf.panels import clustering, figures, files, page
from deeprke_tf.panels.calls import (
    LevelCounts,
    Output,
    at_levels,
    levels_of,
    outputs_of,
)
from deeprke_tf.panels.clustering import Heatmap
from deeprke_tf.panels.enrichment import Tally, enrichment_table
from deeprke_tf.panels.files import SkippedWriter
from deeprke_tf.panels.result import Panel
from deeprke_tf.panels.scoring import PanelScorer, ScoredSites, reasons, shuffled_site
from deeprke_tf.panels.settings import SHUFFLED, PanelSettings
from deeprke_tf.panels.store import ScoreStore
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.runs.joint_network import require_rbps
from deeprke_tf.runs.onnx_scorer import are_few
from deeprke_tf.runs.predictions import Lengths, sites_of
from deeprke_tf.system import directories
from deeprke_tf.system.files import write_json, written_aside
from deeprke_tf.system.processes import command_line
from deeprke_tf.system.progress import Progress, no_progress

if TYPE_CHECKING:
    from deeprke_tf.runs.joint import JointRun

logger = logging.getLogger(__name__)

METHODS = (
    "Calls: the p-value of a site and an RBP is the fraction of the background sites "
    "of the RBP's validation split with at least its probability (conformal p-value, "
    "Bates et al. 2023); q-values of all sites and RBPs together by Benjamini and "
    "Hochberg 1995.",
    "Enrichment: sites that reach the decision threshold of an RBP, among sites and "
    "background; odds ratio with 0.5 added to each count (Haldane 1956) and Woolf's "
    "95 % interval; two-sided exact test of Fisher; q-values over the RBPs by "
    "Benjamini and Hochberg.",
)
_SHUFFLED_METHOD = (
    "Background: each site with its dinucleotides shuffled (Altschul and Erickson "
    "1985). Real RNAs differ from shuffled ones in more than binding sites: give "
    "background sites of the same regions where you can."
)


class _Scored:
    """What scoring has counted.

    Args:
      outputs: The RBPs.
    """

    def __init__(self, outputs: list[Output]):
        self.sites, self.background = Tally(outputs), Tally(outputs)
        self.levels = LevelCounts(outputs)
        self.skipped: dict[str, Counter[str]] = {
            "sites": Counter(),
            "background": Counter(),
        }


def run_panel(
    model: "JointRun",
    sites: Any,
    out: Path,
    settings: PanelSettings = PanelSettings(),
    *,
    workers: int | None = None,
    fold_cache: Path | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Panel:
    """Scores sites by all outputs of a joint run and writes what is found.

    Args:
      model: The joint run.
      sites: As `predictions.sites_of` takes them.
      out: Directory to make.
      settings: How to call and compare.
      workers: Folding processes; None: all cores.
      fold_cache: File of known folds; None: the user's.
      overwrite: Replace the panel in `out`.
      progress: Shows each stage.

    Raises:
      UserError: The model has no such RBP, the sites or the background cannot be read,
        none can be scored, or `out` holds something else.
    """
    require_rbps(model.name, model.names, settings.rbps)
    outputs = outputs_of(model, settings.rbps)
    stream = sites_of(sites, model.encoding.k)
    with_places = getattr(stream, "has_places", False)
    few, stream = are_few(stream)
    with contextlib.ExitStack() as closing:
        pool = None
        if model.reads_structure:
            pool = FoldingPool(model.encoding.fold, fold_cache, workers)
            closing.enter_context(pool)
        aside = directories.directory_aside(out, overwrite, files.PANEL)
        partial = closing.enter_context(aside)
        store = closing.enter_context(ScoreStore(partial, len(outputs)))
        scorer = PanelScorer(
            *(model, [output.rbp for output in outputs], pool, settings.batch_size),
            *(settings.max_length, settings.prior),
            few=few,
        )
        scored = _score(scorer, stream, outputs, settings, store, partial, progress)
        contents = _write(model, outputs, scored, store, settings, partial, with_places)
    return Panel(out, contents)


def _score(
    scorer: PanelScorer,
    stream: Any,
    outputs: list[Output],
    settings: PanelSettings,
    store: ScoreStore,
    partial: Path,
    progress: Progress,
) -> _Scored:
    """Scores sites and background; lists what is skipped."""
    scored = _Scored(outputs)
    lengths = Lengths(scorer.longest_site)

    def usable(of: str, sites: Any) -> Iterator[ScoredSites]:
        for some in scorer.score(sites, progress, of):
            skipped.write(of, some.skipped)
            scored.skipped[of].update(site.reason for site in some.skipped)
            yield some

    with SkippedWriter(partial) as skipped:
        for some in usable("sites", stream):
            for site in some.sites:
                lengths.counted(site)
            for left_out in some.skipped:
                lengths.counted(left_out)
            store.add(some.sites, some.probabilities, some.calibrated)
            # As they are stored: a site at a threshold is then on one side of it.
            probabilities = some.probabilities.astype(np.float32)
            scored.sites.add(probabilities, some.calibrated)
            scored.levels.add(levels_of(outputs, probabilities))
            if settings.background == SHUFFLED:
                shuffled = [shuffled_site(site, settings.seed) for site in some.sites]
                scored.background.add(*scorer.scores_of(shuffled))
        _require_some("site", scored.sites, scored.skipped["sites"])
        if settings.background_file:
            others = sites_of(settings.background_file, scorer.k)
            for some in usable("background", others):
                scored.background.add(some.probabilities, some.calibrated)
            _require_some(
                "`background` site", scored.background, scored.skipped["background"]
            )
    for note in lengths.notes():
        logger.info("note: %s", note)
    return scored


def _require_some(what: str, tally: Tally, skipped: Counter[str]) -> None:
    if not tally.n_sites:
        why = reasons(skipped) or "there is none"
        raise UserError(f"No {what} can be scored: {why}.")


def _write(
    model: "JointRun",
    outputs: list[Output],
    scored: _Scored,
    store: ScoreStore,
    settings: PanelSettings,
    partial: Path,
    with_places: bool,
) -> dict[str, Any]:
    """Writes all files; returns the contents of `panel.json`."""
    rbps = [output.rbp for output in outputs]
    q_values = scored.levels.q_values()
    n_called = files.write_table(
        *(store, outputs, q_values, settings.fdr, partial),
        wide=settings.wide,
        with_places=with_places,
    )
    if not n_called.any():
        logger.info(
            "note: nothing is called at an FDR of %g; the lowest q-value is %.2g, and "
            "the fewest background sites that p-values are made of are %d. Calls are "
            "hard where few of all pairs of sites and RBPs are bound: a higher `fdr` "
            "makes more of them, and enrichment compares the sites as a whole",
            *(settings.fdr, min(of_rbp[0] for of_rbp in q_values)),
            min(len(output.background) for output in outputs),
        )
    enrichment = None
    if scored.background.n_sites:
        enrichment = enrichment_table(rbps, scored.sites, scored.background)
        with written_aside(partial / files.ENRICHMENT) as file:
            enrichment.to_csv(file, sep="\t", index=False, float_format="%.6g")
    heatmap = _heatmap(store, outputs, q_values, settings)
    figures.draw_heatmap(heatmap, partial / files.HEATMAP)
    contents = _contents(model, outputs, scored, settings, n_called, heatmap)
    with written_aside(partial / files.PAGE) as file:
        file.write(page.render(contents, heatmap, enrichment))
    write_json(partial / files.MANIFEST, contents)
    return contents


def _heatmap(
    store: ScoreStore,
    outputs: list[Output],
    q_values: list[np.ndarray],
    settings: PanelSettings,
) -> Heatmap:
    rbps = [output.rbp for output in outputs]
    if store.n_sites > clustering.MOST_SITES:
        sample = store.sample(clustering.MOST_SAMPLED, settings.seed)
        return clustering.heatmap_of_clusters(sample, rbps, store.n_sites)
    all_sites = store.all()
    levels = levels_of(outputs, all_sites.probabilities)
    return clustering.heatmap_of_sites(
        *(all_sites.calibrated.astype(np.float64),),
        *([str(name) for name, *_place in all_sites.cells], rbps),
        at_levels(q_values, levels) <= settings.fdr,
    )


def _contents(
    model: "JointRun",
    outputs: list[Output],
    scored: _Scored,
    settings: PanelSettings,
    n_called: np.ndarray,
    heatmap: Heatmap,
) -> dict[str, Any]:
    """Returns the contents of `panel.json`."""
    sites = scored.sites
    rows = zip(outputs, n_called, sites.n_bound, sites.mean, strict=True)
    methods = [METHODS[0]]
    methods += [METHODS[1]] if scored.background.n_sites else []
    methods += [_SHUFFLED_METHOD] if settings.background == SHUFFLED else []
    return {
        "model": model.name,
        "command": command_line(),
        "deeprke_tf": __version__,
        "settings": dataclasses.asdict(settings),
        "counts": {
            "sites": sites.n_sites,
            "skipped": dict(scored.skipped["sites"]),
            "background": scored.background.n_sites,
            "background_skipped": dict(scored.skipped["background"]),
            "called": int(n_called.sum()),
            "in_heatmap": heatmap.n_sites,
        },
        "rbps": [
            {
                "rbp": output.rbp,
                "threshold": output.threshold,
                "n_validation_background": len(output.background),
                "n_called": int(called),
                "n_bound": int(bound),
                "mean_probability": float(mean),
            }
            for output, called, bound, mean in rows
        ],
        "methods": methods,
    }
