"""Networks of a benchmark trained by a fleet on JAX, in a process of its own."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from deeprke_tf import fleet_plan, metrics
from tests.test_benchmark import NAME, data_dir, run, small  # noqa: F401

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
    small,  # noqa: F811
    data_dir,  # noqa: F811
    tmp_path,
    capsys,
):
    out, plan, trained = (tmp_path / name for name in ("out", "plan", "trained"))
    flags = ["--presets", "small", "--seeds", 1, 2]
    assert run("rbp31", data_dir, out, *flags, "--plan", plan) == {}
    assert "2 trainings" in capsys.readouterr().out
    assert len(list((plan / "datasets").glob("*.npz"))) == 1
    done = fleet(plan, trained)
    assert done.returncode == 0, done.stderr
    assert "2 x small on cpu" in done.stdout
    results = run("rbp31", data_dir, out, *flags, "--trained", trained, "--ensembles")
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
    assert one["auroc"] == metrics.auroc(labels, probabilities[0])
    assert mean["auroc"] == metrics.auroc(labels, np.mean(probabilities, axis=0))
    assert mean["seeds"] == [1, 2]
    assert "0 trainings to do, 2 done before" in fleet(plan, trained).stdout
