"""A small dataset and short runs on it, made once for all tests that read them.

A test module asks for them by `pytest_plugins = ["tests.support.run_fixtures"]`. Sites
come with structures, so that nothing is folded. What writes into a run works on a copy.
"""

import os

import filelock
import pytest

from deeprke_tf import export, train
from tests.support.small_runs import (
    ENSEMBLE,
    JOINT,
    RUN,
    SEQUENCE_RUN,
    make_data,
    make_sites,
    write_table,
)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Makes a directory unless another process of this test run has made it."""
    common = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        common = common.parent

    def make_once(name, make):
        with filelock.FileLock(common / f"{name}.lock"):
            if not (common / name).exists():
                # Aside, so that what fails is not taken for made.
                aside = tmp_path_factory.mktemp("aside") / name
                make(aside)
                aside.rename(common / name)
        return common / name

    return make_once


@pytest.fixture(scope="session")
def sites_files(made_once):
    """Directory with train.tsv, 180 sites, and test.tsv, 40."""

    def write(directory):
        directory.mkdir()
        write_table(directory / "train.tsv", make_sites(180, seed=1))
        write_table(directory / "test.tsv", make_sites(40, seed=2))

    return made_once("sites", write)


@pytest.fixture(scope="session")
def data(sites_files, made_once):
    """Records of 180 sites, a fifth of them for validation, and of 40 for the test."""
    flags = (
        *("--sites", sites_files / "train.tsv"),
        *("--test-sites", sites_files / "test.tsv"),
        *("--validation-fraction", "0.2", "--sites-per-shard", "100"),
    )
    return made_once("data", lambda directory: make_data(directory, *flags))


@pytest.fixture(scope="session")
def trained_once(data, made_once):
    """Trains a run of a name, by its flags."""

    def make(name, flags):
        def train_it(out):
            assert train.main(["--data", str(data), "--out", str(out), *flags]) == 0

        return made_once(name, train_it)

    return make


@pytest.fixture(scope="session")
def run(trained_once):
    """A finished run of three epochs that reads both views and counts k-mers."""
    return trained_once("run", RUN)


@pytest.fixture(scope="session")
def sequence_run(trained_once):
    """A finished run of two epochs, without BiLSTM, that reads the sequence alone."""
    return trained_once("sequence_run", SEQUENCE_RUN)


@pytest.fixture(scope="session")
def ensemble(trained_once):
    """An ensemble of two finished runs, of seeds 7 and 8, that read the sequence."""
    return trained_once("ensemble", ENSEMBLE)


@pytest.fixture(scope="session")
def joint_data(made_once):
    """Directory of the datasets of two RBPs, A and B, without structure."""

    def write(directory):
        directory.mkdir()
        for seed, name in enumerate("AB"):
            for split, n_sites in (("train", 120 + 30 * seed), ("test", 40)):
                sites = make_sites(n_sites, seed=10 * seed + len(split))
                write_table(directory / f"{name}-{split}.tsv", sites)
            flags = (
                *("--sites", directory / f"{name}-train.tsv", "--no-structure"),
                *("--test-sites", directory / f"{name}-test.tsv"),
                *("--validation-fraction", "0.2"),
            )
            make_data(directory / name, *flags)

    return made_once("joint_data", write)


@pytest.fixture(scope="session")
def joint_run(joint_data, made_once):
    """A joint run of the RBPs A and B, of two epochs."""

    def train_it(out):
        flags = ["--data", str(joint_data / "A"), str(joint_data / "B"), *JOINT]
        assert train.main([*flags, "--out", str(out)]) == 0

    return made_once("joint_run", train_it)


@pytest.fixture(scope="session")
def exported_once(made_once):
    """Exports a run as the first version of QKI; to be read alone."""

    def make(name, run):
        def export_it(directory):
            flags = ["--model", str(run), "--out", str(directory / "QKI")]
            assert export.main(flags) == 0

        return made_once(name, export_it) / "QKI"

    return make


@pytest.fixture(scope="session")
def exported_run(run, exported_once):
    """The exported run that reads both views."""
    return exported_once("exported_run", run)


@pytest.fixture(scope="session")
def exported_ensemble(ensemble, exported_once):
    """The exported ensemble."""
    return exported_once("exported_ensemble", ensemble)
