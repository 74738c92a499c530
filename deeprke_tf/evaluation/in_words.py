"""How good a model is and what to doubt of its measures, in sentences."""

from collections.abc import Iterator
from typing import Any

# From these AUROCs on, a model is called by these words.
_WORDS = (
    (0.9, "very good"),
    (0.8, "good"),
    (0.7, "fair"),
    (0.6, "weak"),
    (0.0, "hardly better than chance"),
)
_WIDE_INTERVAL = 0.1
_FELL = 0.05  # from validation to test
_CLOSE_TO_RULE = 0.02


def grade(auroc: float) -> str:
    """Returns a word for an AUROC.

    >>> grade(0.83)
    'good'
    """
    return next(word for least, word in _WORDS if auroc >= least)


def of_hundred(fraction: float) -> str:
    """Returns a fraction in words, and never says all where one is missing.

    >>> of_hundred(0.98), of_hundred(0.9988)
    ('98 of 100', 'more than 99 of 100')
    """
    rounded = round(100 * fraction)
    if rounded == 100 and fraction < 1:
        return "more than 99 of 100"
    return f"{rounded} of 100"


def quality(measured: dict[str, Any]) -> Iterator[str]:
    """Yields sentences about the measures of one split.

    Args:
      measured: Contents of `metrics.json`.
    """
    if (auroc := measured["auroc"]) is not None:
        ends = measured["auroc_ci"]
        span = " (95 % interval {:.3f} to {:.3f})".format(*ends) if ends else ""
        split = str(measured["split"]).replace("_", "-")
        yield (
            f"AUROC {auroc:.3f}{span} on {measured['n_sites']:,} {split} sites, "
            f"{grade(auroc)}: of a bound and a background site, the model gives the "
            f"bound one the higher probability in {of_hundred(auroc)} pairs."
        )
    found = measured["confusion"]
    called = found["true_positive"] + found["false_positive"]
    bound = found["true_positive"] + found["false_negative"]
    yield (
        f"At its threshold, {measured['threshold']:.3f}, it finds "
        f"{found['true_positive']:,} of {bound:,} bound sites. It calls {called:,} "
        f"sites bound, {found['false_positive']:,} of them wrongly."
    )


def doubts(
    measured: dict[str, Any],
    on_validation: float | None = None,
    audit: dict[str, Any] | None = None,
) -> Iterator[str]:
    """Yields sentences about what the measures leave open.

    Args:
      measured: Contents of `metrics.json`.
      on_validation: AUROC on the validation sites, where `measured` is of others.
      audit: Contents of `audit.json`.
    """
    if (auroc := measured["auroc"]) is None:
        return
    low, high = measured["auroc_ci"] or (0.0, 1.0)
    if low <= 0.5:
        yield (
            "The model is not clearly better than chance on these sites. Give more "
            "sites, or better ones (of peaks, with a higher --min-score, or those of "
            "several replicates, --in-at-least)."
        )
    elif high - low > _WIDE_INTERVAL:
        yield (
            f"The interval of the AUROC is wide, as there are {measured['n_sites']:,} "
            "sites only; `deeprke crossvalidate` tests on all."
        )
    if on_validation is not None and on_validation - auroc > _FELL:
        yield (
            f"On validation sites, by which it was chosen, the AUROC is "
            f"{on_validation:.3f}: the model does worse on sites that are new to it."
        )
    rules = audit["rules"] if audit else []
    best = max(rules, key=lambda rule: rule["auroc"], default=None)
    if (
        audit
        and best
        and best["auroc"] > max(audit["threshold"], auroc - _CLOSE_TO_RULE)
    ):
        yield (
            f"A simple rule, {best['rule']}, reaches an AUROC of "
            f"{best['auroc']:.3f}: the model may have learned little else."
        )
