"""Rules of one simple feature each, and their cross-validated AUROC.

A rule scores a site by the log odds of its category among the training sites. It is
fitted on four fifths of the sites and measured on the rest, five times; the five AUROCs
are averaged. A site without a category gets log odds 0.

Many rules are tried, and the best of many looks good by chance where sites are few.
`Rule.is_significant` corrects for the number of rules (Bonferroni).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from deeprke_tf.auditing.features import N_CLASSES, Feature
from deeprke_tf.evaluation import intervals, metrics

N_CV_FOLDS = 5

# Standard error of a cross-validated AUROC over that of a fixed rule: measured on 4,000
# rules of noise, 1.35 with 20, with 200 and with 2,000 sites.
_SPREAD_OF_LEARNING = 1.35


@dataclasses.dataclass(frozen=True)
class Rule:
    """One feature as a rule.

    Attributes:
      feature: The feature.
      auroc: Cross-validated.
      auroc_ci: Its interval, for this rule alone, at `metrics.CONFIDENCE`.
      is_significant: Whether it is better than chance, corrected for all rules tried.
      difference: How bound and background sites differ, in words.
    """

    feature: Feature
    auroc: float
    auroc_ci: tuple[float, float]
    is_significant: bool
    difference: str


def try_rules(
    features: Sequence[Feature], labels: np.ndarray, n_rules: int, seed: int
) -> list[Rule]:
    """Measures each feature as a rule, the best first.

    Args:
      features: Features of the sites.
      labels: 1 bound, 0 background, [n_sites]; at least `N_CV_FOLDS` of each.
      n_rules: Number of rules tried in all, with rules on other features.
      seed: Seed of the cross-validation splits.
    """
    aurocs = _cross_validated(features, labels, _cv_folds(labels, seed))
    # Bonferroni.
    family_wise = 1 - (1 - metrics.CONFIDENCE) / n_rules
    rules = []
    for feature, auroc in zip(features, aurocs.tolist(), strict=True):
        interval, (low, _high) = (
            intervals.hanley_mcneil(auroc, labels, confidence, _SPREAD_OF_LEARNING)
            for confidence in (metrics.CONFIDENCE, family_wise)
        )
        difference = _difference(feature, labels)
        rules.append(Rule(feature, auroc, interval, low > 0.5, difference))
    return sorted(rules, key=lambda rule: -rule.auroc)


def _cv_folds(labels: np.ndarray, seed: int) -> np.ndarray:
    """Returns the cross-validation fold of each site, stratified, int64 [n_sites]."""
    rng = np.random.default_rng(seed)
    parts = np.zeros(len(labels), np.int64)
    for label in (0, 1):
        members = np.flatnonzero(labels == label)
        parts[rng.permutation(members)] = np.arange(len(members)) % N_CV_FOLDS
    return parts


def _cross_validated(
    features: Sequence[Feature], labels: np.ndarray, cv_folds: np.ndarray
) -> np.ndarray:
    """Returns the mean AUROC over the folds, [n_features].

    It is computed from the number of sites by fold, class and category.
    """
    aurocs = np.zeros(len(features))
    group = (cv_folds * 2 + labels) * (N_CLASSES + 1)
    for i, feature in enumerate(features):
        # The last category is for sites without one.
        codes = np.where(feature.codes < 0, N_CLASSES, feature.codes)
        counts = np.bincount(group + codes, minlength=N_CV_FOLDS * 2 * (N_CLASSES + 1))
        counts = counts.reshape(N_CV_FOLDS, 2, N_CLASSES + 1)
        scores = _log_odds(counts.sum(axis=0) - counts, feature.n_categories)
        # `weighted_areas` takes the highest log odds first.
        order = np.argsort(-scores, axis=1, kind="stable")
        background, bound = (
            np.take_along_axis(counts[:, label], order, axis=1) for label in (0, 1)
        )
        aurocs[i] = intervals.weighted_areas(bound, background)[0].mean()
    return aurocs


def _log_odds(counts: np.ndarray, n_categories: int) -> np.ndarray:
    """Returns the log odds of each category, [n_folds, N_CLASSES + 1].

    One site is added to every category, so that none is infinite.

    Args:
      counts: Training sites by fold, class and category.
      n_categories: Number of categories of the feature.
    """
    known = counts[..., :N_CLASSES]
    fractions = (known + 1) / (known.sum(axis=-1, keepdims=True) + n_categories)
    scores = np.zeros((len(counts), N_CLASSES + 1))
    scores[:, :N_CLASSES] = np.log(fractions[:, 1] / fractions[:, 0])
    return scores


def _difference(feature: Feature, labels: np.ndarray) -> str:
    """Compares the two classes in words, such as "G in 97 % of bound, 21 % of ..."."""
    if feature.values is not None:
        by_class = [feature.values[labels == label] for label in (1, 0)]
        unit = f" {feature.unit}" if feature.unit else ""
        measure, values = "median", [np.nanmedian(some) for some in by_class]
        if values[0] == values[1]:
            measure, values = "mean", [np.nanmean(some) for some in by_class]
        bound, background = map(short, values)
        return f"{measure} {bound}{unit} in bound, {background} in background"
    names = feature.categories
    fractions = np.array(
        [
            np.bincount(codes[codes >= 0], minlength=len(names))
            / max(1, (codes >= 0).sum())
            for codes in (feature.codes[labels == 1], feature.codes[labels == 0])
        ]
    )
    most = int(np.argmax(np.abs(fractions[0] - fractions[1])))
    bound, background = fractions[:, most]
    return f"{names[most]} in {bound:.0%} of bound, {background:.0%} of background"


def short(value: float) -> str:
    """Returns a number with three digits, or whole.

    >>> short(0.09921), short(1059.5)
    ('0.0992', '1,060')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
