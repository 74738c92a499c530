"""Validation split off by groups of overlapping sites, through the command."""

import collections

import pytest

from tests.pipelines.test_preprocess import (
    counts_of,
    error_of,
    random_sequences,
    records_of,
    run,
    unfolded,
    write_table,
)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "dataset"


@pytest.fixture
def short(tmp_path):
    """60 sites too short to overlap by so much."""
    rows = unfolded(random_sequences(30, 12, seed=1), 1)
    rows += unfolded(random_sequences(30, 12, seed=2), 0)
    return write_table(tmp_path / "short.tsv", rows)


def windows(n_regions, n_windows=3, step=29, label=0, seed=1):
    """Rows of windows of 101 nt, each after the last one of its region by a step."""
    regions = random_sequences(n_regions, 101 + step * (n_windows - 1), seed)
    return [
        (f"{label}-{i}", letters[start : start + 101], label, "." * 101)
        for i, letters in enumerate(regions)
        for start in range(0, step * n_windows, step)
    ]


def regions_of(dataset, split):
    return collections.Counter(name for name, *_ in records_of(dataset, split))


@pytest.mark.parametrize(("step", "together"), [(29, True), (63, True), (71, False)])
def test_windows_that_overlap_stay_together_where_asked_for(
    tmp_path, out, step, together
):
    # By steps of 63 neighbors share 38 letters, and the first and the last none; by
    # steps of 71 neighbors share 30.
    rows = windows(40, step=step, label=0, seed=1) + windows(20, step=step, label=1)
    sites = write_table(tmp_path / "sites.tsv", rows)
    flags = ("--sites", sites, "--validation-fraction", 0.15)
    run(*flags, "--out", out, "--validation-groups", "overlap")
    n_sites, n_bound = counts_of(out)["validation"]
    assert (n_sites, n_bound) == pytest.approx((27, 9), abs=15)
    whole = regions_of(out, "validation")
    if together:
        assert set(whole.values()) == {3}
        run(*flags, "--out", tmp_path / "by-sequence")
        assert set(regions_of(tmp_path / "by-sequence", "validation").values()) != {3}
    else:
        assert set(whole.values()) != {3}


def test_where_nothing_overlaps_the_groups_change_nothing(short, out, tmp_path):
    rows = windows(20, n_windows=1, label=0) + windows(20, n_windows=1, label=1, seed=2)
    for sites in (short, write_table(tmp_path / "sites.tsv", rows)):
        run("--sites", sites, "--out", out, "--overwrite")
        groups = ("--validation-groups", "overlap", "--overwrite")
        run("--sites", sites, "--out", tmp_path / "groups", *groups)
        for split in ("train", "validation"):
            ours, theirs = (records_of(d, split) for d in (out, tmp_path / "groups"))
            assert ours == theirs


def test_large_groups_are_as_often_in_validation_as_small_ones(tmp_path, out):
    rows = windows(30, n_windows=10, seed=1) + windows(300, n_windows=1, seed=2)
    rows += windows(60, n_windows=1, label=1, seed=3)
    sites = write_table(tmp_path / "sites.tsv", rows)
    shares = []
    for seed in range(5):
        flags = ("--validation-groups", "overlap", "--validation-fraction", "0.2")
        run("--sites", sites, "--out", out, "--overwrite", *flags, "--seed", seed)
        background = {
            name: n
            for name, n in regions_of(out, "validation").items()
            if name.startswith("0-")
        }
        # A region and a window alone may have one name.
        n_of_large = sum(n >= 10 for n in background.values()) * 10
        shares.append(n_of_large / sum(background.values()))
    # By the smallest hash of each they would be nine tenths.
    assert sum(shares) / len(shares) == pytest.approx(0.5, abs=0.15)


def test_a_group_that_is_too_large_stays_in_training(tmp_path, out):
    # Of a repeat, say: 30 of 50 background windows.
    rows = windows(1, n_windows=30) + windows(20, n_windows=1, seed=2)
    rows += windows(50, n_windows=1, label=1, seed=3)
    sites = write_table(tmp_path / "sites.tsv", rows)
    run("--sites", sites, "--out", out, "--validation-groups", "overlap")
    n_sites, n_bound = counts_of(out)["validation"]
    assert 0 < n_sites - n_bound < 10
    assert max(regions_of(out, "train").values()) >= 30


def test_a_class_that_overlaps_as_a_whole_cannot_be_split(tmp_path, out, capsys):
    rows = windows(1, n_windows=30) + windows(30, n_windows=1, label=1, seed=2)
    sites = write_table(tmp_path / "sites.tsv", rows)
    flags = ("--sites", sites, "--out", out, "--validation-groups", "overlap")
    assert " bound and 0 background validation sites" in error_of(capsys, *flags)


def test_groups_are_for_the_local_runner(short, out, capsys):
    flags = ("--sites", short, "--out", out, "--validation-groups", "overlap")
    error = error_of(capsys, *flags, "--runner", "DirectRunner")
    assert "--validation-groups overlap needs to see all sites at once" in error
