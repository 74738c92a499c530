import math

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.tuning import results as tune_results
from deeprke_tf.tuning.results import TrialResult


def write(search, *results):
    for result in results:
        run = tune_results.trial_directory(search, result.trial) / "run-1"
        run.mkdir(parents=True)
        (run / "model.keras").write_text("weights")
        tune_results.write_result(search, result)


GOOD = TrialResult("0", (0.8, 0.9), (3, 4), (5, 6), 12.5, "w1")
BETTER = TrialResult("1", (0.9,), (1,), (1,))
FAILED = TrialResult("2", message="out of memory")


def test_a_result_reads_back_as_it_was_written(tmp_path):
    write(tmp_path, GOOD, FAILED)
    assert tune_results.read_result(tmp_path, "0") == GOOD
    assert tune_results.read_result(tmp_path, "2") == FAILED
    assert math.isnan(FAILED.auroc)
    assert tune_results.read_result(tmp_path, "3") is None


def test_the_best_comes_first_and_of_equals_the_first_tried(tmp_path):
    equal = TrialResult("3", (0.9,), (1,), (1,))
    write(tmp_path, FAILED, equal, BETTER, GOOD)
    results = tune_results.read_results(tmp_path)
    assert [result.trial for result in results] == ["1", "3", "0", "2"]


def test_only_the_best_trial_keeps_its_run(tmp_path):
    write(tmp_path, FAILED, BETTER, GOOD)
    running = tmp_path / "trials" / "4" / "run-1"
    running.mkdir(parents=True)
    tune_results.keep_best_run(tune_results.read_results(tmp_path), tmp_path)
    kept = {path.parent.name for path in tmp_path.glob("trials/*/run-1")}
    assert kept == {"1", "4"}
    assert len(tune_results.read_results(tmp_path)) == 3


def test_no_run_is_kept_if_all_trials_failed(tmp_path):
    write(tmp_path, FAILED)
    tune_results.keep_best_run(tune_results.read_results(tmp_path), tmp_path)
    assert not list(tmp_path.glob("trials/*/run-1"))


def test_a_damaged_result_is_named(tmp_path):
    write(tmp_path, GOOD)
    (tmp_path / "trials" / "0" / "result.json").write_text('{"trial": "0"}')
    with pytest.raises(UserError, match=r"result.json is not the result of a trial"):
        tune_results.read_result(tmp_path, "0")
