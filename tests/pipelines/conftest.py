"""A table of sites, and a place for the dataset."""

import pytest

from tests.support.preprocessing import random_sequences, unfolded, write_table


@pytest.fixture
def table(tmp_path):
    """30 bound and 60 background sites."""
    return write_table(
        tmp_path / "table.tsv",
        unfolded(random_sequences(30, 12, seed=1), 1)
        + unfolded(random_sequences(60, 12, seed=2), 0),
    )


@pytest.fixture
def out(tmp_path):
    return tmp_path / "dataset"
