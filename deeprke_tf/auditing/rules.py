"""How far a rule as simple as one cheap feature gets: cross-validated AUROC.

The rule gives a site the log-odds of its category among the training sites. It is
learned on four fifths of the sites and measured on the rest, five times; the five
AUROCs are averaged. A site without a category gets log-odds 0.

Many rules are tried, and the best of many looks good by luck where sites are few.
`Rule.is_sure` asks that the interval of all rules *together* lies above chance.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from deeprke_tf.auditing.features import N_CLASSES, Feature
from deeprke_tf.evaluation import intervals, metrics

N_CV_FOLDS = 5

# How much more a cross-validated AUROC varies than one without learning: measured on
# 4,000 rules of noise, 1.35 with 20, with 200 and with 2,000 sites.
_SPREAD_OF_LEARNING = 1.35


@dataclasses.dataclass(frozen=True)
class Rule:
    """One feature as a rule.

    Attributes:
      feature: What it looks at.
      auroc: Cross-validated.
      auroc_ci: Its interval, for this rule alone, at `metrics.CONFIDENCE`.
      is_sure: Whether it is better than chance, all rules tried considered.
      telling: What bound and background sites have, in words.
    """

    feature: Feature
    auroc: float
    auroc_ci: tuple[float, float]
    is_sure: bool
    telling: str


def try_rules(
    features: Sequence[Feature], labels: np.ndarray, n_rules: int, seed: int
) -> list[Rule]:
    """Measures each feature as a rule, the best first.

    Args:
      features: Of the sites.
      labels: 1 bound, 0 background, [n_sites]; at least `N_CV_FOLDS` of each.
      n_rules: Rules tried in all, on these sites and others.
      seed: Settles the parts of the cross-validation.
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
        telling = _telling(feature, labels)
        rules.append(Rule(feature, auroc, interval, low > 0.5, telling))
    return sorted(rules, key=lambda rule: -rule.auroc)


def _cv_folds(labels: np.ndarray, seed: int) -> np.ndarray:
    """Returns the part of each site, both classes spread evenly, int64 [n_sites]."""
    rng = np.random.default_rng(seed)
    parts = np.zeros(len(labels), np.int64)
    for label in (0, 1):
        members = np.flatnonzero(labels == label)
        parts[rng.permutation(members)] = np.arange(len(members)) % N_CV_FOLDS
    return parts


def _cross_validated(
    features: Sequence[Feature], labels: np.ndarray, cv_folds: np.ndarray
) -> np.ndarray:
    """Returns the mean AUROC over the parts, [n_features].

    All follows from counts: how many sites of each part and class have each category.
    """
    aurocs = np.zeros(len(features))
    group = (cv_folds * 2 + labels) * (N_CLASSES + 1)
    for i, feature in enumerate(features):
        # The last category is that of sites without one.
        codes = np.where(feature.codes < 0, N_CLASSES, feature.codes)
        counts = np.bincount(group + codes, minlength=N_CV_FOLDS * 2 * (N_CLASSES + 1))
        counts = counts.reshape(N_CV_FOLDS, 2, N_CLASSES + 1)
        scores = _log_odds(counts.sum(axis=0) - counts, feature.n_categories)
        # From the highest log-odds down, as `weighted_areas` wants it.
        order = np.argsort(-scores, axis=1, kind="stable")
        background, bound = (
            np.take_along_axis(counts[:, label], order, axis=1) for label in (0, 1)
        )
        aurocs[i] = intervals.weighted_areas(bound, background)[0].mean()
    return aurocs


def _log_odds(counts: np.ndarray, n_categories: int) -> np.ndarray:
    """Returns the log-odds of each category, [n_parts, N_CLASSES + 1].

    One site is added to every category, so that none is certain.

    Args:
      counts: Training sites by part, class and category.
      n_categories: Categories that the feature has.
    """
    known = counts[..., :N_CLASSES]
    shares = (known + 1) / (known.sum(axis=-1, keepdims=True) + n_categories)
    scores = np.zeros((len(counts), N_CLASSES + 1))
    scores[:, :N_CLASSES] = np.log(shares[:, 1] / shares[:, 0])
    return scores


def _telling(feature: Feature, labels: np.ndarray) -> str:
    """Says what the two classes have, such as "G in 97 % of bound, 21 % of ..."."""
    if feature.values is not None:
        bound, background = (np.median(feature.values[labels == i]) for i in (1, 0))
        unit = f" {feature.unit}" if feature.unit else ""
        if bound == background:
            bound, background = (feature.values[labels == i].mean() for i in (1, 0))
            return f"mean {bound:.3g}{unit} in bound, {background:.3g} in background"
        return f"median {bound:.3g}{unit} in bound, {background:.3g} in background"
    shares = np.array(
        [
            np.bincount(codes[codes >= 0], minlength=4) / max(1, (codes >= 0).sum())
            for codes in (feature.codes[labels == 1], feature.codes[labels == 0])
        ]
    )
    most = int(np.argmax(np.abs(shares[0] - shares[1])))
    bound, background = shares[:, most]
    return f"{'ACGU'[most]} in {bound:.0%} of bound, {background:.0%} of background"
