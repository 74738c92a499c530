"""Measures in sentences: how good a model is, and what to doubt."""

from deeprke_tf.evaluation.in_words import doubts, quality


def measures(auroc, ends, **others):
    found = {"true_positive": 9, "false_negative": 1}
    wrong = {"false_positive": 2, "true_negative": 8}
    return {
        **{"split": "test", "n_sites": 20, "threshold": 0.4},
        **{"auroc": auroc, "auroc_ci": ends, "confusion": found | wrong},
        **others,
    }


def audit(auroc):
    return {"threshold": 0.65, "rules": [{"rule": "GC content", "auroc": auroc}]}


def test_quality_is_said_with_interval_and_calls():
    first, second = quality(measures(0.853, [0.8, 0.9]))
    assert first == (
        "AUROC 0.853 (95 % interval 0.800 to 0.900) on 20 test sites, good: of a bound "
        "and a background site, the model gives the bound one the higher probability "
        "in 85 of 100 pairs."
    )
    assert second == (
        "At its threshold, 0.400, it finds 9 of 10 bound sites. It calls 11 sites "
        "bound, 2 of them wrongly."
    )


def test_sites_of_one_class_have_calls_alone():
    assert len(list(quality(measures(None, None)))) == 1
    assert list(doubts(measures(None, None), 0.9, audit(0.9))) == []


def test_a_clear_result_leaves_no_doubt():
    assert list(doubts(measures(0.9, [0.88, 0.92]), 0.91, audit(0.7))) == []


def test_chance_width_loss_and_simple_rules_are_doubted():
    (chance,) = doubts(measures(0.6, [0.45, 0.7]))
    assert chance.startswith("The model is not clearly better than chance")
    wide, fell, rule = doubts(measures(0.8, [0.7, 0.9]), 0.88, audit(0.79))
    assert wide.startswith("The interval of the AUROC is wide, as there are 20 sites")
    assert "AUROC is 0.880: the model does worse on sites that are new" in fell
    assert rule.startswith("A simple rule, GC content, reaches an AUROC of 0.790")
