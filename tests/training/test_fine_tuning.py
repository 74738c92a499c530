"""Training that starts from the network of another run."""

import json
import shlex
import shutil

import keras
import numpy as np
import pytest

import deeprke_tf as dk
from deeprke_tf import report, train
from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout
from deeprke_tf.runs.run import Run
from deeprke_tf.serving.model_card import model_card
from deeprke_tf.training import fine_tuning
from deeprke_tf.training.checkpoint import TrainingState
from deeprke_tf.training.fine_tuning import FineTuningAdam
from tests.support.interruptions import interrupt_after_first_epoch
from tests.support.small_runs import make_data, make_sites, write_table

pytest_plugins = ["tests.support.run_fixtures"]


@pytest.fixture(scope="module")
def new_data(tmp_path_factory):
    directory = tmp_path_factory.mktemp("new")
    sites = write_table(directory / "sites.tsv", make_sites(60, seed=5))
    flags = ["--sites", sites, "--no-structure", "--validation-fraction", "0.3"]
    return make_data(directory / "data", *flags)


@pytest.fixture(scope="module")
def flags(joint_run, new_data):
    """Of a training from the joint run, whose body stays in the first of two epochs."""
    given = ["--data", new_data, "--init-from", joint_run, "--learning-rate", 0.01]
    given += ["--epochs", 2, "--frozen-epochs", 1, "--batch-size", 30]
    return list(map(str, [*given, "--warmup-epochs", 0]))


def body_of(model):
    return {
        weight.path: weight.numpy()
        for weight in model.weights
        if weight.path.split("/")[0] not in ("log_odds", "kmer_counts")
    }


def same_arrays(one, other):
    return [np.array_equal(one[path], other[path]) for path in one]


def test_the_body_stays_then_learns_and_an_interruption_changes_nothing(
    joint_run, flags, tmp_path, monkeypatch, capsys
):
    whole, resumed = ([*flags, "--out", str(tmp_path / out)] for out in ("one", "two"))
    assert train.main(whole) == 0
    with monkeypatch.context() as patch:
        interrupt_after_first_epoch(patch)
        assert train.main(resumed) == 130
    state = TrainingState(tmp_path / "two" / layout.STATE, tmp_path / "history.csv")
    frozen = state.load_model()
    started = tmp_path / "two" / layout.STATE / "started.json"
    for known in ({"init_from", "vectors_from"}, {"vectors_from"}):
        contents = json.loads(started.read_text())
        kept = {k: v for k, v in contents.items() if not k.endswith("_from")}
        kept |= {k: contents[k] for k in known}
        started.write_text(json.dumps(kept))  # without init_from: an earlier version
        capsys.readouterr()
        assert train.main([*resumed, "--learning-rate", "0.02"]) == 1
        error = " ".join(capsys.readouterr().err.split())
        command = error.partition("with --data")[2].partition(" resumes it")[0]
        assert f"--init-from {joint_run}" in command
    assert train.main(shlex.split(f"--data{command}")) == 0
    histories = [(tmp_path / out / "history.csv").read_text() for out in ("one", "two")]
    assert histories[0] == histories[1]
    before, of_joint = (
        body_of(network)
        for network in (
            Run.load(joint_run / "rbps" / "A").model,
            fine_tuning.read(joint_run).network(),
        )
    )
    assert before.keys() == of_joint.keys() == body_of(frozen).keys()
    assert all(same_arrays(before, of_joint))
    assert all(same_arrays(before, body_of(frozen)))
    outputs = [
        Run.load(joint_run / "rbps" / name).model.get_layer("log_odds").get_weights()
        for name in "AB"
    ]
    new = frozen.get_layer("log_odds").get_weights()
    assert all(not np.array_equal(new[0], old[0]) for old in outputs)
    run = Run.load(tmp_path / "one")
    assert not all(same_arrays(before, body_of(run.model)))
    assert run.manifest["init_from"] == joint_run.name
    assert run.config.train.body_rate == 0.1
    assert run.manifest["best_epoch_by"] == "val_loss"  # of 7 bound sites


def test_an_rbp_of_a_joint_run_is_a_start_as_the_joint_run_is(joint_run, tmp_path):
    assert fine_tuning.read(joint_run / "rbps" / "A") == fine_tuning.read(joint_run)
    copy = shutil.copytree(joint_run, tmp_path / "joint")
    (copy / layout.MODEL).rename(tmp_path / "blob")
    (copy / layout.MODEL).symlink_to(tmp_path / "blob")
    assert fine_tuning.read(copy / "rbps" / "A").directory == copy


