import numpy as np
import pytest

from deeprke_tf.config import FoldSettings, RunConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import calibration_fit, metrics, thresholds
from deeprke_tf.evaluation.calibration import Calibration
from deeprke_tf.runs import batching, layout, scorer
from deeprke_tf.runs.run import Run
from tests.support.small_models import (
    CONFIGS,
    compiled_scorer,
    random_sites,
    trained_model,
)

HALVED = Calibration("isotonic", prior=0.5, knots=((0.0, 1e-6), (0.8, 0.4)))
AS_IT_IS = Calibration("none", prior=0.5)
# Enough sites for a calibration to be fitted.
LABELS = [0, 1, 0, 1, 0, 0] * 5
PROBABILITIES = {
    "paper": [0.1, 0.9, 0.3, 0.4, 0.2, 0.6] * 5,
    "no-structure": [0.3, 0.7, 0.1, 0.8, 0.4, 0.2] * 5,
}


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch):
    monkeypatch.setattr(scorer, "scorer", compiled_scorer)


@pytest.fixture
def make_run(tmp_path):
    """Makes runs of networks of `small_models`, as `Run.load` gives them."""

    def make(
        name, calibration=AS_IT_IS, encoding=Encoding(), validated_on="validation"
    ):
        (tmp_path / name).mkdir(exist_ok=True)
        shards = [{"sha256": validated_on}]
        run = Run(
            directory=tmp_path / name,
            config=RunConfig(model=CONFIGS[name]),
            encoding=encoding,
            threshold=0.25,
            calibration=calibration,
            manifest={
                "model_sha256": name,
                "data": {"splits": {"validation": {"shards": shards}}},
            },
            model=trained_model(name),
        )
        layout.write_validation(run.directory, LABELS, PROBABILITIES[name])
        return run

    return make


def calibration_of_the_mean():
    """The calibration that fits the mean of `PROBABILITIES`; it does something."""
    mean = np.mean(list(PROBABILITIES.values()), axis=0)
    calibration = calibration_fit.fit(LABELS, mean)
    assert calibration.method == "temperature"
    return calibration


def probabilities_of(run, sites):
    """The probabilities of one network."""
    of_run = [{view: site[view] for view in run.config.model.views} for site in sites]
    return batching.score_sites(scorer.scorer(run.model), of_run, 3)


def test_scores_are_mean_and_sample_standard_deviation_over_the_runs(make_run):
    members = make_run("paper", HALVED), make_run("no-structure")
    sites = random_sites([3, 9, 5, 7])
    scores = Run.average(members).scorer(batch_size=3)(sites)
    first, second = (probabilities_of(run, sites) for run in members)
    assert scores.probability == pytest.approx((first + second) / 2)
    # Of two values, half their distance times the root of 2.
    assert scores.probability_sd == pytest.approx(abs(first - second) / np.sqrt(2))
    assert scores.probability_sd.max() > 0.01


def test_the_mean_is_calibrated_not_each_run(make_run):
    members = make_run("paper", HALVED), make_run("no-structure")
    scores = Run.average(members).scorer(batch_size=3)(random_sites([3, 9, 5, 7]))
    expected = calibration_of_the_mean()(scores.probability)
    assert scores.calibrated_probability == pytest.approx(expected, abs=1e-6)
    assert np.abs(expected - scores.probability).max() > 0.01


def test_a_single_run_is_itself_without_a_standard_deviation(make_run):
    run = make_run("paper", HALVED)
    sites = random_sites([3, 9])
    scores = run.scorer(batch_size=3)(sites)
    expected = probabilities_of(run, sites)
    assert scores.probability.tolist() == expected.tolist()
    assert scores.calibrated_probability.tolist() == HALVED(expected).tolist()
    assert np.isnan(scores.probability_sd).all()


def test_the_prior_shifts_the_odds_of_the_mean(make_run):
    members = make_run("paper", HALVED), make_run("no-structure")
    sites = random_sites([3, 9, 5, 7])
    shifted = Run.average(members).scorer(3, prior=0.01)(sites)
    expected = calibration_of_the_mean()(shifted.probability, 0.01)
    assert shifted.calibrated_probability == pytest.approx(expected, abs=1e-6)
    bare = Run.average(members).scorer(3, calibrate=False)(sites)
    assert bare.calibrated_probability.tolist() == bare.probability.tolist()
    both = Run.average(members).scorer(3, prior=0.01, calibrate=False)(sites)
    expected = AS_IT_IS(both.probability, 0.01)
    assert both.calibrated_probability == pytest.approx(expected)


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        (Encoding(k=4), "was trained with k 3, .*no-structure with 4; the runs of an"),
        (Encoding(fold=FoldSettings(temperature=30.0)), "with fold .*temperature=30"),
        (Encoding(structure_alphabet="FTIHMX"), "structure_alphabet FTIHMS, .* FTIHMX"),
        (Encoding(sequence_alphabet="ACGT"), "sequence_alphabet ACGU, .* with ACGT"),
    ],
)
def test_runs_that_read_other_kmers_are_refused(make_run, encoding, message):
    other = make_run("no-structure", encoding=encoding)
    with pytest.raises(UserError, match=message):
        Run.average([make_run("paper"), other])


def test_an_ensemble_of_one_model_twice_or_of_none_is_refused(make_run):
    with pytest.raises(UserError, match="are the same model; an ensemble needs"):
        Run.average([make_run("paper"), make_run("paper")])
    with pytest.raises(UserError, match="at least one run"):
        Run.average([])


# === The threshold ===


def test_the_threshold_is_chosen_on_the_mean_of_the_validation_probabilities(make_run):
    ensemble = Run.average([make_run("paper"), make_run("no-structure")])
    mean = np.mean(list(PROBABILITIES.values()), axis=0)
    chosen = ensemble.calling()
    assert chosen.threshold == pytest.approx(metrics.best_threshold(LABELS, mean))
    assert chosen.chosen == "largest MCC on validation sites"
    at_fdr = ensemble.calling(target=("fdr", 0.1), prior=0.2)
    expected = thresholds.threshold_for(("fdr", 0.1), LABELS, mean, prior=0.2)
    assert at_fdr.threshold == pytest.approx(expected.value)


def test_the_threshold_of_a_single_run_is_its_own_unless_asked_for_another(make_run):
    ensemble = make_run("paper")
    assert str(ensemble.calling()).startswith("0.25 (of the model, largest MCC")
    recall = ensemble.calling(target=("recall", 1.0))
    assert recall.threshold == pytest.approx(0.35)
    assert recall.chosen.startswith(
        "recall 1 on validation sites: recall 1, precision 0.667"
    )


@pytest.mark.parametrize("other", ["shards", "order"])
def test_runs_with_other_validation_sites_have_no_threshold_and_no_calibration(
    make_run, other
):
    first, second = make_run("paper"), make_run("no-structure")
    if other == "shards":
        second = make_run("no-structure", validated_on="other sites")
    else:
        probabilities = PROBABILITIES["no-structure"][::-1]
        layout.write_validation(second.directory, LABELS[::-1], probabilities)
    ensemble = Run.average([first, second])
    message = r"not validated on the same .* `threshold` and `calibrate=False`"
    with pytest.raises(UserError, match=message):
        ensemble.calling()
    with pytest.raises(UserError, match=message):
        ensemble.scorer(batch_size=3)
    scores = ensemble.scorer(batch_size=3, calibrate=False)(random_sites([3, 9]))
    assert scores.calibrated_probability.tolist() == scores.probability.tolist()
