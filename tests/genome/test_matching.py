import numpy as np
import pytest

from deeprke_tf.genome.matching import Covariates, match

REGIONS = np.array(["3'UTR", "CDS", "intron"])


def sites(n, seed, gc, region=(1, 1, 1), length=101):
    rng = np.random.default_rng(seed)
    weights = np.array(region) / sum(region)
    return Covariates(
        rng.choice(REGIONS, n, p=weights),
        np.clip(rng.normal(gc, 0.1, n), 0, 1),
        np.broadcast_to(length, n),
    )


def test_matched_windows_have_the_regions_and_the_gc_of_the_bound_sites():
    bound, pool = sites(500, 1, 0.55, (3, 1, 1)), sites(20_000, 2, 0.45, (1, 1, 9))
    pairs = match(bound, pool, np.full(500, 2), np.random.default_rng(3))
    assert len(pairs.bound) > 950
    assert (bound.region[pairs.bound] == pool.region[pairs.background]).all()
    difference = pool.gc[pairs.background] - bound.gc[pairs.bound]
    assert np.abs(difference).max() < 0.06
    assert abs(difference.mean()) < 0.002


def test_no_window_is_drawn_twice_and_none_beyond_what_is_wanted():
    bound, pool = sites(200, 1, 0.5), sites(150, 2, 0.5)
    wanted = np.arange(200) % 4
    pairs = match(bound, pool, wanted, np.random.default_rng(3))
    assert len(np.unique(pairs.background)) == len(pairs.background)
    assert (np.bincount(pairs.bound, minlength=200) <= wanted).all()


def test_every_site_gets_a_first_window_before_any_gets_a_second():
    bound = Covariates(np.full(10, "CDS"), np.full(10, 0.5), np.full(10, 101))
    pool = Covariates(np.full(14, "CDS"), np.full(14, 0.5), np.full(14, 101))
    pairs = match(bound, pool, np.full(10, 3), np.random.default_rng(3))
    assert sorted(np.bincount(pairs.bound)) == [1] * 6 + [2] * 4


def test_a_site_without_a_like_window_stays_alone():
    bound = Covariates(np.array(["CDS"] * 3), np.full(3, 0.5), np.array([50, 100, 200]))
    for gc, length, region, expected in (
        (0.5, 108, "CDS", [1]),
        (0.5, 160, "CDS", []),
        (0.545, 100, "CDS", [1]),
        (0.57, 100, "CDS", []),
        (0.5, 100, "intron", []),
    ):
        one = Covariates(np.array([region]), np.array([gc]), np.array([length]))
        pairs = match(bound, one, np.full(3, 1), np.random.default_rng(3))
        assert pairs.bound.tolist() == expected


def test_the_own_stratum_comes_before_its_neighbors():
    bound = Covariates(np.array(["CDS"]), np.array([0.51]), np.array([100]))
    gc = np.array([0.53, 0.49, 0.505, 0.55])
    pool = Covariates(np.full(4, "CDS"), gc, np.full(4, 100))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        assert match(bound, pool, np.array([1]), rng).background.tolist() == [2]
        assert len(match(bound, pool, np.array([4]), rng, reach=0).bound) == 1


@pytest.mark.parametrize("gc", [0.0, 1.0])
def test_the_highest_gc_never_meets_the_lowest(gc):
    bound = Covariates(np.array(["CDS"]), np.array([gc]), np.array([100]))
    pool = Covariates(
        np.repeat(REGIONS, 2), np.tile([1 - gc, 1 - gc], 3), np.full(6, 100)
    )
    pairs = match(bound, pool, np.array([1]), np.random.default_rng(1))
    assert not len(pairs.bound)


def test_the_seed_alone_decides():
    bound, pool = sites(300, 1, 0.55), sites(3000, 2, 0.45)
    drawn = [
        match(bound, pool, np.full(300, 2), np.random.default_rng(seed)).background
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_nothing_to_draw_from_is_no_error():
    bound, pool = sites(3, 1, 0.5), sites(0, 2, 0.5)
    assert not len(match(bound, pool, np.full(3, 1), np.random.default_rng(1)).bound)
