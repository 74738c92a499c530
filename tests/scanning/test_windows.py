import numpy as np
import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.scanning.windows import Tiling, call_sites, profile


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (1, [(0, 1)]),
        (9, [(0, 9)]),
        (10, [(0, 10)]),
        (11, [(0, 10), (1, 11)]),
        (14, [(0, 10), (4, 14)]),
        (15, [(0, 10), (4, 14), (5, 15)]),
        (18, [(0, 10), (4, 14), (8, 18)]),
    ],
)
def test_the_last_window_lies_at_the_3_prime_end(length, expected):
    starts, ends = Tiling(window=10, stride=4).place(length)
    assert list(zip(starts, ends, strict=True)) == expected


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (7, 7), (10, 3), (10, 1)])
def test_windows_ascend_and_cover_every_position(window, stride):
    for length in range(1, 60):
        starts, ends = Tiling(window, stride).place(length)
        assert np.all(np.diff(starts) > 0) and np.all(np.diff(starts) <= stride)
        assert np.all(ends - starts == min(window, length))
        assert (starts[0], ends[-1]) == (0, length)


@pytest.mark.parametrize("stride", [0, 11])
def test_a_stride_that_would_leave_gaps_is_refused(stride):
    with pytest.raises(
        UserError, match="stride must be between 1 and the window of 10"
    ):
        Tiling(window=10, stride=stride)


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ([0.1, 0.1, 0.1, 0.1, 0.1], []),
        ([0.5, 0.1, 0.1, 0.1, 0.1], [(0, 10, 5, 1)]),
        ([0.5, 0.6, 0.1, 0.1, 0.1], [(0, 15, 10, 2)]),
        # The second window is not called; the third touches the first but for overlap.
        ([0.5, 0.1, 0.5, 0.1, 0.1], [(0, 10, 5, 1), (10, 20, 15, 1)]),
        ([0.5, 0.9, 0.9, 0.1, 0.7], [(0, 20, 10, 3), (20, 30, 25, 1)]),
        ([np.nan, 0.9, np.nan, 0.9, 0.5], [(5, 15, 10, 1), (15, 30, 20, 2)]),
    ],
)
def test_called_windows_are_merged_where_they_overlap(probabilities, expected):
    starts = np.array([0, 5, 10, 15, 20])
    sites = call_sites(starts, starts + 10, np.array(probabilities), 0.5)
    assert [(s.start, s.end, s.summit, s.n_windows) for s in sites] == expected


def test_a_site_has_the_highest_probability_of_its_windows():
    starts = np.arange(3)
    (site,) = call_sites(starts, starts + 5, np.array([0.6, 0.8, 0.7]), 0.5)
    assert site.probability == 0.8


@pytest.mark.parametrize("length", [3, 10, 24, 57])
def test_the_profile_is_the_highest_of_the_windows_over_each_position(length):
    rng = np.random.default_rng(length)
    starts, ends = Tiling(window=10, stride=3).place(length)
    probabilities = rng.random(len(starts))
    probabilities[rng.random(len(starts)) < 0.3] = np.nan
    expected = np.full(length, np.nan)
    for position in range(length):
        over = probabilities[(starts <= position) & (position < ends)]
        if not np.all(np.isnan(over)):
            expected[position] = np.nanmax(over)
    found = np.full(length, np.nan)
    for start, end, value in zip(*profile(starts, ends, probabilities), strict=True):
        assert np.all(np.isnan(found[start:end])), "intervals overlap"
        found[start:end] = value
    np.testing.assert_array_equal(found, expected)


def test_the_profile_reaches_the_threshold_exactly_on_called_sites():
    starts, ends = Tiling(window=10, stride=4).place(500)
    probabilities = np.random.default_rng(1).random(len(starts))
    called, reaching = np.zeros(500, bool), np.zeros(500, bool)
    for site in call_sites(starts, ends, probabilities, 0.8):
        called[site.start : site.end] = True
    for start, end, value in zip(*profile(starts, ends, probabilities), strict=True):
        reaching[start:end] = value >= 0.8
    np.testing.assert_array_equal(called, reaching)


def test_a_profile_of_unknown_windows_is_empty():
    starts, ends = Tiling(window=10, stride=5).place(20)
    assert [len(a) for a in profile(starts, ends, np.full(3, np.nan))] == [0, 0, 0]
