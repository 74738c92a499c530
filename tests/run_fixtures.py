"""A small dataset and short runs on it, made once for all tests that read them.

A test module asks for them by `pytest_plugins = ["tests.run_fixtures"]`. Sites come
with structures, so that nothing is folded. What writes into a run works on a copy.
"""

import pytest

from deeprke_tf import train
from tests.small_runs import FOUR_EPOCHS, ONE_EPOCH, make_data, make_sites, write_table


@pytest.fixture(scope="session")
def sites_files(tmp_path_factory):
    """Directory with train.tsv, 180 sites, and test.tsv, 40."""
    directory = tmp_path_factory.mktemp("sites")
    write_table(directory / "train.tsv", make_sites(180, seed=1))
    write_table(directory / "test.tsv", make_sites(40, seed=2))
    return directory


@pytest.fixture(scope="session")
def data(sites_files):
    """Records: 144 training sites in two shards, 36 for validation, 40 for the test."""
    return make_data(
        sites_files / "data",
        *("--sites", sites_files / "train.tsv"),
        *("--test-sites", sites_files / "test.tsv"),
        *("--validation-fraction", "0.2", "--sites-per-shard", "100"),
    )


@pytest.fixture(scope="session")
def run(data, tmp_path_factory):
    """A finished run of four epochs that reads both views."""
    out = tmp_path_factory.mktemp("runs") / "run"
    flags = ["--data", str(data), "--out", str(out)]
    assert train.main([*flags, *FOUR_EPOCHS]) == 0
    return out


@pytest.fixture(scope="session")
def sequence_run(data, tmp_path_factory):
    """A finished run of one epoch that reads the sequence alone."""
    out = tmp_path_factory.mktemp("runs") / "sequence_run"
    flags = ["--data", str(data), "--out", str(out), "--preset", "no-structure"]
    assert train.main([*flags, *ONE_EPOCH]) == 0
    return out
