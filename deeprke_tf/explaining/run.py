"""An explanation of a run, from sites to motifs and what the model makes of them."""

import itertools
import logging
from collections.abc import Iterable
from pathlib import Path

from deeprke_tf.explaining import known as known_motifs
from deeprke_tf.explaining.attributions import attribute
from deeprke_tf.explaining.baselines import shuffled
from deeprke_tf.explaining.counterfactual import Background, set_motif, space_motifs
from deeprke_tf.explaining.known import Hit
from deeprke_tf.explaining.log_odds import LogOdds
from deeprke_tf.explaining.motifs import Motif, discover
from deeprke_tf.explaining.preference import structure_preference
from deeprke_tf.explaining.result import Explanation, MotifFindings
from deeprke_tf.explaining.settings import ExplainSettings
from deeprke_tf.explaining.sites import (
    ChosenSites,
    FoldedSite,
    choose,
    with_dot_brackets,
)
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import SkippedSite
from deeprke_tf.runs.run import Run
from deeprke_tf.system.messages import counted
from deeprke_tf.system.progress import Progress, no_progress

logger = logging.getLogger(__name__)

_MOST_TESTED = 10  # motifs that are set into shuffled sites
_MOST_SPACED = 2  # motifs whose distances are varied


def explain(
    run: Run,
    sites: Iterable[FoldedSite | SkippedSite],
    pool: FoldingPool | None,
    settings: ExplainSettings = ExplainSettings(),
    *,
    known: Path | None = None,
    progress: Progress = no_progress,
) -> Explanation:
    """Explains a run by the sites it is most certain of.

    Args:
      run: A run or an ensemble.
      sites: Of `sites.folded_sites` or `sites.dataset_sites`.
      pool: Folds with the run's settings; None for a run that reads no structure.
      settings: How to explain.
      known: Motif file in MEME format to compare with.
      progress: Shows each stage.

    Raises:
      UserError: No site can be used, `known` cannot, or the networks do not begin with
        k-mer vectors.
    """
    targets = known_motifs.read_known(known) if known is not None else []
    log_odds = LogOdds(run, settings.batch_size)
    with progress(None, "site", "scoring") as bar:
        chosen = choose(sites, log_odds, settings.top, settings.seed, bar)
    if pool is not None:
        folded = with_dot_brackets(chosen.explained, pool)
        chosen = chosen._replace(explained=folded)
    if chosen.skipped:
        logger.info("note: %s sites were skipped", f"{chosen.skipped.total():,}")
    attributions = attribute(
        *(chosen.explained, log_odds, pool),
        method=settings.method,
        check=settings.check,
        refold=settings.refold and pool is not None,
        seed=settings.seed,
        progress=progress,
    )
    motifs = discover(
        *(chosen.explained, attributions.of_nucleotides, chosen.n_bound),
        *(log_odds, settings.seed),
    )
    if not motifs:
        logger.info(
            "note: no motif was found in %s", counted(len(chosen.explained), "site")
        )
    hits = known_motifs.compare(motifs, targets) if targets else [[] for _ in motifs]
    backgrounds = _backgrounds(chosen, settings, pool)
    findings: list[MotifFindings] = []
    with progress(len(motifs), "motif", "testing motifs") as bar:
        for motif, alike in zip(motifs, hits, strict=True):
            some = backgrounds if len(findings) < _MOST_TESTED else []
            findings.append(_findings(motif, alike, chosen, log_odds, some))
            bar.update()
    spacings = [
        space_motifs(first, second, backgrounds, log_odds)
        for first, second in itertools.product(motifs[:_MOST_SPACED], repeat=2)
    ]
    return Explanation(run, settings, chosen, attributions, findings, spacings)


def _findings(
    motif: Motif,
    known: list[Hit],
    chosen: ChosenSites,
    log_odds: LogOdds,
    backgrounds: list[Background],
) -> MotifFindings:
    """Tests one motif; without backgrounds it is not set into them."""
    preference = None
    if log_odds.reads_structure:
        preference = structure_preference(motif, chosen.explained, chosen.others)
    test = set_motif(motif, backgrounds, log_odds) if backgrounds else None
    return MotifFindings(motif, known, preference, test)


def _backgrounds(
    chosen: ChosenSites, settings: ExplainSettings, pool: FoldingPool | None
) -> list[Background]:
    """Returns shuffled sites, preferably of sites that are not explained."""
    sources = itertools.islice(
        itertools.cycle([*chosen.others, *chosen.explained]), settings.backgrounds
    )
    sequences = []
    for number, site in enumerate(sources):
        # A site that comes again is shuffled anew.
        (one,) = shuffled(site, 1, settings.seed + number, None)
        sequences.append(one.sequence)
    folds = pool.structures(sequences) if pool else {}
    return [Background(sequence, folds.get(sequence, "")) for sequence in sequences]
