"""Preprocessing from Python; tests/pipelines/test_preprocess.py has the rest."""

import dataclasses
import inspect
import random
import subprocess
import sys

import pytest

import deeprke_tf as dk
from pipelines.preprocess import PreprocessFlags
from tests.support.full_disk import full_disk


@pytest.fixture
def fasta(tmp_path):
    """100 sites, half of them bound."""
    rng = random.Random(1)
    path = tmp_path / "sites.fa"
    path.write_text(
        "".join(
            f">site{i}; class:{i % 2}\n{''.join(rng.choices('ACGU', k=20))}\n"
            for i in range(100)
        )
    )
    return path


def test_a_dataset_is_made_and_shown(fasta, tmp_path, capsys):
    out = tmp_path / "data"
    settings = {"out": out, "fold_cache": tmp_path / "folds.sqlite"}
    settings["validation_fraction"] = 0.3
    data = dk.preprocess(fasta, test=str(fasta), **settings)
    train, validation = data.splits["train"], data.splits["validation"]
    assert train.n_sites + validation.n_sites == 100
    assert repr(data) == (
        f"<Dataset {out}: train {train.n_sites} sites ({train.n_positive} bound), "
        f"validation {validation.n_sites} sites ({validation.n_positive} bound), "
        "test 100 sites (50 bound); k = 3>"
    )
    assert data.n_folded == 100
    assert dk.preprocess(fasta, overwrite=True, k=4, **settings).n_folded == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_unknown_validation_groups_are_refused(fasta, tmp_path):
    with pytest.raises(dk.UserError, match="`validation_groups` must be 'sequence' or"):
        dk.preprocess(fasta, out=tmp_path / "data", validation_groups="overlp")
    assert not (tmp_path / "data").exists()


def test_progress_is_reported_to_a_callback(fasta, tmp_path):
    stages = []

    class Bar:
        def __init__(self, total, unit, description):
            stages.append([description, total, 0])

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            pass

        def update(self, n=1):
            stages[-1][2] += n

    cache = tmp_path / "folds.sqlite"
    dk.preprocess(test=fasta, out=tmp_path / "d", fold_cache=cache, progress=Bar)
    assert [stage[0] for stage in stages][::2] == ["reading", "writing"]
    assert all(n == 100 for _description, _total, n in stages)


def test_an_error_names_the_argument(fasta, tmp_path):
    with pytest.raises(dk.UserError, match="`max_length` must be at least 1, got 0"):
        dk.preprocess(fasta, out=tmp_path / "data", max_length=0)
    with pytest.raises(dk.UserError, match="give `sites`, or `positives` and `neg"):
        dk.preprocess(out=tmp_path / "data")


def test_the_command_has_the_arguments_and_their_defaults():
    parameters = inspect.signature(dk.preprocess).parameters
    flags = {field.name: field for field in dataclasses.fields(PreprocessFlags)}
    assert set(flags) - set(parameters) == {"runner"}
    assert set(parameters) - set(flags) == {"progress"}
    for name, field in flags.items():
        if name not in ("out", "runner"):
            assert parameters[name].default == field.default, name


@pytest.mark.slow
def test_a_script_needs_no_main_guard_and_no_tensorflow(fasta, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "import deeprke_tf as dk\n"
        f"data = dk.preprocess({str(fasta)!r}, out={str(tmp_path / 'data')!r},\n"
        f"    fold_cache={str(tmp_path / 'folds.sqlite')!r}, workers=2)\n"
        "print(data.n_folded, 'tensorflow' in sys.modules)\n"
    )
    said = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True
    )
    assert said.stdout == "100 False\n"
    assert not said.stderr


@pytest.mark.parametrize("n_bytes", [0, 10_000])
def test_a_full_disk_is_named_and_leaves_nothing(n_bytes, fasta, tmp_path):
    out = tmp_path / "out" / "data"
    with (
        full_disk(n_bytes),
        pytest.raises(dk.UserError, match=rf"^Cannot write {out}: .*\.$"),
    ):
        dk.preprocess(fasta, out=out, validation_fraction=0.3, structure=False)
    assert not list(out.parent.iterdir())
