"""Networks of a benchmark trained by a fleet on JAX, in a process of its own."""

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from deeprke_tf import benchmark, fleet_train, presets
from deeprke_tf.benchmarking import data, experiments, tasks
from deeprke_tf.evaluation import metrics
from deeprke_tf.fleets import plan as fleet_plan
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
    monkeypatch,
):
    monkeypatch.setitem(tasks.TRANSFER, "small-transfer", "small")
    monkeypatch.setitem(tasks.BENCHMARK_ONLY, "small-transfer", "small")
    out, plan, trained = (tmp_path / name for name in ("out", "plan", "trained"))
    flags = ["--presets", "small", "small-transfer", "--seeds", 1, 2]
    assert run("rbp31", data_dir, out, *flags, "--plan", plan) == {}
    assert "4 trainings" in capsys.readouterr().out
    assert len(list((plan / "datasets").glob("*.npz"))) == 1
    # The same sites have the same k-mer weights, whatever the seed.
    weights = {one.vectors["kmer_weights"] for one in fleet_plan.read(plan)}
    assert len(weights) == 1
    done = fleet(plan, trained)
    assert done.returncode == 0, done.stderr
    assert "2 x small on cpu" in done.stdout
    flags += ["--trained", trained, "--ensembles"]
    results = run("rbp31", data_dir, out, *flags)
    one, two, mean, transfer = (
        results[f"{name}.none"]
        for name in (
            "small.frozen.seed1",
            "small.frozen.seed2",
            "small-x2.frozen.seed1",
            "small-transfer.frozen.seed1",
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
    assert transfer["trunk"]["n_experiments"] == 1
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")  # Undone at the end.
    capsys.readouterr()
    assert fleet_train.main(["--plan", str(plan), "--out", str(trained)]) == 0
    assert "0 trainings to do, 4 done before" in capsys.readouterr().out


@pytest.mark.parametrize("other", [{"seed": 2}, {"mask": "x"}, {"protocol": "x"}])
def test_trainings_on_other_sites_or_of_another_seed_have_no_trunk_in_common(
    data_dir,  # noqa: F811
    other,
):
    experiment = experiments.find("rbp31", data_dir)[0]
    one = tasks.Task("rbp31", experiment, "deeprke-transfer", "grouped", 1, "none")

    def training(task, experiment):
        return fleet_plan.Training(
            *(experiment, task.label, "d", "s", {}, 3, False, True, task.settings)
        )

    assert training(one, "A").trunk == training(one, "B").trunk
    another = dataclasses.replace(one, **other)
    assert training(one, "A").trunk != training(another, "A").trunk


@needs_jax
def test_networks_from_a_trunk_keep_their_own_kmer_weights(tmp_path):
    trainings, starts = [], {}
    flags = fleet_train.FleetFlags(plan=tmp_path, out=tmp_path / "out")
    for number, name in enumerate("AB"):
        files = {}
        for kind in ("sequence", "kmer_weights"):
            files[kind] = f"{kind}{name}.npz"
            arrays = {kind: np.full(3, number)}
            fleet_plan.write_arrays(arrays, tmp_path / files[kind])
        settings = presets.preset("deeprke-no-structure")
        one = fleet_plan.Training(name, "l", "d", "s", files, 3, False, True, settings)
        trainings.append(one)
        of_trunk = {"sequence": np.full(3, 7), "kmer_weights": np.full(3, 7)}
        starts[one.result_path(flags.out)] = fleet_train.Start([], of_trunk, {})

    class Datasets:
        def read(self, trainings):
            return [{} for _ in trainings]

    members = fleet_train._members(trainings, Datasets(), starts, flags)
    found = [(m.vectors["sequence"][0], m.vectors["kmer_weights"][0]) for m in members]
    assert found == [(7, 0), (7, 1)]


def test_a_network_of_other_settings_is_not_taken_for_done():
    settings = presets.preset("paper")
    facts = {"config": json.loads(json.dumps(dataclasses.asdict(settings)))}
    assert fleet_plan.is_of(facts, settings)
    facts["config"]["train"]["mixed_precision"] = True
    assert fleet_plan.is_of(facts, settings)
    assert not fleet_plan.is_of(facts, presets.preset("deeprke"))
    facts["config"]["train"]["no longer known"] = 1
    assert not fleet_plan.is_of(facts, settings)


def test_what_only_a_fleet_trains_is_refused_without_one(data_dir, tmp_path, capsys):  # noqa: F811
    flags = ["--data-dir", data_dir, "--out", tmp_path, "--presets", "deeprke-transfer"]
    assert benchmark.main(["rbp31", *map(str, flags), "--workers", "1"]) == 1
    assert "give --plan, run `deeprke fleet`" in capsys.readouterr().err


def test_shuffled_structures_are_those_of_other_sites(small, data_dir, tmp_path):  # noqa: F811
    experiment = experiments.find("rbp31", data_dir)[0]
    shuffled, plain = (
        data.letters(
            data.dataset_of(
                tasks.Task("rbp31", experiment, name, "frozen", 1, "none"),
                0,
                tmp_path,
                ["--workers", "1"],
            ),
            "train",
        )
        for name in ("shuffled-structure", "paper")
    )
    assert shuffled.sequences == plain.sequences
    assert shuffled.contexts != plain.contexts
    assert sorted(shuffled.contexts) == sorted(plain.contexts)
    assert shuffled.labels.tolist() == plain.labels.tolist()


def test_sequences_alone_are_not_folded(small, data_dir, tmp_path):  # noqa: F811
    (experiment,) = experiments.find("rbp24", data_dir)
    task = tasks.Task("rbp24", experiment, "no-structure", "frozen", 1, "3prime-edge")
    info = data.dataset_of(task, 0, tmp_path, ["--workers", "1"])
    sites = data.letters(info, "test")
    assert set("".join(sites.contexts)) == {"F"}
    assert all("NNNNNNN" in sequence for sequence in sites.sequences)
    assert (len(sites.labels), int(sites.labels.sum())) == (120, 60)
