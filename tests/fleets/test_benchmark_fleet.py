"""Networks of a benchmark trained by a fleet on JAX, in a process of its own."""

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from deeprke_tf import fleet_train, presets
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import metrics
from deeprke_tf.fleets import data as fleet_data
from deeprke_tf.fleets import plan as fleet_plan
from tests.support.benchmark_fixtures import NAME, run

pytest_plugins = ["tests.support.benchmark_fixtures"]

needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None,
    reason="JAX is not installed: pip install 'deeprke_tf[jax]'",
)


def fleet(plan, out, *flags):
    # No TensorFlow: the machine with the GPU need not have it.
    blocked = "import sys; sys.modules['tensorflow'] = None; "
    code = "from deeprke_tf import fleet_train; sys.exit(fleet_train.main())"
    command = [sys.executable, "-c", blocked + code, "--plan", plan, "--out", out]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    return subprocess.run(
        [*map(str, command), *flags],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@needs_jax
def test_a_plan_trained_by_a_fleet_gives_the_results_of_its_tasks(
    small_preset,
    rbp_data,
    tmp_path,
    capsys,
    monkeypatch,
):
    out, plan, trained = (tmp_path / name for name in ("out", "plan", "trained"))
    flags = ["--presets", "small", "--seeds", 1, 2]
    assert run("rbp31", rbp_data, out, *flags, "--plan", plan) == {}
    assert "2 trainings" in capsys.readouterr().out
    assert len(list((plan / "datasets").glob("*.npz"))) == 1
    # The same sites have the same k-mer weights, whatever the seed.
    weights = {one.vectors["kmer_weights"] for one in fleet_plan.read(plan)}
    assert len(weights) == 1
    done = fleet(plan, trained)
    assert done.returncode == 0, done.stderr
    assert "2 x small on cpu" in done.stdout
    flags += ["--trained", trained, "--ensembles"]
    results = run("rbp31", rbp_data, out, *flags)
    one, two, mean = (
        results[f"{name}.none"]
        for name in (
            "small.frozen.seed1",
            "small.frozen.seed2",
            "small-x2.frozen.seed1",
        )
    )
    assert one["config"]["train"]["seed"] == 1 and one["fleet"]["device"] == "cpu"
    assert one["model_sha256"] != two["model_sha256"]
    arrays = [
        fleet_plan.read_result(trained / NAME / f"small.frozen.seed{seed}.none.npz")[0]
        for seed in (1, 2)
    ]
    labels = arrays[0]["test_labels"]
    assert labels.sum() == one["n_positive"] == 20
    probabilities = [each["test_probabilities"] for each in arrays]
    # Sites are in another order in the files of the fleet.
    expected = metrics.auroc(labels, probabilities[0])
    assert one["auroc"] == pytest.approx(expected, abs=1e-12)
    expected = metrics.auroc(labels, np.mean(probabilities, axis=0))
    assert mean["auroc"] == pytest.approx(expected, abs=1e-12)
    assert mean["seeds"] == [1, 2]
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")  # Undone at the end.
    capsys.readouterr()
    assert fleet_train.main(["--plan", str(plan), "--out", str(trained)]) == 0
    assert "0 trainings to do, 2 done before" in capsys.readouterr().out


def test_a_network_of_other_settings_is_not_taken_for_done():
    settings = presets.preset("paper")
    facts = {"config": json.loads(json.dumps(dataclasses.asdict(settings)))}
    assert fleet_plan.is_of(facts, settings)
    facts["config"]["train"]["mixed_precision"] = True
    assert fleet_plan.is_of(facts, settings)
    assert not fleet_plan.is_of(facts, presets.preset("deeprke"))
    facts["config"]["train"]["no longer known"] = 1
    assert not fleet_plan.is_of(facts, settings)


def test_a_dataset_of_a_plan_reads_back_as_it_was_written(tmp_path):
    ids = {"sequence_kmers": np.array([[2, 3], [4, 0]], np.uint8)}
    written = fleet_data.LabelledIds(ids, np.array([1, 0]))
    fleet_data.write({"train": written, "test": written}, tmp_path / "d.npz")
    read = fleet_data.read(tmp_path / "d.npz")
    assert list(read) == ["train", "test"]
    assert read["test"].ids["sequence_kmers"].tolist() == [[2, 3], [4, 0]]
    assert read["test"].labels.tolist() == [1, 0]
    (tmp_path / "d.npz").write_bytes((tmp_path / "d.npz").read_bytes()[:60])
    with pytest.raises(UserError, match=r"Cannot read .*d\.npz"):
        fleet_data.read(tmp_path / "d.npz")