def test_the_body_learns_at_a_lower_rate_after_its_frozen_steps():
    model = keras.Sequential(
        [
            keras.layers.Dense(1, use_bias=False, name="dense"),
            keras.layers.Dense(1, use_bias=False, name="log_odds"),
        ]
    )
    model.build((None, 1))
    optimizer = FineTuningAdam(0.1, frozen_steps=2, body_rate=0.25)
    optimizer.build(model.trainable_variables)
    gradient = np.ones([1, 1], np.float32)
    moved = []
    for _step in range(3):
        before = [weight.numpy().item() for weight in model.trainable_variables]
        optimizer.apply([gradient, gradient], model.trainable_variables)
        after = [weight.numpy().item() for weight in model.trainable_variables]
        moved.append(np.subtract(before, after))
    np.testing.assert_allclose([body for body, _ in moved], [0, 0, 0.025], rtol=1e-4)
    np.testing.assert_allclose([head for _, head in moved], [0.1] * 3, rtol=1e-4)


def test_every_second_member_of_an_ensemble_starts_from_the_run(
    joint_run, flags, tmp_path, capsys
):
    out = tmp_path / "both"
    # A member may be there, trained on another machine.
    assert train.main([*flags, "--seed", "2", "--out", str(out / "seed-2")]) == 0
    both = [*flags, "--ensemble", "2", "--out", str(out)]
    assert train.main(both) == 0
    members = Run.load(out).members
    assert [m.manifest.get("init_from") for m in members] == [None, joint_run.name]
    assert [m.config.train.frozen_epochs for m in members] == [0, 1]
    assert [m.config.train.body_rate for m in members] == [1, 0.1]
    vectors = [
        np.load(d / "sequence_vectors.npy") for d in (*members_of(out), joint_run)
    ]
    assert np.array_equal(vectors[1], vectors[2])
    assert not np.array_equal(vectors[0], vectors[2])
    assert "seed-2, finished before" in capsys.readouterr().out
    said = f"Training started from the network of {joint_run.name}"
    assert report.main(["--model", str(out), "--out", str(tmp_path / "r.html")]) == 0
    assert said in (tmp_path / "r.html").read_text()
    assert any(said in limit for limit in model_card(Run.load(out), "x", "y")["limits"])


def members_of(out):
    return [out / name for name in ("seed-1", "seed-2")]


def test_what_cannot_be_started_from_is_refused(
    joint_run, ensemble, run, new_data, tmp_path
):
    def fit(**given):
        dk.fit(new_data, tmp_path / "run", **given)

    with pytest.raises(UserError, match="is an ensemble; `init_from` takes a member"):
        fit(init_from=ensemble)
    with pytest.raises(UserError, match="brings its k-mer vectors"):
        fit(init_from=joint_run, vectors_from=run)
    for n in (1, 2):
        with pytest.raises(
            UserError, match=r"another shape .*: `dense_units` \d+, here 9"
        ):
            fit(init_from=joint_run, ensemble=n, dense_units=9, epochs=1)
    with pytest.raises(UserError, match="`union_filters` 6, here 4 4"):
        fit(init_from=joint_run, union_filters=(4, 4), union_kernel_sizes=(2, 2))
    with pytest.raises(UserError, match=r"`vector_size` 5, here 9"):
        fit(init_from=joint_run, vector_size=9)
    with pytest.raises(UserError, match="`frozen_epochs` 3 of 3 epochs leave none"):
        fit(init_from=joint_run, frozen_epochs=3, epochs=3)
    tuned = {"preset": "deeprke-no-structure", "body_rate": 0.5}
    with pytest.raises(UserError, match="are for trainings that start from another"):
        fit(**tuned)
    for n in (1, 2):
        with pytest.raises(UserError, match="are for trainings that start from"):
            dk.fit_joint([new_data, run], tmp_path / "run", ensemble=n, **tuned)
    with pytest.raises(UserError, match="are for trainings that start from another"):
        dk.crossvalidate(new_data, tmp_path / "run", folds=2, **tuned)
    for n in (1, 2):
        with pytest.raises(UserError, match="holds no structures"):
            fit(init_from=run, ensemble=n)
    other_k = make_data(
        *(tmp_path / "k2", "--sites", new_data.parent / "sites.tsv"),
        *("--no-structure", "--k", "2"),
    )
    with pytest.raises(UserError, match="was preprocessed with k 2, but"):
        dk.fit(other_k, tmp_path / "both", init_from=joint_run, ensemble=2)
    for out in ("run", "both"):
        assert not (tmp_path / out).exists()  # nothing was trained in vain
